"""Receipts, events and quarantine: what is kept of every request, and what people do to what was kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.engine import dumps
from app.errors import Conflict, NotFound
from app.ingest import marking, signatures, store
from app.ingest.adapters import ADAPTERS
from app.ingest.adapters.mapping import safe_headers
from app.ingest.entrances import door_of
from app.ingest.event import Unparsable
from app.ingest.requests import NOTHING, Answer, Request
from app.ingest.store import EventRecord, ReceiptRow

QUARANTINED = "quarantined"
ACCEPTED = 202
_ACCEPTED_BY = {"prometheus": 200}
"""Prometheus asks of Alertmanager's API what that answers: 200, and 400 with the valid alerts stored."""
_KEPT_HEADERS = ("content-encoding", ":action", ":alias", ":request")
"""Beside those that are safe. With a colon: what a drop-in endpoint knows beside the body (web/dropin)."""
_KEPT_BODIES = (400, 422)
_KEPT_HEADER = 500
"""characters"""

READ_CLOSELY = timedelta(seconds=1)
"""How far from the `now` of its transaction a body may have been read: senders' clocks differ by more."""


def open_up(request: Request, now: datetime) -> None:
    """② Wire -> events, and the status that is to be answered. A body that cannot be parsed at all is kept once and
    answered 400."""
    request.receipt_id = ids.new(now)
    if request.read_at is None or abs(now - request.read_at) > READ_CLOSELY:
        read(request, now)


def read(request: Request, at: datetime) -> None:
    """Parses the body as of `at`. May be done ahead of the transaction, while another one is in flight."""
    entrance = request.door.entrance
    request.parsed, request.error, request.status = NOTHING, None, accepted(entrance.source)
    if request.refusal is not None:
        request.status, request.error = request.refusal
        return
    if request.door.signing is not None:
        refused = signatures.refusal(entrance.source, request.door.signing, request.body, request.headers, at)
        if refused is not None:
            request.status, request.error = refused
            return
    try:
        request.parsed = ADAPTERS[entrance.source](request.body, request.headers, entrance, at)
    except Unparsable as e:
        request.error, request.status = str(e), e.status
    if request.test:
        request.parsed = marking.marked(request.parsed, request.receipt_id, at)
    if entrance.source == "prometheus" and request.parsed.refused:
        request.status = 400
    request.read_at = at


def accepted(source: str) -> int:
    """What a sender of this source is answered when its alerts are kept."""
    return _ACCEPTED_BY.get(source, ACCEPTED)


async def keep(
    conn: AsyncConnection,
    requests: Sequence[Request],
    outcomes: Mapping[UUID, list[list[Any]]],
    events: Sequence[EventRecord],
    now: datetime,
) -> list[Answer]:
    """Writes the receipts of a batch, the events that changed something, and what was refused of the bodies."""
    answers, receipts, refused = [], [], []
    for request in requests:
        found = outcomes.get(request.receipt_id, [])
        for r in request.parsed.refused:
            found.append([r.index, QUARANTINED, None])
            body = dumps(r.fragment).encode()
            refused.append(_row(request, "event", r.error, body, now))
        if request.error is not None and request.status in _KEPT_BODIES and (request.body or request.refusal is None):
            refused.append(_row(request, "body", request.error, request.body, now))
        if request.parsed.refused:
            found.sort(key=lambda o: o[0])
        refusals = [r.error for r in request.parsed.refused]
        said = request.error or request.parsed.note
        answers.append(Answer(request.receipt_id, request.status, found, said, refusals))
        told = [f"event {r.index}: {r.error}" for r in request.parsed.refused]
        why = (
            request.error or "; ".join([*told, *([request.parsed.note] if request.parsed.note else [])])[:2000] or None
        )
        receipts.append(_receipt(request, request.status, why, found))
    await store.keep_receipts(conn, receipts, now)
    await store.keep_events(conn, events, now)
    await store.quarantine(conn, refused)
    return answers


async def keep_aside(
    conn: AsyncConnection,
    now: datetime,
    request: Request,
    work: Callable[[AsyncConnection, datetime, Request], Awaitable[Sequence[Sequence[Any]]]],
) -> Answer:
    """What is no event, such as a note or a change: done by `work`, which returns outcomes as in a receipt, or raises
    `Unparsable` before it writes anything."""
    request.receipt_id, request.status = ids.new(now), accepted(request.door.entrance.source)
    outcomes: list[list[Any]] = []
    try:
        outcomes = [list(o) for o in await work(conn, now, request)]
    except Unparsable as e:
        request.error, request.status = str(e), e.status
    [answer] = await keep(conn, [request], {request.receipt_id: outcomes}, [], now)
    return answer


