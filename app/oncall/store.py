"""SQL of schedules; of their versions: `version_store.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.oncall import version_store
from app.oncall.schedule_document import HandoffNotices, Like, ScheduleDocument, ScheduleEdit
from app.oncall.shifts import Override, Schedule
from app.oncall.version_store import IN_WINDOW
from app.oncall.versions import decided_since, drafted, followed, laid, layer_document, stored_layer


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as it was last written. `version` is its ETag; `number` that of its newest version, which is in force
    from `effective_from` on (None: since ever)."""

    id: int
    document: ScheduleDocument
    version: int
    created_at: datetime
    updated_at: datetime
    number: int
    effective_from: datetime | None


_SCHEDULES = text("""
    SELECT s.id, s.key, s.name, t.key AS team, s.version, s.created_at, s.updated_at, v.number, v.time_zone, v.layers,
           l.key AS like, v.like_turns, v.effective_from, s.handoff_notices
    FROM schedules s JOIN schedule_versions v ON v.schedule_id = s.id AND v.effective_until IS NULL
    LEFT JOIN teams t ON t.id = s.team_id LEFT JOIN schedules l ON l.id = v.like_schedule_id
    WHERE (CAST(:keys AS text[]) IS NULL OR s.key = ANY(CAST(:keys AS text[])))
      AND (CAST(:ids AS bigint[]) IS NULL OR s.id = ANY(CAST(:ids AS bigint[])))
      AND s.key > :after
    ORDER BY s.key LIMIT :limit
""")
_NAMES = text("""
    SELECT id, name FROM schedules WHERE CAST(:ids AS bigint[]) IS NULL OR id = ANY(CAST(:ids AS bigint[])) ORDER BY key
""")

