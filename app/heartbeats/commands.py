"""What people do with heartbeats. A ping token is shown once and kept as SHA-256."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from secrets import token_urlsafe

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.directory.integrations import OWN
from app.heartbeats import beat_store, states, store
from app.heartbeats.beat_store import Known
from app.heartbeats.documents import SOURCE, HeartbeatDocument, HeartbeatEdit
from app.heartbeats.states import Beat

TOKEN_BYTES = 16
"""128 bits, 22 characters: a ping key has more, so that nobody takes one for the other."""


async def read(conn: AsyncConnection, key: str) -> Stored[HeartbeatDocument]:
    """Raises `NotFound`."""
    if not (found := await store.heartbeats(conn, [key])):
        raise missing("heartbeat", key)
    return found[0]


async def create(
    conn: AsyncConnection, now: datetime, heartbeat: HeartbeatDocument, *, actor: str
) -> tuple[Stored[HeartbeatDocument], str]:
    """With its ping token, which nobody can read again.

    Raises `Conflict` (`key_taken`), `Invalid` for an integration that does not exist or is of another source.
    """
    integration_id, fed_by_id = await resolve(conn, heartbeat, heartbeat.integration)
    token = token_urlsafe(TOKEN_BYTES)
    if not await store.insert(conn, now, heartbeat, integration_id, fed_by_id, _kept(token)):
        raise taken("heartbeat", heartbeat.key)
    await record(conn, now, actor, "heartbeat.created", heartbeat.key, after=heartbeat.model_dump())
    return await read(conn, heartbeat.key), token


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: HeartbeatEdit, *, actor: str, version: int | None = None
) -> Stored[HeartbeatDocument]:
    """Puts all that may change in place of what is stored; an edit that changes nothing writes nothing. With another
    rhythm, what is expected next counts from now.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid`.
    """
    heartbeat_id = await _lock(conn, key, version)
    before = await read(conn, key)
    given = HeartbeatEdit.model_dump(edit, exclude={"key", "integration"})
    after = HeartbeatDocument(key=key, integration=before.document.integration, **given)
    if after == before.document:
        return before
    _, fed_by_id = await resolve(conn, after, after.integration)
    await store.update(conn, now, heartbeat_id, after, fed_by_id)
    if after.rhythm != before.document.rhythm:
        [known] = await beat_store.lock(conn, [heartbeat_id])
        await _keep(conn, now, known, states.retime(known.beat, known.rhythm, now))
    await record(conn, now, actor, "heartbeat.edited", key, before.document.model_dump(), after.model_dump())
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use` while its alert fires: pause it first)."""
    heartbeat_id = await _lock(conn, key, version)
    before = await read(conn, key)
    [known] = await beat_store.lock(conn, [heartbeat_id])
    if known.beat.firing:
        raise in_use("heartbeat", key, [{"type": "an alert that fires: pause it first"}])
    await store.delete(conn, heartbeat_id)
    await record(conn, now, actor, "heartbeat.deleted", key, before.document.model_dump())


async def rotate(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> str:
    """A new ping token; the one before ends now. Raises `NotFound`, `Conflict` (`outdated`)."""
    heartbeat_id = await _lock(conn, key, version)
    token = token_urlsafe(TOKEN_BYTES)
    await store.set_token(conn, now, heartbeat_id, _kept(token))
    await record(conn, now, actor, "heartbeat.token_rotated", key, after={"hint": token[-4:]})
    return token


async def pause(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Nothing is expected until somebody resumes it; an alert that fires resolves. Paused already: nothing happens.

    Raises `NotFound`, `Conflict` (`outdated`).
    """
    heartbeat_id = await _lock(conn, key, version)
    [known] = await beat_store.lock(conn, [heartbeat_id])
    if known.beat.state != "paused":
        await _keep(conn, now, known, states.pause(known.beat))
        await store.touch(conn, now, heartbeat_id)
        await record(conn, now, actor, "heartbeat.paused", key)


async def resume(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Expected again, counted from now. Not paused: nothing happens. Raises `NotFound`, `Conflict` (`outdated`)."""
    heartbeat_id = await _lock(conn, key, version)
    [known] = await beat_store.lock(conn, [heartbeat_id])
    if known.beat.state == "paused":
        await _keep(conn, now, known, states.resume(known.beat, known.rhythm, now))
        await store.touch(conn, now, heartbeat_id)
        await record(conn, now, actor, "heartbeat.resumed", key)


async def resolve(conn: AsyncConnection, edit: HeartbeatEdit, integration: str) -> tuple[int, int | None]:
    """The ids of its integration and of the one that feeds it. Raises `Invalid` naming what cannot be."""
    fed_by = edit.fed_by.integration if edit.fed_by is not None else None
    found = await store.integrations(conn, [integration, fed_by or integration])
    wrong = []
    if (own := found.get(integration)) is None:
        wrong.append(("integration", f"there is no integration {integration!r}"))
    elif integration == OWN:
        wrong.append(("integration", f"{OWN!r} is Tocsin's own; make another of the source {SOURCE}"))
    elif own.source != SOURCE:
        wrong.append(("integration", f"{integration!r} is of the source {own.source}; make one of the source {SOURCE}"))
    if fed_by is not None and fed_by not in found:
        wrong.append(("fed_by.integration", f"there is no integration {fed_by!r}"))
    elif fed_by is not None and found[fed_by].source == SOURCE:
        wrong.append(("fed_by.integration", "no alerts come in through it: give one that a monitoring system sends to"))
    if wrong or own is None:
        raise invalid(*wrong)
    return own.id, None if fed_by is None else found[fed_by].id


async def _keep(conn: AsyncConnection, now: datetime, known: Known, beat: Beat) -> None:
    await beat_store.keep(conn, [(known.id, beat, states.due_at(beat, known.rhythm, now))])


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await store.lock(conn, key)) is None:
        raise missing("heartbeat", key)
    check_version("heartbeat", key, locked[1], version)
    return locked[0]


def _kept(token: str) -> tuple[bytes, str]:
    """Hash and hint of a token."""
    return hashed(token), token[-4:]


def hashed(secret: str) -> bytes:
    """As ping tokens and ping keys are stored."""
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
