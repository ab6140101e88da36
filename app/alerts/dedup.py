"""Are two events the same alert, and does the second change anything? Pure: a fold over the events of a batch.

behaviour.md 2 is the specification. Times: `starts_at` and `ended_at` are the source's clock, `now` and
`end_received_at` are ours. A source whose clock is ahead is believed about the order of its own events, but a firing
alert never starts in our future: else a resolve could not end it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from app.db import ids
from app.ingest.event import Event

_NO_LABELS: frozenset[str] = frozenset()
FLAPPING_FROM = 3
MOST_FLIPS = 10
FORGET_A_FLIP_AFTER = timedelta(seconds=100)
"""A leaking bucket: one that changes every half minute stays flapping, one that settles is believed again after a
quarter of an hour at most."""


class Outcome(StrEnum):
    """What became of an event. The values are shown in receipts."""

    OPENED = "opened"
    REVIVED = "revived"
    CHANGED = "changed"
    RESOLVED = "resolved"
    REPEATED = "repeated"
    STALE = "stale"
    UNMATCHED = "unmatched_resolve"
    ACKNOWLEDGED = "acknowledged_at_source"
    QUARANTINED = "quarantined"

    @property
    def changes(self) -> bool:
        """Whether the event is kept as a row."""
        return self in _CHANGING


_CHANGING = frozenset(Outcome) - {Outcome.REPEATED, Outcome.STALE, Outcome.QUARANTINED}


class Arrival(Struct, frozen=True, gc=False):
    """An event as it entered: through which integration, in which request, at which place in its body."""

    event: Event
    integration_id: int
    integration_key: str
    source: str
    service_id: int
    stale_window_s: int
    receipt_id: UUID
    index: int
    ignored_labels: frozenset[str] = _NO_LABELS

    @property
    def identity(self) -> tuple[int, str]:
        return self.integration_id, self.event.dedup_key


class Decided(Struct, frozen=True, gc=False):
    """What a person decided about the incident of an alert, for all its occurrences to come. Stored as JSON with these
    members; automation does not undo it while the incidents that it names are open."""

    not_with: tuple[UUID, ...] = ()
    """Incidents it was split off from, newest first."""
    belongs_with: UUID | None = None
    """The incident it was put into."""
    key: str = ""
    """Its correlation key where it must not go where its usual one leads."""


class AlertState(Struct, frozen=True, gc=False):
    """An alert's row as far as dedup needs it."""

    id: UUID
    integration_id: int
    dedup_key: str
    firing: bool
    occurrence_id: UUID
    starts_at: datetime
    digest: int
    severity: str
    ended_at: datetime | None = None
    end_kind: str | None = None
    end_received_at: datetime | None = None
    expires_at: datetime | None = None
    expiry_due_at: datetime | None = None
    flips: int = 0
    flipped_at: datetime | None = None
    decided: Mapping[str, Any] | None = None
    """As stored (`Decided`)."""
    earlier_ended_at: datetime | None = None
    """When the occurrence before this one ended."""

    @property
    def flapping(self) -> bool:
        """Whether it changes between firing and resolved too often to be believed: three times in five minutes."""
        return self.flips >= FLAPPING_FROM


class Decision(Struct, frozen=True, gc=False):
    """What one event did to its alert. `alert` is the state after it."""

    arrival: Arrival
    outcome: Outcome
    alert: AlertState


@dataclass(slots=True)
class Folded:
    """The batch, decided: each event's outcome, and the alerts to write."""

    decisions: list[Decision] = field(default_factory=list)
    created: dict[tuple[int, str], Decision] = field(default_factory=dict)
    rewritten: dict[tuple[int, str], Decision] = field(default_factory=dict)
    moved: dict[tuple[int, str], AlertState] = field(default_factory=dict)
    """Alerts of which a repeat moved an instant and nothing else."""


