"""Limits per contact method: what goes out alone, what together, what waits and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.notifications.bundling import Waiting, bundle, fair
from app.notifications.limits import IN_A_STORM, LIMITS, Pace, fits, opens_at, spend

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def waiting(n: int, service: int = 1, since: datetime = NOW) -> Waiting:
    return Waiting(UUID(int=n), service, since)


def numbers(ids: list[UUID]) -> list[int]:
    return [i.int for i in ids]


def test_a_burst_fits_and_then_one_in_a_minute() -> None:
    pace = spend("sms", Pace(), NOW, 3)
    assert fits("sms", pace, NOW, storm=False) == 0
    assert opens_at("sms", pace, storm=False) == NOW + MINUTE
    assert fits("sms", pace, NOW + MINUTE, storm=False) == 1
    assert fits("sms", pace, NOW + 3 * MINUTE, storm=False) == 3


def test_what_bypasses_empties_the_bucket_and_no_more() -> None:
    pace = spend("sms", Pace(), NOW, 50)
    assert opens_at("sms", pace, storm=False) == NOW + MINUTE


def test_the_last_message_that_fits_carries_the_rest() -> None:
    decided = bundle("sms", [waiting(n) for n in range(1, 11)], 0, Pace(), NOW, storm=False)
    assert (numbers(decided.alone), numbers(decided.together)) == ([1, 2], list(range(3, 11)))
    assert not decided.later


def test_what_does_not_fit_waits_until_the_window_opens_and_says_why() -> None:
    pace = spend("sms", Pace(), NOW, 3)
    decided = bundle("sms", [waiting(1), waiting(2)], 0, pace, NOW, storm=False)
    assert (numbers(decided.later), decided.until) == ([1, 2], NOW + MINUTE)
    assert decided.because == "bundled: 3 messages at once, then one in 60 s"
    then = bundle("sms", [waiting(1), waiting(2)], 0, decided.pace, NOW + MINUTE, storm=False)
    assert numbers(then.together) == [1, 2]


def test_the_first_of_each_service_comes_first_then_who_waited_longest() -> None:
    order = fair([waiting(1), waiting(2), waiting(3, 2, NOW + MINUTE), waiting(4, 3, NOW + 2 * MINUTE), waiting(5)])
    assert numbers(order) == [1, 3, 4, 2, 5]


def test_in_a_storm_all_is_one_message_in_two_minutes_whatever_was_spent_before() -> None:
    first = bundle("mail", [waiting(1), waiting(2)], 0, Pace(), NOW, storm=True)
    assert (numbers(first.alone), numbers(first.together)) == ([], [1, 2])
    second = bundle("mail", [waiting(3)], 0, first.pace, NOW + MINUTE, storm=True)
    assert (numbers(second.later), second.until) == ([3], NOW + IN_A_STORM)
    burst = spend("sms", Pace(), NOW, 3)
    assert fits("sms", burst, NOW + IN_A_STORM, storm=True) == 1


@given(st.sampled_from(sorted(LIMITS)), st.lists(st.integers(0, 120), min_size=1, max_size=80), st.integers(0, 4))
def test_no_window_ever_holds_more_than_the_limit_and_nobody_is_forgotten(
    channel: str, gaps: list[int], extra: int
) -> None:
    limit, pace, now = LIMITS[channel], Pace(), NOW
    sent: list[datetime] = []
    queue: list[Waiting] = []
    carried, due = 0, NOW
    for n, gap in enumerate(gaps):
        now += timedelta(seconds=gap)
        queue += [waiting(100 * n + k, k, now) for k in range(extra + 1)]
        if now < due:
            continue
        decided = bundle(channel, queue, 0, pace, now, storm=False)
        pace = decided.pace
        sent += [now] * (len(decided.alone) + bool(decided.together))
        gone = {*decided.alone, *decided.together}
        carried += len(gone)
        queue = [w for w in queue if w.id not in gone]
        assert {w.id for w in queue} == set(decided.later)
        due = decided.until or now
        assert due - now <= limit.every
    assert carried + len(queue) == len(gaps) * (extra + 1)
    for first, start in enumerate(sent):
        for width in (limit.every, 5 * limit.every):
            inside = sum(start <= at < start + width for at in sent[first:])
            assert inside <= limit.burst + width // limit.every
