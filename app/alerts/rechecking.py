"""⓪ What was suppressed is looked at again: when what suppressed it ends, or a person said that it should."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import inhibiting, recheck_store
from app.alerts.commands import Routed
from app.alerts.dedup import AlertState, Arrival, Decision, Outcome
from app.alerts.inhibiting import Fired
from app.alerts.store import Belongs
from app.alerts.suppression import Suppressions, suppress
from app.db import ids
from app.ingest.event import Event


async def recheck(conn: AsyncConnection, suppressions: Suppressions, now: datetime, limit: int = 500) -> list[Routed]:
    """Occurrences whose time has come, judged anew: those that nothing suppresses any more enter as new, with their
    alert as it is."""
    rows = await recheck_store.claim(conn, now, limit)
    fired = [Fired(r["id"], r["routed_labels"], r["title"]) for r in rows]
    judging = await inhibiting.prepare(conn, suppressions, fired, [], now)
    return [_routed(r, judging, now) for r in rows]


def _routed(row: dict[str, Any], judging: Suppressions, now: datetime) -> Routed:
    event = Event(
        kind="firing",
        dedup_key=row["dedup_key"],
        fingerprint=row["dedup_key"],
        title=row["title"],
        severity=row["severity"],
        labels=row["routed_labels"],
        starts_at=row["starts_at"],
        annotations=row["annotations"],
        links=tuple((address, words) for address, words in row["links"]),
    )
    arrival = Arrival(
        event, row["integration_id"], row["integration"], row["source"], row["service_id"], 0, ids.new(now), 0
    )
    state = AlertState(
        row["id"], row["integration_id"], row["dedup_key"], True, row["occurrence_id"], row["starts_at"],
        row["digest"], row["severity"],
    )  # fmt: skip
    suppressed = suppress(event) or judging.judge(event.labels, row["service_id"], now)
    before = Belongs(row["incident_id"], row["service_id"], row["suppressed"])
    return Routed(Decision(arrival, Outcome.REVIVED, state), suppressed, before)
