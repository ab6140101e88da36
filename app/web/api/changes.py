"""`/changes`: what was changed about services, as sources tell it; and beside an incident."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from app.errors import NotFound
from app.incidents import reading
from app.ingest import change_store
from app.web.api.incidents import Number
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(tags=["changes"])


class ChangeAnswer(Answer):
    """A deployment, a switched flag, a new configuration. `at` is when it happened by the source's clock. `service` and
    `integration` are null when they were deleted since."""

    id: UUID
    at: datetime
    service: str | None
    integration: str | None
    summary: str
    source: str | None
    links: list[Any]
    details: dict[str, Any]
    receipt_id: UUID


class IncidentChangeAnswer(ChangeAnswer):
    """`since_opened`: it came while the incident was open, so it is not its cause; a rollback, perhaps."""

    since_opened: bool


@router.get("/changes", dependencies=[permission("incidents.read")])
async def list_changes(
    tx: Tx, page: Page, service: Annotated[Key | None, Query(description="Only those of this service.")] = None
) -> Listed[ChangeAnswer]:
    """What was changed, newest first, in the order in which it was received."""
    found = await change_store.slice_(tx.conn, service=service, before=page.after_uuid, limit=page.fetch)
    return page.of([ChangeAnswer.model_validate(row) for row in found], lambda change: change.id)


@router.get("/incidents/{number}/changes", dependencies=[permission("incidents.read")])
async def list_changes_around_incident(number: Number, tx: Tx, page: Page) -> Listed[IncidentChangeAnswer]:
    """What was changed about its service in the 24 hours before it opened and while it is open, newest first."""
    incident = await reading.detail(tx.conn, number)
    if incident is None:
        raise NotFound(f"there is no incident {number}", number=number)
    ended_at = incident.resolved_at or tx.now
    found = await change_store.around_incident(
        tx.conn, incident.service_id, incident.opened_at, ended_at, before=page.after_uuid, limit=page.fetch
    )
    return page.of([IncidentChangeAnswer.model_validate(row) for row in found], lambda change: change.id)
