"""Events that name an alert and say nothing of it: what was told before stands, also within one batch."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec.structs import replace
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.commands import deduplicate
from app.alerts.dedup import Arrival
from app.ingest.event import Event

INTEGRATION = text("""
    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
    SELECT 'pd', 'PD', 'pagerduty', id, :now, :now FROM services WHERE key = 'checkout' RETURNING id, service_id
""")


def event(now: datetime, key: str = "k", **members: Any) -> Event:
    told = {
        "title": "Disk full",
        "severity": "critical",
        "labels": {"host": "db-1"},
        "links": (("https://r", "Runbook"),),
    }
    return Event("firing", key, "f", starts_at=now, annotations={"description": "d"}, **(told | members))


def resolve(now: datetime, key: str = "k") -> Event:
    return Event("resolved", key, "f", key, "error", {}, now, now, terse=True)


async def arrivals(conn: AsyncConnection, now: datetime, *events: Event) -> list[Arrival]:
    found = (await conn.execute(text("SELECT id, service_id FROM integrations WHERE key = 'pd'"))).first()
    if found is None:
        await cast(conn, now)
        found = (await conn.execute(INTEGRATION, {"now": now})).one()
    return [
        Arrival(e, found.id, "pd", "pagerduty", found.service_id, 300, UUID(int=1), n) for n, e in enumerate(events)
    ]


async def told(conn: AsyncConnection) -> list[tuple[Any, ...]]:
    rows = await conn.execute(text("SELECT dedup_key, state, title, labels, annotations, links FROM alerts ORDER BY 1"))
    return [tuple(row) for row in rows]


WORDS = ("Disk full", {"host": "db-1"}, {"description": "d"}, [["https://r", "Runbook"]])


async def test_a_resolve_in_a_later_batch(conn, now):
    await deduplicate(conn, await arrivals(conn, now, event(now)), now)
    folded = await deduplicate(conn, await arrivals(conn, now, resolve(now), resolve(now, "unknown")), now)
    assert await told(conn) == [("k", "resolved", *WORDS), ("unknown", "resolved", "unknown", {}, {}, [])]
    said = [d.arrival.event for d in folded.decisions]
    assert [(e.title, e.severity) for e in said] == [("Disk full", "critical"), ("unknown", "error")]


async def test_a_resolve_in_the_same_batch(conn, now):
    other = replace(event(now), title="Fuller", labels={"host": "db-2"})
    batch = await arrivals(conn, now, event(now), other, resolve(now), event(now, "another"))
    folded = await deduplicate(conn, batch, now)
    assert folded.decisions[2].arrival.event.title == "Fuller"
    assert folded.decisions[3].arrival is batch[3]
    assert {row[0]: row[1:3] for row in await told(conn)} == {
        "k": ("resolved", "Fuller"),
        "another": ("firing", "Disk full"),
    }