def _receipt(request: Request, status: int, error: str | None, outcomes: Sequence[Sequence[Any]]) -> ReceiptRow:
    integration_id = request.door.entrance.integration_id
    return ReceiptRow(request.receipt_id, integration_id, status, len(request.body), error, outcomes)


async def quarantine(conn: AsyncConnection, now: datetime, request: Request, error: str) -> Answer:
    """A request that was accepted and could not be processed, kept whole with its error."""
    outcomes = [[index, QUARANTINED, None] for index, _ in request.parsed.events]
    status = accepted(request.door.entrance.source)
    await store.keep_receipts(conn, [_receipt(request, status, error, outcomes)], now)
    await store.quarantine(conn, [_row(request, "batch", error, request.body, now)])
    return Answer(request.receipt_id, status, outcomes, "kept in quarantine; see the receipt")


def _row(
    request: Request, kind: Literal["body", "event", "batch"], error: str, body: bytes, now: datetime
) -> dict[str, Any]:
    return {
        "id": ids.new(now),
        "integration_id": request.door.entrance.integration_id,
        "receipt_id": request.receipt_id,
        "kind": kind,
        "error": error[:2000],
        "headers": dumps(_kept(request.headers)),
        "body": body,
        "body_hash": sha256(body).digest(),
        "now": now,
    }


def _kept(headers: Mapping[str, str]) -> dict[str, str]:
    """What a replay needs: none of it is a credential. Bodies are kept unpacked; the encoding is for people."""
    known = safe_headers(headers) | {n: v for n, v in headers.items() if n in _KEPT_HEADERS}
    return {name: text if name in _KEPT_HEADERS else text[:_KEPT_HEADER] for name, text in known.items()}


async def replay(conn: AsyncConnection, now: datetime, quarantined_id: UUID) -> Request:
    """What was kept, as a request to run along the road once more after a fix. Raises `NotFound`, and `Conflict` when
    it is not waiting or still cannot be parsed."""
    row = (await conn.execute(store.QUARANTINED, {"id": quarantined_id})).first()
    if row is None:
        raise NotFound("there is no such quarantined body")
    if row.state != "waiting":
        raise Conflict(f"it was {row.state} already", code="not_waiting", state=row.state)
    door = door_of((await conn.execute(store.ENTRANCE_OF, {"id": row.integration_id})).one())
    mapped = door.entrance.mapping is not None
    request = Request(door, _as_body(row.kind, row.source, bytes(row.body), mapped=mapped), row.headers)
    open_up(request, now)
    if request.error is not None or not request.parsed.events:
        why = request.error or "; ".join(r.error for r in request.parsed.refused) or "there is no event in it"
        raise Conflict(f"it still cannot be processed: {why}", code="still_refused")
    return request


async def mark_replayed(conn: AsyncConnection, now: datetime, quarantined_id: UUID, receipt_id: UUID) -> None:
    done = {"id": quarantined_id, "state": "replayed", "receipt_id": receipt_id, "now": now}
    await conn.execute(store.SET_QUARANTINED, done)


def _as_body(kind: str, source: str, body: bytes, *, mapped: bool) -> bytes:
    """A refused event was kept alone; its source sends it wrapped. Beside a mapping, Grafana's adapter wraps it."""
    if kind != "event" or (mapped and source == "grafana"):
        return body
    if source in ("prometheus", "generic"):
        return b"[" + body + b"]"
    return b'{"version":"4","alerts":[' + body + b"]}"


async def discard(conn: AsyncConnection, now: datetime, quarantined_id: UUID) -> None:
    """A person decided that it is not worth a replay. Raises `NotFound`, `Conflict`."""
    row = (await conn.execute(store.QUARANTINED, {"id": quarantined_id})).first()
    if row is None:
        raise NotFound("there is no such quarantined body")
    if row.state != "waiting":
        raise Conflict(f"it was {row.state} already", code="not_waiting", state=row.state)
    done = {"id": quarantined_id, "state": "discarded", "receipt_id": None, "now": now}
    await conn.execute(store.SET_QUARANTINED, done)


def counted(outcomes: Iterable[Sequence[Any]]) -> dict[str, int]:
    """How many events of a request came to what."""
    counts: dict[str, int] = {}
    for _, code, _ in outcomes:
        counts[code] = counts.get(code, 0) + 1
    return counts
