"""SQL of schedules, their layers and overrides."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.db.engine import dumps
from app.oncall.layers import Layer
from app.oncall.schedule_document import LayerDocument, ScheduleDocument, ScheduleEdit
from app.oncall.shifts import Override, Schedule


@dataclass(frozen=True, slots=True)
class StoredSchedule:
    """A schedule as it is now. `version` is its ETag."""

    id: int
    document: ScheduleDocument
    version: int
    created_at: datetime
    updated_at: datetime


_SCHEDULES = text("""
    SELECT s.id, s.key, s.name, t.key AS team, s.time_zone, s.version, s.created_at, s.updated_at
    FROM schedules s LEFT JOIN teams t ON t.id = s.team_id
    WHERE (CAST(:keys AS text[]) IS NULL OR s.key = ANY(CAST(:keys AS text[])))
      AND (CAST(:ids AS bigint[]) IS NULL OR s.id = ANY(CAST(:ids AS bigint[])))
      AND s.key > :after
    ORDER BY s.key LIMIT :limit
""")
_LAYERS = text("SELECT * FROM layers WHERE schedule_id = ANY(CAST(:ids AS bigint[])) ORDER BY schedule_id, position")

# Overrides that touch a window, its end included; one that ends as the window begins is over.
_TOUCHING = text("""
    SELECT id, schedule_id, user_id, replaces_user_id, starts_at, ends_at FROM overrides
    WHERE schedule_id = ANY(CAST(:ids AS bigint[])) AND starts_at <= :t1 AND ends_at > :t0
    ORDER BY id
""")
_USERS_BY_KEY = text("SELECT key, id FROM users WHERE key = ANY(CAST(:keys AS text[]))")
_USERS_BY_ID = text("SELECT id, key, name FROM users WHERE id = ANY(CAST(:ids AS bigint[]))")
# Schedules in which a user may be on call during a window: named in a layer, or by an override that touches it.
_OF_USER = text("""
    SELECT s.id, s.key FROM schedules s
    WHERE EXISTS (SELECT 1 FROM layers l, jsonb_array_elements(l.members) AS turn
                  WHERE l.schedule_id = s.id AND turn @> to_jsonb(CAST(:user_id AS bigint)))
       OR EXISTS (SELECT 1 FROM overrides o
                  WHERE o.schedule_id = s.id AND o.user_id = :user_id AND o.starts_at <= :t1 AND o.ends_at > :t0)
    ORDER BY s.key
