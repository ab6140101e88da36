"""What is sent to whom, when: notification rules, their defaults, and keys that nothing else has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from app.directory.contacts import Person, Rule, UsableMethod
from app.escalation.positions import PageOrder
from app.notifications.plan import Planned, plan

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SMS, MAIL, SECOND = UsableMethod(1, "sms", "+1"), UsableMethod(2, "mail", "a@b"), UsableMethod(3, "sms", "+2")
ORDER = PageOrder(UUID(int=1), UUID(int=2), "page", 1, 1, 0, 5, "loud", "named in the policy")


def person(*methods: UsableMethod, rules: tuple[tuple[str, Rule], ...] = ()) -> Person:
    return Person(5, "ana", "Ana", True, None, methods, rules)


def brief(planned: list[Planned]) -> list[tuple[str, float]]:
    return [(p.address, (p.due_at - NOW).total_seconds()) for p in planned]


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        ((SMS,), [("+1", 0), ("+1", 300)]),
        ((MAIL,), [("a@b", 0)]),
        ((SMS, MAIL), [("+1", 0), ("a@b", 0), ("+1", 300)]),
        ((), []),
    ],
)
def test_loud_by_default_uses_everything_at_once_and_texts_again(
    methods: tuple[UsableMethod, ...], expected: list[tuple[str, float]]
) -> None:
    assert brief(plan([ORDER], {5: person(*methods)}, NOW)) == expected


def test_quiet_by_default_is_a_mail_or_what_there_is() -> None:
    quiet = replace(ORDER, loudness="quiet")
    assert brief(plan([quiet], {5: person(SMS, MAIL)}, NOW)) == [("a@b", 0)]
    assert brief(plan([quiet], {5: person(SMS, SECOND)}, NOW)) == [("+1", 0)]


def test_rules_of_ones_own_count_for_their_loudness_only() -> None:
    own = (("loud", Rule("rule-1", 60, MAIL)), ("loud", Rule("rule-2", 120, SECOND)))
    someone = person(SMS, MAIL, SECOND, rules=own)
    assert brief(plan([ORDER], {5: someone}, NOW)) == [("a@b", 60), ("+2", 120)]
    assert brief(plan([replace(ORDER, loudness="quiet")], {5: someone}, NOW)) == [("a@b", 0)]


def test_a_message_that_waits_says_what_for() -> None:
    at_once, later = plan([ORDER], {5: person(SMS)}, NOW)
    assert (at_once.because, later.because) == ("", "waits 5 min as its notification rule says")


def test_whoever_is_gone_gets_nothing() -> None:
    assert plan([ORDER], {}, NOW) == []


def test_planning_the_same_page_again_gives_the_same_keys_and_any_other_page_gives_others() -> None:
    people = {5: person(SMS, MAIL), 6: person(SMS)}
    others = [
        replace(ORDER, epoch=2), replace(ORDER, round=2), replace(ORDER, step=1), replace(ORDER, user_id=6),
        replace(ORDER, ladder_id=UUID(int=9)), replace(ORDER, step=-1),
    ]  # fmt: skip
    first = [p.key for p in plan([ORDER], people, NOW)]
    assert first == [p.key for p in plan([ORDER], people, NOW + timedelta(hours=1))]
    keys = [p.key for p in plan([ORDER, *others], people, NOW)]
    assert len(keys) == len(set(keys))


def test_what_is_only_for_information_is_told_once_by_each_first_contact_method() -> None:
    informs = replace(ORDER, purpose="inform")
    call = UsableMethod(4, "voice", "+1")
    assert brief(plan([informs], {5: person(SMS, MAIL, call)}, NOW)) == [("+1", 0), ("a@b", 0)]
    assert brief(plan([informs], {5: person(call)}, NOW)) == [("+1", 0)], "a call where there is nothing else"
    own = (("loud", Rule("rule-1", 60, MAIL)), ("loud", Rule("rule-2", 60, MAIL)), ("loud", Rule("rule-3", 90, SMS)))
    assert brief(plan([informs], {5: person(SMS, MAIL, rules=own)}, NOW)) == [("a@b", 60)]


def test_whoever_several_steps_inform_is_told_once_until_it_begins_anew() -> None:
    informs, people = replace(ORDER, purpose="inform"), {5: person(MAIL)}
    [key] = {p.key for p in plan([informs, replace(informs, step=1), replace(informs, round=2)], people, NOW)}
    assert plan([replace(informs, epoch=2)], people, NOW)[0].key != key
