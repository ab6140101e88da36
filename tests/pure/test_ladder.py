"""behaviour.md 7: who is woken next, and when. Silence is never the outcome, nor is spinning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.escalation.ladder import (
    LAST_RESORT_AGAIN,
    LAST_RESORT_LOST,
    UNREACHABLE_AGAIN,
    Climb,
    climb,
)
from app.escalation.policy_copy import PolicyCopy, Rung, Target
from app.escalation.positions import Ladder, Reach, Situation
from app.hours import parse_hours

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TRIGGERED = Situation("triggered", 1, "loud")
CARA = 9
LAST_RESORT = (Target("user", CARA),)
NAMES = {1: "Ana", 2: "Ben", 3: "Dan", CARA: "Cara"}


def m(minutes: float) -> timedelta:
    return timedelta(minutes=minutes)


def user(n: int) -> Target:
    return Target("user", n)


def everybody(*reachable: int) -> Callable[[Sequence[Target]], Reach]:
    """Users 1, 2, 3 and Cara; those who are named can be reached."""

    def find(targets: Sequence[Target]) -> Reach:
        found = dict.fromkeys(t.id for t in targets if t.id in reachable)
        missing = [NAMES.get(t.id, "?") for t in targets if t.id not in reachable]
        return Reach(tuple((u, NAMES.get(u, str(u)), "named") for u in found), ", ".join(missing))

    return find


ALL = everybody(1, 2, 3, CARA)


def ladder(*rungs: tuple[float, Sequence[int]], repeats: int = 0, **more: object) -> Ladder:
    """Rungs as (minutes before the next, user ids)."""
    steps = tuple(Rung(int(delay * 60), tuple(user(u) for u in users)) for delay, users in rungs)
    policy = PolicyCopy("P", repeats, steps)
    return replace(Ladder(UUID(int=1), UUID(int=2), "page", policy, 1, 1, 0, 0, NOW), **more)


def paged(result: Climb) -> list[int]:
    return [p.user_id for p in result.pages]


def said(result: Climb) -> list[str]:
    return [e.kind for e in result.entries]


def test_the_first_step_is_paged_at_once_and_the_next_is_due_after_its_delay() -> None:
    result = climb(ladder((5, [1, 2]), (10, [3])), TRIGGERED, ALL, LAST_RESORT, NOW)
    assert paged(result) == [1, 2]
    assert (result.ladder.step, result.ladder.next_step_at) == (1, NOW + m(5))
    assert said(result) == ["step"]


@pytest.mark.parametrize("state", ["acknowledged", "mitigated", "resolved", "closed"])
def test_it_parks_where_it_must_not_climb(state: str) -> None:
    result = climb(ladder((5, [1])), replace(TRIGGERED, state=state), ALL, LAST_RESORT, NOW)
    assert (result.ladder.next_step_at, result.pages, result.entries) == (None, [], [])


def test_steps_that_reach_nobody_are_named_and_passed_at_once() -> None:
    result = climb(ladder((5, [1]), (5, [2]), (7, [3])), TRIGGERED, everybody(3, CARA), LAST_RESORT, NOW)
    assert paged(result) == [3]
    assert said(result) == ["nobody_reached", "nobody_reached", "step"]
    assert result.ladder.next_step_at == NOW + m(7)


def test_a_round_that_reached_nobody_skips_its_repeats() -> None:
    result = climb(ladder((5, [1]), repeats=20), TRIGGERED, everybody(CARA), LAST_RESORT, NOW)
    assert paged(result) == [CARA]
    assert (result.ladder.round, result.ladder.next_step_at) == (2, NOW + LAST_RESORT_AGAIN)


def test_an_exhausted_policy_repeats_then_pages_the_last_resort() -> None:
    at_the_end = ladder((5, [1]), repeats=1, step=1, reached=1)
    again = climb(at_the_end, TRIGGERED, ALL, LAST_RESORT, NOW)
    assert (paged(again), again.ladder.round, again.ladder.reached) == ([1], 2, 1)
    finally_ = climb(again.ladder, TRIGGERED, ALL, LAST_RESORT, NOW + m(5))
    assert paged(finally_) == [CARA]
    assert finally_.pages[0].because.startswith("the last resort")
    assert not again.pages[0].because.startswith("the last resort")


def test_without_steps_the_last_resort_is_paged() -> None:
    assert paged(climb(ladder(), TRIGGERED, ALL, LAST_RESORT, NOW)) == [CARA]


def test_nobody_at_all_is_unreachable_and_tried_again_after_a_minute() -> None:
    result = climb(ladder((5, [1])), TRIGGERED, everybody(), LAST_RESORT, NOW)
    assert result.unreachable
    assert result.ladder.next_step_at == NOW + UNREACHABLE_AGAIN
    assert said(result) == ["nobody_reached", "last_resort_unreachable"]
    again = climb(result.ladder, TRIGGERED, everybody(), LAST_RESORT, NOW + UNREACHABLE_AGAIN)
    assert said(again) == ["last_resort_unreachable"]  # the steps are not told again every minute
    assert climb(again.ladder, TRIGGERED, everybody(), (), NOW).unreachable  # nor is there any


def test_a_policy_that_reached_nobody_is_looked_at_again_before_the_last_resort() -> None:
    result = climb(ladder((5, [1]), (5, [2])), TRIGGERED, everybody(CARA), LAST_RESORT, NOW)
    later = climb(result.ladder, TRIGGERED, everybody(2, CARA), LAST_RESORT, NOW + LAST_RESORT_AGAIN)
    assert paged(later) == [2]
    assert later.ladder.step == 2


def test_what_was_lost_at_the_last_resort_is_told_to_the_second_path() -> None:
    lost = ladder((5, [1]), step=1, reached=LAST_RESORT_LOST, round=2)
    result = climb(lost, TRIGGERED, everybody(CARA), LAST_RESORT, NOW)
    assert (paged(result), result.unreachable) == ([CARA], True)
    assert not climb(result.ladder, TRIGGERED, everybody(CARA), LAST_RESORT, NOW).unreachable


def test_a_new_epoch_starts_from_the_first_step_and_pages_whoever_had_it() -> None:
    old = ladder((5, [1]), (5, [2]), step=2, reached=2, round=3)
    result = climb(old, replace(TRIGGERED, epoch=2, held_before=(2,)), ALL, LAST_RESORT, NOW)
    assert paged(result) == [1, 2]
    assert (result.ladder.epoch, result.ladder.round, result.ladder.step) == (2, 1, 1)


def test_handed_to_somebody_they_alone_are_paged_before_the_first_step() -> None:
    handed = replace(TRIGGERED, epoch=2, assigned_to_id=3)
    first = climb(ladder((5, [1])), handed, ALL, LAST_RESORT, NOW)
    assert (paged(first), first.ladder.step, first.ladder.next_step_at) == ([3], 0, NOW + m(5))
    assert [page.because for page in first.pages] == ["the one it was handed to"], "no policy names them"
    assert paged(climb(first.ladder, handed, ALL, LAST_RESORT, NOW + m(5))) == [1]


def test_handed_to_somebody_who_cannot_be_reached_the_policy_starts_at_once() -> None:
    result = climb(ladder((5, [1])), replace(TRIGGERED, epoch=2, assigned_to_id=3), everybody(1), LAST_RESORT, NOW)
    assert paged(result) == [1]


def test_when_it_comes_back_from_an_assignee_whoever_is_on_call_is_paged_with_them() -> None:
    back = replace(TRIGGERED, epoch=3, assigned_to_id=3, held_before=(3,))
    assert paged(climb(ladder((5, [1])), back, ALL, LAST_RESORT, NOW)) == [1, 3]


def test_quiet_it_climbs_after_eight_support_hours() -> None:
    office = parse_hours({"time_zone": "UTC", "spans": [{"days": ["mon", "tue"], "from": "09:00", "to": "15:00"}]})
    quiet = replace(TRIGGERED, loudness="quiet", hours=office)
    result = climb(ladder((5, [1]), (5, [2])), quiet, ALL, LAST_RESORT, NOW)
    assert result.ladder.next_step_at == NOW + timedelta(days=1, hours=2)  # 5 hours on Monday, 3 on Tuesday
    always = climb(ladder((5, [1])), replace(quiet, hours=None), ALL, LAST_RESORT, NOW)
    assert always.ladder.next_step_at == NOW + timedelta(hours=8)


def test_a_policy_is_read_from_its_copy() -> None:
    copied = {"name": "P", "repeats": 2, "steps": [{"delay_s": 60, "targets": [{"type": "schedule", "id": 4}]}]}
    assert PolicyCopy.of(copied) == PolicyCopy("P", 2, (Rung(60, (Target("schedule", 4),)),))


RUNGS = st.lists(st.tuples(st.integers(1, 30), st.lists(st.sampled_from([1, 2, 3]), max_size=3)), max_size=4)


@given(RUNGS, st.integers(0, 3), st.lists(st.sets(st.sampled_from([1, 2, 3, CARA])), min_size=12, max_size=12))
def test_it_never_spins_and_is_never_silent(
    rungs: list[tuple[int, list[int]]], repeats: int, reachable: list[set[int]]
) -> None:
    """Twelve claims, each at its due time, with other people reachable each time."""
    current, now = ladder(*rungs, repeats=repeats), NOW
    keys: set[tuple[int, ...]] = set()
    for who in reachable:
        result = climb(current, TRIGGERED, everybody(*who), LAST_RESORT, now)
        due = result.ladder.next_step_at
        assert due is not None
        assert due > now
        assert bool(result.pages) != result.unreachable
        assert result.pages or due <= now + UNREACHABLE_AGAIN
        for page in result.pages:
            key = (page.epoch, page.round, page.step, page.user_id)
            assert key not in keys, "this page would be taken for an earlier one"
            keys.add(key)
        current, now = result.ladder, due


@given(RUNGS.filter(lambda rungs: any(users for _, users in rungs)), st.integers(0, 3))
def test_all_who_are_named_are_paged_once_a_round_then_the_last_resort(
    rungs: list[tuple[int, list[int]]], repeats: int
) -> None:
    current, now = ladder(*rungs, repeats=repeats), NOW
    pages: list[int] = []
    while CARA not in pages:
        result = climb(current, TRIGGERED, ALL, LAST_RESORT, now)
        pages += paged(result)
        current, now = result.ladder, result.ladder.next_step_at or now
    a_round = [user for _, users in rungs for user in dict.fromkeys(users)]
    assert pages == a_round * (repeats + 1) + [CARA]
