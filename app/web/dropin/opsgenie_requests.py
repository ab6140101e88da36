"""What Opsgenie's API does beside alert events: notes, other words, and what became of a request."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import words_store
from app.incidents import source_notes
from app.ingest import store
from app.ingest.adapters import opsgenie
from app.ingest.adapters.titles import one_line
from app.ingest.requests import Door, Request
from app.web.intake_desk import Aside

_ACTIONS: dict[str, tuple[str, bool, str]] = {
    "opened": ("Create", True, "Created alert"),
    "revived": ("Create", True, "Created alert"),
    "changed": ("Create", True, "Alert already exists with the same alias; it was updated"),
    "repeated": ("Create", True, "Alert is known already; its count was increased"),
    "resolved": ("Close", True, "Closed alert"),
    "stale": ("Close", False, "Alert is not open"),
    "unmatched_resolve": ("Close", False, "Alert does not exist"),
    "acknowledged_at_source": ("Acknowledge", True, "Acknowledged alert"),
    "noted": ("Add Note", True, "Added note"),
    "no_open_incident": ("Add Note", False, "Alert is not open"),
    "reworded": ("Update", True, "Updated alert"),
    "unknown_alert": ("Update", False, "Alert does not exist"),
    "quarantined": ("Create", False, "Kept in quarantine"),
}
"""By outcome: the action, whether it did what was wanted, and the status in words. A receipt keeps no more, so an
acknowledgement of what is not known reads as a close of it."""


def add_note(door: Door, alias: str, body: bytes) -> Aside:
    """Onto the timeline of the alert's open incident."""

    async def work(conn: AsyncConnection, now: datetime, request: Request) -> Sequence[Sequence[Any]]:
        said = opsgenie.text_of(opsgenie.object_of(body), "note", opsgenie.MAX_NOTE)
        outcome, alert_id = await source_notes.note(conn, now, door, opsgenie.key_of(alias), said)
        return [[0, outcome, alert_id]]

    return work


def reword(door: Door, alias: str, body: bytes, what: str) -> Aside:
    """Another `message` or `description` for an alert, as Alertmanager sends with `update_alerts`."""

    async def work(conn: AsyncConnection, now: datetime, request: Request) -> Sequence[Sequence[Any]]:
        said = opsgenie.text_of(opsgenie.object_of(body), what)
        title = (one_line(said) or "Alert") if what == "message" else None
        key, integration_id = opsgenie.key_of(alias), door.entrance.integration_id
        alert_id = await words_store.reword(conn, integration_id, key, title, said if title is None else None)
        return [[0, "reworded" if alert_id else "unknown_alert", alert_id]]

    return work


async def request_status(conn: AsyncConnection, door: Door, receipt_id: UUID) -> dict[str, Any] | None:
    """`data` of "Get Request Status"; None for a request that this integration has not sent."""
    row = (await conn.execute(store.RECEIPT, {"id": receipt_id})).first()
    if row is None or row.integration_id != door.entrance.integration_id:
        return None
    outcome, alert = (row.outcomes[0][1], row.outcomes[0][2]) if row.outcomes else ("", None)
    action, success, status = _ACTIONS.get(outcome, ("", row.status < 400, row.error or ""))
    alias = await words_store.key_of(conn, door.entrance.integration_id, UUID(alert)) if alert else None
    return {
        "success": success,
        "action": action,
        "processedAt": row.at,
        "integrationId": str(door.entrance.integration_id),
        "isSuccess": success,
        "status": status,
        "alertId": alert or "",
        "alias": alias or "",
    }
