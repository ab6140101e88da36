"""What people do with schedules, which come as documents by keys. What an edit says takes effect at an instant."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.calendars import store as calendars
from app.errors import Conflict, Invalid, NotFound
from app.oncall import editing, handoff_store, store, version_store
from app.oncall.schedule_document import CalendarLayerDocument, ScheduleDocument, ScheduleEdit
from app.oncall.store import StoredSchedule
from app.oncall.version_store import StoredVersion

MAX_WINDOW = timedelta(days=400)
UNDO_WITHIN = timedelta(minutes=15)


async def read(conn: AsyncConnection, key: str) -> StoredSchedule:
    """Raises `NotFound`."""
    found = await store.documents(conn, [key])
    if not found:
        raise NotFound(f"there is no schedule {key!r}", key=key)
    return found[0]


async def create(conn: AsyncConnection, now: datetime, schedule: ScheduleDocument, *, actor: str) -> StoredSchedule:
    """Its first version counts since ever. Raises `Conflict` (`key_taken`) and `Invalid` for what does not exist."""
    team_id, users = await resolve(conn, schedule)
    schedule_id = await store.insert(conn, now, schedule, team_id)
    if schedule_id is None:
        raise Conflict(f"there is a schedule {schedule.key!r} already", code="key_taken", key=schedule.key)
    await version_store.insert(conn, now, schedule_id, schedule, users, actor=actor, effective_from=None)
    if schedule.handoff_notices:
        await handoff_store.watch(conn, now, schedule_id)
    await record(conn, now, actor, "created", schedule.key, after=_json(schedule))
    return await read(conn, schedule.key)


async def edit(
    conn: AsyncConnection,
    now: datetime,
    key: str,
    schedule: ScheduleEdit,
    *,
    actor: str,
    version: int | None = None,
    effective_from: datetime | None = None,
) -> StoredSchedule:
    """Puts a whole schedule in place of what was last written, from an instant on (now if left out); its overrides
    stay, and so does what was so before. Name and team change at once.

    `version` is the one that the caller saw; None: whatever there is. An edit that changes nothing writes nothing.
    Raises `NotFound`, `Conflict` (`outdated`; `planned` when a version is planned for later than this edit) and
    `Invalid`.
    """
    schedule_id = await lock(conn, key, version)
    before = await read(conn, key)
    after = ScheduleDocument.model_validate(schedule.model_dump() | {"key": key})
    if after == before.document:
        return before
    team_id, users = await resolve(conn, schedule, key=key)
    by_rest = any(not isinstance(layer, CalendarLayerDocument) and layer.order == "rested" for layer in schedule.layers)
    if (schedule.like or by_rest) and (others := await version_store.followers(conn, schedule_id, now)):
        must = "must have layers of its own" if schedule.like else "must have turns that go by rotation"
        raise Conflict(f"{', '.join(others)} is like {key!r}, which {must}", code="in_use", key=key)
    await store.update(conn, now, schedule_id, schedule, team_id)
    if _computed(after) != _computed(before.document):
        at = effective(now, effective_from)
        _refuse_before_planned(before, at)
        async with editing.noted(conn, now, schedule_id, actor):
            await version_store.insert(conn, now, schedule_id, schedule, users, actor=actor, effective_from=at)
    if schedule.handoff_notices:
        await handoff_store.watch(conn, now, schedule_id)
    await handoff_store.touch(conn, now, schedule_id)
    planned = {"effective_from": effective_from.isoformat()} if effective_from else {}
    await record(conn, now, actor, "edited", key, before=_json(before.document), after=_json(after) | planned)
    return await read(conn, key)


def _computed(schedule: ScheduleDocument) -> dict[str, Any]:
    """All of it that decides who is on call."""
    return schedule.model_dump(exclude={"name", "team", "handoff_notices"})


def effective(now: datetime, effective_from: datetime | None) -> datetime:
    """When an edit takes effect. Raises `Invalid` for the past, and for more than 400 days ahead."""
    at = effective_from or now
    if at < now or at > now + MAX_WINDOW:
        message = f"an edit takes effect now or within {MAX_WINDOW.days} days; the past is not rewritten"
        raise invalid([{"field": "effective_from", "message": message}])
    return at


def _refuse_before_planned(newest: StoredSchedule, at: datetime) -> None:
    if newest.effective_from is not None and at < newest.effective_from:
        raise Conflict(
            f"version {newest.number} is planned for {newest.effective_from.isoformat()}: undo it, or edit from then",
            code="planned",
            number=newest.number,
            effective_from=newest.effective_from.isoformat(),
        )


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Its overrides, swaps and history go with it. Raises `NotFound`, `Conflict` (`outdated`; `in_use` when a schedule
    is like it, or a policy names it: who must say which asks `escalation.policies.refuse_if_target` before)."""
    schedule_id = await lock(conn, key, version)
    before = await read(conn, key)
    if others := await version_store.followers(conn, schedule_id, now):
        places = [{"type": "schedule", "key": other} for other in others]
        message = f"schedule {key!r} is in use: {', '.join(others)} is like it"
        raise Conflict(message, code="in_use", key=key, used_by=places)
    try:
        await store.delete(conn, schedule_id)
    except IntegrityError as refused:
        raise Conflict(f"schedule {key!r} is in use", code="in_use", key=key) from refused
    await record(conn, now, actor, "deleted", key, before=_json(before.document))


