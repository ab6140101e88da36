"""SQL of what suppresses alerts and of what is suppressed; silences: `silence_store.py`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.inhibition import Source
from app.db.engine import dumps
from app.rules.matching import DEDUP_KEY, INTEGRATION

_RULES = """
    SELECT r.id, r.kind, r.key, r.document, r.version, r.created_at, r.updated_at FROM suppression_rules r
"""
_ALL_RULES = text(f"{_RULES} ORDER BY r.kind, r.key")
_SOME_RULES = text(f"""
    {_RULES} WHERE r.kind = :kind AND (CAST(:key AS text) IS NULL OR r.key = :key) AND r.key > :after
    ORDER BY r.key LIMIT :limit
""")
_LOCK_RULE = text("SELECT id, version FROM suppression_rules WHERE kind = :kind AND key = :key FOR UPDATE")
_INSERT_RULE = text("""
    INSERT INTO suppression_rules (kind, key, document, created_at, updated_at)
    VALUES (:kind, :key, CAST(:document AS jsonb), :now, :now) ON CONFLICT (kind, key) DO NOTHING RETURNING id
""")
_UPDATE_RULE = text("""
    UPDATE suppression_rules SET document = CAST(:document AS jsonb), version = version + 1, updated_at = :now
    WHERE id = :id
""")
_DELETE_RULE = text("DELETE FROM suppression_rules WHERE id = :id")
_SERVICE_IDS = text("SELECT key, id FROM services")

# What this suppressed and still fires is looked at again at an instant: its end has moved, or is now.
_RECHECK = text("""
    UPDATE occurrences o
    SET recheck_at = :at,
        suppressed = CASE WHEN CAST(:until AS text) IS NULL THEN o.suppressed
                          ELSE o.suppressed || jsonb_build_object('until', CAST(:until AS text)) END
    WHERE o.suppressed IS NOT NULL AND o.ended_at IS NULL
      AND o.suppressed ->> 'by' = :by AND o.suppressed ->> 'name' = ANY (CAST(:names AS text[]))
""")
_NUMBER = text("SELECT version FROM configuration_version FOR UPDATE")
_IN_FORCE = text("SELECT version FROM configuration_version FOR SHARE SKIP LOCKED")
_COUNT = text("""
    INSERT INTO suppression_counts ("by", name, occurrences, last_at)
    SELECT t."by", t.name, t.occurrences, :now
    FROM unnest(CAST(:by AS text[]), CAST(:name AS text[]), CAST(:occurrences AS bigint[]))
         AS t ("by", name, occurrences)
    ORDER BY t."by", t.name
    ON CONFLICT ("by", name) DO UPDATE
    SET occurrences = suppression_counts.occurrences + excluded.occurrences, last_at = excluded.last_at
""")
_COUNTS = text("""
    SELECT c."by", c.name, c.occurrences, c.last_at FROM suppression_counts c
    WHERE c."by" = :by AND (CAST(:names AS text[]) IS NULL OR c.name = ANY (CAST(:names AS text[])))
""")
_FIRING_COUNTS = text("""
    SELECT o.suppressed ->> 'name' AS name, count(*) AS firing FROM occurrences o
    WHERE o.suppressed IS NOT NULL AND o.ended_at IS NULL AND o.suppressed ->> 'by' = :by
      AND (CAST(:names AS text[]) IS NULL OR o.suppressed ->> 'name' = ANY (CAST(:names AS text[])))
    GROUP BY 1
""")
# What fires and is suppressed, newest first.
_SUPPRESSED = text("""
    SELECT o.id, o.alert_id, a.title, a.severity, a.labels, s.key AS service, s.name AS service_name,
           n.key AS integration, o.starts_at, o.suppressed, o.recheck_at
    FROM occurrences o JOIN alerts a ON a.id = o.alert_id JOIN services s ON s.id = o.service_id
    JOIN integrations n ON n.id = a.integration_id
    WHERE o.suppressed IS NOT NULL AND o.ended_at IS NULL
      AND (CAST(:before AS uuid) IS NULL OR o.id < CAST(:before AS uuid))
      AND (CAST(:by AS text) IS NULL OR o.suppressed ->> 'by' = :by)
      AND (CAST(:name AS text) IS NULL OR o.suppressed ->> 'name' = :name)
    ORDER BY o.id DESC LIMIT :limit
