"""`/audit`: who changed what configuration."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query

from app.audit import store
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer, Instant
from app.web.pages import Listed, Page

router = APIRouter(prefix="/audit", tags=["audit"])

Filter = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")]


class AuditAnswer(Answer):
    """One change; `before` and `after` hold no secrets."""

    id: UUID
    at: datetime
    actor: str
    action: str
    entity: str
    key: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@router.get("", dependencies=[permission("audit.read")])
async def list_audit_records(
    tx: Tx,
    page: Page,
    entity: Filter = None,
    key: Filter = None,
    actor: Filter = None,
    since: Annotated[Instant | None, Query()] = None,
) -> Listed[AuditAnswer]:
    """Newest first; of one entity (`service`), one thing (`service`, `checkout`), one actor (`user:ana`)."""
    found = await store.records(
        tx.conn, entity=entity, key=key, actor=actor, since=since, before_id=page.after_uuid, limit=page.fetch
    )
    return page.of([AuditAnswer.model_validate(dict(row)) for row in found], lambda record: str(record.id))
