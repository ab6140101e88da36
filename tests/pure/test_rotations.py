"""Several handoffs a week, turns without coverage, and what went wrong in others' programs, by example."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from oncall_oracle import FIRST, LAST, changes_of_clocks, distinct_zones, is_covered, open_times
from whenever import Instant

from app import hours
from app.errors import Invalid
from app.oncall.coverage import covered_before
from app.oncall.layers import Layer, Unit
from app.oncall.shifts import Override, Schedule, final, gaps, who

ANA, BEN, CARA = 1, 2, 3
NAMES = {ANA: "Ana", BEN: "Ben", CARA: "Cara"}
OFFICE = hours.parse_spans([{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}])
HOUR = timedelta(hours=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def layer(*users: int, every: tuple[int, Unit], anchor: str, **more: object) -> Layer:
    length, unit = every
    members = tuple((user,) for user in users)
    made = Layer(1, "one", 0, unit, length, datetime.fromisoformat(anchor), members)
    return replace(made, **more)


def plan(zone: str, *layers: Layer, overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(1, "Checkout", zone, layers, overrides)


def told(schedule: Schedule, t0: str, t1: str) -> list[str]:
    zone = ZoneInfo(schedule.zone)
    return [
        f"{s.starts_at.astimezone(zone):%a %m-%d %H:%M} {NAMES[s.user_id]}" for s in final(schedule, at(t0), at(t1))
    ]


def weekly(*users: int, anchor: str = "2026-03-02 09:00", handoffs: tuple[str, ...]) -> Layer:
    return layer(*users, every=(1, "week"), anchor=anchor, handoffs=tuple(map(hours.week_minute, handoffs)))


class TestSeveralHandoffsAWeek:
    def test_weekdays_and_weekends_are_unequal_turns_of_one_rotation(self) -> None:
        schedule = plan("Europe/Berlin", weekly(ANA, BEN, CARA, handoffs=("mon 09:00", "sat 09:00")))
        assert told(schedule, "2026-03-02 08:00", "2026-03-31 00:00") == [
            "Mon 03-02 09:00 Ana",
            "Sat 03-07 09:00 Ben",
            "Mon 03-09 09:00 Cara",
            "Sat 03-14 09:00 Ana",
            "Mon 03-16 09:00 Ben",
            "Sat 03-21 09:00 Cara",
            "Mon 03-23 09:00 Ana",
            "Sat 03-28 09:00 Ben",
            "Mon 03-30 09:00 Cara",
        ]

    def test_turn_0_begins_with_the_handoff_that_the_anchor_is(self) -> None:
        schedule = plan("UTC", weekly(ANA, BEN, anchor="2026-03-06 17:00", handoffs=("mon 08:00", "fri 17:00")))
        assert told(schedule, "2026-03-01 00:00", "2026-03-14 00:00") == [
            "Fri 03-06 17:00 Ana",
            "Mon 03-09 08:00 Ben",
            "Fri 03-13 17:00 Ana",
        ]

    def test_the_anchor_must_be_one_of_them(self) -> None:
        with pytest.raises(Invalid, match="the anchor is one of the handoffs"):
            weekly(ANA, anchor="2026-03-02 10:00", handoffs=("mon 09:00", "sat 09:00"))

    @pytest.mark.parametrize("every", [(2, "week"), (1, "day"), (1, "month"), (1, "hour")])
    def test_only_a_turn_of_a_week_has_several(self, every: tuple[int, Unit]) -> None:
        with pytest.raises(Invalid, match="unit week and the length 1"):
            layer(ANA, every=every, anchor="2026-03-02 09:00", handoffs=(540, 7740))

    def test_every_zone_for_20_years_without_gap_or_overlap(self) -> None:
        rotation = weekly(ANA, BEN, CARA, anchor="2007-12-28 02:30", handoffs=("fri 02:30", "sun 02:30", "tue 00:00"))
        for name in distinct_zones():
            shifts = final(plan(name, rotation), FIRST, LAST)
            assert (shifts[0].starts_at, shifts[-1].ends_at) == (FIRST, LAST), name
            assert all(a.ends_at == b.starts_at for a, b in pairwise(shifts)), name
            users = [s.user_id for s in shifts]
            assert all(b == a % 3 + 1 for a, b in pairwise(users)), name


class TestTurnsWithoutCoverage:
    WEEKENDS = hours.parse_spans([{"days": ["sat", "sun"], "from": "00:00", "to": "24:00"}])

    def test_they_pass_to_whoever_has_them(self) -> None:
        daily = layer(ANA, BEN, CARA, every=(1, "day"), anchor="2026-07-17 00:00", restrictions=OFFICE)
        assert told(plan("UTC", daily), "2026-07-17 00:00", "2026-07-22 00:00") == [
            "Fri 07-17 09:00 Ana",
            "Mon 07-20 09:00 Ana",
            "Tue 07-21 09:00 Ben",
        ]

    def test_or_the_rotation_skips_them_and_the_next_person_has_the_next_covered_turn(self) -> None:
        daily = layer(ANA, BEN, CARA, every=(1, "day"), anchor="2026-07-17 00:00", restrictions=OFFICE)
        daily = replace(daily, skips_uncovered=True)
        assert told(plan("UTC", daily), "2026-07-17 00:00", "2026-07-22 00:00") == [
            "Fri 07-17 09:00 Ana",
            "Mon 07-20 09:00 Ben",
            "Tue 07-21 09:00 Cara",
        ]

    def test_a_first_turn_without_coverage_is_skipped_too(self) -> None:
        daily = layer(ANA, BEN, every=(1, "day"), anchor="2026-07-18 00:00", restrictions=OFFICE, skips_uncovered=True)
        assert told(plan("UTC", daily), "2026-07-18 00:00", "2026-07-22 00:00") == [
            "Mon 07-20 09:00 Ana",
            "Tue 07-21 09:00 Ben",
        ]

    def test_a_turn_whose_only_hours_the_clocks_skip_has_no_coverage(self) -> None:
        sundays = hours.parse_spans([{"days": ["sun"], "from": "02:00", "to": "03:00"}])
        daily = layer(ANA, BEN, every=(1, "week"), anchor="2026-03-16 09:00", restrictions=sundays)
        skipping = replace(daily, skips_uncovered=True)
        expected = ["Sun 03-22 02:00", "Sun 04-05 02:00", "Sun 04-12 02:00"]
        for one, users in ((daily, ("Ana", "Ana", "Ben")), (skipping, ("Ana", "Ben", "Ana"))):
            found = told(plan("Europe/Berlin", one), "2026-03-16 09:00", "2026-04-13 00:00")
            assert found == [f"{start} {user}" for start, user in zip(expected, users, strict=True)]

    def test_without_restrictions_every_turn_is_covered(self) -> None:
        daily = layer(ANA, BEN, every=(1, "day"), anchor="2026-07-18 00:00")
        t0, t1 = at("2026-07-18 00:00"), at("2026-08-18 00:00")
        assert final(plan("UTC", daily), t0, t1) == final(plan("UTC", replace(daily, skips_uncovered=True)), t0, t1)

    @pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"])
    @pytest.mark.parametrize("length", [1, 5])
    def test_an_hourly_rotation_is_right_after_14_months(self, zone: str, length: int) -> None:
        """Held against stepping through every turn since the anchor."""
        hourly = layer(ANA, BEN, CARA, every=(length, "hour"), anchor="2025-01-01 09:30", restrictions=OFFICE)
        anchor = hours.instant(hourly.anchor, ZoneInfo(zone))
        opened = open_times(OFFICE, zone, Instant(anchor), Instant(anchor + timedelta(days=430)))
        times = sorted((a.to_stdlib(), b.to_stdlib()) for a, b in opened)
        covered = 0
        for k in range(14 * 730 // length):
            if k % 97 == 0 or k % 24 < 3:
                assert covered_before(hourly.rotation, hourly.week, ZoneInfo(zone), k) == covered, k
            start, end = anchor + k * length * HOUR, anchor + (k + 1) * length * HOUR
            while times and times[0][1] <= start:
                times.pop(0)
            covered += times[0][0] < end
        assert covered > 14 * 20 * 8 // length

    def test_every_zone_counts_covered_days_as_the_definition_does(self) -> None:
        spans = hours.parse_spans([{"days": ["sun"], "from": "02:00", "to": "02:30"}])
        for number, name in enumerate(distinct_zones()):
            zone = ZoneInfo(name)
            for change in changes_of_clocks(name)[:: 4 + number % 3]:
                anchor = (change - timedelta(days=2)).astimezone(zone).replace(tzinfo=None, minute=0, second=0)
                for every in ((1, "day"), (7, "hour")):
                    one = layer(ANA, BEN, every=every, anchor=str(anchor), restrictions=spans, skips_uncovered=True)
                    k = 9 if every[1] == "day" else 20
                    counted = sum(is_covered(one, name, j) for j in range(k))
                    assert covered_before(one.rotation, one.week, zone, k) == counted, (name, change, every)

    @pytest.mark.parametrize(
        ("anchor", "begins", "ends", "covered"),
        [
            ("00:00", "02:00", "02:30", [0, 0, 0, 1, 1, 1]),
            ("00:00", "02:00", "03:00", [0, 0, 0, 1, 2, 2]),
            ("00:30", "02:30", "02:45", [0, 0, 0, 1, 1, 1]),
        ],
    )
    def test_when_an_hour_comes_twice_what_ended_in_the_first_is_over(
        self, anchor: str, begins: str, ends: str, covered: list[int]
    ) -> None:
        """Until 02:30 is over in the first of the two hours, until 03:00 lasts through both."""
        spans = hours.parse_spans([{"days": ["sun"], "from": begins, "to": ends}])
        hourly = layer(ANA, BEN, every=(1, "hour"), anchor=f"2026-10-25 {anchor}", restrictions=spans)
        berlin = ZoneInfo("Europe/Berlin")
        assert [covered_before(hourly.rotation, hourly.week, berlin, k) for k in range(6)] == covered
        assert [sum(is_covered(hourly, berlin.key, j) for j in range(k)) for k in range(6)] == covered

    def test_far_away_it_is_counted_not_stepped(self) -> None:
        """Four hundred years of hours: 8 of 24 on 5 of 7 days, as often as the weeks fit."""
        hourly = layer(ANA, BEN, CARA, every=(1, "hour"), anchor="2000-01-03 00:00", restrictions=OFFICE)
        weeks = 20_871
        assert covered_before(hourly.rotation, hourly.week, ZoneInfo("UTC"), weeks * 168) == weeks * 40


class TestWhatWentWrongElsewhere:
    def test_month_end_anchors_come_back_to_the_31st(self) -> None:
        """A month stepped from the 28th of February stays on the 28th for ever."""
        monthly = layer(ANA, BEN, every=(1, "month"), anchor="2026-01-31 09:00")
        starts = [s.starts_at for s in final(plan("UTC", monthly), at("2026-01-31 09:00"), at("2027-01-31 00:00"))]
        assert [s.day for s in starts] == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

    def test_a_month_end_anchor_in_a_leap_year(self) -> None:
        monthly = layer(ANA, BEN, every=(12, "month"), anchor="2024-02-29 09:00")
        starts = [s.starts_at for s in final(plan("UTC", monthly), at("2024-02-29 09:00"), at("2033-01-01 00:00"))]
        assert [s.day for s in starts] == [29, 28, 28, 28, 29, 28, 28, 28, 29]

    def test_no_loop_is_capped_over_a_long_window(self) -> None:
        hourly = layer(ANA, BEN, every=(1, "hour"), anchor="2026-01-01 00:00")
        shifts = final(plan("UTC", hourly), at("2026-01-01 00:00"), at("2029-01-01 00:00"))
        assert len(shifts) == (3 * 365 + 1) * 24
        assert shifts[-1].ends_at == at("2029-01-01 00:00")

    def test_the_first_period_is_not_clamped_to_the_start_of_the_layer(self) -> None:
        """A layer that starts in the middle of a turn begins with whoever has that turn, for the rest of it."""
        daily = layer(ANA, BEN, every=(1, "week"), anchor="2026-01-05 09:00", starts_at=at("2026-01-14 12:00"))
        assert told(plan("UTC", daily), "2026-01-01 00:00", "2026-01-27 00:00") == [
            "Wed 01-14 12:00 Ben",
            "Mon 01-19 09:00 Ana",
            "Mon 01-26 09:00 Ben",
        ]

    def test_a_restriction_wraps_over_the_end_of_the_week(self) -> None:
        weekend = hours.parse_spans([{"from": "fri 17:00", "to": "mon 08:00"}])
        weekly = layer(ANA, BEN, every=(1, "week"), anchor="2026-01-05 00:00", restrictions=weekend)
        assert told(plan("UTC", weekly), "2026-01-05 00:00", "2026-01-20 00:00") == [
            "Mon 01-05 00:00 Ana",
            "Fri 01-09 17:00 Ana",
            "Mon 01-12 00:00 Ben",
            "Fri 01-16 17:00 Ben",
            "Mon 01-19 00:00 Ana",
        ], "the turn changes within the span, as written"
        assert len(gaps(plan("UTC", weekly), at("2026-01-05 00:00"), at("2026-01-20 00:00"))) == 3

    def test_an_override_counts_at_its_first_instant_and_once(self) -> None:
        weekly = layer(ANA, BEN, every=(1, "week"), anchor="2026-01-05 00:00")
        override = Override(9, CARA, at("2026-01-06 10:00"), at("2026-01-06 12:00"))
        schedule = plan("UTC", weekly, overrides=(override,))
        just_before = at("2026-01-06 10:00") - timedelta(microseconds=1)
        assert [o.user_id for o in who(schedule, just_before)] == [ANA]
        assert [o.user_id for o in who(schedule, override.starts_at)] == [CARA]
        shifts = final(schedule, at("2026-01-05 00:00"), at("2026-01-12 00:00"))
        assert [(s.user_id, s.override_id) for s in shifts] == [(ANA, None), (CARA, 9), (ANA, None)]

    def test_two_layers_that_come_to_one_person_name_her_once(self) -> None:
        base = layer(ANA, BEN, every=(1, "week"), anchor="2026-01-05 00:00")
        second = replace(base, id=2, position=1, mode="add", members=((ANA,),))
        schedule = plan("UTC", base, second)
        assert [o.user_id for o in who(schedule, at("2026-01-06 00:00"))] == [ANA]
        shifts = final(schedule, at("2026-01-05 00:00"), at("2026-01-12 00:00"))
        assert [(s.user_id, s.ends_at - s.starts_at) for s in shifts] == [(ANA, timedelta(days=7))]

    def test_the_rotation_repeats_after_its_last_member_and_not_one_later(self) -> None:
        daily = layer(ANA, BEN, CARA, every=(1, "day"), anchor="2026-01-01 00:00")
        users = [s.user_id for s in final(plan("UTC", daily), at("2026-01-01 00:00"), at("2026-01-08 00:00"))]
        assert users == [ANA, BEN, CARA, ANA, BEN, CARA, ANA]