""")
_TEAM = text("SELECT id FROM teams WHERE key = :key")
_LOCK = text("SELECT id, version FROM schedules WHERE key = :key FOR UPDATE")
_INSERT = text("""
    INSERT INTO schedules (key, name, team_id, time_zone, created_at, updated_at)
    VALUES (:key, :name, :team_id, :zone, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE = text("""
    UPDATE schedules SET name = :name, team_id = :team_id, time_zone = :zone, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_DELETE = text("DELETE FROM schedules WHERE id = :id")
_DELETE_LAYERS = text("DELETE FROM layers WHERE schedule_id = :id")
_INSERT_LAYERS = text("""
    INSERT INTO layers
        (schedule_id, position, name, unit, length, anchor, members, restrictions, starts_at, ends_at)
    SELECT :id, l.position, l.name, l.unit, l.length, l.anchor, l.members, l.restrictions, l.starts_at, l.ends_at
    FROM jsonb_to_recordset(CAST(:layers AS jsonb)) AS l (
        position int, name text, unit text, length int, anchor timestamp, members jsonb, restrictions jsonb,
        starts_at timestamptz, ends_at timestamptz
    )
""")


async def schedules(
    conn: AsyncConnection, ids: Sequence[int] | None = None, *, window: tuple[datetime, datetime]
) -> dict[int, Schedule]:
    """What `shifts` computes with, for these schedules or all, complete for every instant of `window`, both ends
    included."""
    named = {"keys": None, "ids": None if ids is None else list(ids), "after": "", "limit": None}
    found = (await conn.execute(_SCHEDULES, named)).all()
    layers = await _layers(conn, [r.id for r in found])
    overrides = await _touching(conn, [r.id for r in found], window)
    return {r.id: Schedule(r.id, r.name, r.time_zone, tuple(map(_layer, layers[r.id])), overrides[r.id]) for r in found}


async def _layers(conn: AsyncConnection, schedule_ids: list[int]) -> defaultdict[int, list[RowMapping]]:
    layers: defaultdict[int, list[RowMapping]] = defaultdict(list)
    for row in (await conn.execute(_LAYERS, {"ids": schedule_ids})).mappings():
        layers[row["schedule_id"]].append(row)
    return layers


async def _touching(
    conn: AsyncConnection, schedule_ids: list[int], window: tuple[datetime, datetime]
) -> defaultdict[int, tuple[Override, ...]]:
    overrides: defaultdict[int, tuple[Override, ...]] = defaultdict(tuple)
    for r in await conn.execute(_TOUCHING, {"ids": schedule_ids, "t0": window[0], "t1": window[1]}):
        overrides[r.schedule_id] += (Override(r.id, r.user_id, r.starts_at, r.ends_at, r.replaces_user_id),)
    return overrides


def _layer(row: RowMapping) -> Layer:
    return Layer(
        id=row["id"],
        name=row["name"],
        position=row["position"],
        unit=row["unit"],
        length=row["length"],
        anchor=row["anchor"],
        members=tuple(tuple(turn) for turn in row["members"]),
        restrictions=hours.parse_spans(row["restrictions"]),
        starts_at=row["starts_at"],
        ends_at=row["ends_at"],
    )


async def documents(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[StoredSchedule]:
    """Schedules as people write them, in the order of their keys: all, those of `keys`, or a slice after a key."""
    named = {"keys": None if keys is None else list(keys), "ids": None, "after": after, "limit": limit}
    found = (await conn.execute(_SCHEDULES, named)).all()
    layers = await _layers(conn, [r.id for r in found])
    members = {user for rows in layers.values() for row in rows for turn in row["members"] for user in turn}
    users = {user_id: key for user_id, (key, _) in (await names(conn, members)).items()}
    return [
        StoredSchedule(
            r.id,
            ScheduleDocument(
                key=r.key,
                name=r.name,
                team=r.team,
                time_zone=r.time_zone,
                layers=[_layer_document(row, users) for row in layers[r.id]],
            ),
            r.version,
            r.created_at,
            r.updated_at,
        )
        for r in found
    ]


def _layer_document(row: RowMapping, users: Mapping[int, str]) -> LayerDocument:
    wanted = {name: row[name] for name in LayerDocument.model_fields}
    return LayerDocument.model_validate(
        wanted | {"members": [[users[u] for u in turn if u in users] for turn in row["members"]]}
    )


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


async def find_users(conn: AsyncConnection, keys: Iterable[str]) -> dict[str, int]:
    """The ids of those users that exist."""
    return {r.key: r.id for r in await conn.execute(_USERS_BY_KEY, {"keys": list(keys)})}


async def find_team(conn: AsyncConnection, key: str) -> int | None:
    return (await conn.execute(_TEAM, {"key": key})).scalar()


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """Id and version of a schedule, locked until the transaction ends; None when there is none."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(
    conn: AsyncConnection, now: datetime, schedule: ScheduleDocument, team_id: int | None, users: Mapping[str, int]
) -> bool:
    """False when the key is taken."""
    values = {"key": schedule.key, "name": schedule.name, "team_id": team_id, "zone": schedule.time_zone, "now": now}
    schedule_id = (await conn.execute(_INSERT, values)).scalar()
    if schedule_id is not None:
        await _insert_layers(conn, schedule_id, schedule, users)
    return schedule_id is not None


async def update(
    conn: AsyncConnection,
    now: datetime,
    schedule_id: int,
    schedule: ScheduleEdit,
    team_id: int | None,
    users: Mapping[str, int],
) -> None:
    """Puts other layers in place of the stored ones; overrides stay."""
    values = {"id": schedule_id, "name": schedule.name, "team_id": team_id, "zone": schedule.time_zone, "now": now}
    await conn.execute(_UPDATE, values)
    await conn.execute(_DELETE_LAYERS, {"id": schedule_id})
    await _insert_layers(conn, schedule_id, schedule, users)


async def _insert_layers(
    conn: AsyncConnection, schedule_id: int, schedule: ScheduleEdit, users: Mapping[str, int]
) -> None:
    layers = [
        layer.model_dump(mode="json")
        | {"position": position, "members": [[users[key] for key in turn] for turn in layer.members]}
        for position, layer in enumerate(schedule.layers, start=1)
    ]
    await conn.execute(_INSERT_LAYERS, {"id": schedule_id, "layers": dumps(layers)})


async def delete(conn: AsyncConnection, schedule_id: int) -> None:
    await conn.execute(_DELETE, {"id": schedule_id})