""")
# `matching.seen` of an alert `a` of the integration `n`, routed as its occurrence `o` says.
_SEEN = f"""a.labels || coalesce(o.routed -> 'labels', CAST('{{}}' AS jsonb))
            || jsonb_build_object('{DEDUP_KEY}', a.dedup_key, '{INTEGRATION}', n.key)"""
# What fires. `labels`: as sent; `seen`: what matchers see, with what routing rules added.
_FIRING = text(f"""
    SELECT a.id, a.title, a.severity, a.labels, a.annotations, a.links, a.starts_at, a.last_seen_at, a.expires_at,
           {_SEEN} AS seen, o.service_id, s.key AS service, o.suppressed, o.incident_id
    FROM alerts a JOIN occurrences o ON o.id = a.occurrence_id JOIN services s ON s.id = o.service_id
    JOIN integrations n ON n.id = a.integration_id
    WHERE a.state = 'firing' AND (CAST(:service_id AS bigint) IS NULL OR o.service_id = CAST(:service_id AS bigint))
      AND (CAST(:incident_id AS uuid) IS NULL OR o.incident_id = CAST(:incident_id AS uuid))
    ORDER BY a.id LIMIT :limit
""")

# Those that count in their incidents, which may have to be quiet by now.
_COUNTING = text(f"""
    SELECT o.id, o.incident_id, o.service_id, {_SEEN} AS seen
    FROM alerts a JOIN occurrences o ON o.id = a.occurrence_id JOIN integrations n ON n.id = a.integration_id
    WHERE a.state = 'firing' AND o.incident_id IS NOT NULL AND o.suppressed IS NULL
      AND (CAST(:incident_ids AS uuid[]) IS NULL OR o.incident_id = ANY (CAST(:incident_ids AS uuid[])))
      AND (CAST(:service_id AS bigint) IS NULL OR o.service_id = CAST(:service_id AS bigint))
""")
_QUIETED = text(f"""
    SELECT o.service_id, {_SEEN} AS seen
    FROM incidents i JOIN occurrences o ON o.incident_id = i.id AND o.suppressed IS NULL
    JOIN alerts a ON a.id = o.alert_id AND a.occurrence_id = o.id JOIN integrations n ON n.id = a.integration_id
    WHERE i.wakes_at IS NOT NULL AND a.state = 'firing'
    LIMIT 10000
""")
# Locked by their alerts, in the order in which batches do it.
_LOCK_ALERTS = text("""
    SELECT a.id FROM alerts a WHERE a.occurrence_id = ANY (CAST(:ids AS uuid[]))
    ORDER BY a.integration_id, a.dedup_key FOR NO KEY UPDATE
""")
_RECHECK_COUNTING = text("""
    UPDATE occurrences o SET recheck_at = least(coalesce(o.recheck_at, :at), :at)
    WHERE o.id = ANY (CAST(:ids AS uuid[])) AND o.ended_at IS NULL AND o.suppressed IS NULL
""")

_FORGET_SOURCES = text(
    "DELETE FROM inhibition_sources WHERE alert_id = ANY (CAST(:ids AS uuid[])) RETURNING rule, alert_id"
)
_FORGET_RULE = text("DELETE FROM inhibition_sources WHERE rule = :rule")
_ADD_SOURCES = text("""
    INSERT INTO inhibition_sources (rule, alert_id, equal_values, both_sides, fingerprint, title)
    SELECT t.rule, t.alert_id, ARRAY(SELECT jsonb_array_elements_text(t.equal_values)), t.both_sides, t.fingerprint,
           t.title
    FROM jsonb_to_recordset(CAST(:sources AS jsonb))
         AS t (rule text, alert_id uuid, equal_values jsonb, both_sides boolean, fingerprint text, title text)
    ON CONFLICT (rule, alert_id) DO NOTHING
