"""Ladders that inform, and updates that are due: who need not respond learns of it, and how it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.escalation import inform_store as store
from app.escalation.inform_store import DueUpdate
from app.escalation.positions import PageOrder
from app.incidents import commands as incidents
from app.incidents import store as incident_store
from app.incidents.commands import Responder
from app.incidents.states import OPEN, Incident
from app.incidents.timeline import Entry

REMIND_AGAIN = timedelta(minutes=10)
"""Until an update is posted, or the incident is over."""


async def start(
    conn: AsyncConnection,
    started: Sequence[Incident],
    policies: Mapping[tuple[int, int], Mapping[str, Any]],
    now: datetime,
) -> None:
    """A ladder for each incident whose service and priority the matrix names. One that informed already begins anew
    when its incident is more important now, or was over in between."""
    rows = []
    for incident in started:
        copy = policies.get((incident.service_id, incident.priority))
        if copy is not None:
            said = {**copy["inform"], "reopened": incident.reopened}
            first = said["first_update_s"] or said["update_interval_s"]
            due = None if first is None else now + timedelta(seconds=first)
            rows.append((ids.new(now), incident.id, incident.epoch, {**copy, "inform": said}, due))
    if rows:
        await store.start(conn, rows, now)


async def remind(conn: AsyncConnection, now: datetime) -> list[PageOrder]:
    """Reminds whoever has an incident that an update is due."""
    due = await store.claim_updates(conn, now)
    if not due:
        return []
    going = [d for d in due if d.state in OPEN]
    await store.set_updates(conn, {d.ladder_id: now + REMIND_AGAIN if d.state in OPEN else None for d in due})
    entries = [Entry(d.incident_id, "update_due", data={"name": d.holder or ""}) for d in going]
    await incident_store.write_timeline(conn, entries, now)
    return [_reminder(d, now) for d in going if d.holder_id is not None]


def _reminder(due: DueUpdate, now: datetime) -> PageOrder:
    second = int((now - due.started_at).total_seconds())  # no other reminder of this ladder has its number
    because = "you have it, and an update is due"
    return PageOrder(
        due.ladder_id, due.incident_id, "nudge", due.epoch, 0, second, due.holder_id, due.loudness, because
    )


async def post_update(conn: AsyncConnection, now: datetime, incident_id: UUID, who: Responder, text: str) -> None:
    """A note for those who wait; the next one is due after the interval of the matrix. Raises `Invalid`, `NotFound`."""
    await incidents.note(conn, now, incident_id, who, text, update=True)
    await store.posted(conn, now, incident_id)
