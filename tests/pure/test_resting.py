"""Turns by rest: held against an oracle that steps hour by hour from the anchor and remembers when everybody worked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oncall_oracle import HOUR, handoff, in_restrictions, is_covered, users_by_definition
from whenever import Instant

from app import hours
from app.oncall.layers import Layer
from app.oncall.resting import Rested, explained, said
from app.oncall.shifts import Override, Schedule, final, who

ordinary = settings(max_examples=60, deadline=None)

ANCHOR = datetime(2026, 3, 2, 9)
BERLIN = "Europe/Berlin"
START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ANA, BEN, CHO, DAN = 1, 2, 3, 9
NAMES = {ANA: "Ana", BEN: "Ben", CHO: "Cho"}
OFFICE = hours.parse_spans([{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}])


def weekly(**other: object) -> Layer:
    layer = Layer(1, "weekly", 1, "week", 1, ANCHOR, ((ANA,), (BEN,), (CHO,)), order="rested")
    return replace(layer, **other)  # type: ignore[arg-type]  # any of its members


def schedule(layer: Layer, *overrides: Override) -> Schedule:
    return Schedule(1, "primary", BERLIN, (layer,), overrides)


def turns(of: Schedule, count: int) -> list[set[int]]:
    """Who is on call in the middle of each week."""
    weeks = (START + timedelta(days=7 * k + 3) for k in range(count))
    return [{entry.user_id for entry in who(of, at)} for at in weeks]


def week(k: int) -> tuple[datetime, datetime]:
    return hours.instant(ANCHOR + timedelta(weeks=k), hours.zone(BERLIN)), hours.instant(
        ANCHOR + timedelta(weeks=k + 1), hours.zone(BERLIN)
    )


def test_without_overrides_it_is_the_rotation() -> None:
    assert turns(schedule(weekly()), 7) == turns(schedule(weekly(order="rotation")), 7)


def test_whoever_took_a_turn_rests_and_whoever_was_spared_is_next() -> None:
    swapped = schedule(weekly(), Override(1, CHO, *week(3), replaces_user_id=ANA))
    assert turns(swapped, 9) == [{ANA}, {BEN}, {CHO}, {CHO}, {ANA}, {BEN}, {CHO}, {ANA}, {BEN}]
    by_rotation = turns(schedule(weekly(order="rotation"), *swapped.overrides), 7)
    assert by_rotation[3:6] == [{CHO}, {BEN}, {CHO}], "which is what it is for"


def test_an_outsider_spares_whoever_had_the_turn() -> None:
    assert turns(schedule(weekly(), Override(1, DAN, *week(1))), 4) == [{ANA}, {DAN}, {BEN}, {CHO}]


def test_what_is_entered_later_does_not_change_what_was_decided() -> None:
    """An override for a time that is past counts from when it was made."""
    late = Override(1, CHO, *week(1), made_at=week(2)[0])
    assert turns(schedule(weekly(), late), 5) == [{ANA}, {CHO}, {CHO}, {ANA}, {BEN}]


def test_a_turn_of_nobody_is_over_like_any_other() -> None:
    gap = weekly(members=((ANA,), (), (BEN,)))
    assert turns(schedule(gap, Override(1, DAN, *week(1))), 4) == [{ANA}, {DAN}, {BEN}, {ANA}]


def test_it_is_explained() -> None:
    swapped = schedule(weekly(), Override(1, CHO, *week(1), replaces_user_id=BEN))
    [layer] = swapped.stack
    found = explained(layer, swapped.where, week(3)[0] + HOUR)
    assert found is not None
    assert said(*found, NAMES) == "Ana: last on call 14 days ago; Cho 7, Ben 0"
    first = explained(layer, swapped.where, week(0)[0])
    assert first is not None
    assert said(*first, NAMES) == "Ana: never on call before; Ben never, Cho never"
    assert explained(layer, swapped.where, week(0)[0] - HOUR) is None
    assert explained(weekly(order="rotation"), swapped.where, week(3)[0]) is None


@st.composite
def drawn(draw: st.DrawFn) -> Schedule:
    zone = draw(st.sampled_from([BERLIN, "America/New_York", "UTC"]))
    members = tuple((user,) for user in draw(st.permutations([ANA, BEN, CHO, 4]))[: draw(st.integers(2, 4))])
    unit, length = draw(st.sampled_from([("day", 1), ("day", 2), ("hour", 8), ("hour", 12), ("week", 1)]))
    layer = Layer(
        1, "l", 1, unit, length, datetime(2026, 3, draw(st.integers(1, 28)), draw(st.integers(0, 23))), members,
        OFFICE if draw(st.booleans()) else (), order="rested", skips_uncovered=True,
    )  # fmt: skip
    start = hours.instant(layer.anchor, hours.zone(zone))
    overrides = []
    for number in range(draw(st.integers(0, 5))):
        at = start + draw(st.integers(-10, 150)) * HOUR
        user = draw(st.sampled_from([ANA, BEN, CHO, 4, DAN, None]))
        adds = user is not None and draw(st.booleans())
        made_at = draw(st.sampled_from([None, at - HOUR, at + 5 * HOUR]))
        end = at + draw(st.integers(1, 60)) * HOUR
        overrides.append(Override(number, user, at, end, None, adds, made_at=made_at))
    return Schedule(1, "any", zone, (layer,), tuple(overrides))


def by_definition(given: Schedule, count: int) -> list[tuple[datetime, list[Rested]]]:
    """Whenever a turn with any covered time begins: everybody by rest. Stepped, hour by hour, from long before."""
    [layer] = given.layers
    known = [replace(o, starts_at=max(o.starts_at, o.made_at or o.starts_at)) for o in given.overrides
             if max(o.starts_at, o.made_at or o.starts_at) < o.ends_at]  # fmt: skip
    queue = [turn[0] for turn in layer.members]
    since: dict[int | None, datetime | None] = dict.fromkeys(queue)
    found = []
    for k in range(count):
        begins, ends = handoff(layer, given.zone, k), handoff(layer, given.zone, k + 1)
        holder = queue[0] if not layer.restrictions or is_covered(layer, given.zone, k) else None
        if holder is not None:
            found.append((begins.to_stdlib(), [Rested((u,), since[u]) for u in queue if u is not None]))
        alone = replace(layer, members=((holder,),), order="rotation")
        bare = Schedule(1, "turn", given.zone, (alone,), tuple(known))
        at = begins
        while at < ends:
            for user in users_by_definition(bare, at) & set(queue):
                since[user] = at.add(hours=1).to_stdlib()
            at = at.add(hours=1)
        queue.sort(key=lambda user: since[user] or datetime.min.replace(tzinfo=UTC))
    return found


@ordinary
@example(schedule(weekly(unit="day", restrictions=OFFICE, skips_uncovered=True)))  # the next turn begins as it opens
@given(drawn())
def test_it_is_what_the_definition_says(given: Schedule) -> None:
    [layer] = given.stack
    for at, people in by_definition(given, 24):
        found = explained(layer, given.where, at)
        assert found is not None
        assert (found[0], found[1]) == (at, people)
        if not given.overrides and in_restrictions(layer.restrictions, given.zone, Instant(at)):
            assert [entry.user_id for entry in who(given, at)] == [*people[0].user_ids]


@ordinary
@given(drawn(), st.integers(0, 200), st.integers(1, 200), st.integers(0, 100))
def test_the_window_may_be_cut_anywhere(given: Schedule, first: int, length: int, percent: int) -> None:
    t0 = hours.instant(given.layers[0].anchor, given.where) + first * HOUR
    t1 = t0 + length * HOUR
    cut = t0 + (t1 - t0) * percent / 100
    seconds = [t0 + n * HOUR for n in range(length)]
    parts = [*final(given, t0, cut), *final(given, cut, t1)]
    for at in seconds:
        assert {s.user_id for s in parts if s.starts_at <= at < s.ends_at} == {e.user_id for e in who(given, at)}


@ordinary
@given(drawn(), st.integers(0, 200), st.integers(1, 60), st.sampled_from([ANA, BEN, CHO, DAN]))
def test_the_past_stays_when_somebody_overrides(given: Schedule, hour: int, length: int, user: int) -> None:
    start = hours.instant(given.layers[0].anchor, given.where)
    now = start + hour * HOUR
    more = Override(99, user, start + (hour - 30) * HOUR, now + length * HOUR, made_at=now)
    [before], [after] = given.stack, replace(given, overrides=(*given.overrides, more)).stack
    for at in (start + n * 4 * HOUR for n in range(hour // 4 + 1)):
        assert explained(before, given.where, at) == explained(after, given.where, at)


@pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
def test_after_40_years_it_is_counted_and_not_stepped(unit: str) -> None:
    old = weekly(unit=unit, anchor=datetime(1986, 3, 3, 9))
    given = schedule(old, Override(1, DAN, *week(0)))
    assert {s.user_id for s in final(given, START + timedelta(weeks=60), START + timedelta(weeks=90))} <= {
        ANA,
        BEN,
        CHO,
    }


def test_marks_are_in_order() -> None:
    given = schedule(weekly(), Override(1, CHO, *week(3)), Override(2, ANA, *week(1)))
    firsts = [queue.first for queue in given.stack[0].queues]
    assert all(a <= b for a, b in pairwise(firsts))
    assert firsts == [0, 2, 4]


@example(3)
@given(st.integers(1, 6))
def test_one_person_alone_always_has_the_turn(count: int) -> None:
    assert turns(schedule(weekly(members=((ANA,),))), count) == [{ANA}] * count
