"""When a provider is passed over, and when it is tried again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from app.channels.channel import SendFailed
from app.notifications.health import WORKING, Health, after, choose, is_its_own, may_go_elsewhere, pause, tried
from app.notifications.polling_plan import asked_next, first_asked

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def test_one_failure_passes_over_at_once_and_many_do_not_for_longer() -> None:
    failed = after(WORKING, "failed", NOW, "unreachable", "no answer")
    assert failed.state(NOW) == "passed over"
    assert failed.over_until == NOW + seconds(30)
    again = after(failed, "failed", NOW + seconds(1), "unreachable", "no answer")
    assert (again.over_until, again.pauses) == (failed.over_until, 1)
    assert again.state(NOW + seconds(30)) == "to be tried"


def test_one_message_tries_it_and_pauses_grow() -> None:
    health = after(WORKING, "failed", NOW)
    at, waits = NOW, []
    for _ in range(7):
        assert health.over_until is not None
        waits.append((health.over_until - at).total_seconds())
        at = health.over_until
        health = tried(health, at)
        assert health.state(at) == "passed over"  # for the others
        health = after(health, "failed", at + seconds(15))
    assert waits == [30, 60, 120, 240, 480, 600, 600]
    assert pause(10_000) == timedelta(minutes=10)
    well = after(health, "accepted", at)
    assert well.state(at) == "working"
    assert (well.over_until, well.over_since, well.fault, well.code, well.pauses) == (None, None, "", "", 0)


def test_who_takes_and_never_delivers_lies() -> None:
    health = WORKING
    for _ in range(3):
        assert health.state(NOW) == "working"
        health = after(after(health, "accepted", NOW), "undelivered", NOW, "30008", "no reason")
    assert (health.state(NOW), health.fault) == ("passed over", "delivering")
    assert after(health, "accepted", NOW).state(NOW) == "passed over", "to take is what it does well"
    assert after(health, "delivered", NOW).state(NOW) == "working"
    mixed = WORKING
    for outcome in ("undelivered", "undelivered", "delivered", "undelivered", "undelivered"):
        mixed = after(mixed, outcome, NOW)  # type: ignore[arg-type]  # literals of a tuple
        assert mixed.state(NOW) == "working"


def test_what_is_as_always_is_not_written() -> None:
    assert after(WORKING, "accepted", NOW) == WORKING
    steady = WORKING
    for _ in range(12):
        steady = after(steady, "delivered", NOW)
    assert after(steady, "delivered", NOW) == steady
    assert len(steady.outcomes) == 10


def test_the_first_that_works_and_was_not_used_is_chosen() -> None:
    names = ("a", "b", "c")
    down = after(WORKING, "failed", NOW)
    assert choose(names, {}, NOW) == "a"
    assert choose(names, {"a": down}, NOW) == "b"
    assert choose(names, {"a": down}, NOW + seconds(30)) == "a"  # to be tried
    assert choose(names, {"a": down}, NOW + seconds(30), used={"b"}) == "c", "who failed once tries nothing out"
    assert choose(names, {}, NOW, used={"a"}) == "b"
    assert choose(names, {}, NOW, stalled={"a"}) == "b"
    assert choose(names, {"b": down, "c": down}, NOW, stalled={"a"}) == "a", "slow is better than down"
    assert choose(names, dict.fromkeys(names, down), NOW) == "a", "a small chance is more than none"
    assert choose(names, {"a": down}, NOW, used={"b", "c"}) == "a"


def test_failures_of_an_address_say_nothing_of_the_provider() -> None:
    broken = SendFailed("no such number", permanent=True, broken_address=True)
    stopped = SendFailed("STOP", permanent=True, broken_address=True, opted_out=True)
    filtered = SendFailed("blocked by the recipient", permanent=True)
    account = SendFailed("wrong token", permanent=True, configuration=True)
    busy = SendFailed("busy", code="429")
    assert [is_its_own(f) for f in (broken, stopped, filtered, account, busy)] == [False, False, False, True, True]
    assert [may_go_elsewhere(f) for f in (broken, stopped, filtered, account, busy)] == [False, False, True, True, True]


def test_questions_become_rare_and_end() -> None:
    at, asks, minutes = first_asked("sms", NOW), 0, []
    while at is not None and len(minutes) < 50:
        minutes.append((at - NOW).total_seconds() / 60)
        asks += 1
        at = asked_next("sms", asks, NOW, at)
    assert minutes[:5] == [3, 9, 21, 45, 93]
    assert 12 < len(minutes) < 20
    assert max(later / earlier for earlier, later in pairwise(minutes[4:])) < 1.7, "a price may be told a day later"
    assert minutes[-1] == 3 * 24 * 60
    assert first_asked("voice", NOW) == NOW + seconds(90)
    assert Health() == WORKING
