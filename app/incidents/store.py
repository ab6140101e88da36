"""All SQL of incidents. Rows are locked in the order of their ids, and their ids not at all: who writes a notification
about an incident need not wait for whoever changes it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app import metrics
from app.db import ids
from app.db.engine import Raced, on_commit
from app.db.hot import Hot, send
from app.incidents import listening
from app.incidents.states import IS_OPEN, Incident
from app.incidents.timeline import Entry

_TYPES = {
    "id": "uuid",
    "number": "bigint",
    "service_id": "bigint",
    "correlation_key": "text",
    "open_key": "text",
    "title": "text",
    "state": "text",
    "epoch": "integer",
    "priority": "smallint",
    "impact": "smallint",
    "urgency": "smallint",
    "verdict": "jsonb",
    "priority_pin": "jsonb",
    "loudness": "text",
    "loud_due_at": "timestamptz",
    "held_open": "boolean",
    "opened_at": "timestamptz",
    "triggered_at": "timestamptz",
    "acknowledged_at": "timestamptz",
    "acknowledged_by_id": "bigint",
    "wakes_at": "timestamptz",
    "wakes_because": "text",
    "assigned_to_id": "bigint",
    "mitigated_at": "timestamptz",
    "resolved_at": "timestamptz",
    "resolved_by": "text",
    "closed_at": "timestamptz",
    "recovery_due_at": "timestamptz",
    "paging_due_at": "timestamptz",
    "reopened": "integer",
    "recurrence_of_id": "uuid",
    "last_occurrence_at": "timestamptz",
    "firing": "integer",
    "occurrences": "integer",
    "version": "integer",
    "merged_into_id": "uuid",
    "symptoms_due_at": "timestamptz",
    "drill": "boolean",
}
COLUMNS = Incident.__struct_fields__
"""In the order of the dataclass, so that a row is its arguments."""
_ALL = ", ".join(f"i.{c}" for c in COLUMNS)
_WRITTEN = tuple(c for c in COLUMNS if c not in ("number", "version"))


def _unnest(columns: Sequence[str]) -> str:
    """`unnest` over one array a column."""
    arrays = ", ".join(f"CAST(:{c} AS {_TYPES[c]}[])" for c in columns)
    return f"unnest({arrays}) AS t ({', '.join(columns)})"


_FOR_BATCH = f"""
    WITH newest AS MATERIALIZED (
        SELECT n.id, n.merged_into_id FROM unnest(CAST(:keys AS text[])) AS k (key) CROSS JOIN LATERAL (
            SELECT n.id, n.merged_into_id FROM incidents n WHERE n.correlation_key = k.key ORDER BY n.id DESC LIMIT 1
        ) AS n),
    merged AS MATERIALIZED (
        SELECT m.merged_into_id AS id FROM newest m WHERE m.merged_into_id IS NOT NULL
        UNION SELECT m.merged_into_id FROM incidents m
        WHERE m.id = ANY (CAST(:ids AS uuid[])) AND m.merged_into_id IS NOT NULL)
    SELECT {_ALL} FROM incidents i
    WHERE i.id IN (
        SELECT o.id FROM incidents o WHERE o.open_key = ANY (CAST(:keys AS text[]))
        UNION SELECT unnest(CAST(:ids AS uuid[]))
        UNION SELECT newest.id FROM newest
        UNION SELECT merged.id FROM merged
        UNION SELECT o.id FROM merged JOIN incidents m ON m.id = merged.id JOIN incidents o
              ON o.open_key = m.correlation_key"""

LOCK_FOR_BATCH = Hot(f"{_FOR_BATCH}) ORDER BY i.id FOR NO KEY UPDATE")
"""What a batch may join, end or reopen: the holders of its correlation keys, the newest incident of each key, the
incidents of occurrences that changed; and what these were merged into."""

LOCK_WITH_REASONS = Hot(f"""{_FOR_BATCH}
        UNION SELECT u.id FROM incidents u WHERE u.service_id = ANY (CAST(:above AS bigint[])) AND u.{IS_OPEN}
              AND NOT u.drill
              AND u.last_occurrence_at >= CAST(:since AS timestamptz)
    ) ORDER BY i.id FOR NO KEY UPDATE
