"""PagerDuty's Events API v2.

    POST /v2/enqueue           an alert event: trigger, acknowledge, resolve
    POST /v2/change/enqueue    a change event

The routing key is in the prefix, in `X-Routing-Key`, in `Authorization`, or in the body as `routing_key`; the first of
these counts. Answers are the API's own, except that there is no 429 and that an unknown key is 401.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.ingest import change_store
from app.ingest.adapters import pagerduty
from app.ingest.adapters.wire import decode
from app.ingest.event import Unparsable
from app.ingest.requests import Answer, Door, Request
from app.web.dropin import Call
from app.web.intake_body import Refused, read_within
from app.web.intake_desk import READ_WITHIN_S, Aside, Desk, Send, credential, respond

LIMIT = 512 * 1024
"""bytes, as the API documents it"""

_PATH = re.compile(r"/v2/(change/)?enqueue/?")
_INVALID = "Event object is invalid"
_SECRET = re.compile(rb'("routing_key"\s*:\s*)"(?:[^"\\]|\\.)*"')


class PagerDuty:
    """One per process."""

    source = "pagerduty"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def knows(self, path: str) -> bool:
        return _PATH.fullmatch(path) is not None

    async def answer(self, call: Call, send: Send) -> int:
        try:
            return await self._take(call, send)
        except Refused as e:
            return await _refused(send, e)

    async def _take(self, call: Call, send: Send) -> int:
        if call.method != "POST":
            raise Refused(405, "method_not_allowed", "events are sent with POST", Allow="POST")
        door, sent = await self._opened(call)
        body = _SECRET.sub(rb'\1"[hidden]"', sent)  # what is kept of a request is shown to people, the key is not
        message = _message(body)
        if call.path.startswith("/v2/change/"):
            headers = call.headers | {":action": "change"}
            return await _changed(send, message, await self._desk.aside(door, body, headers, _keep(body)))
        key = pagerduty.dedup_key_of(message or {}) or uuid4().hex
        headers = call.headers | {":action": "alert", ":request": key}
        return await _processed(send, message, key, await self._desk.take(door, self.source, body, headers))

    async def _opened(self, call: Call) -> tuple[Door, bytes]:
        """Whose request it is, and its body. Who is named in the body alone is known only when it has been read."""
        headers = call.headers
        key = call.key or headers.get("x-routing-key") or credential(headers.get("authorization", ""))
        if key:
            door = await self._desk.door(key)
            return door, await self._desk.read(door, self.source, headers, call.receive, LIMIT)
        body = await read_within(READ_WITHIN_S, call.receive, headers, LIMIT)
        message = _message(body)
        if message is None:
            raise Refused(400, "unrecognized", "JSON parse error")
        told = message.get("routing_key")
        if type(told) is not str or not told.strip():
            raise Refused(400, "invalid", "'routing_key' is missing or blank")
        door = await self._desk.door(told)
        await self._desk.admit(door, self.source, headers)
        return door, body


def _message(body: bytes) -> dict[str, Any] | None:
    """None for what is no event object at all."""
    try:
        message = decode(body)
    except Unparsable:
        return None
    return message if type(message) is dict else None


def _keep(body: bytes) -> Aside:
    async def work(conn: AsyncConnection, now: datetime, request: Request) -> Sequence[Sequence[Any]]:
        await change_store.keep(conn, now, request, pagerduty.change(body, now))
        return [[0, "change", None]]

    return work


async def _processed(send: Send, message: Mapping[str, Any] | None, key: str, answer: Answer) -> int:
    if answer.status >= 400:
        return await _invalid(send, message, answer)
    said = {"status": "success", "message": "Event processed", "dedup_key": key}
    return await _say(send, answer.status, said, str(answer.receipt_id))


async def _changed(send: Send, message: Mapping[str, Any] | None, answer: Answer) -> int:
    if answer.status >= 400:
        return await _invalid(send, message, answer)
    said = {"status": "success", "message": "Change event processed"}
    return await _say(send, answer.status, said, str(answer.receipt_id))


async def _invalid(send: Send, message: Mapping[str, Any] | None, answer: Answer) -> int:
    receipt = str(answer.receipt_id)
    if message is None:
        return await _say(send, answer.status, _unrecognized(answer.error or ""), receipt)
    said = {"status": "invalid event", "message": _INVALID, "errors": (answer.error or "").splitlines()}
    return await _say(send, answer.status, said, receipt)


def _unrecognized(why: str) -> dict[str, Any]:
    return {"status": "Unrecognized object", "message": "Event object format is unrecognized", "errors": [why]}


async def _refused(send: Send, e: Refused) -> int:
    """The API has one shape for whatever is wrong."""
    said: dict[str, Any] = {"status": "invalid event", "message": _INVALID, "errors": [e.detail]}
    if e.code in ("unrecognized", "unparsable"):
        said = _unrecognized(e.detail)
    elif e.status in (401, 403):
        said |= {"status": "invalid key", "message": "Invalid routing key"}
    elif e.status == 503:
        said |= {"status": "unavailable", "message": "The event cannot be stored now"}
    return await _say(send, e.status, said, e.receipt, e.headers)


async def _say(
    send: Send, status: int, said: Mapping[str, Any], receipt: str | None, headers: Mapping[str, str] | None = None
) -> int:
    given = dict(headers or {})
    if receipt is not None:
        given["Tocsin-Receipt"] = receipt
    await respond(send, status, dumps(said).encode(), given)
    return status
