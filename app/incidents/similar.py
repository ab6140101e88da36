"""Incidents that are like one: candidates by index, ranked by `likeness.py`.

However much history there is, this reads at most some hundred candidates and some thousand entries of the index
of words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.incidents import likeness
from app.incidents import similar_store as store
from app.incidents.likeness import Common, Similar

BACK: Final = timedelta(days=90)
"""Before the incident opened, and after: a later one may have found the cause."""


@dataclass(frozen=True, slots=True)
class SimilarIncident:
    """An incident that is like another one. `why`: reasons for people, the strongest first; `score` only ranks."""

    number: int
    title: str
    state: str
    priority: int
    service: str
    service_name: str
    opened_at: datetime
    resolved_at: datetime | None
    cause: str
    fix: str
    why: tuple[str, ...]
    score: float


async def similar(conn: AsyncConnection, incident_id: UUID) -> list[SimilarIncident]:
    """At most five others, opened from 90 days before it to 90 days after, the most similar first."""
    this = await store.this(conn, incident_id)
    if this is None:
        return []
    frequent = await store.frequent(conn, this.lexemes)
    lexemes = [] if frequent is None else likeness.rare(this.lexemes, frequent)
    opened = ids.instant_of(incident_id)
    since, until = ids.first_of(opened - BACK), ids.first_of(opened + BACK)
    found = await store.candidates(conn, this, likeness.any_of(lexemes), since, until)
    rows = {r.id: r for r in await store.in_common(conn, this, found, lexemes)}
    pairs = _pairs(this.labels)
    common = [
        Common(
            id=r.id,
            same_key=r.same_key,
            same_alerts=r.same_alerts,
            labels=sorted(pairs & _pairs(r.labels)),
            words=r.words,
            explained=bool(r.cause or r.fix),
        )
        for r in rows.values()
    ]
    return [_answer(rows[s.id], s) for s in likeness.ranked(common, len(lexemes))]


def _pairs(labels: Sequence[dict[str, str]]) -> set[str]:
    return {pair for one in labels for pair in likeness.telling(one)}


def _answer(row: Any, like: Similar) -> SimilarIncident:
    return SimilarIncident(
        row.number, row.title, row.state, row.priority, row.service, row.service_name, row.opened_at, row.resolved_at,
        row.cause, row.fix, like.why, like.score,
    )  # fmt: skip
