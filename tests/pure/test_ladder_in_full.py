"""Conditions, turns, legs, acknowledgements by all, ladders that inform: never silent, never spinning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from test_ladder import ALL, CARA, LAST_RESORT, NOW, TRIGGERED, everybody, m, paged, said, user

from app.escalation.ladder import UNREACHABLE_AGAIN, Climb, climb
from app.escalation.policy_copy import ALWAYS, Condition, Informing, PolicyCopy, Rung, Target
from app.escalation.positions import FindReach, Ladder, Reach, Situation
from app.escalation.turns import Turns
from app.hours import parse_hours

OFFICE = parse_hours({"time_zone": "UTC", "spans": [{"days": ["mon"], "from": "09:00", "to": "17:00"}]})
HAD = replace(TRIGGERED, state="acknowledged")


def rung(*users: int, minutes: int = 5, when: Condition = ALWAYS, **more: bool) -> Rung:
    return Rung(minutes * 60, tuple(user(u) for u in users), when=when, **more)


def on(*steps: Rung, repeats: int = 0, chain: tuple[PolicyCopy, ...] = (), purpose: str = "page") -> Ladder:
    inform = Informing(1, "quiet") if purpose == "inform" else None
    policy = PolicyCopy("P", repeats, steps, 1, chain, inform)
    return Ladder(UUID(int=1), UUID(int=2), purpose, policy, 1, 1, 0, 0, NOW)


def at(
    ladder: Ladder, incident: Situation, find: FindReach = ALL, now: datetime = NOW, turns: Turns | None = None
) -> Climb:
    return climb(ladder, incident, find, LAST_RESORT, now, turns)


def test_what_a_condition_says() -> None:
    night = datetime(2026, 11, 23, 3, tzinfo=UTC)
    assert Condition(at_least=2).fails(2, None, NOW) == ""
    assert Condition(at_least=2).fails(3, None, NOW) == "it is for P2 and more important, and this is P3"
    assert Condition(only=(1, 3)).fails(2, None, NOW) == "it is for P1, P3 only, and this is P2"
    assert Condition(support_hours="inside").fails(2, OFFICE, NOW) == ""
    assert Condition(support_hours="outside").fails(2, OFFICE, night) == ""
    assert Condition(support_hours="inside").fails(2, OFFICE, night) == "it is for times inside support hours"
    assert Condition(support_hours="outside").fails(2, None, night) != "", "without hours it is always inside them"


def test_an_old_copy_means_what_it_meant_and_a_new_one_is_read_in_full() -> None:
    old = {"key": "p", "name": "P", "version": 3, "repeats": 1, "steps": [{"delay_s": 60, "targets": []}]}
    assert PolicyCopy.of(old) == PolicyCopy("P", 1, (Rung(60, ()),))
    step = {"delay_s": 60, "targets": [{"type": "webhook", "id": 7}], "whom": "round_robin", "acknowledge": "all",
            "when": {"priority_only": [1, 2], "state": "not_resolved"}}  # fmt: skip
    said_by_matrix = {"priority": 1, "loudness": "loud", "first_update_s": 60, "update_interval_s": None}
    new = PolicyCopy.of(old | {"id": 4, "steps": [step], "chain": [old], "inform": said_by_matrix})
    assert new.steps == (Rung(60, (Target("webhook", 7),), True, True, Condition(only=(1, 2), state="not_resolved")),)
    assert (new.id, new.chain[0].name, new.inform) == (4, "P", Informing(1, "loud", 60))
    assert new.steps[0].lasts


def test_a_skipped_step_goes_on_at_once() -> None:
    result = at(on(rung(1, when=Condition(only=(1,))), rung(2)), TRIGGERED)
    assert (paged(result), said(result)) == ([2], ["step_skipped", "step"])
    assert result.ladder.next_step_at == NOW + m(5)


def test_turns_go_round_and_say_so() -> None:
    turns = Turns()
    one = on(rung(1, 2, 3, round_robin=True))
    seen = [at(one, TRIGGERED, turns=turns) for _ in range(6)]
    assert [paged(r) for r in seen] == [[1], [2], [3]] * 2
    assert seen[0].pages[0].because == "named; in turn, of 3 who can be reached"
    assert turns.changed == {(1, 0)}


@given(st.lists(st.sets(st.sampled_from([1, 2, 3]), min_size=1), min_size=1, max_size=40))
def test_turns_are_fair_among_those_who_can_be_reached(reachable: list[set[int]]) -> None:
    """Nobody is asked twice while somebody else who could be reached all along was not asked."""
    turns, asked = Turns(), list[int]()
    for who in reachable:
        [person] = paged(at(on(rung(1, 2, 3, round_robin=True)), TRIGGERED, everybody(*who), turns=turns))
        if person in asked:
            since = reachable[len(asked) - asked[::-1].index(person) - 1 : len(asked) + 1]
            waited = set.intersection(*since) - {person} - set(asked[len(asked) - asked[::-1].index(person) :])
            assert not waited
        asked.append(person)
    always = [u for u in (1, 2, 3) if all(u in who for who in reachable)]
    counted = Counter(asked)
    if len(always) == 3:
        assert max(counted.values()) - min(counted.get(u, 0) for u in always) <= 1


def test_all_of_a_step_must_acknowledge_until_another_step_is_taken() -> None:
    one = on(rung(1, 2, all=True), rung(3))
    first = at(one, TRIGGERED)
    assert (paged(first), first.everybody) == ([1, 2], (1, 2))
    assert at(first.ladder, replace(TRIGGERED, acknowledged=(1,))).everybody == ()
    assert at(on(rung(1)), TRIGGERED).everybody is None, "plain policies write nothing about it"


def test_who_acknowledged_is_not_paged_again_by_a_step_for_all() -> None:
    again = at(on(rung(1, 2, all=True)), replace(TRIGGERED, acknowledged=(1,)))
    assert (paged(again), again.everybody) == ([2], (1, 2))
    nobody_left = at(on(rung(1, 2, all=True)), replace(TRIGGERED, acknowledged=(1, 2)))
    assert paged(nobody_left) == [CARA]


def test_legs_follow_one_another_with_rounds_of_their_own() -> None:
    second = PolicyCopy("Q", 1, (rung(2),), 2)
    current, now, story = on(rung(1), chain=(second,)), NOW, []
    for _ in range(4):
        result = at(current, TRIGGERED, now=now)
        story += [(e.data["policy"], e.data["round"]) for e in result.entries if e.kind == "step"]
        story += [e.kind for e in result.entries if e.kind != "step"]
        assert result.ladder.next_step_at is not None
        current, now = result.ladder, result.ladder.next_step_at
    assert story == [("P", 1), ("Q", 1), "handed_over", ("Q", 2), "last_resort"]


def test_somebody_who_has_it_stops_all_but_steps_until_resolved() -> None:
    lasting = Condition(state="not_resolved")
    one = replace(on(rung(1), rung(2, minutes=10), rung(3, when=lasting)), step=1, reached=1)
    passed = at(one, HAD)
    assert (paged(passed), said(passed), passed.ladder.next_step_at) == ([], ["step_skipped"], NOW + m(10))
    taken = at(passed.ladder, HAD, now=NOW + m(10))
    assert (paged(taken), taken.pages[0].lasts) == ([3], True)
    assert at(taken.ladder, HAD, now=NOW + m(15)).ladder.next_step_at is None
    assert at(one, replace(HAD, state="resolved")).ladder.next_step_at is None
    assert at(on(rung(1)), HAD).ladder.next_step_at is None


def test_a_ladder_that_informs_ends_and_pages_no_last_resort() -> None:
    one = on(rung(1), rung(2, when=Condition(state="not_acknowledged")), rung(3), purpose="inform")
    first = at(one, TRIGGERED)
    assert [(p.purpose, p.user_id, p.loudness) for p in first.pages] == [("inform", 1, "quiet")]
    second = at(first.ladder, HAD, now=NOW + m(5))
    assert (paged(second), said(second)) == ([3], ["step_skipped", "step"])
    last = at(second.ladder, HAD, now=NOW + m(10))
    assert (last.pages, last.ladder.next_step_at) == ([], None)
    nobody = at(on(rung(1), purpose="inform"), TRIGGERED, everybody(CARA))
    assert (nobody.pages, nobody.ladder.next_step_at, nobody.unreachable) == ([], None, False)


def drilled(*steps: Rung) -> Ladder:
    return replace(on(), policy=PolicyCopy("P", 0, steps, 1, drill=True))


def test_a_drill_ends_with_its_last_step_and_pages_no_last_resort() -> None:
    first = at(drilled(rung(1), rung(2)), TRIGGERED)
    assert [p.purpose for p in first.pages] == ["drill"]
    second = at(first.ladder, TRIGGERED, now=NOW + m(5))
    assert (paged(second), second.ladder.next_step_at) == ([2], NOW + m(10))
    over = at(second.ladder, TRIGGERED, now=NOW + m(10))
    assert (paged(over), over.ladder.next_step_at, over.unreachable) == ([], None, False)


def test_a_drill_that_reaches_nobody_ends_at_once() -> None:
    over = at(drilled(rung(1)), TRIGGERED, everybody())
    assert (paged(over), said(over), over.ladder.next_step_at, over.unreachable) == (
        [],
        ["nobody_reached"],
        None,
        False,
    )


def test_a_drill_takes_nobodys_turn() -> None:
    turns = Turns({(1, 0): {1: 4}})
    once = at(drilled(rung(1, 2, round_robin=True)), TRIGGERED, turns=turns)
    assert (paged(once), turns.changed) == ([2], set())
    assert paged(at(on(rung(1, 2, round_robin=True)), TRIGGERED, turns=turns)) == [2]


def test_the_copy_of_a_drill_is_read_as_one() -> None:
    assert PolicyCopy.of({"name": "P", "steps": [], "drill": True}).drill
    assert not PolicyCopy.of({"name": "P", "steps": []}).drill


def test_a_webhook_is_called_and_is_nobody() -> None:
    def find(targets: Sequence[Target]) -> Reach:
        found = ALL(tuple(t for t in targets if t.type == "user"))
        return replace(found, webhooks=tuple((t.id, "hook") for t in targets if t.type == "webhook"))

    result = at(on(Rung(60, (Target("webhook", 4),)), rung(2)), TRIGGERED, find)
    assert [(p.user_id, p.webhook_id) for p in result.pages] == [(None, 4), (2, None)]
    assert said(result) == ["nobody_reached", "step"]


CONDITIONS = st.builds(
    Condition,
    at_least=st.sampled_from([None, 1, 3]),
    only=st.sampled_from([(), (1,), (3,)]),
    support_hours=st.sampled_from([None, "inside", "outside"]),
    state=st.sampled_from([None, "not_acknowledged", "not_resolved"]),
)
RUNGS = st.builds(
    lambda users, minutes, turn, all_, when: rung(*users, minutes=minutes, round_robin=turn, all=all_, when=when),
    st.lists(st.sampled_from([1, 2, 3]), max_size=3),
    st.integers(1, 30),
    st.booleans(),
    st.booleans(),
    CONDITIONS,
)
POLICIES = st.builds(
    lambda steps, repeats, key: PolicyCopy("P", repeats, tuple(steps), key),
    st.lists(RUNGS, max_size=4),
    st.integers(0, 2),
    st.integers(1, 3),
)


@given(
    POLICIES,
    st.lists(POLICIES, max_size=2),
    st.lists(
        st.tuples(st.sets(st.sampled_from([1, 2, 3, CARA])), st.sets(st.sampled_from([1, 2, 3]))),
        min_size=12,
        max_size=12,
    ),
    st.sampled_from([1, 3, 5]),
)
def test_whatever_the_policy_it_is_never_silent_and_never_spins(
    policy: PolicyCopy, chain: list[PolicyCopy], claims: list[tuple[set[int], set[int]]], priority: int
) -> None:
    """Twelve claims, each at its due time, with other people reachable and others who acknowledged each time."""
    current = Ladder(UUID(int=1), UUID(int=2), "page", replace(policy, chain=tuple(chain)), 1, 1, 0, 0, NOW)
    now, turns, keys = NOW, Turns(), set[tuple[int, ...]]()
    for who, acknowledged in claims:
        incident = replace(TRIGGERED, priority=priority, hours=OFFICE, acknowledged=tuple(acknowledged))
        result = at(current, incident, everybody(*who), now, turns)
        due = result.ladder.next_step_at
        assert due is not None
        assert due > now
        assert bool(result.pages) != result.unreachable
        assert result.pages or due <= now + UNREACHABLE_AGAIN
        for page in result.pages:
            key = (page.round, page.step, page.user_id or 0)
            assert key not in keys, "this page would be taken for an earlier one"
            keys.add(key)
        assert max(Counter((p.step, p.user_id) for p in result.pages).values(), default=0) <= 1
        current, now = result.ladder, due


@given(POLICIES, st.lists(POLICIES, max_size=2), st.sampled_from(["page", "inform"]))
def test_while_somebody_has_it_a_ladder_comes_to_rest(
    policy: PolicyCopy, chain: list[PolicyCopy], purpose: str
) -> None:
    inform = Informing(1, "quiet") if purpose == "inform" else None
    copied = replace(policy, chain=tuple(chain), inform=inform)
    current, now = Ladder(UUID(int=1), UUID(int=2), purpose, copied, 1, 1, 0, 0, NOW), NOW
    for _ in range(1 + 3 * 3 * 4):
        result = at(current, HAD, now=now)
        assert CARA not in paged(result)
        if result.ladder.next_step_at is None:
            return
        assert result.ladder.next_step_at > now
        current, now = result.ladder, result.ladder.next_step_at
    raise AssertionError("it climbs for ever")


def test_the_end_of_an_epoch_is_the_end_of_its_legs() -> None:
    climbed = replace(
        on(rung(1), chain=(PolicyCopy("Q", 0, (rung(2),), 2),)), leg=1, leg_round=2, round=2, step=1, reached=1
    )
    anew = at(climbed, replace(TRIGGERED, epoch=2))
    assert (paged(anew), anew.ladder.leg, anew.ladder.round) == ([1], 0, 1)
    assert anew.ladder.next_step_at == NOW + timedelta(minutes=5)
