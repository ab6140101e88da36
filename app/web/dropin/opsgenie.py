"""Opsgenie's Alert API v2, and the ping of its Heartbeat API.

    POST /v2/alerts                                           create
    POST /v2/alerts/{identifier}/close|acknowledge|notes      by `identifierType` alias, or id (tiny is the same)
    PUT  /v2/alerts/{identifier}/message|description          other words for it
    GET  /v2/alerts/requests/{requestId}                      what became of a request: its id is our receipt's
    GET, PUT, PATCH, POST /v2/heartbeats/{name}/ping

`Authorization: GenieKey <routing key>`, or as every other door. Answers are the API's own, except that there is no 429.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs, unquote
from uuid import UUID, uuid4

from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.alerts import words_store
from app.db.engine import dumps, transaction
from app.ingest.requests import Answer, Door
from app.web.dropin import Call
from app.web.dropin.heartbeat_ping import Heartbeats
from app.web.dropin.opsgenie_requests import add_note, request_status, reword
from app.web.intake_body import Refused
from app.web.intake_desk import LIMIT, Desk, Send, credential, respond, unavailable

_ALERTS = re.compile(r"/v2/(alerts|heartbeats)(/.*)?", re.DOTALL)
_ACTION = re.compile(r"/v2/alerts/(?P<identifier>[^/]+)/(?P<action>close|acknowledge|notes|message|description)/?")
_STATUS = re.compile(r"/v2/alerts/requests/(?P<id>[^/]+)/?")
_PING = re.compile(r"/v2/heartbeats/(?P<name>[^/]+)/ping/?")
_PUT: Final = ("message", "description")
_TYPES: Final = ("id", "alias", "tiny")
_MISSING: Final = "Api-Key-or-Authorization header missing"


class Opsgenie:
    """One per process. `heartbeats` knows which heartbeats there are."""

    source = "opsgenie"

    def __init__(self, desk: Desk, heartbeats: Heartbeats) -> None:
        self._desk = desk
        self._heartbeats = heartbeats

    def knows(self, path: str) -> bool:
        return _ALERTS.fullmatch(path) is not None

    async def answer(self, call: Call, send: Send) -> int:
        began = clock.elapsed()
        try:
            status, said, receipt = await self._take(call)
            headers = {}
        except Refused as e:
            status, said, receipt, headers = e.status, _complaint(e), e.receipt, e.headers
        request_id = receipt or str(uuid4())
        said = {**said, "took": round(clock.elapsed() - began, 3), "requestId": request_id}
        headers = {**headers, "X-Request-ID": request_id} | ({"Tocsin-Receipt": receipt} if receipt else {})
        await respond(send, status, dumps(said).encode(), headers)
        return status

    async def _take(self, call: Call) -> tuple[int, dict[str, Any], str | None]:
        """(status, what is said, receipt id). Raises `Refused`."""
        allowed = _methods(call.path)
        if allowed and call.method not in allowed:
            raise Refused(405, "method_not_allowed", f"use {' or '.join(allowed)}", Allow=", ".join(allowed))
        door = await self._desk.door(call.key or credential(call.headers.get("authorization", ""), "geniekey"))
        if found := _STATUS.fullmatch(call.path):
            return await self._status(door, found["id"])
        body = await self._desk.read(door, self.source, call.headers, call.receive, LIMIT)
        if found := _PING.fullmatch(call.path):
            return await self._ping(door, _decoded(found["name"]), call)
        if call.path.rstrip("/") == "/v2/alerts":
            headers = call.headers | {":action": "create", ":request": str(uuid4())}
            return _accepted(await self._desk.take(door, self.source, body, headers))
        if found := _ACTION.fullmatch(call.path):
            return await self._act(
                door, found["action"], await self._alias(door, found["identifier"], call), body, call
            )
        refused = Refused(404, "not_found", "No such operation here; see Tocsin's documentation on sending alerts")
        await self._desk.refuse(door, call.headers, refused)
        raise refused

    async def _act(
        self, door: Door, action: str, alias: str, body: bytes, call: Call
    ) -> tuple[int, dict[str, Any], str | None]:
        headers = call.headers | {":action": action, ":alias": alias}
        if action == "notes":
            return _accepted(await self._desk.aside(door, body, headers, add_note(door, alias, body)))
        if action in _PUT:
            return _accepted(await self._desk.aside(door, body, headers, reword(door, alias, body, action)))
        return _accepted(await self._desk.take(door, self.source, body, headers))

    async def _alias(self, door: Door, identifier: str, call: Call) -> str:
        """The alias of the alert that is meant. What is no alert's id is taken for its alias: of an alert that was
        created without one, both were the same."""
        told = _last(call.scope["query_string"], "identifierType", "id").lower()
        name = _decoded(identifier)
        if told not in _TYPES:
            refused = Refused(422, "invalid", f"identifierType: must be one of {', '.join(_TYPES)}.")
            await self._desk.refuse(door, call.headers, refused)
            raise refused
        if told == "alias" or (alert_id := _uuid(name)) is None:
            return name
        try:
            async with transaction(self._desk.engine) as (conn, _):
                return await words_store.key_of(conn, door.entrance.integration_id, alert_id) or name
        except (SQLAlchemyError, OSError) as e:
            raise unavailable() from e

    async def _status(self, door: Door, request_id: str) -> tuple[int, dict[str, Any], str | None]:
        receipt_id = _uuid(_decoded(request_id))
        try:
            async with transaction(self._desk.engine) as (conn, _):
                data = None if receipt_id is None else await request_status(conn, door, receipt_id)
        except (SQLAlchemyError, OSError) as e:
            raise unavailable() from e
        if data is None:
            raise Refused(404, "not_found", "Request not found. It might not be processed, yet.")
        return 200, {"data": data}, None

    async def _ping(self, door: Door, name: str, call: Call) -> tuple[int, dict[str, Any], str | None]:
        try:
            there = await self._heartbeats.ping(name, door.entrance.integration_id)
        except (SQLAlchemyError, OSError) as e:
            raise unavailable() from e
        if not there:
            refused = Refused(404, "not_found", f"Heartbeat with name [{name[:100]}] not found.")
            await self._desk.refuse(door, call.headers, refused)
            raise refused
        return 202, {"result": "PONG - Heartbeat received"}, None


def _methods(path: str) -> Sequence[str]:
    """Those that a path takes; none for one that there is not."""
    if path.rstrip("/") == "/v2/alerts":
        return ("POST",)
    if found := _ACTION.fullmatch(path):
        return ("PUT",) if found["action"] in _PUT else ("POST",)
    if _PING.fullmatch(path):
        return ("GET", "PUT", "PATCH", "POST")
    return ("GET",) if _STATUS.fullmatch(path) else ()


def _accepted(answer: Answer) -> tuple[int, dict[str, Any], str | None]:
    receipt = str(answer.receipt_id)
    if answer.status < 400:
        return answer.status, {"result": "Request will be processed"}, receipt
    refused = Refused(answer.status, "unparsable" if answer.status == 400 else "invalid", answer.error or "")
    return answer.status, _complaint(refused), receipt


def _complaint(e: Refused) -> dict[str, Any]:
    """As the API complains; with 422 the fields have names."""
    if e.status == 422:
        field, _, why = e.detail.partition(": ")
        said = "Request body is not processable. Please check the errors."
        return {"message": said, "errors": {field: why} if why else {"request": field}}
    if e.status == 401:
        return {"message": _MISSING if "is needed" in e.detail else "Could not authenticate"}
    return {"message": e.detail}


def _last(query: bytes, name: str, otherwise: str) -> str:
    """A parameter's last value; `otherwise` where there is none, or the query cannot be read."""
    try:
        return parse_qs(query.decode("latin-1"), max_num_fields=100).get(name, [otherwise])[-1]
    except ValueError:  # more parameters than anybody sends
        return otherwise


def _decoded(segment: str) -> str:
    """Percent-decoded, without what PostgreSQL cannot store."""
    return unquote(segment, errors="replace").replace("\x00", "\ufffd")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
