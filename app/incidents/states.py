"""The life of an incident as a value, and what may happen to it. Pure: a state and `now` in, the next state out.

`triggered` -> `acknowledged` -> `mitigated` -> `resolved` -> `closed`; an acknowledgement that ends, a reopening or a
raised priority leads back to `triggered` and begins a new epoch (behaviour.md 5), and with it a new climb.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

State = Literal["triggered", "acknowledged", "mitigated", "resolved", "closed"]
OPEN: frozenset[str] = frozenset({"triggered", "acknowledged", "mitigated"})
IS_OPEN = "state IN ('triggered', 'acknowledged', 'mitigated')"
"""The same to PostgreSQL, in the words of its partial indexes."""
WORDS = (
    "to_tsvector('simple'::regconfig, "
    "(((title || ' '::text) || COALESCE(cause, ''::text)) || ' '::text) || COALESCE(fix, ''::text))"
)
"""What full text search of incidents is over, as PostgreSQL itself writes it, so that Alembic finds no difference. Its
index serves queries that say exactly this."""
SILENCED = "silenced"
"""Why an incident wakes that a silence made quiet."""


REMINDED_AHEAD = timedelta(minutes=5)
"""Before an acknowledgement expires, whoever gave it is reminded (behaviour.md 5); until then giving it again changes
nothing, from then on it lasts anew."""


class Incident(Struct, frozen=True, gc=False):
    """An incident's row, as read under its lock. The columns are explained in tables.py."""

    id: UUID
    number: int
    service_id: int
    correlation_key: str
    open_key: str | None
    title: str
    state: str
    epoch: int
    priority: int
    impact: int
    urgency: int
    verdict: Mapping[str, Any]
    priority_pin: Mapping[str, Any] | None
    loudness: str
    loud_due_at: datetime | None
    held_open: bool
    opened_at: datetime
    triggered_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by_id: int | None
    wakes_at: datetime | None
    wakes_because: str | None
    assigned_to_id: int | None
    mitigated_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    closed_at: datetime | None
    recovery_due_at: datetime | None
    paging_due_at: datetime | None
    reopened: int
    recurrence_of_id: UUID | None
    last_occurrence_at: datetime
    firing: int
    occurrences: int
    version: int
    merged_into_id: UUID | None = None
    symptoms_due_at: datetime | None = None
    drill: bool = False

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def silenced(self) -> bool:
        """Nobody has it, and it is quiet because silences hold for all its alerts that fire (`quieting.py`)."""
        return self.state == "acknowledged" and self.wakes_because == SILENCED


def ends_soon(state: str, wakes_because: str | None, wakes_at: datetime | None, now: datetime) -> bool:
    """Whether an acknowledgement is about to expire."""
    if state != "acknowledged" or wakes_because != "expires" or wakes_at is None:
        return False
    return now >= wakes_at - REMINDED_AHEAD


def trigger(incident: Incident, now: datetime) -> Incident:
    """Nobody has it (any more): a new epoch begins, and the next tick starts to page."""
    return replace(
        incident,
        state="triggered",
        epoch=incident.epoch + 1,
        triggered_at=now,
        acknowledged_at=None,
        acknowledged_by_id=None,
        mitigated_at=None,
        wakes_at=None,
        wakes_because=None,
        paging_due_at=now,
    )


def reopen(incident: Incident, now: datetime, open_key: str | None) -> Incident:
    """The same trouble again, shortly after it was over: same number, and triggered, whoever had it."""
    return replace(
        trigger(incident, now),
        open_key=open_key,
        resolved_at=None,
        resolved_by=None,
        closed_at=None,
        assigned_to_id=None,
        recovery_due_at=None,
        reopened=incident.reopened + 1,
    )


def reopen_quietly(incident: Incident, now: datetime, open_key: str | None) -> Incident:
    """Its alert flaps: as if it had not been resolved. Whoever had it has it, and nobody is paged anew."""
    return replace(
        incident,
        state="triggered" if incident.acknowledged_at is None else "acknowledged",
        open_key=open_key,
        resolved_at=None,
        resolved_by=None,
        recovery_due_at=None,
        reopened=incident.reopened + 1,
    )


