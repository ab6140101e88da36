"""What holds for every schedule in every zone, held against an oracle written from the definition, `oncall_oracle`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import example, given, settings
from hypothesis import strategies as st
from oncall_oracle import (
    FIRST,
    HOUR,
    LAST,
    WEEK,
    ZONES,
    changes_of_clocks,
    distinct_zones,
    first_instant,
    handoff,
    in_restrictions,
    turn_by_definition,
    users_by_definition,
)
from whenever import Instant, PlainDateTime

from app import hours
from app.hours import Span, WeeklyHours
from app.oncall.layers import Layer
from app.oncall.shifts import Override, Schedule, Shift, difference, final, gaps, who

ordinary = settings(max_examples=60, deadline=None)


# --- what is drawn


@st.composite
def near_changes(draw: st.DrawFn, name: str) -> datetime:
    """An instant of the 20 years, mostly within a day of a change of clocks."""
    changes = changes_of_clocks(name)
    if changes and draw(st.integers(0, 3)):
        return draw(st.sampled_from(changes)) + timedelta(seconds=draw(st.integers(-3, 3)) + 900 * draw(QUARTERS))
    return FIRST + timedelta(seconds=draw(st.integers(0, int((LAST - FIRST).total_seconds()))))


QUARTERS = st.integers(-104, 104)
USERS = st.integers(1, 5)
SPANS = st.builds(
    lambda start, length: Span(start, start + length),
    st.integers(0, 7 * 96 - 1).map(lambda n: n * 15),
    st.one_of(st.integers(1, 40), st.integers(1, 7 * 96)).map(lambda n: n * 15),
)


@st.composite
def layers(draw: st.DrawFn, name: str, position: int) -> Layer:
    anchor = hours.local(draw(near_changes(name)), hours.zone(name)).replace(tzinfo=None, fold=0)
    anchor = anchor.replace(minute=draw(st.sampled_from([0, 15, 30, 45])), second=0, microsecond=0)
    turns = st.lists(st.one_of(st.none(), USERS), max_size=2).map(tuple)
    bounds = st.one_of(st.none(), st.none(), near_changes(name))
    unit = draw(st.sampled_from(["hour", "day", "day", "week", "week", "month"]))
    length = draw(st.sampled_from([1, 1, 2, 3, 12]))
    skips = draw(st.booleans())
    before = [0, 0, 1, 3, 30] + ([] if skips and unit == "hour" else [200] if skips else [365, 3650])
    anchor -= timedelta(days=draw(st.sampled_from(before)))
    handoffs: set[int] = set()
    if (unit, length) == ("week", 1):
        handoffs = draw(st.sets(st.integers(0, 671).map(lambda n: n * 15), max_size=3))
        handoffs |= {anchor.weekday() * 1440 + anchor.hour * 60 + anchor.minute}
    return Layer(
        id=position,
        name=f"layer {position}",
        position=position,
        unit=unit,
        length=length,
        anchor=anchor,
        members=tuple(draw(st.lists(turns, min_size=1, max_size=4))),
        restrictions=tuple(draw(st.lists(SPANS, max_size=2))),
        starts_at=draw(bounds),
        ends_at=draw(bounds),
        handoffs=tuple(handoffs),
        mode=draw(st.sampled_from(["replace", "replace", "add", "shadow"])),
        skips_uncovered=skips,
        zone=draw(st.one_of(st.none(), st.none(), st.sampled_from(ZONES))),
    )


@st.composite
def schedules(draw: st.DrawFn, replacing: bool) -> tuple[Schedule, datetime]:
    """A schedule, and an instant at which something may happen in it."""
    name = draw(st.sampled_from(ZONES))
    at = draw(near_changes(name))
    overrides = []
    for number in range(draw(st.sampled_from([0, 0, 1, 2, 4]))):
        start = at + draw(QUARTERS) * HOUR / 8
        user = draw(st.one_of(st.none(), USERS, USERS, USERS))
        replaced = draw(st.one_of(st.none(), USERS, USERS)) if replacing else None
        adds = user is not None and replaced is None and draw(st.booleans())
        overrides.append(Override(number, user, start, start + draw(st.integers(1, 100)) * HOUR / 4, replaced, adds))
    drawn = tuple(draw(layers(name, position)) for position in range(draw(st.integers(1, 3))))
    return Schedule(1, "any", name, drawn, tuple(overrides)), at


# --- what holds


def test_every_zone_agrees_with_the_definition_around_every_change_of_20_years() -> None:
    probes = [timedelta(minutes=m) for m in (-60, -31, -1, 0, 1, 30, 60)]
    checked = 0
    for name in distinct_zones():
        zone = hours.zone(name)
        for change in changes_of_clocks(name):
            second = hours.utc_second(change)
            for wall in {hours.wall_second(hours.local(change + p, zone)) for p in probes} | {
                hours.wall_second(hours.local(change - HOUR / 3600, zone)) + 1800
            }:
                found = hours.wall_instant(wall, zone)
                local = PlainDateTime(hours.wall_time(wall))
                assert found == first_instant(local, name).to_stdlib(), (name, local)
                for at in (second - 1, second, second + 1, second + 1800, hours.utc_second(found)):
                    assert (hours.utc_second(found) <= at) == (wall <= hours.reached(at, zone)), (name, local, at)
            checked += 1
    assert checked > 1500, "the zone database has far more changes than that"


def test_every_zone_hands_off_without_gap_or_overlap_for_20_years() -> None:
    for number, name in enumerate(distinct_zones()):
        anchor = datetime(2007, 12, 31, number % 4, 30)
        layer = Layer(1, "all", 0, "week", 4, anchor, ((1,), (2,), (3,)))
        shifts = final(Schedule(1, "any", name, (layer,), ()), FIRST, LAST)
        assert shifts[0].starts_at == FIRST, name
        assert shifts[-1].ends_at == LAST, name
        assert all(a.ends_at == b.starts_at for a, b in pairwise(shifts)), name
        assert [s.user_id for s in shifts] == [k % 3 + 1 for k in range(len(shifts))], name
        assert len(shifts) in (261, 262), name


def test_every_zone_hands_off_daily_around_every_change_as_the_definition_says() -> None:
    for number, name in enumerate(distinct_zones()):
        anchor = datetime(2008, 1, 1, number % 4, 30 * (number % 2))
        layer = Layer(1, "all", 0, "day", 1, anchor, ((1,), (2,), (3,), (4,), (5,)))
        for change in changes_of_clocks(name)[:: 1 + number % 5]:
            t0, t1 = change - 30 * HOUR, change + 30 * HOUR
            found = final(Schedule(1, "any", name, (layer,), ()), t0, t1)
            first = turn_by_definition(layer, name, Instant(t0))
            edges = [(k % 5 + 1, handoff(layer, name, k).to_stdlib()) for k in range(first, first + 7)]
            expected = [
                (user, max(start, t0), min(end, t1))
                for (user, start), (_, end) in pairwise(edges)
                if start < end and start < t1
            ]
            assert [(s.user_id, s.starts_at, s.ends_at) for s in found] == expected, (name, change)


@ordinary
@given(schedules(replacing=False))
def test_who_is_what_the_definition_says(drawn: tuple[Schedule, datetime]) -> None:
    schedule, at = drawn
    for instant in (at, at + HOUR, *(s.starts_at for s in final(schedule, at, at + 3 * HOUR))):
        assert {entry.user_id for entry in who(schedule, instant)} == users_by_definition(schedule, Instant(instant))


@ordinary
@given(schedules(replacing=True), st.integers(1, 300))
def test_final_says_what_who_says(drawn: tuple[Schedule, datetime], quarters: int) -> None:
    schedule, t0 = drawn
    t1 = t0 + quarters * HOUR / 4
    shifts, uncovered = final(schedule, t0, t1), gaps(schedule, t0, t1)
    edges = {t for s in shifts for t in (s.starts_at, s.ends_at - timedelta(microseconds=1))}
    for at in {*edges, *(t0 + n * (t1 - t0) / 40 for n in range(40))}:
        by_final = {(s.user_id, s.layer_id, s.override_id) for s in shifts if s.starts_at <= at < s.ends_at}
        by_who = [(entry.user_id, entry.layer_id, entry.override_id) for entry in who(schedule, at)]
        assert by_final == set(by_who)
        assert len({user for user, _, _ in by_who}) == len(by_who), "each user once"
        assert bool(by_who) != any(a <= at < b for a, b in uncovered)
    assert all(t0 <= s.starts_at < s.ends_at <= t1 for s in shifts)
    assert shifts == sorted(shifts, key=lambda s: (s.starts_at, s.user_id))


@ordinary
@given(schedules(replacing=True), st.integers(1, 99), st.integers(1, 99))
def test_final_may_be_cut_anywhere(drawn: tuple[Schedule, datetime], before: int, after: int) -> None:
    schedule, cut = drawn
    t0, t1 = cut - before * HOUR, cut + after * HOUR
    assert joined(final(schedule, t0, cut), final(schedule, cut, t1)) == final(schedule, t0, t1)


def joined(left: list[Shift], right: list[Shift]) -> list[Shift]:
    begun = {(s.user_id, s.layer_id, s.override_id, s.ends_at): s for s in left}
    for shift in right:
        earlier = begun.pop((shift.user_id, shift.layer_id, shift.override_id, shift.starts_at), shift)
        begun[shift.user_id, shift.layer_id, shift.override_id, shift.ends_at] = replace(
            shift, starts_at=earlier.starts_at
        )
    return sorted(begun.values(), key=lambda s: (s.starts_at, s.user_id))


@ordinary
@given(schedules(replacing=True), st.data())
def test_difference_is_who_comes_and_who_goes(drawn: tuple[Schedule, datetime], data: st.DataObject) -> None:
    before, t0 = drawn
    t1 = t0 + 4 * WEEK / 7
    after = replace(before, layers=(*before.layers[1:], data.draw(layers(before.zone, 1))))
    changes = difference(before, after, t0, t1)
    for at in (t0 + n * 2 * HOUR for n in range(48)):
        was, will_be = ({entry.user_id for entry in who(plan, at)} for plan in (before, after))
        assert will_be - was == {c.user_id for c in changes if any(a <= at < b for a, b in c.gained)}
        assert was - will_be == {c.user_id for c in changes if any(a <= at < b for a, b in c.lost)}
    for c in changes:
        assert c.gained_seconds == sum((b - a).total_seconds() for a, b in c.gained)
        assert c.lost_seconds == sum((b - a).total_seconds() for a, b in c.lost)
        assert c.gained_seconds + c.lost_seconds > 0


@settings(max_examples=25, deadline=None)
@given(st.data(), st.lists(SPANS, min_size=1, max_size=3), st.integers(1, 32))
def test_advance_open_counts_open_time(data: st.DataObject, spans: list[Span], quarters: int) -> None:
    name = data.draw(st.sampled_from(ZONES))
    at = data.draw(near_changes(name))
    at -= timedelta(seconds=at.timestamp() % 900)
    weekly = WeeklyHours(name, tuple(spans))
    reached, open_quarters = at, 0
    while open_quarters < quarters:
        open_quarters += in_restrictions(weekly.spans, name, Instant(reached))
        reached += HOUR / 4
    assert hours.advance_open(weekly, at, quarters * 900) == reached


@ordinary
@given(st.lists(SPANS, max_size=4).map(tuple))
@example((Span(0, 10_080), Span(5000, 5060)))
def test_spans_keep_their_meaning_as_json(spans: tuple[Span, ...]) -> None:
    assert hours.week(hours.parse_spans(hours.spans_json(spans))) == hours.week(spans)
