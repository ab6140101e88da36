"""A policy hands over to a support tier: once, upwards, and as if nothing followed where there is none."""

from __future__ import annotations

from msgspec.structs import replace
from test_ladder import ALL, CARA, LAST_RESORT, NOW, TRIGGERED, m, paged, said
from test_ladder_in_full import on, rung

from app.escalation.following import NOTHING_FOLLOWS, Follows
from app.escalation.ladder import Climb, climb
from app.escalation.policy_copy import PolicyCopy
from app.escalation.positions import Ladder

SECOND = PolicyCopy("Second", 0, (rung(2),), 2)
THIRD = PolicyCopy("Third", 0, (rung(3),), 3)


def up(tier: int, ladder: Ladder) -> Ladder:
    """Its policy hands over to a tier."""
    return replace(ladder, policy=replace(ladder.policy, hand_over_to_tier=tier))


def at(ladder: Ladder, follows: Follows, minutes: int = 0) -> Climb:
    return climb(ladder, TRIGGERED, ALL, LAST_RESORT, NOW + m(minutes), follows=follows)


def test_a_tier_takes_over_when_the_rounds_are_over_and_keeps_it() -> None:
    first = at(up(2, on(rung(1))), {2: SECOND})
    assert (paged(first), first.ladder.tier) == ([1], 1)
    second = at(first.ladder, {2: SECOND}, 5)
    assert (paged(second), said(second)) == ([2], ["handed_over_to_tier", "step"])
    assert (second.ladder.tier, second.ladder.policy.name, second.ladder.lap) == (2, "Second", 1)
    assert second.ladder.round > first.ladder.round, "no key of a page comes twice in an epoch"
    assert paged(at(second.ladder, {2: SECOND}, 10)) == [CARA], "the last resort comes after the tier"


def test_a_tier_may_hand_over_to_the_next_and_none_is_reached_twice() -> None:
    follows = {2: replace(SECOND, hand_over_to_tier=3), 3: replace(THIRD, hand_over_to_tier=2)}
    asked, now, ladder = [], 0, up(2, on(rung(1)))
    for _ in range(4):
        result = at(ladder, follows, now)
        asked += paged(result)
        ladder, now = result.ladder, now + 5
    assert asked == [1, 2, 3, CARA]
    assert "tier_not_there" in said(result)


def test_without_such_a_tier_the_last_resort_is_paged_and_it_is_said() -> None:
    waits = at(up(2, on(rung(1))), NOTHING_FOLLOWS).ladder
    result = at(waits, NOTHING_FOLLOWS, 5)
    assert (paged(result), said(result)) == ([CARA], ["tier_not_there", "last_resort"])
    assert result.entries[0].data == {"policy": "P", "tier": 2, "because": "the service has none"}
    later = at(result.ladder, {2: SECOND}, 35)
    assert paged(later) == [2], "one that is made meanwhile takes over"


def test_a_policy_that_reaches_nobody_hands_over_at_once() -> None:
    result = at(up(2, on(rung())), {2: SECOND})
    assert (paged(result), result.ladder.tier) == ([2], 2)


def test_what_the_matrix_said_stays_and_a_drill_stays_where_it_is() -> None:
    informs = up(2, on(rung(1), purpose="inform"))
    after = at(at(informs, {2: SECOND}).ladder, {2: SECOND}, 5)
    assert paged(after) == [2]
    assert after.ladder.policy.inform == informs.policy.inform
    drill = up(2, on(rung(1)))
    drill = replace(drill, policy=replace(drill.policy, drill=True))
    assert paged(at(at(drill, {2: SECOND}).ladder, {2: SECOND}, 5)) == []


def test_after_its_first_policy_and_those_it_hands_over_to() -> None:
    last = PolicyCopy("Last", 0, (rung(3),), 5, hand_over_to_tier=2)
    ladder = on(rung(1), chain=(last,))
    asked = []
    for minutes in (0, 5, 10):
        result = at(ladder, {2: SECOND}, minutes)
        asked += paged(result)
        ladder = result.ladder
    assert asked == [1, 3, 2]
