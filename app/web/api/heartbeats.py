"""`/heartbeats`: signs of life that are expected, and the pings that came."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.directory.changes import Stored
from app.heartbeats import beat_store, commands, states, store
from app.heartbeats.documents import HeartbeatDocument, HeartbeatEdit
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import SettingsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/heartbeats", tags=["heartbeats"], route_class=Route)

Editor = Annotated[Caller, needs("heartbeats.edit")]


class HeartbeatAnswer(HeartbeatDocument, Versioned):
    """A heartbeat as it is now. `late`: overdue, and still within its grace. `due_at`: the instant from which silence
    counts as failure; null while nothing is expected. `token_hint`: the last four characters of its ping token."""

    service: str
    state: Literal["new", "up", "late", "down", "paused"]
    running: bool
    last_ping_at: datetime | None
    last_kind: str | None
    last_exit_status: int | None
    last_duration_ms: int | None
    last_success_at: datetime | None
    expected_at: datetime | None
    due_at: datetime | None
    down_since: datetime | None
    down_because: str | None
    token_hint: str


class HeartbeatCreated(HeartbeatAnswer):
    """With the address to ping, shown once: null when the answer is replayed."""

    ping_url: str | None


H = TypeVar("H", bound=HeartbeatAnswer)


class PingAnswer(Answer):
    """One ping. `via`: `ping`, `alert` (of the integration that feeds it) or another door. `body`: the first 10,000
    bytes of what was sent, as text where it is UTF-8, else in base64; null for none."""

    id: UUID
    at: datetime
    kind: Literal["success", "start", "fail", "log"]
    exit_status: int | None
    run: UUID | None
    duration_ms: int | None
    via: str
    body: str | None
    encoding: Literal["utf-8", "base64"] | None


async def heartbeat_answers(tx: Transaction, found: list[Stored[HeartbeatDocument]]) -> list[HeartbeatAnswer]:
    """Of these, in their order."""
    known = {k.id: k for k in await beat_store.read(tx.conn, [stored.id for stored in found])}
    return [answer(HeartbeatAnswer, stored, **_state(known[stored.id], tx.now)) for stored in found]


async def _one(kind: type[H], tx: Transaction, key: str, response: Response, **more: Any) -> H:
    stored = await commands.read(tx.conn, key)
    [known] = await beat_store.read(tx.conn, [stored.id])
    return answer(kind, stored, response, **_state(known, tx.now), **more)


def _state(known: beat_store.Known, now: datetime) -> dict[str, Any]:
    beat = known.beat
    same = ("last_ping_at", "last_kind", "last_exit_status", "last_duration_ms", "last_success_at")
    return {name: getattr(beat, name) for name in same} | {
        "service": known.service,
        "state": states.shown(beat, now),
        "running": bool(beat.runs),
        "expected_at": beat.expected_at if beat.state == "up" else None,
        "due_at": states.deadline(beat, known.rhythm),
        "down_since": beat.down_since if beat.state == "down" else None,
        "down_because": beat.down_because if beat.state == "down" else None,
        "token_hint": known.token_hint,
    }


async def _team_of(tx: Transaction, integration: str) -> int | None:
    found = await store.integrations(tx.conn, [integration])
    return found[integration].team_id if integration in found else None


@router.get("", dependencies=[permission("heartbeats.read")])
async def list_heartbeats(
    tx: Tx,
    page: Page,
    service: Annotated[Key | None, Query(description="Only those of this service.")] = None,
    integration: Annotated[Key | None, Query(description="Only those of this integration.")] = None,
) -> Listed[HeartbeatAnswer]:
    """Heartbeats in the order of their keys."""
    found = await store.heartbeats(
        tx.conn, service=service, integration=integration, after=page.after_text, limit=page.fetch
    )
    return page.of(await heartbeat_answers(tx, found), lambda heartbeat: heartbeat.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_heartbeat(
    body: HeartbeatDocument, request: Request, tx: Tx, response: Response, settings: SettingsGiven, caller: Editor
) -> HeartbeatCreated:
    """A new heartbeat and its ping address, which is shown this once. Nothing is expected until its first ping."""
    caller.require_team(await _team_of(tx, body.integration))
    _, token = await commands.create(tx.conn, tx.now, body, actor=caller.actor)
    created(response, f"heartbeats/{body.key}")
    shown_once(request, "ping_url")
    ping_url = f"{settings.public_url}/ping/{token}"
    return await _one(HeartbeatCreated, tx, body.key, response, ping_url=ping_url)


@router.get("/{key}", dependencies=[permission("heartbeats.read")])
async def read_heartbeat(key: Key, tx: Tx, response: Response) -> HeartbeatAnswer:
    """One heartbeat."""
    return await _one(HeartbeatAnswer, tx, key, response)


@router.put("/{key}")
async def edit_heartbeat(
    key: Key, body: HeartbeatEdit, tx: Tx, response: Response, expected: IfMatch, caller: Editor
) -> HeartbeatAnswer:
    """Puts all that may change in place of what is stored; the integration never changes."""
    caller.require_team((await commands.read(tx.conn, key)).team_id)
    await commands.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    return await read_heartbeat(key, tx, response)


@router.delete("/{key}", status_code=204)
async def delete_heartbeat(key: Key, tx: Tx, expected: IfMatch, caller: Editor) -> None:
    """409 `in_use` while its alert fires: pause it first, which resolves that."""
    caller.require_team((await commands.read(tx.conn, key)).team_id)
    await commands.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)


@router.post("/{key}/pause")
async def pause_heartbeat(
    key: Key, request: Request, tx: Tx, response: Response, expected: IfMatch, caller: Editor
) -> HeartbeatAnswer:
    """Nothing is expected until somebody resumes it; an alert of it that fires is resolved."""
    caller.require_team((await commands.read(tx.conn, key)).team_id)
    await commands.pause(tx.conn, tx.now, key, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)
    return await read_heartbeat(key, tx, response)


@router.post("/{key}/resume")
async def resume_heartbeat(
    key: Key, request: Request, tx: Tx, response: Response, expected: IfMatch, caller: Editor
) -> HeartbeatAnswer:
    """Expected again, counted from now."""
    caller.require_team((await commands.read(tx.conn, key)).team_id)
    await commands.resume(tx.conn, tx.now, key, actor=caller.actor, version=expected)
    tx.after_commit(request.app.state.wake)
    return await read_heartbeat(key, tx, response)


@router.post("/{key}/rotate", status_code=201, dependencies=[idempotent])
async def rotate_ping_token(
    key: Key, request: Request, tx: Tx, response: Response, settings: SettingsGiven, caller: Editor
) -> HeartbeatCreated:
    """A new ping address, shown this once; the one before ends now."""
    caller.require_team((await commands.read(tx.conn, key)).team_id)
    token = await commands.rotate(tx.conn, tx.now, key, actor=caller.actor)
    shown_once(request, "ping_url")
    ping_url = f"{settings.public_url}/ping/{token}"
    return await _one(HeartbeatCreated, tx, key, response, ping_url=ping_url)


@router.get("/{key}/pings", dependencies=[permission("heartbeats.read")])
async def list_pings(key: Key, tx: Tx, page: Page) -> Listed[PingAnswer]:
    """The newest hundred pings, newest first."""
    stored = await commands.read(tx.conn, key)
    found = await beat_store.pings(tx.conn, stored.id, page.after_uuid, page.fetch)
    return page.of([_ping(row) for row in found], lambda ping: ping.id)


def _ping(row: Any) -> PingAnswer:
    members = {name: getattr(row, name) for name in ("id", "at", "kind", "exit_status", "run", "duration_ms", "via")}
    if not row.body:
        return PingAnswer(**members, body=None, encoding=None)
    try:
        return PingAnswer(**members, body=row.body.decode(), encoding="utf-8")
    except UnicodeDecodeError:
        return PingAnswer(**members, body=b64encode(row.body).decode(), encoding="base64")