async def versions(
    conn: AsyncConnection, key: str, *, before: int | None = None, limit: int | None = None
) -> list[StoredVersion]:
    """Its versions, the newest first, from the one before a number on. Raises `NotFound`."""
    return await version_store.listed(conn, (await read(conn, key)).id, before=before, limit=limit)


async def undo(conn: AsyncConnection, now: datetime, key: str, number: int, *, actor: str) -> StoredSchedule:
    """Takes the newest version back: a planned one never comes into force; one that is in force is followed at once by
    a version that says what the one before it said. What was so meanwhile stays on record.

    Raises `NotFound`, and `Conflict`: `not_last`, `too_late` after 15 minutes in force, `nothing_to_undo`.
    """
    schedule_id = await lock(conn, key, None)
    found = await version_store.listed(conn, schedule_id)
    if number not in {v.number for v in found}:
        raise NotFound(f"schedule {key!r} has no version {number}", key=key)
    newest = next(v for v in found if v.effective_until is None)
    if number > newest.number:
        raise Conflict(f"version {number} was taken back already", code="not_last")
    if number != newest.number:
        raise Conflict(f"version {newest.number} came after it: undo that first", code="not_last")
    former = next((v for v in found if v.number < number and not v.taken_back), None)
    if former is None or newest.effective_from is None:
        raise Conflict("the first version can only be edited", code="nothing_to_undo")
    if now - newest.effective_from > UNDO_WITHIN:
        raise Conflict("a version can be undone for 15 minutes", code="too_late", at=newest.effective_from.isoformat())
    async with editing.noted(conn, now, schedule_id, actor):
        if newest.effective_from > now:
            await version_store.take_back(conn, schedule_id, number)
        else:
            await version_store.restore(conn, now, schedule_id, former, newest, actor=actor)
    await store.touch(conn, now, schedule_id)
    await handoff_store.touch(conn, now, schedule_id)
    await record(conn, now, actor, "version_undone", key, before={"version": number}, after={"as": former.number})
    return await read(conn, key)


async def rehearse(
    conn: AsyncConnection, now: datetime, draft: ScheduleDocument, effective_from: datetime | None
) -> None:
    """Puts a draft in place of the schedule of its key, or beside all others, from an instant on (None: since ever),
    without an audit record: for rehearsals on copies of the tables, which nobody sees. Raises `Invalid`."""
    team_id, users = await resolve(conn, draft, key=draft.key)
    if (found := await store.lock(conn, draft.key)) is None:
        schedule_id = await store.insert(conn, now, draft, team_id) or 0
        effective_from = None
    else:
        schedule_id = found[0]
        await version_store.cut(conn, schedule_id, effective_from)
    await version_store.insert(conn, now, schedule_id, draft, users, actor="rehearsal", effective_from=effective_from)


async def resolve(conn: AsyncConnection, schedule: ScheduleEdit, *, key: str = "") -> tuple[int | None, dict[str, int]]:
    """The ids of the team and of all members. Raises `Invalid` naming every key that does not exist, and the schedule
    `like` when that has no layers of its own."""
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
    if schedule.like:
        errors += await _unlike(conn, schedule.like.schedule, key)
    if schedule.calendars:
        errors += await _calendars(conn, schedule)
    if errors:
        raise invalid(errors)
    return team_id, users


async def _calendars(conn: AsyncConnection, schedule: ScheduleEdit) -> list[dict[str, str]]:
    """What is wrong with the calendars that its layers name."""
    known = await calendars.ids(conn, schedule.calendars)
    named = [
        (f"layers[{i}].calendar", layer.calendar, "shifts")
        for i, layer in enumerate(schedule.layers)
        if isinstance(layer, CalendarLayerDocument)
    ] + [
        (f"layers[{i}].holidays.calendar", layer.holidays.calendar, "holidays")
        for i, layer in enumerate(schedule.layers)
        if layer.holidays
    ]
    return [
        {"field": field, "message": f"there is no calendar of {purpose} {key!r}"}
        for field, key, purpose in named
        if key not in known or known[key][1] != purpose
    ]


async def _unlike(conn: AsyncConnection, other: str, key: str) -> list[dict[str, str]]:
    found = await version_store.like_of(conn, other)
    if found is None:
        return [{"field": "like.schedule", "message": f"there is no schedule {other!r}"}]
    if other == key:
        return [{"field": "like.schedule", "message": "a schedule is not like itself"}]
    if found[1]:
        return [{"field": "like.schedule", "message": f"{other!r} is itself like {found[1]!r}: name that one"}]
    if found[2]:
        message = f"the turns of {other!r} go to whoever is longest rested: nobody knows who is next"
        return [{"field": "like.schedule", "message": message}]
    return []


def invalid(errors: list[dict[str, str]]) -> Invalid:
    """The refusal that names these fields."""
    return Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)


async def lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    """Its id, locked until the transaction ends. Raises `NotFound` and `Conflict` (`outdated`)."""
    locked = await store.lock(conn, key)
    if locked is None:
        raise NotFound(f"there is no schedule {key!r}", key=key)
    schedule_id, current = locked
    if version is not None and version != current:
        raise Conflict(f"schedule {key!r} was edited meanwhile", code="outdated", current_version=current)
    return schedule_id


def _json(schedule: ScheduleDocument) -> dict[str, Any]:
    return schedule.model_dump(mode="json")


async def record(
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
    """Writes an audit record about a schedule, or something of it."""
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