def digest(event: Event, ignored: frozenset[str] = _NO_LABELS) -> int:
    """64 bits of labels and severity, signed as PostgreSQL's bigint: equal means that nothing changed.

    A fingerprint stands for all labels, so that they need not be looked at, unless some of them do not count."""
    if not ignored:
        return _digest_of_all(event.severity, event.fingerprint)
    counted = [f"{n}\x01{v}" for n, v in sorted(event.labels.items()) if n not in ignored]
    return _hash("\x00".join([event.severity, *counted]))


@lru_cache(8_192)
def _digest_of_all(severity: str, fingerprint: str) -> int:
    return _hash(f"{severity}\x00{fingerprint}")


@lru_cache(8_192)
def _hash(text: str) -> int:
    h = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(h.digest(), "big", signed=True)


def fold(known: Iterable[AlertState], arrivals: Sequence[Arrival], now: datetime) -> Folded:
    """Decides every event in its order, each on the state that the one before it left behind."""
    states = {(a.integration_id, a.dedup_key): a for a in known}
    result = Folded()
    for arrival in arrivals:
        key = arrival.identity
        before = states.get(key)
        if before is not None and _is_plain_repeat(before, arrival):
            result.decisions.append(Decision(arrival, Outcome.REPEATED, before))
            continue
        decision = decide(before, arrival, now)
        states[key] = decision.alert
        result.decisions.append(decision)
        if before is None:
            result.created[key] = decision
        elif key in result.created:
            result.created[key] = replace(decision, arrival=_said_more(result.created[key], decision))
        elif decision.outcome.changes:
            result.rewritten[key] = decision
            result.moved.pop(key, None)
        elif key in result.rewritten:
            result.rewritten[key] = replace(result.rewritten[key], alert=decision.alert)
        elif decision.alert is not before:
            result.moved[key] = decision.alert
    return result


def _is_plain_repeat(alert: AlertState, arrival: Arrival) -> bool:
    """Nine events in ten: it fires as before and moves nothing. Leaves nothing for `decide` to say, or to write."""
    event = arrival.event
    return (
        alert.firing
        and event.kind == "firing"
        and event.ends_at is None
        and event.starts_at >= alert.starts_at
        and digest(event, arrival.ignored_labels) == alert.digest
    )


def _said_more(created: Decision, later: Decision) -> Arrival:
    """Of two events of an alert that is new in this batch, the one whose words the alert's row takes."""
    return later.arrival if later.outcome.changes else created.arrival


def decide(alert: AlertState | None, arrival: Arrival, now: datetime) -> Decision:
    """One event against one alert."""
    kind = arrival.event.kind
    if kind == "resolved":
        return _resolve(alert, arrival, now)
    if kind == "acknowledged":
        return _acknowledged(alert, arrival, now)
    return _fire(alert, arrival, now)


def _fire(alert: AlertState | None, arrival: Arrival, now: datetime) -> Decision:
    event = arrival.event
    if alert is None:
        return Decision(arrival, Outcome.OPENED, _opened(ids.new(now), arrival, now, None))
    if alert.firing:
        return _fire_again(alert, arrival, now)
    if alert.ended_at is not None and event.starts_at <= alert.ended_at:
        if _is_stale(alert, arrival, now):
            return Decision(arrival, Outcome.STALE, alert)
        revived = replace(
            _opened(alert.id, arrival, now, alert),
            occurrence_id=alert.occurrence_id,
            earlier_ended_at=alert.earlier_ended_at,
        )
        return Decision(arrival, Outcome.REVIVED, revived)
    return Decision(arrival, Outcome.OPENED, _opened(alert.id, arrival, now, alert))


def _flips(alert: AlertState | None, now: datetime) -> int:
    """How often it changed lately, this change included."""
    if alert is None or alert.flipped_at is None:
        return 1
    forgotten = (now - alert.flipped_at) // FORGET_A_FLIP_AFTER
    return min(max(alert.flips - max(forgotten, 0), 0) + 1, MOST_FLIPS)


