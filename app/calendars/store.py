"""SQL of calendars and of what they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars.documents import CalendarDocument, CalendarEdit, Observers
from app.db.engine import dumps
from app.directory.changes import Stored

_CALENDARS = text("""
    SELECT c.id, c.key, c.name, t.key AS team, c.purpose, c.source, c.country, c.subdivision, c.time_zone, c.people,
           c.observed_by_everybody, c.observing_teams, c.observing_users, c.refresh_s, c.team_id, c.version,
           c.created_at, c.updated_at, CASE c.source WHEN 'text' THEN c.content ELSE '' END AS text
    FROM calendars c LEFT JOIN teams t ON t.id = c.team_id
    WHERE (CAST(:keys AS text[]) IS NULL OR c.key = ANY (CAST(:keys AS text[]))) AND c.key > :after
    ORDER BY c.key LIMIT :limit
""")
_STATES = text("""
    SELECT c.key, c.address_shown, c.tried_at, c.fetched_at, c.failing_since, c.error, c.unknown, c.problems,
           c.changed_at, c.due_at
    FROM calendars c WHERE c.key = ANY (CAST(:keys AS text[]))
""")
# What is wrong with calendars of which something is: for whoever looks after the installation.
_TROUBLED = text("""
    SELECT key, name, failing_since, error, jsonb_array_length(unknown) AS unknown,
           source = 'address' AND sealed_address IS NULL AS without_address
    FROM calendars
    WHERE failing_since IS NOT NULL OR unknown <> '[]' OR (source = 'address' AND sealed_address IS NULL)
    ORDER BY key LIMIT 50
