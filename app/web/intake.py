"""① POST from machines: a small ASGI handler in front of FastAPI, because these requests are many and small.

    POST /v1/intake/{routing_key}/{source}     the key in the path
    POST /v1/intake/{source}                   the key as Bearer token or basic-auth password
    POST [/v1/intake/{routing_key}]/api/v2/alerts   as Alertmanager, for Prometheus (source `prometheus`)

What is answered is behaviour.md 1: 2xx only after the commit; every authenticated request has a receipt.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import metrics
from app.db.engine import dumps
from app.ingest.adapters import ADAPTERS
from app.ingest.commands import counted
from app.ingest.entrances import Entrances
from app.ingest.group_commit import Unavailable
from app.ingest.lanes import Lanes
from app.ingest.requests import Answer, Door, Request
from app.web.intake_body import MIB, Gone, Receive, Refused, read_within

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LIMITS = {"alertmanager": 8 * MIB, "prometheus": 8 * MIB}
LIMIT = 1 * MIB
RETRY_AFTER_S = 5
READ_WITHIN_S = 30.0

_PATH = re.compile(r"/v1/intake/(?:(?P<key>[^/]{1,200})/)?(?P<source>[a-z]+)/?")
_PROMETHEUS = re.compile(r"(?:/v1/intake/(?P<key>[^/]{1,200}))?/api/v[12]/alerts/?")

log = structlog.get_logger()


class Intake:
    """Answers intake paths itself and hands everything else on."""

    def __init__(self, behind: App, entrances: Entrances, commits: Lanes) -> None:
        self._behind = behind
        self._entrances = entrances
        self._commits = commits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = _route(scope) if scope["type"] == "http" else None
        if route is None:
            await self._behind(scope, receive, send)
            return
        source, key = route
        try:
            status = await self._take(scope, receive, send, source, key)
        except Refused as e:
            status = e.status
            await _refuse(send, e)
        except Gone:
            return
        metrics.intake_request(source if source in ADAPTERS else "unknown", status)

    async def _take(self, scope: Scope, receive: Receive, send: Send, source: str, key: str | None) -> int:
        if scope["method"] != "POST":
            raise Refused(405, "method_not_allowed", "alerts are sent with POST", Allow="POST")
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        door = await self._door(key, headers)
        try:
            _may_enter(door, source)
            body = await read_within(READ_WITHIN_S, receive, headers, LIMITS.get(source, LIMIT))
        except Refused as e:
            answer = await self._put(Request(door, e.kept, headers, (e.status, e.detail)))
            e.receipt = str(answer.receipt_id)
            raise
        answer = await self._put(Request(door, body, headers))
        outcomes = counted(answer.outcomes)
        for outcome, count in outcomes.items():
            metrics.events(source, outcome, count)
        return await _answer(send, source, answer, outcomes)

    async def _door(self, key: str | None, headers: dict[str, str]) -> Door:
        given = key or credential(headers.get("authorization", ""))
        if not given:
            raise Refused(401, "unauthenticated", "a routing key is needed", WWW_Authenticate='Bearer realm="tocsin"')
        try:
            door = await self._entrances.find(given)
        except (SQLAlchemyError, OSError) as e:
            raise _unavailable() from e
        if door is None:
            raise Refused(401, "unauthenticated", "this routing key is not known", WWW_Authenticate="Bearer")
        return door

    async def _put(self, request: Request) -> Answer:
        try:
            return await self._commits.put(request)
        except Unavailable as e:
            log.warning("intake_unavailable", error=str(e))
            raise _unavailable() from e


def _may_enter(door: Door, source: str) -> None:
    if source not in ADAPTERS:
        raise Refused(404, "not_found", f"there is no source {source[:40]!r}; known are {', '.join(sorted(ADAPTERS))}")
    if door.entrance.source != source:
        raise Refused(403, "wrong_source", f"this routing key is for the source {door.entrance.source}")
    if not door.enabled:
        raise Refused(403, "disabled", f"the integration {door.key} is disabled")


def _route(scope: Scope) -> tuple[str, str | None] | None:
    """(source, routing key) of an intake path. The key is never part of what is logged."""
    path: str = scope["path"]
    if path.startswith("/v1/intake/"):
        if m := _PROMETHEUS.fullmatch(path):
            # what else Alertmanager answers there is no intake: web/dropin/alertmanager.py
            return ("prometheus", m["key"]) if scope["method"] == "POST" else None
        if m := _PATH.fullmatch(path):
            return m["source"], m["key"]
        return None
    if _PROMETHEUS.fullmatch(path) and scope["method"] == "POST":
        return "prometheus", None
    return None


def credential(authorization: str) -> str | None:
    """The token of Bearer, or the password of basic auth (senders that only know the latter)."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
        except ValueError:  # no base64, no ASCII, or no UTF-8 inside
            return None
    return None


def _unavailable() -> Refused:
    return Refused(
        503, "unavailable", "the alerts cannot be stored now; send them again", Retry_After=str(RETRY_AFTER_S)
    )


async def _answer(send: Send, source: str, answer: Answer, outcomes: dict[str, int]) -> int:
    """Exactly what Prometheus and Alertmanager expect of their own API; elsewhere small JSON with the receipt."""
    receipt = {"Tocsin-Receipt": str(answer.receipt_id)}
    if source == "prometheus":
        unparsed = {"code": answer.status, "message": f'parsing alerts body from "" failed, because {answer.error}'}
        complaint = unparsed if answer.error else "; ".join(answer.refused)
        refused = answer.status >= 400
        await _respond(send, answer.status, dumps(complaint).encode() if refused else b"", receipt)
        return answer.status
    if answer.status >= 400:
        refusal = Refused(answer.status, "unparsable", answer.error or "")
        refusal.receipt = receipt["Tocsin-Receipt"]
        await _refuse(send, refusal)
        return answer.status
    body: dict[str, Any] = {"receipt": receipt["Tocsin-Receipt"], "status": answer.status, "events": outcomes}
    if answer.error:
        body["detail"] = answer.error
    if answer.refused:
        body["refused"] = list(answer.refused)[:10]
    await _respond(send, answer.status, dumps(body).encode(), receipt)
    return answer.status


async def _refuse(send: Send, e: Refused) -> None:
    title = e.code.replace("_", " ").capitalize()
    body = {"type": f"/problems/{e.code}", "title": title, "status": e.status, "code": e.code, "detail": e.detail}
    headers = dict(e.headers)
    if e.receipt is not None:
        body["receipt"] = headers["Tocsin-Receipt"] = e.receipt
    await _respond(send, e.status, dumps(body).encode(), headers, "application/problem+json")


async def _respond(
    send: Send, status: int, body: bytes, headers: dict[str, str], media: str = "application/json"
) -> None:
    raw = [(b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    if body:
        raw.append((b"content-type", media.encode()))
    raw += [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})
