"""Stakeholders learn of an incident when it begins to page, quietly, and have nothing to answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.subscriptions import subscribers
from app.escalation.positions import PageOrder
from app.escalation.store import Claimed

ROUND: Final = -2
"""Of the orders: a step's is 1 or more, those of reminders are 0 and -1."""


async def inform(conn: AsyncConnection, claimed: Sequence[Claimed], pages: Iterable[PageOrder]) -> list[PageOrder]:
    """An order for each subscriber of what begins to page: once an incident, and once more for each priority that it
    is raised to. What waits for the end of a storm is told of by the storm's incident. `pages`: of the same pass;
    whoever gets one need not be told beside it."""
    beginning = [c for c in claimed if _begins(c)]
    if not beginning:
        return []
    paged = {(p.incident_id, p.user_id) for p in pages}
    known = await subscribers(conn, {c.service_id for c in beginning})
    return [  # each epoch of information is told once: here that is a priority
        PageOrder(
            c.ladder.id, c.ladder.incident_id, "inform", c.priority, ROUND, 0, user_id, "quiet", "you subscribed to it"
        )
        for c in beginning
        for user_id in known.told(c.service_id, c.priority)
        if (c.ladder.incident_id, user_id) not in paged
    ]  # fmt: skip


def _begins(c: Claimed) -> bool:
    ladder = c.ladder
    if ladder.purpose != "page" or ladder.policy.drill or c.state != "triggered" or c.withheld:
        return False
    return ladder.epoch < c.epoch or (ladder.round, ladder.step) == (1, 0)
