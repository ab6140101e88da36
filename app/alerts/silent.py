"""A source that falls silent is noticed: its death must not look like recovery (behaviour.md 2).

Sources that renew their alerts (Prometheus directly) are silent when all of an integration's alerts that wait for a
renewal have ended, and the last requests spoke of one that then expired: nothing was received since. Then one alert
`SourceSilent` of that integration fires, whatever the number of its alerts, until its next request.

A source that takes back the last alert that fires, and then has nothing more to say, is not silent: it said so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours, metrics
from app.alerts import silent_store
from app.db.engine import on_commit
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Event, Noticed

TOGETHER = timedelta(minutes=1)
"""Requests that came within this time before the last one count as said together with it."""
LAST = 20
DEDUP_KEY = "tocsin/source-silent"


async def lock(conn: AsyncConnection, integration_ids: Collection[int]) -> None:
    """Before the incidents of expired alerts are touched: who asks below must see what other workers expired."""
    if integration_ids:
        await conn.execute(silent_store.LOCK_INTEGRATIONS, {"ids": list(integration_ids)})


async def mark(conn: AsyncConnection, integration_ids: Collection[int], now: datetime) -> None:
    """⓪ Alerts of these (locked) integrations have just expired: notes those whose source fell silent."""
    if integration_ids:
        named = {"ids": list(integration_ids), "now": now, "together": TOGETHER, "last": LAST}
        await conn.execute(silent_store.FELL_SILENT, named)


async def claim(conn: AsyncConnection) -> Sequence[Any]:
    """⓪ Silent sources whose alert is to be told something, each for one worker."""
    return (await conn.execute(silent_store.CLAIM)).all()


async def tell(conn: AsyncConnection, claimed: Sequence[Any], now: datetime) -> list[Noticed]:
    """The events of what was claimed. One that is back before anybody was told has nothing to tell."""
    silent = [row for row in claimed if row.back_at is None]
    back = [row for row in claimed if row.back_at is not None]
    if silent:
        await conn.execute(silent_store.TELL, {"ids": [row.integration_id for row in silent]})
        on_commit(conn, partial(metrics.source_fell_silent, len(silent)))
    if back:
        await conn.execute(silent_store.FORGET, {"ids": [row.integration_id for row in back]})
    return [_noticed(row, now) for row in [*silent, *(row for row in back if row.told)]]


def _noticed(row: Any, now: datetime) -> Noticed:
    labels = {"alertname": "SourceSilent", "integration": row.key, "source": row.source, "service": row.service}
    where = hours.zone(row.time_zone or "UTC")
    heard = f"{hours.local(row.heard_at, where):%a %d %b %H:%M} ({where.key})"
    description = (
        f"Nothing was received through the integration {row.key} since {heard}, while its alerts fired. They expired: "
        "that is no sign of recovery."
    )
    event = Event(
        "firing" if row.back_at is None else "resolved",
        DEDUP_KEY,
        fingerprint(labels),
        f"Source silent: nothing from {row.key} since {heard}",
        "error",
        labels,
        row.noticed_at,
        row.back_at,
        annotations={"summary": f"{row.key} fell silent while its alerts fired", "description": description},
    )
    return Noticed(event, row.integration_id, row.key, row.source, row.service_id)
