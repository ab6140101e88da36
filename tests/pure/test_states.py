"""The life of an incident: what leads where, and what the table's checks demand of every state."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.incidents import states
from app.incidents.states import Incident

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def incident(**more: object) -> Incident:
    """Open, triggered and of its first epoch, unless it is said otherwise."""
    usual = Incident(
        id=UUID(int=1), number=1, service_id=7, correlation_key="7:X", open_key="7:X", title="X", state="triggered",
        epoch=1, priority=3, impact=2, urgency=2, verdict={}, priority_pin=None, loudness="loud", loud_due_at=None,
        held_open=False, opened_at=NOW, triggered_at=NOW, acknowledged_at=None, acknowledged_by_id=None, wakes_at=None,
        wakes_because=None, assigned_to_id=None, mitigated_at=None, resolved_at=None, resolved_by=None, closed_at=None,
        recovery_due_at=None, paging_due_at=None, reopened=0, recurrence_of_id=None, last_occurrence_at=NOW, firing=1,
        occurrences=1, version=1,
    )  # fmt: skip
    return replace(usual, **more)


def test_triggering_begins_an_epoch_that_nobody_has_and_is_due_now() -> None:
    taken = states.acknowledge(incident(), NOW, 5, NOW + 30 * MINUTE, "expires")
    again = states.trigger(taken, NOW + MINUTE)
    assert (again.state, again.epoch, again.paging_due_at) == ("triggered", 2, NOW + MINUTE)
    assert (again.acknowledged_by_id, again.acknowledged_at, again.wakes_at) == (None, None, None)


def test_acknowledging_takes_back_what_was_due() -> None:
    taken = states.acknowledge(states.trigger(incident(), NOW), NOW, 5)
    assert (taken.state, taken.acknowledged_by_id, taken.paging_due_at) == ("acknowledged", 5, None)


def test_resolving_gives_up_the_correlation_key_and_every_due_time_but_the_one_it_is_given() -> None:
    over = states.resolve(states.trigger(incident(), NOW), NOW, "user:ana", NOW + 15 * MINUTE)
    assert (over.open_key, over.paging_due_at, over.wakes_at) == (None, None, None)
    assert (over.resolved_by, over.recovery_due_at) == ("user:ana", NOW + 15 * MINUTE)
    assert states.resolve(incident(), NOW, "source").recovery_due_at is None


def test_support_hours_may_begin_while_it_is_resolved_but_not_once_it_is_closed() -> None:
    quiet = incident(loudness="quiet", loud_due_at=NOW + MINUTE)
    over = states.resolve(quiet, NOW, "source")
    assert over.loud_due_at == NOW + MINUTE
    assert states.close(over, NOW).loud_due_at is None


def test_reopening_is_a_new_epoch_of_the_same_incident_and_nobodys() -> None:
    had = states.acknowledge(incident(assigned_to_id=9), NOW, 5)
    again = states.reopen(states.resolve(had, NOW, "source"), NOW + MINUTE, "7:X")
    assert (again.state, again.reopened, again.epoch, again.number) == ("triggered", 1, 2, 1)
    assert (again.resolved_at, again.acknowledged_by_id, again.assigned_to_id) == (None, None, None)


def test_mitigated_wakes_nobody() -> None:
    eased = states.mitigate(states.acknowledge(incident(), NOW, 5, NOW + MINUTE, "expires"), NOW)
    assert (eased.state, eased.wakes_at, eased.is_open) == ("mitigated", None, True)


Move = Callable[[Incident, datetime], Incident]
MOVES: dict[str, Move] = {
    "acknowledge": lambda i, now: states.acknowledge(i, now, 5, now + MINUTE, "expires") if i.is_open else i,
    "snooze": lambda i, now: states.acknowledge(i, now, 6, now + MINUTE, "snoozed") if i.is_open else i,
    "take": lambda i, now: states.acknowledge(i, now, 7) if i.is_open else i,
    "mitigate": lambda i, now: states.mitigate(i, now) if i.is_open else i,
    "trigger": lambda i, now: states.trigger(i, now) if i.is_open else i,
    "resolve": lambda i, now: states.resolve(i, now, "source") if i.is_open else i,
    "resolve while firing": lambda i, now: states.resolve(i, now, "user:ana", now + MINUTE) if i.is_open else i,
    "reopen": lambda i, now: states.reopen(i, now, "7:X") if i.state == "resolved" else i,
    "look again": lambda i, now: i if i.is_open else states.reopen(i, now, None),
    "close": lambda i, now: states.close(i, now) if i.state == "resolved" else i,
    "raise": lambda i, now: states.with_priority(i, max(i.priority - 1, 1), 1, 1, {}),
    "loud": lambda i, now: states.with_loudness(i, "loud", None),
}


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=20))
def test_every_life_keeps_what_the_table_checks(life: list[str]) -> None:
    now, before = NOW, incident()
    for name in life:
        now += MINUTE
        after = MOVES[name](before, now)
        assert after.open_key is None or after.is_open
        assert after.state == "acknowledged" or after.wakes_at is None
        assert (after.state in ("resolved", "closed")) == (after.resolved_at is not None)
        assert (after.wakes_at is None) == (after.wakes_because is None)
        assert after.paging_due_at is None or after.state == "triggered"
        began = after.state == "triggered" and (before.state != "triggered" or name == "trigger")
        assert after.epoch == before.epoch + began
        assert not began or after.paging_due_at == now
        before = replace(after, version=after.version + 1)