""")
"""And what it may be a symptom of: open incidents of the services that its own depend on."""

_ACKNOWLEDGEMENT_MINUTES = text("""
    SELECT CAST(acknowledgement_minutes ->> CAST(:priority AS text) AS int) FROM services WHERE id = :id
""")
LOCK = text(f"SELECT {_ALL} FROM incidents i WHERE i.id = ANY (CAST(:ids AS uuid[])) ORDER BY i.id FOR NO KEY UPDATE")

LOCK_FREE = text(f"""
    SELECT {_ALL} FROM incidents i WHERE i.id = ANY (CAST(:ids AS uuid[])) ORDER BY i.id FOR NO KEY UPDATE SKIP LOCKED
""")

READ = text(f"SELECT {_ALL} FROM incidents i WHERE i.id = ANY (CAST(:ids AS uuid[]))")

INSERT = Hot(f"""
    INSERT INTO incidents ({", ".join(_WRITTEN)})
    SELECT {", ".join(_WRITTEN)} FROM {_unnest(_WRITTEN)}
    ON CONFLICT (open_key) WHERE open_key IS NOT NULL DO NOTHING
    RETURNING id, number
""")
"""New incidents. One whose key another process took meanwhile is missing from the answer."""

UPDATE = Hot(f"""
    UPDATE incidents i
    SET {", ".join(f"{c} = t.{c}" for c in _WRITTEN if c != "id")}, version = i.version + 1
    FROM {_unnest(_WRITTEN)}
    WHERE i.id = t.id
""")
"""Incidents after what happened to them. The row was locked when it was read, so that nothing is lost."""

_COUNTS = ("firing", "occurrences", "last_occurrence_at", "recovery_due_at")
_beside_counts = attrgetter(*[c for c in _WRITTEN if c not in _COUNTS])

COUNT = Hot(f"""
    UPDATE incidents i SET {", ".join(f"{c} = t.{c}" for c in _COUNTS)}, version = i.version + 1
    FROM {_unnest(("id", *_COUNTS))}
    WHERE i.id = t.id
