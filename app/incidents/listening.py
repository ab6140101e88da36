"""Which programs are told of what happens to incidents: a row for each, in the transaction in which it happens.

What became of a row is of no concern here; `notifications.calling` sends it. A row refers to nothing by a foreign key:
whoever acknowledges must not wait for somebody who edits a webhook.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.hot import Hot
from app.incidents.states import State
from app.incidents.timeline import Entry, describe

Happening = Literal[
    "triggered", "acknowledged", "unacknowledged", "escalated", "priority_changed", "reassigned", "mitigated",
    "resolved", "closed", "note", "update",
]  # fmt: skip
HAPPENINGS: Final[tuple[Happening, ...]] = get_args(Happening)

_HAPPENINGS: Final[Mapping[str, Happening]] = {
    "opened": "triggered",
    "opened_by_hand": "triggered",
    "split_from": "triggered",
    "reopened": "triggered",
    "acknowledged": "acknowledged",
    "snoozed": "acknowledged",
    "silenced": "acknowledged",
    "unacknowledged": "unacknowledged",
    "acknowledgement_expired": "unacknowledged",
    "snooze_ended": "unacknowledged",
    "silence_ended": "unacknowledged",
    "escalated_to_tier": "escalated",
    "handed_over": "escalated",
    "handed_over_to_tier": "escalated",
    "last_resort": "escalated",
    "priority_raised": "priority_changed",
    "priority_pinned": "priority_changed",
    "reassigned": "reassigned",
    "mitigated": "mitigated",
    "resolved": "resolved",
    "closed": "closed",
    "merged_into": "closed",
    "symptom_of": "closed",
    "note": "note",
    "update": "update",
}
"""By the kind of a timeline entry."""
_STATES: Final[tuple[State, ...]] = get_args(State)
"""One of these an incident has again when a merge, a split or a move is taken back."""

_QUEUE: Final = Hot("""
    INSERT INTO webhook_calls (entry_id, webhook_id, incident_id, happening, because, at, due_at)
    SELECT t.id, w.webhook_id, t.incident_id, t.happening, t.because, CAST(:now AS timestamptz),
           CAST(:now AS timestamptz)
    FROM unnest(CAST(:id AS uuid[]), CAST(:incident_id AS uuid[]), CAST(:happening AS text[]),
                CAST(:because AS text[]), CAST(:priority AS smallint[]))
         AS t (id, incident_id, happening, because, priority)
    JOIN incidents i ON i.id = t.incident_id AND NOT i.drill
    JOIN services v ON v.id = i.service_id
    JOIN webhook_subscriptions w ON t.happening = ANY (w.happens)
    WHERE ((w.service_ids IS NULL AND w.team_ids IS NULL)
           OR i.service_id = ANY (w.service_ids) OR v.team_id = ANY (w.team_ids))
      AND (w.priority_at_least IS NULL OR coalesce(t.priority, i.priority) <= w.priority_at_least
           OR EXISTS (SELECT FROM webhook_calls c WHERE c.incident_id = i.id AND c.webhook_id = w.webhook_id))
""")
"""Whoever was told of an incident is told of the rest of it, too, whatever its priority is by then."""


async def queue(conn: AsyncConnection, entries: Sequence[Entry], entry_ids: Sequence[UUID], now: datetime) -> None:
    """Rows for whoever listens to these entries of timelines; of drills nobody hears. Written in the transaction of
    the entries, at most once each."""
    heard = [(e, entry_id, h) for e, entry_id in zip(entries, entry_ids, strict=True) if (h := happening(e))]
    if heard:
        await _QUEUE.write(
            conn,
            {
                "now": now,
                "id": [entry_id for _, entry_id, _ in heard],
                "incident_id": [e.incident_id for e, _, _ in heard],
                "happening": [h for _, _, h in heard],
                "because": [describe(e.kind, e.data) for e, _, _ in heard],
                "priority": [_priority(e.data) for e, _, _ in heard],
            },
        )


def happening(entry: Entry) -> Happening | None:
    """What an entry is to programs, None: nothing. The first step of an incident pages whom it triggered for; only
    later ones escalate it. What is taken back tells how it stands by that, where it was over or is now."""
    if entry.kind == "step":
        later = (entry.data.get("round"), entry.data.get("step")) != (1, 1)
        return "escalated" if later and not entry.data.get("informs") else None
    if entry.kind == "act_undone":
        return next((state for state in _STATES if state == entry.data.get("became")), None)
    return None if entry.data.get("drill") else _HAPPENINGS.get(entry.kind)


def _priority(data: Mapping[str, Any]) -> int | None:
    """As the entry says it: the row of the incident may be written after it."""
    said = data.get("priority")
    return said if isinstance(said, int) else None
