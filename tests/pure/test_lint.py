"""What is doubtful about a schedule, and how evenly it loads people, by example."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import hours
from app.oncall.fairness import evenness, fairness
from app.oncall.intervals import seconds
from app.oncall.layers import Layer, Unit, shifted
from app.oncall.lint import ADVICE, Code, Finding, People, lint, same_people
from app.oncall.shifts import Override, Schedule, by_user, final

ANA, BEN, CARA = 1, 2, 3
NAMES = {ANA: "Ana", BEN: "Ben", CARA: "Cara"}
YEAR = (datetime(2026, 1, 5, 8, tzinfo=UTC), datetime(2027, 1, 4, 8, tzinfo=UTC))
OFFICE = [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def layer(
    *users: int, every: tuple[int, Unit] = (1, "week"), anchor: str = "2026-01-05 09:00", **more: object
) -> Layer:
    length, unit = every
    restrictions = hours.parse_spans(more.pop("restrictions", []))
    handoffs = tuple(hours.week_minute(text) for text in more.pop("handoffs", ()))
    start = datetime.fromisoformat(anchor)
    turns = tuple((user,) for user in users)
    position = int(str(more.pop("position", 0)))
    made = Layer(position, f"layer-{position}", position, unit, length, start, turns, restrictions, handoffs=handoffs)
    return replace(made, **more)


def plan(*layers: Layer, zone: str = "Europe/Berlin", overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(1, "Checkout", zone, layers, overrides)


def found(schedule: Schedule, active: tuple[int, ...] = (ANA, BEN, CARA)) -> dict[str, Finding]:
    findings = lint(schedule, *YEAR, NAMES, active)
    return {finding.code: finding for finding in findings}


def test_a_weekly_rotation_of_two_is_fine() -> None:
    assert found(plan(layer(ANA, BEN))) == {}


def test_gaps_are_told_with_their_length() -> None:
    gap = found(plan(layer(ANA, BEN, restrictions=OFFICE)))["gap"]
    assert gap.message == "nobody is on call 260 times, 277 d 8 h together"
    assert len(gap.intervals) == 260
    assert seconds(gap.intervals) == int((YEAR[1] - YEAR[0]).total_seconds()) - 260 * 8 * 3600


def test_one_gap_once() -> None:
    gone = Override(1, None, at("2026-05-01 00:00"), at("2026-05-01 02:30"), replaces_user_id=ANA)
    away = replace(gone, id=2, replaces_user_id=BEN)
    assert found(plan(layer(ANA, BEN), overrides=(gone, away)))["gap"].message == (
        "nobody is on call once, 2 h 30 min together"
    )


def test_who_left_is_told() -> None:
    finding = found(plan(layer(ANA, BEN)), active=(ANA,))["inactive_member"]
    assert (finding.user_ids, finding.message) == ((BEN,), "Ben is not active and cannot be paged")


def test_who_cannot_be_reached_or_only_just() -> None:
    people = People(unreachable={ANA: "no contact method"}, partly={BEN: "only SMS", CARA: "only mail"})
    findings = {f.code: f for f in lint(plan(layer(ANA, BEN)), *YEAR, NAMES, (ANA, BEN, CARA), people)}
    assert findings.keys() == {"unreachable_member", "partly_reachable_member"}, "Cara is not in it"
    lost, partly = findings["unreachable_member"], findings["partly_reachable_member"]
    assert (lost.level, lost.message) == ("warning", "Ana cannot be reached: no contact method")
    assert len(lost.intervals) == 26, "her shifts"
    assert (partly.level, partly.message) == ("note", "Ben can be reached, but may be missed: only SMS")


def test_who_left_the_team_that_owns_it() -> None:
    findings = lint(plan(layer(ANA, BEN)), *YEAR, NAMES, (ANA, BEN), People(team=("Payments", {ANA})))
    assert [(f.code, f.message) for f in findings] == [
        ("left_team", "Ben is not a member of team Payments, which owns this schedule")
    ]


def test_who_left_altogether_is_named_once_with_what_names_them() -> None:
    people = People({BEN: "not active"}, team=("Payments", {ANA}), policies={BEN: ["policy checkout"]})
    [finding] = lint(plan(layer(ANA, BEN)), *YEAR, NAMES, (ANA,), people)
    assert finding.message == "Ben is not active and cannot be paged; also named by policy checkout"


def test_every_finding_says_what_to_do() -> None:
    assert set(ADVICE) == set(get_args(Code))
    assert found(plan(layer(ANA, BEN, restrictions=OFFICE)))["gap"].advice.startswith("put somebody in")


def test_a_week_is_not_too_long_even_when_clocks_are_put_back() -> None:
    assert "long_run" not in found(plan(layer(ANA, BEN, anchor="2026-01-05 09:00")))


def test_two_weeks_in_a_row_are() -> None:
    finding = found(plan(layer(ANA, BEN, CARA, every=(2, "week"))))["long_run"]
    assert finding.message == "Cara is on call for more than 7 days in a row, 14 at most"
    assert len(finding.intervals) == 8


def test_a_cover_that_makes_two_weeks_of_one() -> None:
    cover = Override(1, ANA, at("2026-01-12 08:00"), at("2026-01-13 08:00"))
    finding = found(plan(layer(ANA, BEN), overrides=(cover,)))["long_run"]
    assert finding.intervals == ((at("2026-01-05 08:00"), at("2026-01-13 08:00")),)


def test_less_than_eleven_hours_of_rest() -> None:
    nights = [{"days": list(hours.DAYS), "from": "20:00", "to": "10:00"}]
    finding = found(plan(layer(ANA, BEN, restrictions=nights)))["short_rest"]
    assert finding.message == "Ben has less than 11 hours between shifts, 10 h at least"
    assert finding.intervals[0] == (at("2026-01-12 09:00"), at("2026-01-12 19:00"))
    days = [{"days": list(hours.DAYS), "from": "08:00", "to": "20:00"}]
    assert "short_rest" not in found(plan(layer(ANA, BEN, restrictions=days)))


def test_handoffs_at_times_that_do_not_exist_or_come_twice() -> None:
    findings = found(plan(layer(ANA, BEN, every=(1, "day"), anchor="2026-01-05 02:30")))
    missing, ambiguous = findings["missing_local_time"], findings["ambiguous_local_time"]
    assert missing.message == (
        "layer layer-0: 2026-03-29 02:30 does not exist in Europe/Berlin: what changes then changes at 03:00"
    )
    assert ambiguous.message == "layer layer-0: 2026-10-25 02:30 comes twice in Europe/Berlin: the first one counts"
    assert missing.intervals == ((at("2026-03-29 01:00"), at("2026-03-29 02:00")),)
    assert found(plan(layer(ANA, BEN, every=(1, "day"), anchor="2026-01-05 03:00"))) == {}


def test_restrictions_have_such_times_too_and_hours_have_none() -> None:
    early = [{"days": ["sun"], "from": "02:15", "to": "09:00"}]
    assert "missing_local_time" in found(plan(layer(ANA, restrictions=early)))
    assert found(plan(layer(ANA, BEN, every=(12, "hour"), anchor="2026-01-05 02:30"))).keys() <= {"short_rest"}


def test_the_zone_of_the_layer_counts() -> None:
    findings = found(plan(layer(ANA, BEN, every=(1, "day"), anchor="2026-01-05 01:30", zone="Europe/London")))
    assert "2026-03-29 01:30 does not exist in Europe/London" in findings["missing_local_time"].message


def test_people_of_different_layers_at_once() -> None:
    second = layer(CARA, position=1, mode="add", restrictions=OFFICE)
    finding = found(plan(layer(ANA, BEN), second))["double_cover"]
    assert (finding.level, len(finding.intervals)) == ("note", 260)
    pair = replace(layer(ANA), members=((ANA, BEN), (CARA,)))
    assert "double_cover" not in found(plan(pair)), "people of one turn belong together"


def test_four_members_and_two_handoffs_never_change_parts() -> None:
    handoffs = ("mon 09:00", "sat 09:00")
    finding = found(plan(layer(ANA, BEN, CARA, 4, handoffs=handoffs)))["always_the_same"]
    assert "4 turns and 2 handoffs" in finding.message
    assert "always_the_same" not in found(plan(layer(ANA, BEN, CARA, handoffs=handoffs)))


def test_a_secondary_who_is_the_primary() -> None:
    rotation = layer(ANA, BEN, CARA)
    second = plan(shifted(rotation, 1))
    assert list(same_people(second, plan(rotation), *YEAR, NAMES)) == []
    cover = Override(1, BEN, at("2026-01-06 08:00"), at("2026-01-07 08:00"))
    [finding] = same_people(second, plan(rotation, overrides=(cover,)), *YEAR, NAMES)
    assert finding.message == "Ben is on call in Checkout at the same time, 1 d together"
    assert finding.intervals == ((cover.starts_at, cover.ends_at),)


class TestFairness:
    PERIOD = (at("2026-01-05 08:00"), at("2026-03-02 08:00"))

    def test_an_even_rotation_is_even(self) -> None:
        even = fairness(plan(layer(ANA, BEN)), *self.PERIOD, {})
        assert {load.on_call_seconds for load in even.loads} == {4 * 7 * 86_400}
        assert {load.night_seconds for load in even.loads} == {4 * 7 * 8 * 3600}
        assert {load.weekend_seconds for load in even.loads} == {4 * 2 * 86_400}
        assert (even.parts, even.score) == (
            {"hours": 1.0, "nights": 1.0, "weekends": 1.0, "holidays": None, "pages": None},
            1.0,
        )

    def test_always_the_weekends_is_not(self) -> None:
        uneven = fairness(plan(layer(ANA, BEN, handoffs=("mon 09:00", "sat 00:00"))), *self.PERIOD, {})
        ana, ben = uneven.loads
        assert (ana.weekend_seconds, ben.weekend_seconds) == (0, 8 * 2 * 86_400)
        assert uneven.parts["weekends"] == 0.0
        assert uneven.score is not None
        assert 0 < uneven.score < 1

    def test_nights_are_those_of_the_person(self) -> None:
        office = layer(ANA, BEN, restrictions=OFFICE)
        zones = {BEN: hours.zone("America/Los_Angeles")}
        ana, ben = fairness(plan(office), *self.PERIOD, zones).loads
        assert (ana.night_seconds, ben.night_seconds) == (0, 20 * 6 * 3600), "nine to five in Berlin is 0 to 8 there"

    def test_who_never_has_a_shift_counts(self) -> None:
        third = layer(
            CARA, position=1, restrictions=OFFICE, starts_at=at("2026-01-05 00:00"), ends_at=at("2026-01-05 09:00")
        )
        loads = fairness(plan(layer(ANA, BEN), third), *self.PERIOD, {})
        assert [load.user_id for load in loads.loads] == [ANA, BEN, CARA]

    def test_nobody_and_nothing(self) -> None:
        nothing = fairness(plan(), *self.PERIOD, {})
        assert (nothing.loads, nothing.score) == ((), None)
        assert fairness(plan(layer(ANA)), *self.PERIOD, {}).score == 1.0


@pytest.mark.parametrize(("loads", "expected"), [([5, 5, 5], 1.0), ([9, 0, 0], 0.0), ([3, 1], 0.5), ([0, 0], None)])
def test_evenness(loads: list[int], expected: float | None) -> None:
    assert evenness(loads) == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=1, max_size=8))
def test_evenness_lies_between_none_and_all_and_knows_no_order(loads: list[int]) -> None:
    found = evenness(loads)
    if found is not None:
        assert -1e-9 <= found <= 1
        assert found == pytest.approx(evenness(loads[::-1]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 500), st.integers(1, 900))
def test_loads_add_up_to_all_that_is_covered(start: int, length: int) -> None:
    schedule = plan(layer(ANA, BEN, CARA, every=(1, "day"), restrictions=OFFICE))
    t0 = YEAR[0] + timedelta(hours=start)
    t1 = t0 + timedelta(hours=length)
    loads = fairness(schedule, t0, t1, {}).loads
    own = by_user(final(schedule, t0, t1))
    assert {load.user_id: load.on_call_seconds for load in loads if load.on_call_seconds} == {
        user: seconds(times) for user, times in own.items()
    }
