"""behaviour.md 3: which incident an occurrence belongs to, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.incidents import states
from app.incidents.correlation import Correlated, Happening, Ranking, correlate, correlation_key
from app.incidents.states import Incident
from app.priority.assign import PriorityVerdict, Provenance

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
PRIORITY = {"critical": 1, "error": 2, "warning": 3}


def m(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


def rank(happening: Happening, alerts: int) -> Ranking:
    """By severity alone; three alerts or more are P1."""
    priority = 1 if alerts >= 3 else PRIORITY[happening.severity]
    because = Provenance("impact", 1, "default", "default", None, happening.severity)
    return Ranking(PriorityVerdict(priority, 1, 1, (because, because)), "loud", None)


def happens(
    kind: str = "opened",
    occurrence: int = 1,
    name: str = "X",
    *,
    incident: Incident | None = None,
    severity: str = "error",
    recovery: timedelta = timedelta(),
) -> Happening:
    key = correlation_key(7, {"alertname": name}, "k")
    return Happening(
        kind, UUID(int=occurrence), UUID(int=1000 + occurrence), 7, key, name, severity, "source:am",
        None if incident is None else incident.id, recovery,
    )  # fmt: skip


def decide(known: Iterable[Incident], happenings: Sequence[Happening], now: datetime = NOW) -> Correlated:
    return correlate(known, happenings, rank, now)


def opened(now: datetime = NOW, **more: object) -> Incident:
    (incident,) = decide([], [happens()], now).opened.values()
    return replace(incident, **more)


def kinds(result: Correlated) -> list[str]:
    return [e.kind for e in result.entries]


def test_the_key_is_service_and_alertname_or_the_alert_itself() -> None:
    assert correlation_key(7, {"alertname": "X", "pod": "a"}, "k") == correlation_key(7, {"alertname": "X"}, "other")
    assert correlation_key(7, {"alertname": "X"}, "k") != correlation_key(8, {"alertname": "X"}, "k")
    assert correlation_key(7, {"host": "a"}, "k") != correlation_key(7, {"host": "a"}, "other")
    assert correlation_key(7, {}, "X") != correlation_key(7, {"alertname": "X"}, "k")


def test_two_occurrences_of_a_key_in_a_batch_are_one_incident() -> None:
    result = decide([], [happens(occurrence=1), happens(occurrence=2), happens(occurrence=3, name="Y")])
    first, other = result.opened.values()
    assert (first.firing, first.occurrences, other.firing) == (2, 2, 1)
    assert result.belongs == {UUID(int=1): first.id, UUID(int=2): first.id, UUID(int=3): other.id}
    assert result.priorities == {UUID(int=1): 2, UUID(int=2): 2, UUID(int=3): 2}


def test_an_occurrence_joins_what_is_open_within_30_minutes_of_its_last_one() -> None:
    incident = opened()
    result = decide([incident], [happens(occurrence=2)], NOW + m(30))
    (joined,) = result.changed.values()
    assert (joined.id, joined.firing, joined.epoch) == (incident.id, 2, 1)
    assert joined.last_occurrence_at == NOW + m(30)


def test_after_the_window_the_key_goes_to_a_successor_and_the_older_stays_open() -> None:
    incident = opened()
    result = decide([incident], [happens(occurrence=2)], NOW + m(30.1))
    (older,), (successor,) = result.changed.values(), result.opened.values()
    assert (older.open_key, older.state, older.firing) == (None, "triggered", 1)
    assert (successor.open_key, successor.recurrence_of_id) == (incident.open_key, incident.id)


def test_after_a_day_the_key_goes_to_a_successor_however_often_it_fires() -> None:
    busy = opened(last_occurrence_at=NOW + m(24 * 60 - 1))
    assert not decide([busy], [happens(occurrence=2)], NOW + m(24 * 60 - 0.5)).opened
    assert decide([busy], [happens(occurrence=2)], NOW + m(24 * 60)).opened


def test_resolved_within_15_minutes_it_is_reopened_whoever_had_it() -> None:
    had = states.acknowledge(opened(), NOW, 5)
    over = replace(states.resolve(had, NOW, "source"), firing=0)
    result = decide([over], [happens(occurrence=2)], NOW + m(14.9))
    (again,) = result.changed.values()
    assert (again.state, again.epoch, again.reopened, again.firing) == ("triggered", 2, 1, 1)
    assert (again.open_key, again.acknowledged_by_id) == (over.correlation_key, None)


def test_resolved_15_minutes_ago_it_is_a_recurrence() -> None:
    over = replace(states.resolve(opened(), NOW, "source"), firing=0)
    (new,) = decide([over], [happens(occurrence=2)], NOW + m(15)).opened.values()
    assert new.recurrence_of_id == over.id


def test_closed_it_is_not_reopened() -> None:
    over = states.close(states.resolve(opened(), NOW, "source"), NOW)
    assert decide([over], [happens(occurrence=2)], NOW + m(1)).opened


def test_the_last_of_its_alerts_resolves_it() -> None:
    incident = opened(firing=2, occurrences=2)
    result = decide([incident], [happens("resolved", 1, incident=incident), happens("resolved", 2, incident=incident)])
    (over,) = result.changed.values()
    assert (over.state, over.resolved_by, over.firing, over.open_key) == ("resolved", "source", 0, None)
    assert kinds(result) == ["alert_resolved", "alert_resolved", "resolved"]


def test_a_recovery_delay_waits_and_a_new_occurrence_ends_the_wait() -> None:
    incident = opened()
    (waits,) = decide([incident], [happens("resolved", incident=incident, recovery=m(5))]).changed.values()
    assert (waits.state, waits.recovery_due_at) == ("triggered", NOW + m(5))
    (joined,) = decide([waits], [happens(occurrence=2)], NOW + m(1)).changed.values()
    assert joined.recovery_due_at is None


def test_pinned_open_it_is_not_resolved_by_its_source() -> None:
    incident = opened(held_open=True)
    (after,) = decide([incident], [happens("resolved", incident=incident)]).changed.values()
    assert (after.state, after.firing) == ("triggered", 0)


def test_a_person_resolved_it_and_then_it_stopped_so_nobody_looks_again() -> None:
    incident = states.resolve(opened(), NOW, "user:ana", NOW + m(15))
    (after,) = decide([incident], [happens("resolved", incident=incident)]).changed.values()
    assert (after.state, after.firing, after.recovery_due_at) == ("resolved", 0, None)


def test_a_worse_occurrence_raises_the_priority_and_pages_again() -> None:
    taken = states.acknowledge(opened(), NOW, 5)
    result = decide([taken], [happens(occurrence=2, severity="critical")], NOW + m(1))
    (raised,) = result.changed.values()
    assert (raised.priority, raised.state, raised.epoch) == (1, "triggered", 2)


def test_as_many_as_three_alerts_raise_it_too() -> None:
    incident = opened()
    two, three = happens(occurrence=2), happens(occurrence=3)
    (after,) = decide([incident], [two, three]).changed.values()
    assert (after.priority, after.epoch) == (1, 2)


def test_equal_or_lower_joins_quietly() -> None:
    taken = states.acknowledge(opened(), NOW, 5)
    (after,) = decide([taken], [happens(occurrence=2, severity="warning")]).changed.values()
    assert (after.state, after.epoch, after.priority) == ("acknowledged", 1, 2)


def test_a_raise_in_the_batch_that_opens_it_begins_no_second_epoch() -> None:
    (incident,) = decide([], [happens(occurrence=1), happens(occurrence=2, severity="critical")]).opened.values()
    assert (incident.priority, incident.epoch, incident.paging_due_at) == (1, 1, None)


def test_a_raise_that_comes_with_a_reopening_begins_one_epoch() -> None:
    over = replace(states.resolve(opened(), NOW, "source"), firing=0)
    (again,) = decide([over], [happens(occurrence=2, severity="critical")], NOW + m(1)).changed.values()
    assert (again.priority, again.epoch) == (1, 2)


def test_pinned_it_is_not_raised() -> None:
    pinned = opened(priority_pin={"by": "ana"})
    (after,) = decide([pinned], [happens(occurrence=2, severity="critical")]).changed.values()
    assert (after.priority, after.epoch) == (2, 1)


def test_resolved_and_fired_again_in_one_batch_is_a_reopening() -> None:
    incident = opened()
    result = decide([incident], [happens("resolved", incident=incident), happens(occurrence=2)], NOW + m(1))
    (after,) = result.changed.values()
    assert not result.opened
    assert (after.state, after.reopened, after.firing) == ("triggered", 1, 1)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 5), st.booleans()), max_size=40))
def test_whatever_happens_one_holds_the_key_and_firing_is_what_fires(steps: list[tuple[int, int, bool]]) -> None:
    """Three alerts of X and three of Y fire and resolve; each step is a batch of its own."""
    incidents: dict[UUID, Incident] = {}
    current: dict[int, UUID] = {}  # alert -> its firing occurrence
    belongs: dict[UUID, UUID] = {}
    now, serial = NOW, 0
    for wait, alert, fires in steps:
        now += m(wait)
        name = "X" if alert < 3 else "Y"
        if fires == (alert in current):
            continue
        if fires:
            serial += 1
            current[alert] = UUID(int=serial)
            told = happens(occurrence=serial, name=name)
        else:
            occurrence = current.pop(alert)
            told = happens("resolved", occurrence.int, name=name, incident=incidents[belongs[occurrence]])
        result = decide(incidents.values(), [told], now)
        incidents |= result.changed | result.opened
        belongs |= result.belongs
        held = [i.open_key for i in incidents.values() if i.open_key is not None]
        assert len(held) == len(set(held))
        for incident in incidents.values():
            mine = sum(belongs[o] == incident.id for o in current.values())
            assert incident.firing == mine
            assert incident.is_open == (mine > 0)
            assert incident.open_key is None or incident.is_open