""")
# One that another batch is about to take away is skipped: what it kept quiet counts. One that is read here stays until
# this batch has stored what it kept quiet, so that whoever takes it away finds that.
_SOURCES = text("""
    SELECT s.rule, s.alert_id, s.equal_values, s.both_sides, s.fingerprint, s.title
    FROM inhibition_sources s JOIN alerts a ON a.id = s.alert_id
    WHERE a.state = 'firing' AND s.rule = ANY (CAST(:rules AS text[]))
    FOR SHARE OF s SKIP LOCKED
""")
_READ_SOURCES = text("""
    SELECT s.rule, s.alert_id, s.equal_values, s.both_sides, s.fingerprint, s.title
    FROM inhibition_sources s JOIN alerts a ON a.id = s.alert_id WHERE a.state = 'firing'
""")


@dataclass(frozen=True, slots=True)
class StoredRule:
    """A maintenance window, an inhibition rule or a time interval. `document` is without its key."""

    id: int
    kind: str
    key: str
    document: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Tally:
    """`occurrences` suppressed so far, the last one at `last_at`; `firing` of them now."""

    occurrences: int = 0
    last_at: datetime | None = None
    firing: int = 0


async def rules(
    conn: AsyncConnection, kind: str, *, key: str | None = None, after: str = "", limit: int | None = None
) -> list[StoredRule]:
    """Of a kind, in the order of their keys."""
    named = {"kind": kind, "key": key, "after": after, "limit": limit}
    return [StoredRule(**r) for r in (await conn.execute(_SOME_RULES, named)).mappings()]


async def all_rules(conn: AsyncConnection) -> list[StoredRule]:
    return [StoredRule(**r) for r in (await conn.execute(_ALL_RULES)).mappings()]


async def lock_rule(conn: AsyncConnection, kind: str, key: str) -> tuple[int, int] | None:
    """(id, version), locked until the transaction ends."""
    row = (await conn.execute(_LOCK_RULE, {"kind": kind, "key": key})).one_or_none()
    return None if row is None else (row.id, row.version)


async def insert_rule(conn: AsyncConnection, now: datetime, kind: str, key: str, document: Mapping[str, Any]) -> bool:
    """False when the key is taken."""
    named = {"kind": kind, "key": key, "document": dumps(document), "now": now}
    return (await conn.execute(_INSERT_RULE, named)).one_or_none() is not None


async def update_rule(conn: AsyncConnection, now: datetime, rule_id: int, document: Mapping[str, Any]) -> None:
    await conn.execute(_UPDATE_RULE, {"id": rule_id, "document": dumps(document), "now": now})


async def delete_rule(conn: AsyncConnection, rule_id: int) -> None:
    await conn.execute(_DELETE_RULE, {"id": rule_id})


async def service_ids(conn: AsyncConnection) -> dict[str, int]:
    """All services: id by key."""
    return {r.key: r.id for r in await conn.execute(_SERVICE_IDS)}


async def alone(conn: AsyncConnection) -> None:
    """First of all for whoever changes what suppresses: those who judged by what was are waited for, so that what they
    kept is seen; who has yet to keep something sees that it is changing (`in_force`). Before any row, so that two who
    change something cannot wait for one another."""
    await conn.execute(_NUMBER)


async def in_force(conn: AsyncConnection, versions: Collection[int]) -> bool:
    """Whether these are the configuration still, and nobody changes it until this transaction ends. Never waits."""
    return set((await conn.execute(_IN_FORCE)).scalars()) == set(versions)


async def recheck(
    conn: AsyncConnection, at: datetime, by: str, names: Collection[str], until: datetime | None = None
) -> None:
    """What these suppressed and still fires is looked at again at `at`; `until`: the end it has now."""
    shown = None if until is None else until.isoformat()
    await conn.execute(_RECHECK, {"at": at, "by": by, "names": list(names), "until": shown})


async def count(conn: AsyncConnection, now: datetime, counted: Mapping[tuple[str, str], int]) -> None:
    """`counted`: newly suppressed occurrences by (by what, its name)."""
    named = {
        "now": now,
        "by": [by for by, _ in counted],
        "name": [name for _, name in counted],
        "occurrences": list(counted.values()),
    }
    await conn.execute(_COUNT, named)


async def tallies(conn: AsyncConnection, by: str, names: Collection[str] | None = None) -> dict[str, Tally]:
    """By name; nothing for one that never suppressed anything."""
    named = {"by": by, "names": None if names is None else list(names)}
    firing = {r.name: int(r.firing) for r in await conn.execute(_FIRING_COUNTS, named)}
    rows = (await conn.execute(_COUNTS, named)).all()
    return {r.name: Tally(r.occurrences, r.last_at, firing.get(r.name, 0)) for r in rows}


async def suppressed(
    conn: AsyncConnection, *, by: str | None, name: str | None, before: UUID | None, limit: int
) -> list[dict[str, Any]]:
    """What fires and is suppressed, newest first. `before`: the id of the last one of the slice before."""
    rows = await conn.execute(_SUPPRESSED, {"by": by, "name": name, "before": before, "limit": limit})
    return [dict(r) for r in rows.mappings()]


async def firing(
    conn: AsyncConnection, *, service_id: int | None = None, incident_id: UUID | None = None, limit: int
) -> list[dict[str, Any]]:
    """Alerts that fire, oldest first."""
    rows = await conn.execute(_FIRING, {"service_id": service_id, "incident_id": incident_id, "limit": limit})
    return [dict(r) for r in rows.mappings()]


async def counting(
    conn: AsyncConnection, *, incident_ids: Collection[UUID] | None = None, service_id: int | None = None
) -> list[dict[str, Any]]:
    """Occurrences that fire and count in an incident: of these incidents, or of a service."""
    named = {"incident_ids": None if incident_ids is None else list(incident_ids), "service_id": service_id}
    return [dict(r) for r in (await conn.execute(_COUNTING, named)).mappings()]


async def quieted(conn: AsyncConnection) -> list[Any]:
    """(service id, labels) of what fires in incidents that page nobody for a while: a silence may be why."""
    return list(await conn.execute(_QUIETED))


async def recheck_counting(conn: AsyncConnection, at: datetime, ids: Collection[UUID]) -> None:
    """Whether silences hold for these is looked at, at `at`."""
    await conn.execute(_LOCK_ALERTS, {"ids": list(ids)})
    await conn.execute(_RECHECK_COUNTING, {"at": at, "ids": list(ids)})


async def forget_sources(conn: AsyncConnection, alert_ids: Collection[UUID]) -> set[tuple[str, UUID]]:
    """These alerts inhibit nothing any more: (rule, alert) of those that did."""
    rows = await conn.execute(_FORGET_SOURCES, {"ids": list(alert_ids)})
    return {(r.rule, r.alert_id) for r in rows}


async def forget_sources_of(conn: AsyncConnection, rule: str) -> None:
    await conn.execute(_FORGET_RULE, {"rule": rule})


async def add_sources(conn: AsyncConnection, sources: Sequence[Source]) -> None:
    if not sources:
        return
    rows = [
        {
            "rule": s.rule,
            "alert_id": str(s.alert_id),
            "equal_values": list(s.equal),
            "both_sides": s.both,
            "fingerprint": s.fingerprint,
            "title": s.title[:200],
        }
        for s in sources
    ]
    await conn.execute(_ADD_SOURCES, {"sources": dumps(rows)})


async def held_sources(conn: AsyncConnection, rules_of: Collection[str]) -> list[Source]:
    """The alerts that fire and inhibit by these rules, held until the transaction ends."""
    return [_source(r) for r in await conn.execute(_SOURCES, {"rules": list(rules_of)})]


async def sources(conn: AsyncConnection) -> list[Source]:
    """The same for somebody who only shows them."""
    return [_source(r) for r in await conn.execute(_READ_SOURCES)]


def _source(row: Any) -> Source:
    return Source(row.rule, row.alert_id, tuple(row.equal_values), row.both_sides, row.fingerprint, row.title)
