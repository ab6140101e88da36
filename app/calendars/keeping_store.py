"""SQL of looking after calendars: the claim, what was found, what is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars.naming import Named
from app.db.engine import dumps

KEPT_DAYS: Final = 800
"""Entries that ended before are no part of any answer about the past any more."""

_COLUMNS = """
    id, key, purpose, source, country, subdivision, people, sealed_address, content, etag, last_modified, fetched_at,
    version, coalesce(time_zone, (SELECT o.time_zone FROM organisation o WHERE o.id = 1), 'UTC') AS zone
"""
# Holidays of a country are worked out, not asked for: once a day is often enough.
_PAUSE = "make_interval(secs => CASE source WHEN 'country' THEN 86400 ELSE refresh_s END)"
# Whoever claims a calendar sets its next time ahead: a worker that dies has only missed a turn.
_CLAIM = text(f"""
    UPDATE calendars SET tried_at = CAST(:now AS timestamptz),
        due_at = CAST(:now AS timestamptz) + {_PAUSE}
    WHERE id = (SELECT id FROM calendars WHERE due_at <= :now ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
""")
_TAKE = text(f"""
    UPDATE calendars SET tried_at = CAST(:now AS timestamptz),
        due_at = CAST(:now AS timestamptz) + {_PAUSE} WHERE id = :id
    RETURNING {_COLUMNS}
""")
# Still the one that was claimed: nobody has edited it or claimed it again meanwhile.
_STILL = text("SELECT 1 FROM calendars WHERE id = :id AND tried_at = :tried AND version = :version FOR UPDATE")
_READ = text("""
    UPDATE calendars SET content = :content, etag = :etag, last_modified = :last_modified, fetched_at = :now,
        failing_since = NULL, error = '', unknown = CAST(:unknown AS jsonb), problems = CAST(:problems AS text[])
    WHERE id = :id
""")
_FAILED = text("""
    UPDATE calendars SET failing_since = coalesce(failing_since, :now), error = :error,
        unknown = CAST(:unknown AS jsonb), problems = CAST(:problems AS text[])
    WHERE id = :id
""")
_CHANGED = text("UPDATE calendars SET changed_at = :now WHERE id = :id")
_FORGET = text("DELETE FROM calendar_entries WHERE calendar_id = :id AND ends_at < :before")
_COMING = text("""
    SELECT starts_at, ends_at, coalesce(user_id, 0) AS user_id, said FROM calendar_entries
    WHERE calendar_id = :id AND ends_at > :now
""")
_CLEAR = text("DELETE FROM calendar_entries WHERE calendar_id = :id AND ends_at > :now")
_ADD = text("""
    INSERT INTO calendar_entries (calendar_id, starts_at, ends_at, user_id, said)
    SELECT :id, t.starts_at, t.ends_at, nullif(t.user_id, 0), t.said
    FROM unnest(CAST(:starts AS timestamptz[]), CAST(:ends AS timestamptz[]), CAST(:users AS bigint[]),
                CAST(:said AS text[])) AS t (starts_at, ends_at, user_id, said)
""")
_DAYS = text("SELECT day, name FROM calendar_days WHERE calendar_id = :id")
_CLEAR_DAYS = text("DELETE FROM calendar_days WHERE calendar_id = :id AND day >= CAST(:since AS date)")
_ADD_DAYS = text("""
    INSERT INTO calendar_days (calendar_id, day, name)
    SELECT :id, t.day, t.name FROM unnest(CAST(:days AS date[]), CAST(:names AS text[])) AS t (day, name)
    ON CONFLICT (calendar_id, day) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A calendar that somebody looks after now. `zone`: of times without one; `tried_at`: of this claim."""

    tried_at: datetime
    id: int
    key: str
    purpose: str
    source: str
    country: str | None
    subdivision: str | None
    people: Mapping[str, str]
    sealed_address: bytes | None
    content: str | None
    etag: str
    last_modified: str
    fetched_at: datetime | None
    version: int
    zone: str


async def claim(conn: AsyncConnection, now: datetime) -> Claimed | None:
    """The calendar that is longest due; None when none is."""
    row = (await conn.execute(_CLAIM, {"now": now})).first()
    return None if row is None else Claimed(now, *row)


async def take(conn: AsyncConnection, now: datetime, calendar_id: int) -> Claimed:
    """This one, due or not."""
    return Claimed(now, *(await conn.execute(_TAKE, {"now": now, "id": calendar_id})).one())


async def still(conn: AsyncConnection, claimed: Claimed) -> bool:
    """Whether it is as it was claimed; locked then."""
    named = {"id": claimed.id, "tried": claimed.tried_at, "version": claimed.version}
    return (await conn.execute(_STILL, named)).first() is not None


async def was_read(
    conn: AsyncConnection, now: datetime, calendar_id: int, content: str | None, etag: str, last_modified: str,
    unknown: Iterable[Any], problems: Iterable[str],
) -> None:  # fmt: skip
    values = {"id": calendar_id, "now": now, "content": content, "etag": etag, "last_modified": last_modified}
    await conn.execute(_READ, values | {"unknown": dumps(list(unknown)), "problems": list(problems)})


async def failed(
    conn: AsyncConnection, now: datetime, calendar_id: int, error: str, unknown: Iterable[Any], problems: Iterable[str]
) -> None:
    """What it held before stays."""
    values = {"id": calendar_id, "now": now, "error": error, "unknown": dumps(list(unknown))}
    await conn.execute(_FAILED, values | {"problems": list(problems)})


async def coming(conn: AsyncConnection, now: datetime, calendar_id: int) -> list[Named]:
    """Entries that are not over."""
    return [Named(*row) for row in await conn.execute(_COMING, {"id": calendar_id, "now": now})]


async def replace(
    conn: AsyncConnection, now: datetime, calendar_id: int, named: Iterable[Named], forget: datetime
) -> None:
    """These in place of those that are not over; what ended before `forget` goes."""
    rows = list(named)
    await conn.execute(_FORGET, {"id": calendar_id, "before": forget})
    await conn.execute(_CLEAR, {"id": calendar_id, "now": now})
    values: dict[str, Any] = {"starts": [r.starts_at for r in rows], "ends": [r.ends_at for r in rows]}
    values |= {"users": [r.user_id for r in rows], "said": [r.said for r in rows]}
    await conn.execute(_ADD, values | {"id": calendar_id})
    await conn.execute(_CHANGED, {"id": calendar_id, "now": now})


async def days(conn: AsyncConnection, calendar_id: int) -> dict[date, str]:
    return {r.day: r.name for r in await conn.execute(_DAYS, {"id": calendar_id})}


async def replace_days(
    conn: AsyncConnection, now: datetime, calendar_id: int, since: date, days: Mapping[date, str]
) -> None:
    """These in place of those from `since` on."""
    await conn.execute(_CLEAR_DAYS, {"id": calendar_id, "since": since})
    await conn.execute(_ADD_DAYS, {"id": calendar_id, "days": list(days), "names": list(days.values())})
    await conn.execute(_CHANGED, {"id": calendar_id, "now": now})
