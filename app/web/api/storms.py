"""`/storms`: more new incidents in a minute than anybody can answer one by one; and `/notification-limits`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path

from app.errors import NotFound
from app.incidents import storm_store
from app.notifications.limits import IN_A_STORM, LIMITS
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer, Key
from app.web.pages import Listed, Page

router = APIRouter(tags=["incidents"])

StormKey = Annotated[Key, Path(examples=["2026-11-22-0114"])]


class StormAnswer(Answer):
    """A storm. While it lasts, counts and labels are as of the last minute; `report` and `withheld` follow its end."""

    id: UUID
    key: str
    name: str
    threshold: int
    started_at: datetime
    ended_at: datetime | None
    priority: int
    incident: int
    """The number of the incident that speaks for it."""
    labels: dict[str, str]
    incidents: int
    alerts: int
    withheld: int
    """Incidents that were not paged separately."""
    report: dict[str, Any] | None
    """`services` and `alertnames` with their counts, `bundled` pages, and how many incidents were `waiting`."""


class LimitAnswer(Answer):
    """`burst` messages at once, then one every `every_seconds`, for each contact method of the channel."""

    channel: str
    burst: int
    every_seconds: int
    every_seconds_in_a_storm: int


@router.get("/storms", dependencies=[permission("incidents.read")])
async def list_storms(tx: Tx, page: Page) -> Listed[StormAnswer]:
    """Newest first."""
    rows = await storm_store.storms(tx.conn, before=page.after_uuid, limit=page.fetch)
    return page.of([StormAnswer.model_validate(dict(row)) for row in rows], lambda storm: str(storm.id))


@router.get("/storms/{key}", dependencies=[permission("incidents.read")])
async def read_storm(key: StormKey, tx: Tx) -> StormAnswer:
    """One storm with its report."""
    rows = await storm_store.storms(tx.conn, key=key, limit=1)
    if not rows:
        raise NotFound(f"there is no storm {key!r}", key=key)
    return StormAnswer.model_validate(dict(rows[0]))


@router.get("/notification-limits", dependencies=[permission("incidents.read")])
async def list_notification_limits(page: Page) -> Listed[LimitAnswer]:
    """How often a contact method is written to before pages are bundled. A loud P1 bypasses it, except in a storm."""
    after = page.after_text
    limits = [
        LimitAnswer(
            channel=channel,
            burst=limit.burst,
            every_seconds=int(limit.every.total_seconds()),
            every_seconds_in_a_storm=int(IN_A_STORM.total_seconds()),
        )
        for channel, limit in sorted(LIMITS.items())
        if channel > after
    ]
    return page.of(limits[: page.fetch], lambda limit: limit.channel)
