"""SQL of similar incidents: candidates by index, each kind bounded in time and in rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents.states import WORDS

ALERTS: Final = 10
"""Alerts that count, of this one and of each candidate: the first ones."""
FLAPS: Final = 100
"""Occurrences of each alert that are looked at, in either direction."""
MOST: Final = {"of_alerts": 50, "of_words": 50, "of_key": 20, "of_service": 20}
"""Candidates of each kind, the newest."""

THIS = text(f"""
    SELECT i.id, i.service_id, i.correlation_key, i.title, tsvector_to_array({WORDS}) AS lexemes,
           coalesce(a.alerts, '{{}}') AS alerts, coalesce(a.labels, '[]') AS labels
    FROM incidents i CROSS JOIN LATERAL (
        SELECT array_agg(o.alert_id) AS alerts, jsonb_agg(o.labels) AS labels FROM (
            SELECT o.alert_id, a.labels FROM occurrences o JOIN alerts a ON a.id = o.alert_id
            WHERE o.incident_id = i.id ORDER BY o.id LIMIT :counted) AS o) AS a
    WHERE i.id = :id
""")

FREQUENT = text("""
    SELECT e.lexeme, e.share * c.reltuples AS incidents
    FROM pg_stats s JOIN pg_class c ON c.oid = to_regclass('incidents')
    CROSS JOIN LATERAL unnest(CAST(CAST(s.most_common_elems AS text) AS text[]), s.most_common_elem_freqs)
        AS e (lexeme, share)
    WHERE s.schemaname = current_schema() AND s.tablename = 'ix_incidents_words'
      AND e.lexeme = ANY (CAST(:lexemes AS text[])) AND e.share IS NOT NULL
""")
"""In about how many incidents a word is, from the statistics that PostgreSQL keeps about the index of words: one
that is in every title would make it give millions of rows."""

KNOWN = text("""
    SELECT pg_relation_size('incidents') < :small OR EXISTS (
        SELECT FROM pg_stats s WHERE s.schemaname = current_schema() AND s.tablename = 'ix_incidents_words')
""")
SMALL: Final = 20_000_000
"""Bytes of incidents, about 60,000 of them, among which any word may be looked up."""

CANDIDATES = text(f"""
    WITH said AS MATERIALIZED (
        SELECT id FROM incidents WHERE {WORDS} @@ CAST(CAST(:query AS text) AS tsquery)),
    fired AS (
        SELECT DISTINCT o.incident_id AS id FROM unnest(CAST(:alerts AS uuid[])) AS a (id) CROSS JOIN LATERAL (
            (SELECT o.incident_id FROM occurrences o
             WHERE o.alert_id = a.id AND o.id >= CAST(:since AS uuid) AND o.id < CAST(:id AS uuid)
             ORDER BY o.id DESC LIMIT :flaps)
            UNION ALL
            (SELECT o.incident_id FROM occurrences o
             WHERE o.alert_id = a.id AND o.id > CAST(:id AS uuid) AND o.id <= CAST(:until AS uuid)
             ORDER BY o.id DESC LIMIT :flaps)) AS o
        WHERE o.incident_id IS NOT NULL)
    (SELECT id FROM fired ORDER BY id DESC LIMIT :of_alerts)
    UNION (SELECT id FROM said
           WHERE id BETWEEN CAST(:since AS uuid) AND CAST(:until AS uuid)
           ORDER BY id DESC LIMIT :of_words)
    UNION (SELECT k.id FROM incidents k
           WHERE k.correlation_key = :key AND k.id BETWEEN CAST(:since AS uuid) AND CAST(:until AS uuid)
           ORDER BY k.id DESC LIMIT :of_key)
    UNION (SELECT n.id FROM incidents n
           WHERE n.service_id = :service_id AND n.id BETWEEN CAST(:since AS uuid) AND CAST(:until AS uuid)
           ORDER BY n.id DESC LIMIT :of_service)
""")
"""Ids of what may be like it: where one of its alerts fired, what has some of its words, its correlation key, or its
service; of each the newest. What words find is collected before its ids are looked at: else a plan that does not know
the words (PostgreSQL's generic one, from the sixth time on) walks 90 days of incidents, which took seconds."""

IN_COMMON = text(f"""
    SELECT i.id, i.number, i.title, i.state, i.priority, i.opened_at, i.resolved_at, coalesce(i.cause, '') AS cause,
           coalesce(i.fix, '') AS fix, s.key AS service, s.name AS service_name, i.correlation_key = :key AS same_key,
           o.same_alerts, coalesce(o.labels, '[]') AS labels,
           ARRAY(SELECT unnest(tsvector_to_array({WORDS})) INTERSECT SELECT unnest(CAST(:lexemes AS text[]))
                 ORDER BY 1) AS words
    FROM incidents i JOIN services s ON s.id = i.service_id CROSS JOIN LATERAL (
        SELECT count(DISTINCT o.alert_id) FILTER (WHERE o.alert_id = ANY (CAST(:alerts AS uuid[]))) AS same_alerts,
               jsonb_agg(o.labels) AS labels FROM (
            SELECT o.alert_id, a.labels FROM occurrences o JOIN alerts a ON a.id = o.alert_id
            WHERE o.incident_id = i.id ORDER BY o.id LIMIT :counted) AS o) AS o
    WHERE i.id = ANY (CAST(:ids AS uuid[])) AND i.id <> :id AND i.merged_into_id IS NULL AND NOT i.drill
""")
"""What each candidate has in common with it. What was merged speaks through the incident that has its alerts now."""


async def this(conn: AsyncConnection, incident_id: UUID) -> Any:
    """Row of `THIS`; None when there is no such incident."""
    return (await conn.execute(THIS, {"id": incident_id, "counted": ALERTS})).first()


async def frequent(conn: AsyncConnection, lexemes: Collection[str], small: int = SMALL) -> dict[str, float] | None:
    """In about how many incidents those of these words are that are in many. None while nobody knows, because a large
    base, restored or upgraded, was not analysed yet. `small`: so many bytes of incidents are no large base."""
    if not (await conn.execute(KNOWN, {"small": small})).scalar_one():
        return None
    rows = await conn.execute(FREQUENT, {"lexemes": list(lexemes)})
    return {r.lexeme: r.incidents for r in rows}


async def candidates(conn: AsyncConnection, this: Any, query: str, since: UUID, until: UUID) -> list[UUID]:
    """`query`: a tsquery. `since`, `until`: incidents of which ids count."""
    named = {
        "id": this.id,
        "key": this.correlation_key,
        "service_id": this.service_id,
        "alerts": list(set(this.alerts)),
        "query": query,
        "since": since,
        "until": until,
        "flaps": FLAPS,
    }
    return list((await conn.execute(CANDIDATES, named | MOST)).scalars())


async def in_common(conn: AsyncConnection, this: Any, ids: Collection[UUID], lexemes: Sequence[str]) -> Sequence[Any]:
    """Rows of `IN_COMMON`."""
    named = {
        "id": this.id,
        "key": this.correlation_key,
        "alerts": list(set(this.alerts)),
        "ids": list(ids),
        "lexemes": list(lexemes),
        "counted": ALERTS,
    }
    return (await conn.execute(IN_COMMON, named)).all()
