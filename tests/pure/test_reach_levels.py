"""How well somebody can be reached: the definition, case by case."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.proof.levels import Method, assess, counts, worst

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
AGO = NOW - timedelta(days=200)
SMS = Method(1, "sms", "+49151", "", True, AGO, None, proven_at=AGO)
CALL = replace(SMS, id=2, channel="voice")
MAIL = replace(SMS, id=3, channel="mail", address="ana@example.org")
ONE_WAY = replace(SMS, id=6, address="+8613800138000", answerable=False)
PUSH = replace(SMS, id=4, channel="push", address="device")
UNVERIFIED = replace(MAIL, verified_at=None, proven_at=None)
BROKEN = replace(SMS, broken_because="no such number")
FAILED = replace(SMS, failed_at=NOW - timedelta(days=2))


def test_two_independent_ways_of_which_one_wakes() -> None:
    assert assess(True, [SMS, MAIL], NOW).level == "ready"
    assert assess(True, [SMS, MAIL], NOW).todo == ()
    assert assess(True, [ONE_WAY, MAIL], NOW).level == "ready", "the text wakes, the mail can be answered"


@pytest.mark.parametrize(
    ("methods", "reason", "todo"),
    [
        ([SMS], "only SMS", "second contact method"),
        ([SMS, CALL], "SMS and call of one phone", "another channel"),
        ([MAIL], "nothing that wakes", "add a phone"),
        ([MAIL, replace(MAIL, id=9, address="other@example.org")], "nothing that wakes", "add a phone"),
        ([SMS, UNVERIFIED], "mail is not verified", "verify mail"),
        ([BROKEN, MAIL], "SMS is broken: no such number", "mend SMS"),
        ([replace(PUSH, configured=False), MAIL], "push is on a channel that is not configured", "an admin configures"),
        ([ONE_WAY], "nothing that can be answered", "add a call, a mail or a push"),
        ([ONE_WAY, replace(ONE_WAY, id=7, address="+8613800138001")], "nothing that can be answered", "add a call"),
        ([FAILED, MAIL], "the last message by SMS failed", "drill"),
    ],
)
def test_one_way_is_partly(methods: list[Method], reason: str, todo: str) -> None:
    found = assess(True, methods, NOW)
    assert found.level == "partly"
    assert any(reason in said for said in found.reasons), found.reasons
    assert any(todo in said for said in found.todo), found.todo


@pytest.mark.parametrize("methods", [[], [UNVERIFIED], [BROKEN], [replace(SMS, configured=False)]])
def test_none_is_not_reachable(methods: list[Method]) -> None:
    found = assess(True, methods, NOW)
    assert found.level == "not_reachable"
    assert found.reasons
    assert found.todo


def test_who_is_not_active_is_not_reachable_whatever_there_is() -> None:
    assert assess(False, [SMS, MAIL], NOW).level == "not_reachable"


def test_a_failure_counts_until_something_proves_the_method_since_and_lately() -> None:
    again = replace(FAILED, proven_at=NOW - timedelta(days=1))
    assert assess(True, [again, MAIL], NOW).level == "ready"
    long_ago = replace(FAILED, failed_at=AGO, proven_at=AGO + timedelta(days=1))
    assert assess(True, [long_ago, MAIL], NOW).level == "partly"
    assert assess(True, [FAILED, MAIL, PUSH], NOW).level == "ready", "two others work, and one of them wakes"


def test_the_worst_of_several_and_how_many_there_are() -> None:
    assert worst(["ready", "partly"]) == "partly"
    assert worst([]) == "not_reachable", "nobody on duty is nobody to reach"
    assert counts(["ready", "ready", "partly"]) == {"ready": 2, "partly": 1, "not_reachable": 0}