""")
"""Incidents that alerts joined or left, and nothing else happened to: most of what a storm does."""

DUE = {
    "wakes": text(f"""
        SELECT {_ALL} FROM incidents i WHERE i.wakes_at <= :now
        ORDER BY i.wakes_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED"""),
    "recovery": text(f"""
        SELECT {_ALL} FROM incidents i WHERE i.recovery_due_at <= :now
        ORDER BY i.recovery_due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED"""),
    "loud": text(f"""
        SELECT {_ALL} FROM incidents i WHERE i.loud_due_at <= :now
        ORDER BY i.loud_due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED"""),
}
"""Incidents to which time did something: an acknowledgement expired or a snooze ended; a recovery delay passed; support
hours began. In the order of their due index: asked for in the order of ids, PostgreSQL would walk all incidents that
ever were. What is locked is skipped, so the order cannot deadlock."""

CLAIM_TRIGGERED = text("""
    UPDATE incidents SET paging_due_at = NULL WHERE id IN (
        SELECT i.id FROM incidents i WHERE i.paging_due_at <= :now
        ORDER BY i.paging_due_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
""")
"""Incidents that begin a new epoch, each for one worker."""

_TO_BE_REMINDED = """wakes_at IS NOT NULL AND wakes_because = 'expires' AND nudged_for IS DISTINCT FROM wakes_at
          AND acknowledged_by_id IS NOT NULL AND wakes_at - acknowledged_at > interval '5 minutes'"""

CLAIM_REMINDERS = text(f"""
    UPDATE incidents SET nudged_for = wakes_at WHERE id IN (
        SELECT i.id FROM incidents i WHERE i.wakes_at <= CAST(:now AS timestamptz) + interval '5 minutes'
          AND {_TO_BE_REMINDED} ORDER BY i.wakes_at LIMIT :limit FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id, epoch, loudness, wakes_at, acknowledged_by_id
""")
"""Acknowledgements that expire in 5 minutes or less, once each; one that was given for no longer needs no reminder."""

NOT_REMINDED = text("UPDATE incidents SET nudged_for = wakes_at WHERE id = :id")

SILENCED_UNTIL = text("""
    SELECT i.id FROM incidents i WHERE i.wakes_at <= :now AND i.wakes_because = 'silenced' LIMIT 500
""")
"""Incidents that silences made quiet, until now."""

HELD_KEYS = text("SELECT i.open_key FROM incidents i WHERE i.open_key = ANY (CAST(:keys AS text[]))")

NEXT_DUE = text(f"""
    SELECT least((SELECT min(wakes_at) FROM incidents WHERE wakes_at IS NOT NULL),
                 (SELECT min(wakes_at) - interval '5 minutes' FROM incidents WHERE {_TO_BE_REMINDED}),
                 (SELECT min(recovery_due_at) FROM incidents WHERE recovery_due_at IS NOT NULL),
                 (SELECT min(loud_due_at) FROM incidents WHERE loud_due_at IS NOT NULL),
                 (SELECT min(symptoms_due_at) FROM incidents WHERE symptoms_due_at IS NOT NULL),
                 (SELECT min(paging_due_at) FROM incidents WHERE paging_due_at IS NOT NULL))
""")

INSERT_TIMELINE = Hot("""
    INSERT INTO timeline_entries (id, incident_id, at, kind, actor, data)
    SELECT t.id, t.incident_id, CAST(:now AS timestamptz), t.kind, t.actor, t.data
    FROM unnest(CAST(:id AS uuid[]), CAST(:incident_id AS uuid[]), CAST(:kind AS text[]), CAST(:actor AS text[]),
                CAST(:data AS jsonb[])) AS t (id, incident_id, kind, actor, data)
""")

INSERT_ACKNOWLEDGEMENT = text("""
    INSERT INTO acknowledgements (id, incident_id, epoch, user_id, at, channel, notification_id)
    VALUES (:id, :incident_id, :epoch, :user_id, :now, :channel, :notification_id)
    ON CONFLICT (incident_id, epoch, user_id)
    DO UPDATE SET withdrawn_at = NULL, at = excluded.at, channel = excluded.channel,
                  notification_id = excluded.notification_id
""")

WITHDRAW_ACKNOWLEDGEMENTS = text("""
    UPDATE acknowledgements SET withdrawn_at = :now
    WHERE incident_id = :incident_id AND epoch = :epoch AND withdrawn_at IS NULL
""")

SAY = text("UPDATE incidents SET cause = coalesce(:cause, cause), fix = coalesce(:fix, fix) WHERE id = :id")
"""What it was and what fixed it, as said when it is resolved; what nobody says now stays as it was said before."""

CORRECT = text("""
    UPDATE incidents SET cause = :cause, fix = :fix, version = version + 1
    WHERE id = :id AND (cause IS DISTINCT FROM CAST(:cause AS text) OR fix IS DISTINCT FROM CAST(:fix AS text))
""")
"""Nothing when it says so already."""

NAMES = text("SELECT u.id, u.name FROM users u WHERE u.id = ANY (CAST(:ids AS bigint[]))")


def _arrays(incidents: Sequence[Incident]) -> dict[str, list[Any]]:
    return {c: [getattr(i, c) for i in incidents] for c in _WRITTEN}


_COUNTED: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "opened": lambda d: metrics.incident_opened(d["priority"]),
    "opened_by_hand": lambda d: metrics.incident_opened(d["priority"]),
    "split_from": lambda d: metrics.incident_opened(d["priority"]),
    "reopened": lambda d: metrics.incident_reopened(d["priority"]),
    "resolved": lambda d: metrics.incident_resolved(d["priority"]),
    "acknowledged": lambda d: metrics.acknowledged(d["via"], d["after_s"]),
}


async def lock_for_batch(
    conn: AsyncConnection,
    keys: Collection[str],
    incident_ids: Collection[UUID],
    above: Collection[int],
    since: datetime,
) -> dict[UUID, Incident]:
    """`above`: services of which incidents with an occurrence since `since` may be a reason."""
    named: dict[str, Any] = {"keys": sorted(keys), "ids": list(incident_ids)}
    if above:
        rows = await LOCK_WITH_REASONS.rows(conn, named | {"above": sorted(above), "since": since})
    else:
        rows = await LOCK_FOR_BATCH.rows(conn, named)
    return {row[0]: Incident(*row) for row in rows}


async def lock(
    conn: AsyncConnection, incident_ids: Collection[UUID], *, only_free: bool = False
) -> dict[UUID, Incident]:
    """`only_free`: those that nobody else is about to change."""
    rows = await conn.execute(LOCK_FREE if only_free else LOCK, {"ids": list(incident_ids)})
    return {r.id: Incident(*r) for r in rows}


async def acknowledgement_minutes(conn: AsyncConnection, service_id: int, priority: str) -> int | None:
    """How long acknowledgements last for this service, 0 for ever; None: as usual."""
    found = await conn.execute(_ACKNOWLEDGEMENT_MINUTES, {"id": service_id, "priority": priority})
    minutes: int | None = found.scalar_one_or_none()
    return minutes


async def read(conn: AsyncConnection, incident_ids: Collection[UUID]) -> list[Incident]:
    """As they are now; nobody is kept from changing them."""
    return [Incident(*r) for r in await conn.execute(READ, {"ids": list(incident_ids)})]


async def names(conn: AsyncConnection, user_ids: Collection[int]) -> dict[int, str]:
    """What these users are called."""
    if not user_ids:
        return {}
    return {r.id: r.name for r in await conn.execute(NAMES, {"ids": sorted(user_ids)})}


async def due(conn: AsyncConnection, what: str, now: datetime, limit: int = 500) -> list[Incident]:
    """`what`: one of `DUE`."""
    return [Incident(*r) for r in await conn.execute(DUE[what], {"now": now, "limit": limit})]


async def silenced_until(conn: AsyncConnection, now: datetime) -> list[UUID]:
    return list((await conn.execute(SILENCED_UNTIL, {"now": now})).scalars())


async def held_keys(conn: AsyncConnection, keys: Collection[str]) -> set[str]:
    """Those of the correlation keys that an open incident holds."""
    return set((await conn.execute(HELD_KEYS, {"keys": list(keys)})).scalars())


async def insert(conn: AsyncConnection, incidents: Sequence[Incident]) -> dict[UUID, int]:
    """Writes new incidents and returns their numbers. Raises `Raced` when a key was taken meanwhile."""
    if not incidents:
        return {}
    await send(conn)  # a successor takes the key that its predecessor has just given up
    rows = await INSERT.rows(conn, _arrays(incidents))
    if len(rows) != len(incidents):
        raise Raced("incidents")
    return dict(rows)


async def update(
    conn: AsyncConnection, incidents: Sequence[Incident], before: Mapping[UUID, Incident] | None = None
) -> None:
    """Writes incidents that are locked. `before`: as they were read, where the caller still has them."""
    read = before or {}
    counted = [i for i in incidents if i.id in read and _beside_counts(i) == _beside_counts(read[i.id])]
    if counted:
        await COUNT.write(conn, {c: [getattr(i, c) for i in counted] for c in ("id", *_COUNTS)})
    if len(counted) < len(incidents):
        done = {i.id for i in counted}
        await UPDATE.write(conn, _arrays([i for i in incidents if i.id not in done]))


async def write_timeline(conn: AsyncConnection, entries: Sequence[Entry], now: datetime) -> None:
    """Writes entries in their order. What metrics count about incidents, they count here, when it is
    committed; drills do not count."""
    for entry in entries:
        if (count := _COUNTED.get(entry.kind)) is not None and not entry.data.get("drill"):
            on_commit(conn, partial(count, entry.data))
    if entries:
        entry_ids = [ids.new(now) for _ in entries]
        await INSERT_TIMELINE.write(
            conn,
            {
                "now": now,
                "id": entry_ids,
                "incident_id": [e.incident_id for e in entries],
                "kind": [e.kind for e in entries],
                "actor": [e.actor for e in entries],
                "data": [e.data for e in entries],
            },
        )
        await listening.queue(conn, entries, entry_ids, now)
