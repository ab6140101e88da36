"""SQL of storms. A batch asks once, and only when it opened incidents; everything else happens once a minute."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.db.hot import Hot
from app.incidents.storms import MINUTE, PAGED_ALONE, Look, Report, Storm, common_labels

SAMPLE = 1000
"""So many alerts of a storm are asked for their labels."""
_STORM = """s.id, s.key, s.name, s.threshold, s.started_at, s.calm_since, s.priority, s.incident_id, s.labels,
           s.incidents, s.alerts"""

OPENED = Hot("""
    SELECT (SELECT count(*) FROM (SELECT 1 FROM incidents WHERE id >= CAST(:since AS uuid) AND NOT drill
                                  LIMIT CAST(:most AS integer)) AS few) AS opened,
           (SELECT s.id FROM storms s WHERE s.ended_at IS NULL) AS storm_id
""")
"""How many incidents opened in the last minute, counted no further than it matters; and the storm that lasts."""

RUNNING = text(f"""
    SELECT {_STORM}, i.number,
           coalesce((SELECT jsonb_agg(jsonb_build_object('number', w.number, 'title', w.title, 'service', w.service))
                     FROM (SELECT c.number, c.title, v.name AS service FROM incidents c
                           JOIN services v ON v.id = c.service_id
                           WHERE c.storm_id = s.id AND c.priority = 1 AND c.state = 'triggered'
                           ORDER BY c.id LIMIT 10) AS w), '[]') AS worst
    FROM storms s JOIN incidents i ON i.id = s.incident_id WHERE s.ended_at IS NULL
""")

BEGIN = text("""
    INSERT INTO storms (id, key, name, threshold, started_at, look_at, priority, incident_id, labels, incidents, alerts)
    VALUES (:id, :key, :name, :threshold, :now, :look_at, :priority, :incident_id, CAST(:labels AS jsonb), :incidents,
            (SELECT count(*) FROM occurrences o WHERE o.id >= :since))
    ON CONFLICT DO NOTHING RETURNING id
""")
"""Nothing comes back when another process was faster: then its storm is the one."""

AFFECTED = text("""
    SELECT i.service_id, count(*) AS incidents, min(i.priority) AS priority FROM incidents i
    WHERE i.id >= :since AND NOT i.drill
    GROUP BY i.service_id ORDER BY count(*) DESC, i.service_id
""")

JOIN_LATEST = text("""
    UPDATE incidents SET storm_id = :storm_id WHERE id IN (
        SELECT i.id FROM incidents i WHERE i.id >= :since AND i.id <> :incident_id AND NOT i.drill
        ORDER BY i.id FOR NO KEY UPDATE SKIP LOCKED)
    RETURNING id
""")
"""Those of the last minute, which made it a storm. One that somebody is busy with stays by itself."""

JOIN = text("UPDATE incidents SET storm_id = :storm_id WHERE id = ANY (CAST(:ids AS uuid[]))")

LEAVE = text("UPDATE incidents SET storm_id = NULL WHERE id = :id AND storm_id IS NOT NULL")
"""A person wants it paged by itself."""

LABELS = text("""
    SELECT a.labels FROM occurrences o JOIN alerts a ON a.id = o.alert_id
    WHERE o.id >= :since AND o.incident_id IS NOT NULL ORDER BY o.id DESC LIMIT :limit
""")

DUE = text(f"""
    SELECT {_STORM} FROM storms s WHERE s.look_at <= :now FOR NO KEY UPDATE SKIP LOCKED
""")

LOOK = text("""
    SELECT (SELECT count(*) FROM incidents i WHERE i.storm_id = :id AND i.id >= :since) AS last_minute,
           (SELECT count(*) FROM incidents i WHERE i.storm_id = :id) AS incidents,
           (SELECT count(*) FROM occurrences o WHERE o.id >= :began) AS alerts,
           (SELECT min(i.priority) FROM incidents i WHERE i.storm_id = :id) AS priority
""")

KEEP = text("""
    UPDATE storms SET calm_since = :calm_since, look_at = :look_at, priority = :priority,
           labels = CAST(:labels AS jsonb), incidents = :incidents, alerts = :alerts
    WHERE id = :id
""")

END = text("""
    UPDATE storms SET ended_at = :now, look_at = NULL, withheld = :withheld, report = CAST(:report AS jsonb)
    WHERE id = :id
""")

CHILDREN = text("""
    SELECT (SELECT count(*) FROM incidents i WHERE i.storm_id = :id AND i.priority > :paged) AS withheld,
           (SELECT count(*) FROM notifications n JOIN incidents i ON i.id = n.incident_id
            WHERE i.storm_id = :id AND n.carried_by_id IS NOT NULL) AS bundled
