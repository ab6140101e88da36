"""What people do with overrides, the exceptions of a schedule."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, NotFound
from app.oncall import editing, handoff_store, override_store, store
from app.oncall.commands import MAX_WINDOW, invalid, lock, record
from app.oncall.override_document import OverrideDocument
from app.oncall.override_store import StoredOverride


async def override(
    conn: AsyncConnection, now: datetime, key: str, wanted: OverrideDocument, *, actor: str, swap: int | None = None
) -> StoredOverride:
    """Puts a person in place of whoever is on call, or besides them, or takes one away. `swap`: the one it carries out.

    It counts from now at the earliest: who was paged until now stays on record.

    Raises `NotFound`, `Invalid` (an unknown or inactive person, a time that is over or longer than 400 days) and
    `Conflict` (`overlapping`, with the overrides that are in the way).
    """
    schedule_id = await lock(conn, key, None)
    users = await _people(conn, now, wanted)
    wanted = wanted.model_copy(update={"starts_at": max(wanted.starts_at, now)})
    window = (wanted.starts_at, wanted.ends_at)
    values = {
        "schedule_id": schedule_id,
        "kind": wanted.kind,
        "user_id": users[wanted.user] if wanted.user else None,
        "replaces_user_id": users[wanted.replaces] if wanted.replaces else None,
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
        "swap_id": swap,
        "actor": actor,
        "now": now,
    }
    try:
        if swap is None:
            async with editing.noted(conn, now, schedule_id, actor):
                override_id = await override_store.insert(conn, values)
        else:  # both of a swap are told by its own notices, see `editing.agreed`
            override_id = await override_store.insert(conn, values)
    except override_store.Overlaps as refused:
        others = [
            o for o in await override_store.overrides(conn, key, window) if o.kind == "replace" and o.replaces is None
        ]
        raise Conflict(
            f"another override of {key!r} replaces everybody at that time",
            code="overlapping",
            overrides=[{"id": o.id, "user": o.user, "starts_at": o.starts_at, "ends_at": o.ends_at} for o in others],
        ) from refused
    await handoff_store.touch(conn, now, schedule_id)
    after = {"id": override_id} | wanted.model_dump(mode="json") | ({"swap": swap} if swap else {})
    await record(conn, now, actor, "created", key, after=after, entity="override")
    stored = await override_store.one(conn, key, override_id)
    assert stored is not None
    return stored


async def withdraw_override(conn: AsyncConnection, now: datetime, key: str, override_id: int, *, actor: str) -> None:
    """An override to come is removed, one that runs ends now: what was so stays on record.

    Raises `NotFound` and `Conflict` (`over`).
    """
    schedule_id = await lock(conn, key, None)
    found = await override_store.one(conn, key, override_id)
    if found is None:
        raise NotFound(f"schedule {key!r} has no override {override_id}", key=key)
    if found.ends_at <= now:
        raise Conflict(f"override {override_id} is over; it stays on record", code="over")
    before = {
        "id": found.id,
        "kind": found.kind,
        "user": found.user,
        "replaces": found.replaces,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
    }
    begun = found.starts_at < now
    async with editing.noted(conn, now, schedule_id, actor):
        await (override_store.end(conn, override_id, now) if begun else override_store.delete(conn, override_id))
    after = before | {"ends_at": now} if begun else None
    await record(conn, now, actor, "ended" if begun else "deleted", key, before=before, after=after, entity="override")
    await handoff_store.touch(conn, now, schedule_id)


async def _people(conn: AsyncConnection, now: datetime, wanted: OverrideDocument) -> dict[str, int]:
    users = await override_store.find_active(conn, [wanted.user] if wanted.user else [])
    users |= await store.find_users(conn, [wanted.replaces] if wanted.replaces else [])
    errors = []
    if wanted.user and wanted.user not in users:
        errors.append({"field": "user", "message": f"there is no active user {wanted.user!r}"})
    if wanted.replaces and wanted.replaces not in users:
        errors.append({"field": "replaces", "message": f"there is no user {wanted.replaces!r}"})
    if wanted.ends_at <= now:
        errors.append({"field": "ends_at", "message": "that is over already"})
    if wanted.ends_at - wanted.starts_at > MAX_WINDOW:
        errors.append({"field": "ends_at", "message": f"an override lasts {MAX_WINDOW.days} days at most"})
    if errors:
        raise invalid(errors)
    return users
