"""What people do with schedules and overrides. Schedules come as documents by keys."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict, Invalid, NotFound
from app.oncall import override_store, store
from app.oncall.override_store import StoredOverride
from app.oncall.schedule_document import OverrideDocument, ScheduleDocument, ScheduleEdit
from app.oncall.store import StoredSchedule

MAX_WINDOW = timedelta(days=400)


async def read(conn: AsyncConnection, key: str) -> StoredSchedule:
    """Raises `NotFound`."""
    found = await store.documents(conn, [key])
    if not found:
        raise NotFound(f"there is no schedule {key!r}", key=key)
    return found[0]


async def create(conn: AsyncConnection, now: datetime, schedule: ScheduleDocument, *, actor: str) -> StoredSchedule:
    """Raises `Conflict` (`key_taken`) and `Invalid` for a team or member that does not exist."""
    team_id, users = await resolve(conn, schedule)
    if not await store.insert(conn, now, schedule, team_id, users):
        raise Conflict(f"there is a schedule {schedule.key!r} already", code="key_taken", key=schedule.key)
    await _record(conn, now, actor, "created", schedule.key, after=_json(schedule))
    return await read(conn, schedule.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, schedule: ScheduleEdit, *, actor: str, version: int | None = None
) -> StoredSchedule:
    """Puts a whole schedule in place of the stored one; its overrides stay.

    `version` is the one that the caller saw; None: whatever there is. An edit that changes nothing writes nothing.
    Raises `NotFound`, `Conflict` (`outdated`) and `Invalid`.
    """
    schedule_id = await _lock(conn, key, version)
    before = await read(conn, key)
    after = ScheduleDocument.model_validate(schedule.model_dump() | {"key": key})
    if after == before.document:
        return before
    team_id, users = await resolve(conn, schedule)
    await store.update(conn, now, schedule_id, schedule, team_id, users)
    await _record(conn, now, actor, "edited", key, before=_json(before.document), after=_json(after))
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Its overrides go with it. Raises `NotFound`, `Conflict` (`outdated`; `in_use` when a policy names it: who must
    say which asks `escalation.policies.refuse_if_target` before)."""
    schedule_id = await _lock(conn, key, version)
    before = await read(conn, key)
    try:
        await store.delete(conn, schedule_id)
    except IntegrityError as refused:
        raise Conflict(f"schedule {key!r} is in use", code="in_use", key=key) from refused
    await _record(conn, now, actor, "deleted", key, before=_json(before.document))


async def override(
    conn: AsyncConnection, now: datetime, key: str, wanted: OverrideDocument, *, actor: str
) -> StoredOverride:
    """Puts a person in place of whoever is on call.

    Raises `NotFound`, `Invalid` (an unknown or inactive person, a time that is over or longer than 400 days) and
    `Conflict` (`overlapping`, with the overrides that are in the way).
    """
    schedule_id = await _lock(conn, key, None)
    users = await _people(conn, now, wanted)
    window = (wanted.starts_at, wanted.ends_at)
    values = {
        "schedule_id": schedule_id,
        "user_id": users[wanted.user],
        "replaces_user_id": users[wanted.replaces] if wanted.replaces else None,
        "starts_at": wanted.starts_at,
        "ends_at": wanted.ends_at,
        "actor": actor,
        "now": now,
    }
    try:
        override_id = await override_store.insert(conn, values)
    except override_store.Overlaps as refused:
        others = [o for o in await override_store.overrides(conn, key, window) if o.replaces is None]
        raise Conflict(
            f"another override of {key!r} replaces everybody at that time",
            code="overlapping",
            overrides=[{"id": o.id, "user": o.user, "starts_at": o.starts_at, "ends_at": o.ends_at} for o in others],
        ) from refused
    after = {"id": override_id} | wanted.model_dump(mode="json")
    await _record(conn, now, actor, "created", key, after=after, entity="override")
    stored = await override_store.one(conn, key, override_id)
    assert stored is not None
    return stored


async def withdraw_override(conn: AsyncConnection, now: datetime, key: str, override_id: int, *, actor: str) -> None:
    """An override to come is removed, one that runs ends now: what was so stays on record.

    Raises `NotFound` and `Conflict` (`over`).
    """
    found = await override_store.one(conn, key, override_id)
    if found is None:
        raise NotFound(f"schedule {key!r} has no override {override_id}", key=key)
    if found.ends_at <= now:
        raise Conflict(f"override {override_id} is over; it stays on record", code="over")
    before = {
        "id": found.id,
        "user": found.user,
        "replaces": found.replaces,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
    }
    if found.starts_at < now:
        await override_store.end(conn, override_id, now)
        await _record(conn, now, actor, "ended", key, before=before, after=before | {"ends_at": now}, entity="override")
    else:
        await override_store.delete(conn, override_id)
        await _record(conn, now, actor, "deleted", key, before=before, entity="override")


async def resolve(conn: AsyncConnection, schedule: ScheduleEdit) -> tuple[int | None, dict[str, int]]:
    """The ids of the team and of all members. Raises `Invalid` naming every key that does not exist."""
    users = await store.find_users(conn, {key for layer in schedule.layers for turn in layer.members for key in turn})
    team_id = await store.find_team(conn, schedule.team) if schedule.team else None
    errors = []
    if schedule.team and team_id is None:
        errors.append({"field": "team", "message": f"there is no team {schedule.team!r}"})
    errors += [
        {"field": f"layers[{i}].members[{j}][{k}]", "message": f"there is no user {key!r}"}
        for i, layer in enumerate(schedule.layers)
        for j, turn in enumerate(layer.members)
        for k, key in enumerate(turn)
        if key not in users
    ]
    if errors:
        raise _invalid(errors)
    return team_id, users


async def _people(conn: AsyncConnection, now: datetime, wanted: OverrideDocument) -> dict[str, int]:
    users = await override_store.find_active(conn, [wanted.user])
    users |= await store.find_users(conn, [wanted.replaces] if wanted.replaces else [])
    errors = []
    if wanted.user not in users:
        errors.append({"field": "user", "message": f"there is no active user {wanted.user!r}"})
    if wanted.replaces and wanted.replaces not in users:
        errors.append({"field": "replaces", "message": f"there is no user {wanted.replaces!r}"})
    if wanted.ends_at <= now:
        errors.append({"field": "ends_at", "message": "that is over already"})
    if wanted.ends_at - wanted.starts_at > MAX_WINDOW:
        errors.append({"field": "ends_at", "message": f"an override lasts {MAX_WINDOW.days} days at most"})
    if errors:
        raise _invalid(errors)
    return users


def _invalid(errors: list[dict[str, str]]) -> Invalid:
    return Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    locked = await store.lock(conn, key)
    if locked is None:
        raise NotFound(f"there is no schedule {key!r}", key=key)
    schedule_id, current = locked
    if version is not None and version != current:
        raise Conflict(f"schedule {key!r} was edited meanwhile", code="outdated", current_version=current)
    return schedule_id


def _json(schedule: ScheduleDocument) -> dict[str, Any]:
    return schedule.model_dump(mode="json")


async def _record(
    conn: AsyncConnection,
    now: datetime,
    actor: str,
    what: str,
    key: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    entity: str = "schedule",
) -> None:
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"{entity}.{what}",
        entity=entity,
        entity_key=key,
        before=before,
        after=after,
    )