""")
_WITH_ADDRESS = text("SELECT key FROM calendars WHERE sealed_address IS NOT NULL ORDER BY key")
_FAILING = text("SELECT count(*) FROM calendars WHERE failing_since IS NOT NULL")
_LOCK = text("SELECT id, version FROM calendars WHERE key = :key FOR UPDATE")
_INSERT = text("""
    INSERT INTO calendars (key, name, team_id, purpose, source, country, subdivision, time_zone, people,
        observed_by_everybody, observing_teams, observing_users, refresh_s, content, due_at, created_at, updated_at)
    VALUES (:key, :name, :team_id, :purpose, :source, :country, :subdivision, :time_zone, CAST(:people AS jsonb),
        :everybody, CAST(:teams AS text[]), CAST(:users AS text[]), :refresh_s, :content, :now, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
# Another source or purpose begins anew; what an address gave is no text that somebody wrote.
_UPDATE = text("""
    UPDATE calendars SET name = :name, team_id = :team_id, purpose = :purpose, source = :source, country = :country,
        subdivision = :subdivision, time_zone = :time_zone, people = CAST(:people AS jsonb),
        observed_by_everybody = :everybody, observing_teams = CAST(:teams AS text[]),
        observing_users = CAST(:users AS text[]), refresh_s = :refresh_s,
        content = CASE WHEN :source = 'address' AND source = 'address' THEN content ELSE :content END,
        etag = CASE WHEN source = :source THEN etag ELSE '' END,
        last_modified = CASE WHEN source = :source THEN last_modified ELSE '' END,
        sealed_address = CASE WHEN :source = 'address' THEN sealed_address END,
        address_shown = CASE WHEN :source = 'address' THEN address_shown ELSE '' END,
        due_at = :now, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_ADDRESS = text("""
    UPDATE calendars SET sealed_address = :sealed, address_shown = :shown, etag = '', last_modified = '', due_at = :now,
        version = version + 1, updated_at = :now
    WHERE id = :id
""")
_DUE = text("UPDATE calendars SET due_at = :now WHERE id = :id")
_DELETE = text("DELETE FROM calendars WHERE id = :id")
_TEAM = text("SELECT id FROM teams WHERE key = :key")
_ACCOUNTS = text("SELECT id, key, name, email FROM users ORDER BY id")
_ZONE = text("SELECT coalesce((SELECT time_zone FROM organisation WHERE id = 1), 'UTC')")
_IDS = text("SELECT key, id, purpose FROM calendars WHERE key = ANY (CAST(:keys AS text[]))")
_KEYS = text("SELECT id, key FROM calendars WHERE id = ANY (CAST(:ids AS bigint[]))")
# Entries that touch a window, both ends included.
_ENTRIES = text("""
    SELECT calendar_id, starts_at, ends_at, user_id, said FROM calendar_entries
    WHERE calendar_id = ANY (CAST(:ids AS bigint[])) AND starts_at <= :t1 AND ends_at > :t0
    ORDER BY calendar_id, starts_at, ends_at, user_id, said
""")
_DAYS = text("""
    SELECT calendar_id, day, name FROM calendar_days WHERE calendar_id = ANY (CAST(:ids AS bigint[])) ORDER BY day
""")
# Of every user the days off: by the calendars that name the user, else those of the user's teams, else everybody's.
_DAYS_OFF = text("""
    WITH observed AS (
        SELECT u.id AS user_id, c.id AS calendar_id,
               CASE WHEN u.key = ANY (c.observing_users) THEN 3
                    WHEN EXISTS (SELECT 1 FROM team_members m JOIN teams t ON t.id = m.team_id
                                 WHERE m.user_id = u.id AND t.key = ANY (c.observing_teams)) THEN 2
                    WHEN c.observed_by_everybody THEN 1 END AS rank
        FROM calendars c CROSS JOIN users u
        WHERE c.purpose = 'holidays' AND u.id = ANY (CAST(:users AS bigint[])))
    SELECT DISTINCT o.user_id, d.day FROM observed o JOIN calendar_days d ON d.calendar_id = o.calendar_id
    WHERE o.rank = (SELECT max(rank) FROM observed x WHERE x.user_id = o.user_id)
      AND d.day BETWEEN CAST(:first AS date) AND CAST(:last AS date)
""")


@dataclass(frozen=True, slots=True)
class State:
    """How a calendar fares. `unknown` and `problems` as they were last found."""

    key: str
    address_shown: str
    tried_at: datetime | None
    fetched_at: datetime | None
    failing_since: datetime | None
    error: str
    unknown: list[dict[str, Any]]
    problems: list[str]
    changed_at: datetime | None
    due_at: datetime | None


async def calendars(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[Stored[CalendarDocument]]:
    """In the order of their keys: all, these, or a slice after a key."""
    named = {"keys": None if keys is None else list(keys), "after": after, "limit": limit}
    return [_stored(row) for row in await conn.execute(_CALENDARS, named)]


def _stored(row: Any) -> Stored[CalendarDocument]:
    observers = Observers(everybody=row.observed_by_everybody, teams=row.observing_teams, users=row.observing_users)
    document = CalendarDocument(
        key=row.key,
        name=row.name,
        team=row.team,
        purpose=row.purpose,
        source=row.source,
        text=row.text or "",
        country=row.country,
        subdivision=row.subdivision,
        time_zone=row.time_zone,
        people=row.people,
        observed_by=observers,
        refresh_s=row.refresh_s,
    )
    return Stored(row.id, document, row.version, row.created_at, row.updated_at, row.team_id)


async def states(conn: AsyncConnection, keys: Collection[str]) -> dict[str, State]:
    """By key."""
    return {r.key: State(*r) for r in await conn.execute(_STATES, {"keys": list(keys)})}


async def troubled(conn: AsyncConnection) -> Sequence[Any]:
    """`key`, `name`, `failing_since`, `error`, `unknown` (how many names), `without_address`."""
    return (await conn.execute(_TROUBLED)).all()


async def with_address(conn: AsyncConnection) -> list[str]:
    """Keys of those whose address is known."""
    return list((await conn.execute(_WITH_ADDRESS)).scalars())


async def failing(conn: AsyncConnection) -> int:
    return int((await conn.execute(_FAILING)).scalar_one())


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version), locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(conn: AsyncConnection, now: datetime, calendar: CalendarDocument, team_id: int | None) -> int | None:
    """Its id; None when the key is taken."""
    values = _values(now, calendar, team_id) | {"key": calendar.key}
    found: int | None = (await conn.execute(_INSERT, values)).scalar()
    return found


async def update(
    conn: AsyncConnection, now: datetime, calendar_id: int, edit: CalendarEdit, team_id: int | None
) -> None:
    await conn.execute(_UPDATE, _values(now, edit, team_id) | {"id": calendar_id})


def _values(now: datetime, edit: CalendarEdit, team_id: int | None) -> dict[str, Any]:
    plain = edit.model_dump(include={"name", "purpose", "source", "country", "subdivision", "time_zone", "refresh_s"})
    observers = edit.observed_by
    return plain | {
        "team_id": team_id,
        "people": dumps(edit.people),
        "everybody": observers.everybody,
        "teams": observers.teams,
        "users": observers.users,
        "content": edit.text or None,
        "now": now,
    }


async def set_address(conn: AsyncConnection, now: datetime, calendar_id: int, sealed: bytes, shown: str) -> None:
    await conn.execute(_ADDRESS, {"id": calendar_id, "sealed": sealed, "shown": shown, "now": now})


async def make_due(conn: AsyncConnection, now: datetime, calendar_id: int) -> None:
    await conn.execute(_DUE, {"id": calendar_id, "now": now})


async def delete(conn: AsyncConnection, calendar_id: int) -> None:
    await conn.execute(_DELETE, {"id": calendar_id})


async def find_team(conn: AsyncConnection, key: str) -> int | None:
    return (await conn.execute(_TEAM, {"key": key})).scalar()


async def accounts(conn: AsyncConnection) -> Sequence[Any]:
    """`id`, `key`, `name`, `email` of every user."""
    return (await conn.execute(_ACCOUNTS)).all()


async def organisation_zone(conn: AsyncConnection) -> str:
    return str((await conn.execute(_ZONE)).scalar_one())


async def ids(conn: AsyncConnection, keys: Iterable[str]) -> dict[str, tuple[int, str]]:
    """Id and purpose of those that exist, by key."""
    return {r.key: (r.id, r.purpose) for r in await conn.execute(_IDS, {"keys": list(keys)})}


async def keys(conn: AsyncConnection, calendar_ids: Iterable[int]) -> dict[int, str]:
    return {r.id: r.key for r in await conn.execute(_KEYS, {"ids": list(calendar_ids)})}


async def entries(
    conn: AsyncConnection, calendar_ids: Iterable[int], window: tuple[datetime, datetime]
) -> Mapping[int, Sequence[Any]]:
    """By calendar id: `starts_at`, `ends_at`, `user_id` (None: unknown), `said`."""
    found: dict[int, list[Any]] = {}
    named = {"ids": list(calendar_ids), "t0": window[0], "t1": window[1]}
    for row in await conn.execute(_ENTRIES, named):
        found.setdefault(row.calendar_id, []).append(row)
    return found


async def days(conn: AsyncConnection, calendar_ids: Iterable[int]) -> dict[int, dict[date, str]]:
    """By calendar id the days of each, with their names."""
    found: dict[int, dict[date, str]] = {}
    for row in await conn.execute(_DAYS, {"ids": list(calendar_ids)}):
        found.setdefault(row.calendar_id, {})[row.day] = row.name
    return found


async def days_off(conn: AsyncConnection, user_ids: Iterable[int], first: date, last: date) -> dict[int, set[date]]:
    """By user id the holidays that each observes, from `first` to `last`."""
    found: dict[int, set[date]] = {}
    named = {"users": list(user_ids), "first": first, "last": last}
    for row in await conn.execute(_DAYS_OFF, named):
        found.setdefault(row.user_id, set()).add(row.day)
    return found
