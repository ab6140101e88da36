"""What people do with calendars. What one holds is read at once where nobody outside has to be asked."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.sealing import seal
from app.access.secrets import Secrets
from app.calendars import keeping_store, place_store, public_days, store
from app.calendars.documents import CalendarDocument, CalendarEdit, shown
from app.calendars.refreshing import keep, label
from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.errors import Conflict

CalendarStored = Stored[CalendarDocument]


async def read(conn: AsyncConnection, key: str) -> CalendarStored:
    """Raises `NotFound`."""
    if not (found := await store.calendars(conn, [key])):
        raise missing("calendar", key)
    return found[0]


async def create(conn: AsyncConnection, now: datetime, calendar: CalendarDocument, *, actor: str) -> CalendarStored:
    """Raises `Conflict` (`key_taken`) and `Invalid`: for what does not exist, for a text that is no calendar."""
    team_id = await _resolve(conn, calendar)
    calendar_id = await store.insert(conn, now, calendar, team_id)
    if calendar_id is None:
        raise taken("calendar", calendar.key)
    await record(conn, now, actor, "calendar.created", calendar.key, after=_told(calendar))
    await _read_at_once(conn, now, calendar_id, calendar)
    return await read(conn, calendar.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, edit: CalendarEdit, *, actor: str, version: int | None = None
) -> CalendarStored:
    """An edit that changes nothing writes nothing. Raises `NotFound`, `Conflict` (`outdated`) and `Invalid`."""
    calendar_id = await _lock(conn, key, version)
    before = await read(conn, key)
    plain = {name: getattr(edit, name) for name in CalendarEdit.model_fields}
    after = CalendarDocument(key=key, **plain)
    if after == before.document:
        return before
    if after.purpose != before.document.purpose:
        raise invalid(("purpose", "the purpose of a calendar never changes: make another one"))
    await store.update(conn, now, calendar_id, edit, await _resolve(conn, edit))
    await record(conn, now, actor, "calendar.edited", key, _told(before.document), _told(after))
    await _read_at_once(conn, now, calendar_id, edit)
    return await read(conn, key)


async def set_address(
    conn: AsyncConnection,
    now: datetime,
    key: str,
    address: str,
    secrets: Secrets,
    *,
    actor: str,
    version: int | None = None,
) -> CalendarStored:
    """Where it is read from now on, at once. What it held stays until then. Raises `NotFound` and `Conflict`
    (`outdated`; `no_address` when its source is none)."""
    calendar_id = await _lock(conn, key, version)
    if (await read(conn, key)).document.source != "address":
        raise Conflict(f"calendar {key!r} is not read from an address", code="no_address", key=key)
    await store.set_address(conn, now, calendar_id, seal(secrets, label(calendar_id), address), shown(address))
    await record(conn, now, actor, "calendar.address_set", key, after={"address": shown(address)})
    return await read(conn, key)


async def refresh(conn: AsyncConnection, now: datetime, key: str) -> CalendarStored:
    """Makes it due: whoever looks after calendars reads it next. Raises `NotFound`."""
    calendar_id = await _lock(conn, key, None)
    await store.make_due(conn, now, calendar_id)
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use` while a schedule or a service names it)."""
    calendar_id = await _lock(conn, key, version)
    if places := await place_store.places(conn, now, calendar_id, key):
        raise in_use("calendar", key, places)
    before = await read(conn, key)
    await store.delete(conn, calendar_id)
    await record(conn, now, actor, "calendar.deleted", key, _told(before.document))


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await store.lock(conn, key)) is None:
        raise missing("calendar", key)
    check_version("calendar", key, locked[1], version)
    return locked[0]


async def _resolve(conn: AsyncConnection, calendar: CalendarEdit) -> int | None:
    """The id of its team. Raises `Invalid` naming everything that does not exist."""
    errors: list[tuple[str, str]] = []
    team_id = await store.find_team(conn, calendar.team) if calendar.team else None
    if calendar.team and team_id is None:
        errors.append(("team", f"there is no team {calendar.team!r}"))
    users = {row.key for row in await store.accounts(conn)}
    for alias, key in calendar.people.items():
        if key not in users:
            errors.append((f"people.{alias}", f"there is no user {key!r}"))
    for i, key in enumerate(calendar.observed_by.users):
        if key not in users:
            errors.append((f"observed_by.users[{i}]", f"there is no user {key!r}"))
    for i, key in enumerate(calendar.observed_by.teams):
        if await store.find_team(conn, key) is None:
            errors.append((f"observed_by.teams[{i}]", f"there is no team {key!r}"))
    if calendar.country:
        try:
            await asyncio.to_thread(public_days.check, calendar.country, calendar.subdivision)
        except public_days.UnknownPlace as unknown:
            errors.append((unknown.member, str(unknown)))
    if errors:
        raise invalid(*errors)
    return team_id


async def _read_at_once(conn: AsyncConnection, now: datetime, calendar_id: int, calendar: CalendarEdit) -> None:
    """What needs nobody outside. Raises `Invalid` for a text that is no calendar."""
    if calendar.source == "address":
        return
    if error := await keep(conn, now, await keeping_store.take(conn, now, calendar_id)):
        raise invalid((calendar.source, error))


def _told(calendar: CalendarDocument) -> dict[str, Any]:
    """For the audit record: a text by its length."""
    return calendar.model_dump(mode="json", exclude={"text"}) | {"text": f"{len(calendar.text)} characters"}
