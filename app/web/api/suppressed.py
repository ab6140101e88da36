"""`/suppressed`: what fires and pages nobody, always with by what."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from app.alerts import suppression_store
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer
from app.web.pages import Listed, Page

router = APIRouter(prefix="/suppressed", tags=["silences"])


class By(Answer):
    """`name`: the id of a silence, else a key. `until`: its end, where that is known."""

    by: str
    name: str
    because: str
    until: datetime | None = None


class SuppressedAnswer(Answer):
    """An occurrence that fires and is suppressed."""

    id: UUID
    alert_id: UUID
    title: str
    severity: str
    labels: dict[str, str]
    service: str
    integration: str
    starts_at: datetime
    suppressed: By
    recheck_at: datetime | None


@router.get("", dependencies=[permission("silences.read")])
async def list_suppressed(
    tx: Tx,
    page: Page,
    by: Annotated[str | None, Query(max_length=50, description="`silence`, `maintenance window`, ...")] = None,
    name: Annotated[str | None, Query(max_length=100, description="The id of a silence, or a key.")] = None,
) -> Listed[SuppressedAnswer]:
    """Newest first."""
    found = await suppression_store.suppressed(
        tx.conn, by=_storable(by), name=_storable(name), before=page.after_uuid, limit=page.fetch
    )
    return page.of([SuppressedAnswer.model_validate(row) for row in found], lambda occurrence: occurrence.id)


def _storable(text: str | None) -> str | None:
    return None if text is None else text.replace("\x00", "\ufffd")
