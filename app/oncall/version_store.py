"""SQL of the versions of schedules."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars import store as calendar_store
from app.db.engine import dumps
from app.oncall import given
from app.oncall.given import Calendars
from app.oncall.schedule_document import ScheduleEdit
from app.oncall.versions import Version, layer_of, stored_layer


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A version as it is listed. In force during `[effective_from, effective_until)`; None: since ever, until it is
    followed. A planned version that was taken back, or gave way to another of the same instant, is in force at no
    instant: both are the same."""

    number: int
    time_zone: str
    layers: list[dict[str, Any]]
    like: str | None
    like_turns: int
    effective_from: datetime | None
    effective_until: datetime | None
    undoes: int | None
    taken_back: bool
    created_by: str
    created_at: datetime

    @property
    def was_ever(self) -> bool:
        """False for a version that is in force at no instant."""
        return self.effective_from is None or self.effective_from != self.effective_until


# In force at some instant of a window, both ends included.
IN_WINDOW = """
    (v.effective_from IS NULL OR v.effective_from <= :t1) AND (v.effective_until IS NULL OR v.effective_until > :t0)
    AND (v.effective_from IS NULL OR v.effective_from IS DISTINCT FROM v.effective_until)
"""
_VERSIONS = text(f"""
    SELECT v.schedule_id, s.key, v.number, v.time_zone, v.layers, v.like_schedule_id, v.like_turns, v.effective_from,
           v.effective_until
    FROM schedule_versions v JOIN schedules s ON s.id = v.schedule_id
    WHERE v.schedule_id = ANY(CAST(:ids AS bigint[])) AND {IN_WINDOW}
    ORDER BY v.schedule_id, v.number
""")
_NUMBERS = text(f"""
    SELECT v.schedule_id, v.number FROM schedule_versions v
    WHERE v.schedule_id = ANY(CAST(:ids AS bigint[])) AND {IN_WINDOW} ORDER BY v.number
""")
_STORED = """
    SELECT v.number, v.time_zone, v.layers, l.key AS like, v.like_turns, v.effective_from, v.effective_until, v.undoes,
           v.taken_back, v.created_by, v.created_at
    FROM schedule_versions v LEFT JOIN schedules l ON l.id = v.like_schedule_id
"""
# The newest first; a slice before a number.
_LIST = text(f"""
    {_STORED} WHERE v.schedule_id = :id AND (CAST(:before AS bigint) IS NULL OR v.number < CAST(:before AS bigint))
    ORDER BY v.number DESC LIMIT :limit
""")
_INSERT = text("""
    INSERT INTO schedule_versions (schedule_id, number, time_zone, layers, like_schedule_id, like_turns, effective_from,
                                   undoes, taken_back, created_by, created_at)
    SELECT :id, (SELECT coalesce(max(number), 0) + 1 FROM schedule_versions WHERE schedule_id = :id), :zone,
           CAST(:layers AS jsonb), (SELECT id FROM schedules WHERE key = :like), :like_turns,
           :effective_from, :undoes, false, :actor, :now
""")
_END = text("""
    UPDATE schedule_versions SET effective_until = :at WHERE schedule_id = :id AND effective_until IS NULL
""")
# A planned version is taken back: it begins when it ends, and the one before it goes on.
_TAKE_BACK = text("""
    UPDATE schedule_versions SET effective_until = effective_from, taken_back = true
    WHERE schedule_id = :id AND number = :number
""")
_GO_ON = text("""
    UPDATE schedule_versions SET effective_until = NULL
    WHERE schedule_id = :id AND number = (
        SELECT max(number) FROM schedule_versions
        WHERE schedule_id = :id AND number < :number AND NOT taken_back)
""")
# Nothing of a schedule is in force, or planned, from an instant on (NULL: at any), but what was in force then goes on.
_CUT = text("""
    DELETE FROM schedule_versions
    WHERE schedule_id = :id
      AND (CAST(:at AS timestamptz) IS NULL OR effective_from >= CAST(:at AS timestamptz))
""")
_OPEN = text("UPDATE schedule_versions SET effective_until = NULL WHERE schedule_id = :id AND effective_until > :at")
# Schedules that are like this one now or will be.
_FOLLOWERS = text("""
    SELECT DISTINCT s.key FROM schedule_versions v JOIN schedules s ON s.id = v.schedule_id
    WHERE v.like_schedule_id = :id AND (v.effective_until IS NULL OR v.effective_until > :now) ORDER BY s.key
""")
_LIKE = text("""
    SELECT s.id, l.key AS like, jsonb_path_exists(v.layers, '$[*] ? (@.order == "rested")') AS rested FROM schedules s
    JOIN schedule_versions v ON v.schedule_id = s.id AND v.effective_until IS NULL
    LEFT JOIN schedules l ON l.id = v.like_schedule_id WHERE s.key = :key
""")


async def in_window(
    conn: AsyncConnection, ids: Collection[int], window: tuple[datetime, datetime]
) -> dict[int, list[Version]]:
    """By schedule id the versions that are in force at some instant of the window, and those of schedules that they are
    like. What others are like is itself like nothing."""
    found = await _of_schedules(conn, ids, window)
    likes = {v.like for versions in found.values() for v in versions if v.like is not None} - found.keys()
    return found | await _of_schedules(conn, likes, window) if likes else found


