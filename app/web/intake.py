"""① POST from machines: a small ASGI handler in front of FastAPI, because these requests are many and small.

    POST /v1/intake/{routing_key}/{source}     the key in the path
    POST /v1/intake/{source}                   the key as Bearer token or basic-auth password
    POST [/v1/intake/{routing_key}]/api/v2/alerts   as Alertmanager, for Prometheus (source `prometheus`)
    [/v1/intake/{routing_key}]/v2/...          as PagerDuty and Opsgenie (web/dropin)

What is answered is behaviour.md 1: 2xx only after the commit; every authenticated request has a receipt.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from app import metrics
from app.db.engine import dumps
from app.ingest.adapters import ADAPTERS
from app.ingest.commands import counted
from app.ingest.requests import Answer
from app.web.dropin import Call, DropIn
from app.web.intake_body import Gone, Receive, Refused
from app.web.intake_desk import LIMIT, LIMITS, Desk, Scope, Send, credential, headers_of, problem, respond

App = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = {"grafana": ("POST", "PUT")}
_CODES = {401: "no_signature", 403: "wrong_signature"}
"""Of what was refused after it had been read."""
_PATH = re.compile(r"/v1/intake/(?:(?P<key>[^/]{1,200})/)?(?P<source>[a-z]+)/?")
_PROMETHEUS = re.compile(r"(?:/v1/intake/(?P<key>[^/]{1,200}))?/api/v[12]/alerts/?")
_DROP_IN = re.compile(r"(?:/v1/intake/(?P<key>[^/]{1,200}))?(?P<path>/v2/.+)", re.DOTALL)


class Intake:
    """Answers intake paths itself and hands everything else on."""

    def __init__(self, behind: App, desk: Desk, dropins: Sequence[DropIn] = ()) -> None:
        self._behind = behind
        self._desk = desk
        self._dropins = dropins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = scope["type"] == "http"
        route = _route(scope) if http else None
        if route is None:
            if not (http and await self._drop_in(scope, receive, send)):
                await self._behind(scope, receive, send)
            return
        source, key = route
        try:
            status = await self._take(scope, receive, send, source, key)
        except Refused as e:
            status = e.status
            await problem(send, e)
        except Gone:
            return
        metrics.intake_request(source if source in ADAPTERS else "unknown", status)

    async def _take(self, scope: Scope, receive: Receive, send: Send, source: str, key: str | None) -> int:
        headers = headers_of(scope)
        asks = scope["method"] == "OPTIONS" and source == "generic" and "webhook-request-origin" in headers
        if scope["method"] not in _METHODS.get(source, ("POST",)) and not asks:
            raise Refused(405, "method_not_allowed", "alerts are sent with POST", Allow="POST")
        door = await self._desk.door(key or credential(headers.get("authorization", "")))
        if asks:
            await self._desk.admit(door, source, headers)
            return await _allow(send, headers["webhook-request-origin"])
        body = await self._desk.read(door, source, headers, receive, LIMITS.get(source, LIMIT))
        return await _answer(send, source, await self._desk.take(door, source, body, headers))

    async def _drop_in(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether one of the vendors' doors has answered it."""
        path: str = scope["path"]
        if not path.startswith(("/v2/", "/v1/intake/")) or (found := _DROP_IN.fullmatch(path)) is None:
            return False
        for dropin in self._dropins:
            if dropin.knows(found["path"]):
                headers = headers_of(scope)
                call = Call(scope["method"], _undecoded(scope, found["path"]), found["key"], headers, scope, receive)
                try:
                    status = await dropin.answer(call, send)
                except Gone:
                    return True
                metrics.intake_request(dropin.source, status)
                return True
        return False


def _undecoded(scope: Scope, path: str) -> str:
    """The path from `/v2/` on as it was sent: what is named in it may hold slashes, percent-encoded."""
    raw: bytes = scope.get("raw_path") or b""
    start = raw.find(b"/v2/")
    return raw[start:].decode("latin-1") if start >= 0 else path


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


async def _answer(send: Send, source: str, answer: Answer) -> int:
    """Exactly what Prometheus and Alertmanager expect of their own API; elsewhere small JSON with the receipt."""
    receipt = {"Tocsin-Receipt": str(answer.receipt_id)}
    if source == "prometheus":
        unparsed = {"code": answer.status, "message": f'parsing alerts body from "" failed, because {answer.error}'}
        complaint = unparsed if answer.error else "; ".join(answer.refused)
        refused = answer.status >= 400
        await respond(send, answer.status, dumps(complaint).encode() if refused else b"", receipt)
        return answer.status
    if answer.status >= 400:
        refusal = Refused(answer.status, _CODES.get(answer.status, "unparsable"), answer.error or "")
        refusal.receipt = receipt["Tocsin-Receipt"]
        await problem(send, refusal)
        return answer.status
    outcomes = counted(answer.outcomes)
    body: dict[str, Any] = {"receipt": receipt["Tocsin-Receipt"], "status": answer.status, "events": outcomes}
    if answer.error:
        body["detail"] = answer.error
    if answer.refused:
        body["refused"] = list(answer.refused)[:10]
    await respond(send, answer.status, dumps(body).encode(), receipt)
    return answer.status


async def _allow(send: Send, origin: str) -> int:
    """CloudEvents' webhook validation: whoever has the routing key may send (cloudevents/spec http-webhook, 4)."""
    shown = origin if origin.isascii() and origin.isprintable() else "*"
    await respond(send, 200, b"", {"WebHook-Allowed-Origin": shown[:500], "WebHook-Allowed-Rate": "*"})
    return 200