def acknowledge(
    incident: Incident,
    now: datetime,
    user_id: int | None,
    wakes_at: datetime | None = None,
    because: str | None = None,
) -> Incident:
    """A responder takes it; None: somebody did at the source. `wakes_at` is when the acknowledgement expires or a
    snooze ends."""
    return replace(
        incident,
        state="acknowledged",
        acknowledged_at=now,
        acknowledged_by_id=user_id,
        wakes_at=wakes_at,
        wakes_because=because,
        paging_due_at=None,
    )


def mitigate(incident: Incident, now: datetime) -> Incident:
    """The pain is over, the fault is not: nobody is woken any more."""
    return replace(incident, state="mitigated", mitigated_at=now, wakes_at=None, wakes_because=None, paging_due_at=None)


def resolve(incident: Incident, now: datetime, by: str, look_again_at: datetime | None = None) -> Incident:
    """The fault is over. `look_again_at`: a person said so while alerts still fire; then it is looked at once more.

    `loud_due_at` stays: support hours may begin before it is reopened."""
    return replace(
        incident,
        state="resolved",
        # Nobody had what was only silenced: if it flaps, it pages again.
        acknowledged_at=None if incident.silenced else incident.acknowledged_at,
        resolved_at=now,
        resolved_by=by,
        open_key=None,
        wakes_at=None,
        wakes_because=None,
        paging_due_at=None,
        recovery_due_at=look_again_at,
    )


def close(incident: Incident, now: datetime) -> Incident:
    """Nothing more to do; but what a person resolved while it fired is still looked at once more."""
    return replace(incident, state="closed", closed_at=now, loud_due_at=None)


def merge_away(incident: Incident, now: datetime, by: str, into_id: UUID) -> Incident:
    """All that it has goes to another incident, which speaks for it from now on. Nothing wakes anybody for it."""
    return replace(
        resolve(incident, incident.resolved_at or now, by) if incident.resolved_at is None else incident,
        state="closed",
        closed_at=now,
        loud_due_at=None,
        recovery_due_at=None,
        symptoms_due_at=None,
        firing=0,
        occurrences=0,
        merged_into_id=into_id,
    )


def restore(incident: Incident, was: Incident) -> Incident:
    """As it was before it was merged away, without what it held then: its key and its occurrences."""
    return replace(
        was,
        open_key=None,
        firing=0,
        occurrences=0,
        paging_due_at=None,
        recovery_due_at=None,
        symptoms_due_at=None,
        merged_into_id=None,
        reopened=incident.reopened,
        version=incident.version,
    )


def give(incident: Incident, firing: int, occurrences: int, now: datetime) -> Incident:
    """Occurrences leave it, by somebody's decision. If none of the others fires, it resolves with the next tick."""
    left = max(incident.firing - firing, 0)
    over = left == 0 and incident.is_open and not incident.held_open
    return replace(
        incident,
        firing=left,
        occurrences=max(incident.occurrences - occurrences, 0),
        recovery_due_at=now if over and firing else incident.recovery_due_at,
    )


def take(incident: Incident, firing: int, occurrences: int, newest: datetime) -> Incident:
    """Occurrences come to it, the newest of them at this instant."""
    return replace(
        incident,
        firing=incident.firing + firing,
        occurrences=incident.occurrences + occurrences,
        last_occurrence_at=max(incident.last_occurrence_at, newest),
        recovery_due_at=None if firing else incident.recovery_due_at,
    )


def with_priority(incident: Incident, priority: int, impact: int, urgency: int, verdict: Mapping[str, Any]) -> Incident:
    return replace(incident, priority=priority, impact=impact, urgency=urgency, verdict=verdict)


def with_loudness(incident: Incident, loudness: str, loud_due_at: datetime | None) -> Incident:
    return replace(incident, loudness=loudness, loud_due_at=loud_due_at)