async def _of_schedules(
    conn: AsyncConnection, ids: Collection[int], window: tuple[datetime, datetime]
) -> dict[int, list[Version]]:
    found: dict[int, list[Version]] = {}
    rows = (await conn.execute(_VERSIONS, {"ids": list(ids), "t0": window[0], "t1": window[1]})).all()
    held = await calendars_of(conn, [layer for row in rows for layer in row.layers], window)
    for row in rows:
        found.setdefault(row.schedule_id, []).append(_version(row, held))
    return found


async def calendars_of(
    conn: AsyncConnection, layers: Iterable[Mapping[str, Any]], window: tuple[datetime, datetime]
) -> Calendars:
    """What the calendars of stored layers hold; asks nothing when they name none."""
    shifts, holidays = given.named(layers)
    entries = await calendar_store.entries(conn, shifts, window) if shifts else {}
    return entries, await calendar_store.days(conn, holidays) if holidays else {}


async def calendar_ids(conn: AsyncConnection, schedule: ScheduleEdit) -> dict[str, int]:
    """By key the calendars that its layers name."""
    keys = schedule.calendars
    return {key: row[0] for key, row in (await calendar_store.ids(conn, keys)).items()} if keys else {}


async def calendar_keys(conn: AsyncConnection, layers: Iterable[Mapping[str, Any]]) -> dict[int, str]:
    """By id the calendars that stored layers name."""
    ids = set().union(*given.named(layers))
    return await calendar_store.keys(conn, ids) if ids else {}


def _version(row: Any, held: Calendars) -> Version:
    return Version(
        schedule_id=row.schedule_id,
        key=row.key,
        number=row.number,
        zone=row.time_zone,
        layers=tuple(layer_of(layer, n, row.time_zone, held) for n, layer in enumerate(row.layers, start=1)),
        like=row.like_schedule_id,
        like_turns=row.like_turns,
        starts_at=row.effective_from,
        ends_at=row.effective_until,
    )


async def listed(
    conn: AsyncConnection, schedule_id: int, *, before: int | None = None, limit: int | None = None
) -> list[StoredVersion]:
    """The versions of a schedule, the newest first, from the one before a number on."""
    values = {"id": schedule_id, "before": before, "limit": limit}
    return [StoredVersion(**row) for row in (await conn.execute(_LIST, values)).mappings()]


async def numbers(conn: AsyncConnection, ids: Collection[int], at: datetime) -> dict[int, int]:
    """By schedule id the number of the version that is in force at an instant."""
    return {r.schedule_id: r.number for r in await conn.execute(_NUMBERS, {"ids": list(ids), "t0": at, "t1": at})}


async def insert(
    conn: AsyncConnection,
    now: datetime,
    schedule_id: int,
    schedule: ScheduleEdit,
    users: Mapping[str, int],
    *,
    actor: str,
    effective_from: datetime | None,
) -> None:
    """Appends a version that is in force from an instant on; the first one since ever."""
    calendars = await calendar_ids(conn, schedule)
    layers = [stored_layer(layer, users, calendars) for layer in schedule.layers]
    like = (schedule.like.schedule, schedule.like.turns) if schedule.like else (None, 0)
    await _append(conn, now, schedule_id, schedule.time_zone, layers, like, actor, effective_from, None)


async def restore(
    conn: AsyncConnection, now: datetime, schedule_id: int, old: StoredVersion, undone: StoredVersion, *, actor: str
) -> None:
    """Appends what `old` says, in force from now on, in place of `undone`."""
    like = (old.like, old.like_turns)
    await _append(conn, now, schedule_id, old.time_zone, old.layers, like, actor, now, undone.number)


async def _append(
    conn: AsyncConnection,
    now: datetime,
    schedule_id: int,
    zone: str,
    layers: Sequence[Mapping[str, Any]],
    like: tuple[str | None, int],
    actor: str,
    effective_from: datetime | None,
    undoes: int | None,
) -> None:
    await conn.execute(_END, {"id": schedule_id, "at": effective_from})
    values = {"id": schedule_id, "zone": zone, "layers": dumps(layers), "like": like[0]}
    values |= {"like_turns": like[1], "effective_from": effective_from, "undoes": undoes, "actor": actor, "now": now}
    await conn.execute(_INSERT, values)


async def take_back(conn: AsyncConnection, schedule_id: int, number: int) -> None:
    """The newest version, which is planned, never comes into force; the one before it goes on."""
    await conn.execute(_TAKE_BACK, {"id": schedule_id, "number": number})
    await conn.execute(_GO_ON, {"id": schedule_id, "number": number})


async def cut(conn: AsyncConnection, schedule_id: int, at: datetime | None) -> None:
    """Forgets what comes into force from `at` on; None: everything. For rehearsals: nobody's history is ever cut."""
    await conn.execute(_CUT, {"id": schedule_id, "at": at})
    if at is not None:
        await conn.execute(_OPEN, {"id": schedule_id, "at": at})


async def followers(conn: AsyncConnection, schedule_id: int, now: datetime) -> list[str]:
    """Keys of schedules that are like this one now, or will be."""
    return list((await conn.execute(_FOLLOWERS, {"id": schedule_id, "now": now})).scalars())


async def like_of(conn: AsyncConnection, key: str) -> tuple[int, str | None, bool] | None:
    """The id of a schedule, the key of the one that it is like, and whether turns of its go to whoever is rested; None
    when there is no such schedule."""
    row = (await conn.execute(_LIKE, {"key": key})).first()
    return None if row is None else (row.id, row.like, row.rested)