# Overrides that touch a window, its end included; one that ends as the window begins is over.
_TOUCHING = text("""
    SELECT id, schedule_id, kind, user_id, replaces_user_id, starts_at, ends_at, swap_id, handshake_id, created_at
    FROM overrides WHERE schedule_id = ANY(CAST(:ids AS bigint[])) AND starts_at <= :t1 AND ends_at > :t0
    ORDER BY id
""")
_USERS_BY_KEY = text("SELECT key, id FROM users WHERE key = ANY(CAST(:keys AS text[]))")
_USERS_BY_ID = text("SELECT id, key, name FROM users WHERE id = ANY(CAST(:ids AS bigint[]))")
_MEMBERS = text("""
    SELECT u.id, u.key, u.name, u.active, coalesce(u.time_zone, o.time_zone) AS time_zone
    FROM users u LEFT JOIN organisation o ON o.id = 1 WHERE u.id = ANY(CAST(:ids AS bigint[]))
""")
# Schedules in which a user may be on call during a window: named by a version of then, or of the schedule that such a
# version is like, or by an override that touches it.
_OF_USER = text(f"""
    WITH named AS (
        SELECT v.schedule_id FROM schedule_versions v
        WHERE {IN_WINDOW} AND (jsonb_path_exists(
            v.layers, '$[*].members[*][*] ? (@ == $id)', jsonb_build_object('id', CAST(:user_id AS bigint)))
            OR EXISTS (SELECT 1 FROM calendar_entries e, jsonb_path_query(v.layers, '$[*].calendar') AS c (id)
                       WHERE e.calendar_id = CAST(c.id AS bigint) AND e.user_id = :user_id
                         AND e.starts_at <= :t1 AND e.ends_at > :t0)))
    SELECT s.id, s.key FROM schedules s
    WHERE s.id IN (SELECT schedule_id FROM named)
       OR EXISTS (SELECT 1 FROM schedule_versions v
                  WHERE v.schedule_id = s.id AND {IN_WINDOW}
                    AND v.like_schedule_id IN (SELECT schedule_id FROM named))
       OR EXISTS (SELECT 1 FROM overrides o
                  WHERE o.schedule_id = s.id AND o.user_id = :user_id AND o.starts_at <= :t1 AND o.ends_at > :t0)
    ORDER BY s.key
""")
_LIKE = text("""
    SELECT (SELECT id FROM schedules WHERE key = :key) AS id, (SELECT id FROM schedules WHERE key = :like) AS "like"
""")
_TEAM = text("SELECT id FROM teams WHERE key = :key")
_LOCK = text("SELECT id, version FROM schedules WHERE key = :key FOR UPDATE")
_INSERT = text("""
    INSERT INTO schedules (key, name, team_id, handoff_notices, created_at, updated_at)
    VALUES (:key, :name, :team_id, CAST(:notices AS jsonb), :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE = text("""
    UPDATE schedules SET name = :name, team_id = :team_id, handoff_notices = CAST(:notices AS jsonb),
           version = version + 1, updated_at = :now
    WHERE id = :id
""")
_TOUCH = text("UPDATE schedules SET version = version + 1, updated_at = :now WHERE id = :id")
_DELETE = text("DELETE FROM schedules WHERE id = :id")


async def schedules(
    conn: AsyncConnection, ids: Sequence[int] | None = None, *, window: tuple[datetime, datetime]
) -> dict[int, Schedule]:
    """What `shifts` computes with, for these schedules or all, complete for every instant of `window`, both ends
    included."""
    names = {r.id: r.name for r in await conn.execute(_NAMES, {"ids": None if ids is None else list(ids)})}
    versions = await version_store.in_window(conn, names, window)
    layers = {i: laid(versions[i], versions) for i in names}
    overrides = await _touching(conn, list(names), window)
    for i, since in ((i, since) for i in names if (since := decided_since(layers[i])) is not None):
        overrides |= await _touching(conn, [i], (min(since, window[0]), window[1]))
    return {i: Schedule(i, name, versions[i][-1].zone, layers[i], overrides[i]) for i, name in names.items()}


async def compared(
    conn: AsyncConnection,
    document: ScheduleDocument,
    users: Mapping[str, int],
    *,
    window: tuple[datetime, datetime],
    effective_from: datetime,
) -> tuple[Schedule, Schedule]:
    """A schedule as it is (without layers when there is none of this key), and as it would be if `document` came into
    force at an instant. `users`: the ids of all members."""
    found = (await conn.execute(_LIKE, {"key": document.key, "like": document.like and document.like.schedule})).one()
    versions = await version_store.in_window(conn, [i for i in found if i is not None], window)
    schedule_id, zone = found.id or 0, document.time_zone
    before = versions.get(schedule_id, [])
    calendars = await version_store.calendar_ids(conn, document)
    held = await version_store.calendars_of(conn, [stored_layer(x, users, calendars) for x in document.layers], window)
    since = effective_from if before else None
    draft = drafted(document, users, schedule_id, found.like, since, calendars, held)
    now, then = laid(before, versions), laid(followed(before, draft), versions)
    since = min(decided_since((*now, *then)) or window[0], window[0])
    overrides = (await _touching(conn, [found.id], (since, window[1])))[found.id] if found.id else ()
    name = document.name
    return Schedule(schedule_id, name, zone, now, overrides), Schedule(schedule_id, name, zone, then, overrides)


async def _touching(
    conn: AsyncConnection, schedule_ids: list[int], window: tuple[datetime, datetime]
) -> defaultdict[int, tuple[Override, ...]]:
    overrides: defaultdict[int, tuple[Override, ...]] = defaultdict(tuple)
    for r in await conn.execute(_TOUCHING, {"ids": schedule_ids, "t0": window[0], "t1": window[1]}):
        adds = r.kind == "add"
        because = f"override {r.id}" + (f", swap {r.swap_id}" if r.swap_id else ", in addition" if adds else "")
        if r.handshake_id:
            because = f"stays until the handoff is confirmed (handshake {r.handshake_id})"
        override = Override(
            r.id, r.user_id, r.starts_at, r.ends_at, r.replaces_user_id, adds, because, r.handshake_id, r.created_at
        )
        overrides[r.schedule_id] += (override,)
    return overrides


async def documents(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[StoredSchedule]:
    """Schedules as people write them, in the order of their keys: all, those of `keys`, or a slice after a key."""
    named = {"keys": None if keys is None else list(keys), "ids": None, "after": after, "limit": limit}
    found = (await conn.execute(_SCHEDULES, named)).all()
    members = {user for r in found for layer in r.layers for turn in layer["members"] for user in turn}
    users = {user_id: key for user_id, (key, _) in (await names(conn, members)).items()}
    calendars = await version_store.calendar_keys(conn, [layer for r in found for layer in r.layers])
    return [
        StoredSchedule(
            r.id,
            ScheduleDocument(
                key=r.key,
                name=r.name,
                team=r.team,
                time_zone=r.time_zone,
                layers=[layer_document(layer, users, calendars) for layer in r.layers],
                like=Like(schedule=r.like, turns=r.like_turns) if r.like else None,
                handoff_notices=HandoffNotices(**r.handoff_notices) if r.handoff_notices else None,
            ),
            r.version,
            r.created_at,
            r.updated_at,
            r.number,
            r.effective_from,
        )
        for r in found
    ]


async def schedules_of_user(
    conn: AsyncConnection, user_id: int, *, window: tuple[datetime, datetime]
) -> dict[int, str]:
    """Id and key of the schedules in which this user may be on call."""
    rows = await conn.execute(_OF_USER, {"user_id": user_id, "t0": window[0], "t1": window[1]})
    return {r.id: r.key for r in rows}


async def names(conn: AsyncConnection, user_ids: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Key and name of users."""
    rows = await conn.execute(_USERS_BY_ID, {"ids": list(user_ids)})
    return {r.id: (r.key, r.name) for r in rows}


@dataclass(frozen=True, slots=True)
class Member:
    """A user as checks of a schedule see one. `time_zone`: the user's own, or the organisation's, if any."""

    id: int
    key: str
    name: str
    active: bool
    time_zone: str | None


async def members(conn: AsyncConnection, user_ids: Iterable[int]) -> dict[int, Member]:
    """By id."""
    return {r.id: Member(*r) for r in await conn.execute(_MEMBERS, {"ids": list(user_ids)})}


async def find_users(conn: AsyncConnection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of those users that exist."""
    return {r.key: r.id for r in await conn.execute(_USERS_BY_KEY, {"keys": list(keys)})}


async def find_team(conn: AsyncConnection, key: str) -> int | None:
    return (await conn.execute(_TEAM, {"key": key})).scalar()


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """Id and version of a schedule, locked until the transaction ends; None when there is none."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(conn: AsyncConnection, now: datetime, schedule: ScheduleDocument, team_id: int | None) -> int | None:
    """Its id, without a version yet; None when the key is taken."""
    values = {"key": schedule.key, "name": schedule.name, "team_id": team_id, "notices": _notices(schedule), "now": now}
    found: int | None = (await conn.execute(_INSERT, values)).scalar()
    return found


async def update(
    conn: AsyncConnection, now: datetime, schedule_id: int, schedule: ScheduleEdit, team_id: int | None
) -> None:
    """What is so at once; its versions stay."""
    values = {"id": schedule_id, "name": schedule.name, "team_id": team_id, "notices": _notices(schedule), "now": now}
    await conn.execute(_UPDATE, values)


def _notices(schedule: ScheduleEdit) -> str | None:
    return None if schedule.handoff_notices is None else dumps(schedule.handoff_notices.model_dump())


async def touch(conn: AsyncConnection, now: datetime, schedule_id: int) -> None:
    """Whoever saw it before an undo edits something else than they think."""
    await conn.execute(_TOUCH, {"id": schedule_id, "now": now})


async def delete(conn: AsyncConnection, schedule_id: int) -> None:
    await conn.execute(_DELETE, {"id": schedule_id})