def _opened(alert_id: UUID, arrival: Arrival, now: datetime, before: AlertState | None) -> AlertState:
    event = arrival.event
    return AlertState(
        id=alert_id,
        integration_id=arrival.integration_id,
        dedup_key=event.dedup_key,
        firing=True,
        occurrence_id=ids.new(now),
        starts_at=min(event.starts_at, now),
        digest=digest(event, arrival.ignored_labels),
        severity=event.severity,
        expires_at=event.ends_at,
        expiry_due_at=event.ends_at,
        flips=_flips(before, now),
        flipped_at=now,
        decided=None if before is None else before.decided,
        earlier_ended_at=None if before is None else before.ended_at,
    )


def _fire_again(alert: AlertState, arrival: Arrival, now: datetime) -> Decision:
    """The earliest start is kept: redundant pairs differ by seconds. A renewal only ever moves the expiry forward.

    What a slower one of a pair tells of the occurrence before this one is stale for as long as its resolve would have
    made it so; and it never makes this one begin before that one ended, else its late resolve would end this one."""
    event = arrival.event
    if alert.earlier_ended_at is not None and event.starts_at <= alert.earlier_ended_at:
        if alert.flipped_at is not None and now - alert.flipped_at < timedelta(seconds=arrival.stale_window_s):
            return Decision(arrival, Outcome.STALE, alert)
        event = replace(event, starts_at=alert.starts_at)
    seen = digest(event, arrival.ignored_labels)
    expires = alert.expires_at if event.ends_at is None else max(event.ends_at, alert.expires_at or event.ends_at)
    due = alert.expiry_due_at or expires
    if seen == alert.digest and event.starts_at >= alert.starts_at and expires == alert.expires_at:
        return Decision(arrival, Outcome.REPEATED, alert)
    after = replace(
        alert,
        starts_at=min(alert.starts_at, event.starts_at),
        expires_at=expires,
        expiry_due_at=due,
        digest=seen,
        severity=event.severity,
    )
    return Decision(arrival, Outcome.REPEATED if seen == alert.digest else Outcome.CHANGED, after)


def _is_stale(alert: AlertState, arrival: Arrival, now: datetime) -> bool:
    """Only an explicit resolve received a moment ago outweighs a source that says it fires."""
    if alert.end_kind != "explicit" or alert.end_received_at is None:
        return False
    return now - alert.end_received_at < timedelta(seconds=arrival.stale_window_s)


def _resolve(alert: AlertState | None, arrival: Arrival, now: datetime) -> Decision:
    event = arrival.event
    ended_at = event.ends_at or now
    if alert is None:
        opened = replace(_opened(ids.new(now), arrival, now, None), starts_at=ended_at)
        return Decision(arrival, Outcome.UNMATCHED, _ended(opened, ended_at, now))
    if alert.firing:
        if ended_at < alert.starts_at:
            return Decision(arrival, Outcome.STALE, alert)
        ended = replace(_ended(alert, ended_at, now), flips=_flips(alert, now), flipped_at=now)
        return Decision(arrival, Outcome.RESOLVED, ended)
    if alert.end_kind != "explicit" and (alert.ended_at is None or ended_at >= alert.starts_at):
        # What had merely fallen silent is now known to be over: from here on late firing events are stale.
        return Decision(arrival, Outcome.REPEATED, _ended(alert, max(ended_at, alert.ended_at or ended_at), now))
    return Decision(arrival, Outcome.REPEATED, alert)


def _ended(alert: AlertState, ended_at: datetime, now: datetime) -> AlertState:
    return replace(
        alert,
        firing=False,
        ended_at=ended_at,
        end_kind="explicit",
        end_received_at=now,
        expires_at=None,
        expiry_due_at=None,
    )


def _acknowledged(alert: AlertState | None, arrival: Arrival, now: datetime) -> Decision:
    if alert is None:
        # Acknowledging what we never saw fire says at least that it exists: it is kept as ended, and pages nobody.
        return replace(_resolve(None, arrival, now), outcome=Outcome.UNMATCHED)
    return Decision(arrival, Outcome.ACKNOWLEDGED if alert.firing else Outcome.STALE, alert)