""")

WAITING = text("SELECT i.id FROM incidents i WHERE i.storm_id = :id AND i.state = 'triggered' AND i.priority > :paged")

BY_SERVICE = text("""
    SELECT s.name, count(*) AS n FROM incidents i JOIN services s ON s.id = i.service_id WHERE i.storm_id = :id
    GROUP BY s.name ORDER BY count(*) DESC, s.name LIMIT 10
""")

BY_NAME = text("""
    SELECT a.labels ->> 'alertname' AS name, count(*) AS n FROM incidents i
    JOIN occurrences o ON o.incident_id = i.id JOIN alerts a ON a.id = o.alert_id
    WHERE i.storm_id = :id AND a.labels ? 'alertname'
    GROUP BY a.labels ->> 'alertname' ORDER BY count(*) DESC, name LIMIT 10
""")

NEXT_LOOK = text("SELECT min(look_at) FROM storms WHERE look_at IS NOT NULL")

STORMS = text("""
    SELECT s.id, s.key, s.name, s.threshold, s.started_at, s.ended_at, s.priority, i.number AS incident, s.labels,
           s.incidents, s.alerts, s.withheld, s.report
    FROM storms s JOIN incidents i ON i.id = s.incident_id
    WHERE (CAST(:key AS text) IS NULL OR s.key = :key)
      AND (CAST(:before AS uuid) IS NULL OR s.id < CAST(:before AS uuid))
    ORDER BY s.id DESC LIMIT :limit
""")

MEMBERS = text("""
    SELECT i.number, i.title, i.priority, i.state, s.name AS service_name, i.opened_at
    FROM incidents i JOIN services s ON s.id = i.service_id WHERE i.storm_id = :id
    ORDER BY i.priority, i.id LIMIT :limit
""")

OF_INCIDENT = text("""
    SELECT s.key, s.name FROM storms s
    WHERE s.incident_id = :id OR s.id = (SELECT i.storm_id FROM incidents i WHERE i.id = :id)
    ORDER BY s.id DESC LIMIT 1
""")


async def opened(conn: AsyncConnection, now: datetime, most: int) -> tuple[int, UUID | None]:
    """Incidents of the last minute, at most so many, and the id of the storm that lasts."""
    (row,) = await OPENED.rows(conn, {"since": ids.first_of(now - MINUTE), "most": most})
    return row[0], row[1]


async def running(conn: AsyncConnection) -> Storm | None:
    row = (await conn.execute(RUNNING)).first()
    return None if row is None else Storm(*row)


async def labels(conn: AsyncConnection, since: datetime) -> dict[str, str]:
    """What the newest alerts since then have in common."""
    rows = await conn.execute(LABELS, {"since": ids.first_of(since), "limit": SAMPLE})
    return common_labels(list(rows.scalars()))


async def look(conn: AsyncConnection, storm: Storm, now: datetime) -> Look:
    since, began = ids.first_of(now - MINUTE), ids.first_of(storm.started_at - MINUTE)
    row = (await conn.execute(LOOK, {"id": storm.id, "since": since, "began": began})).one()
    common = await labels(conn, storm.started_at - MINUTE)
    return Look(row.last_minute, row.incidents, row.alerts, row.priority or storm.priority, common)


async def report(conn: AsyncConnection, storm: Storm) -> tuple[Report, Collection[UUID]]:
    """What came; and the incidents that are to be paged now."""
    about: Mapping[str, Any] = {"id": storm.id, "paged": PAGED_ALONE}
    counts = (await conn.execute(CHILDREN, about)).one()
    waiting = list((await conn.execute(WAITING, about)).scalars())
    services = [(r.name, r.n) for r in await conn.execute(BY_SERVICE, {"id": storm.id})]
    names = [(r.name, r.n) for r in await conn.execute(BY_NAME, {"id": storm.id})]
    found = Report(
        storm.incidents, storm.alerts, counts.withheld, len(waiting), counts.bundled, services, names, storm.labels
    )
    return found, waiting


async def storms(
    conn: AsyncConnection, *, key: str | None = None, before: UUID | None = None, limit: int
) -> Sequence[Mapping[str, Any]]:
    """Newest first, as people see them."""
    rows = await conn.execute(STORMS, {"key": key, "before": before, "limit": limit})
    return [dict(r) for r in rows.mappings()]


async def members(conn: AsyncConnection, storm_id: UUID, limit: int) -> Sequence[Mapping[str, Any]]:
    """Its incidents, the most important first: `number`, `title`, `priority`, `state`, `service_name`, `opened_at`."""
    rows = await conn.execute(MEMBERS, {"id": storm_id, "limit": limit})
    return [dict(r) for r in rows.mappings()]


async def of_incident(conn: AsyncConnection, incident_id: UUID) -> tuple[str, str] | None:
    """Key and name of the storm that it speaks for, or that it is part of."""
    row = (await conn.execute(OF_INCIDENT, {"id": incident_id})).first()
    return None if row is None else (row.key, row.name)
