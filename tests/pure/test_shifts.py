"""Who is on call, by example: rotations over the nights when clocks change, restrictions, layers, overrides."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from app import hours
from app.errors import Invalid
from app.oncall.layers import Layer, Unit, shifted
from app.oncall.shifts import Override, Schedule, difference, final, gaps, shadowed, who

ANA, BEN, CARA, DAN = 1, 2, 3, 4
NAMES = {ANA: "Ana", BEN: "Ben", CARA: "Cara", DAN: "Dan"}
OFFICE = hours.parse_spans([{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}])


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def layer(
    *members: int | tuple[int | None, ...] | None,
    every: tuple[int, Unit] = (1, "day"),
    anchor: str = "2026-01-01 09:00",
    position: int = 0,
) -> Layer:
    turns = tuple(turn if isinstance(turn, tuple) else (turn,) for turn in members)
    length, unit = every
    return Layer(10 + position, f"layer-{position}", position, unit, length, datetime.fromisoformat(anchor), turns)


def schedule(zone: str, *layers: Layer, overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(1, "Checkout", zone, layers, overrides)


def override(id: int, user: int | None, start: str, end: str, replaces: int | None = None) -> Override:
    return Override(id, user, at(start), at(end), replaces)


def told(plan: Schedule, t0: str, t1: str) -> list[str]:
    """Shifts as a person of that zone reads them: `01-15 09:00+0100 Ana`."""
    zone = hours.zone(plan.zone)
    return [
        f"{hours.local(shift.starts_at, zone):%m-%d %H:%M%z} {NAMES[shift.user_id]}"
        for shift in final(plan, at(t0), at(t1))
    ]


def names(plan: Schedule, instant: str) -> list[str]:
    return [NAMES[entry.user_id] for entry in who(plan, at(instant))]


class TestNights:
    """A daily rotation around the change of clocks; the window cuts the first shift."""

    def test_berlin_keeps_nine_o_clock_in_spring(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-03-28 09:00"))
        assert told(plan, "2026-03-28 08:00", "2026-03-30 12:00") == [
            "03-28 09:00+0100 Ana",
            "03-29 09:00+0200 Ben",
            "03-30 09:00+0200 Ana",
        ]

    def test_berlin_handoff_that_is_skipped_happens_when_clocks_go_on(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-03-28 02:30"))
        assert told(plan, "2026-03-28 12:00", "2026-03-30 12:00") == [
            "03-28 13:00+0100 Ana",
            "03-29 03:00+0200 Ben",
            "03-30 02:30+0200 Ana",
        ]

    def test_berlin_handoff_that_comes_twice_happens_once_the_first_time(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-10-24 02:30"))
        assert told(plan, "2026-10-24 12:00", "2026-10-26 12:00") == [
            "10-24 14:00+0200 Ana",
            "10-25 02:30+0200 Ben",
            "10-26 02:30+0100 Ana",
        ]
        assert names(plan, "2026-10-25 01:00") == ["Ben"], "02:00 for the second time is after the handoff of 02:30"

    def test_new_york_repeated_handoff(self) -> None:
        plan = schedule("America/New_York", layer(ANA, BEN, anchor="2026-10-31 01:30"))
        assert told(plan, "2026-10-31 12:00", "2026-11-02 12:00") == [
            "10-31 08:00-0400 Ana",
            "11-01 01:30-0400 Ben",
            "11-02 01:30-0500 Ana",
        ]

    def test_lord_howe_moves_by_half_an_hour(self) -> None:
        plan = schedule("Australia/Lord_Howe", layer(ANA, BEN, anchor="2026-10-03 02:15"))
        assert told(plan, "2026-10-02 16:00", "2026-10-04 20:00") == [
            "10-03 02:30+1030 Ana",
            "10-04 02:30+1100 Ben",
            "10-05 02:15+1100 Ana",
        ]

    def test_kolkata_has_no_nights_like_that(self) -> None:
        plan = schedule("Asia/Kolkata", layer(ANA, BEN, anchor="2026-03-28 09:00"))
        assert told(plan, "2026-03-28 03:30", "2026-03-30 12:00") == [
            "03-28 09:00+0530 Ana",
            "03-29 09:00+0530 Ben",
            "03-30 09:00+0530 Ana",
        ]

    def test_apia_skips_a_day_and_the_turn_of_that_day_is_shorter(self) -> None:
        plan = schedule("Pacific/Apia", layer(ANA, BEN, CARA, anchor="2011-12-29 09:00"))
        assert told(plan, "2011-12-29 19:00", "2012-01-01 00:00") == [
            "12-29 09:00-1000 Ana",
            "12-31 00:00+1400 Ben",
            "12-31 09:00+1400 Cara",
            "01-01 09:00+1400 Ana",
        ]

    def test_apia_turn_that_falls_wholly_into_the_skipped_day_does_not_happen(self) -> None:
        plan = schedule("Pacific/Apia", layer(ANA, BEN, CARA, anchor="2011-12-29 00:00"))
        assert told(plan, "2011-12-29 10:00", "2012-01-01 00:00") == [
            "12-29 00:00-1000 Ana",
            "12-31 00:00+1400 Cara",
            "01-01 00:00+1400 Ana",
        ]

    def test_casablanca_around_ramadan(self) -> None:
        plan = schedule("Africa/Casablanca", layer(ANA, BEN, anchor="2026-02-14 02:30", every=(5, "week")))
        assert told(plan, "2026-02-14 01:30", "2026-05-01 00:00") == [
            "02-14 02:30+0100 Ana",
            "03-21 02:30+0000 Ben",
            "04-25 02:30+0100 Ana",
        ]

    def test_sao_paulo_midnight_that_does_not_exist(self) -> None:
        plan = schedule("America/Sao_Paulo", layer(ANA, BEN, anchor="2018-11-03 00:00"))
        assert told(plan, "2018-11-03 03:00", "2018-11-05 12:00") == [
            "11-03 00:00-0300 Ana",
            "11-04 01:00-0200 Ben",
            "11-05 00:00-0200 Ana",
        ]


class TestRotations:
    def test_weekly(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-03-16 09:00", every=(1, "week")))
        assert told(plan, "2026-03-16 08:00", "2026-04-01 00:00") == [
            "03-16 09:00+0100 Ana",
            "03-23 09:00+0100 Ben",
            "03-30 09:00+0200 Ana",
        ]

    def test_custom_length_in_days(self) -> None:
        plan = schedule("UTC", layer(ANA, BEN, CARA, every=(3, "day")))
        assert told(plan, "2026-01-01 09:00", "2026-01-10 00:00") == [
            "01-01 09:00+0000 Ana",
            "01-04 09:00+0000 Ben",
            "01-07 09:00+0000 Cara",
        ]

    def test_hours_are_elapsed_time(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-10-24 20:00", every=(8, "hour")))
        shifts = final(plan, at("2026-10-24 18:00"), at("2026-10-26 18:00"))
        assert {shift.ends_at - shift.starts_at for shift in shifts} == {timedelta(hours=8)}
        assert told(plan, "2026-10-24 18:00", "2026-10-25 12:00") == [
            "10-24 20:00+0200 Ana",
            "10-25 03:00+0100 Ben",
            "10-25 11:00+0100 Ana",
        ]

    def test_month_is_clamped_to_its_last_day_and_recovers(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-01-31 09:00", every=(1, "month")))
        assert told(plan, "2026-01-31 08:00", "2026-05-30 00:00") == [
            "01-31 09:00+0100 Ana",
            "02-28 09:00+0100 Ben",
            "03-31 09:00+0200 Ana",
            "04-30 09:00+0200 Ben",
        ]

    def test_month_in_leap_years_and_several_at_a_time(self) -> None:
        plan = schedule("UTC", layer(ANA, BEN, CARA, anchor="2023-11-30 00:00", every=(3, "month")))
        assert told(plan, "2023-11-30 00:00", "2024-08-01 00:00") == [
            "11-30 00:00+0000 Ana",
            "02-29 00:00+0000 Ben",
            "05-30 00:00+0000 Cara",
        ]

    @pytest.mark.parametrize("unit", ["hour", "day", "week", "month"])
    def test_nobody_before_the_anchor(self, unit: Unit) -> None:
        plan = schedule("UTC", layer(ANA, BEN, anchor="2026-06-15 09:00", every=(1, unit)))
        assert names(plan, "2026-06-15 08:59:59") == []
        assert names(plan, "2026-06-01 00:00") == []
        assert names(plan, "1999-01-01 00:00") == []
        assert names(plan, "2026-06-15 09:00") == ["Ana"]

    def test_bounds_cut_but_do_not_move_the_turns(self) -> None:
        bounded = replace(layer(ANA, BEN), starts_at=at("2026-01-02 12:00"), ends_at=at("2026-01-03 12:00"))
        assert told(schedule("UTC", bounded), "2026-01-01 00:00", "2026-02-01 00:00") == [
            "01-02 12:00+0000 Ben",
            "01-03 09:00+0000 Ana",
        ]
        assert gaps(schedule("UTC", bounded), at("2026-01-03 00:00"), at("2026-01-04 00:00")) == [
            (at("2026-01-03 12:00"), at("2026-01-04 00:00"))
        ]

    def test_far_from_the_anchor_it_is_computed_not_stepped(self) -> None:
        plan = schedule("UTC", layer(ANA, BEN, anchor="1970-01-01 00:00", every=(1, "hour")))
        assert names(plan, "2900-01-01 01:00") == ["Ben"]

    def test_one_member_is_one_shift(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA))
        assert told(plan, "2026-02-01 00:00", "2027-02-01 00:00") == ["02-01 01:00+0100 Ana"]

    def test_one_member_begins_at_the_anchor(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA))
        assert told(plan, "2025-12-01 00:00", "2026-02-01 00:00") == ["01-01 09:00+0100 Ana"]

    def test_several_on_one_turn_and_twice_the_same(self) -> None:
        plan = schedule("UTC", layer((ANA, BEN, ANA), (BEN, CARA)))
        assert names(plan, "2026-01-01 10:00") == ["Ana", "Ben"]
        shifts = final(plan, at("2026-01-01 09:00"), at("2026-01-03 09:00"))
        assert [(NAMES[s.user_id], s.ends_at - s.starts_at) for s in shifts] == [
            ("Ana", timedelta(days=1)),
            ("Ben", timedelta(days=2)),
            ("Cara", timedelta(days=1)),
        ]


class TestLayers:
    def test_higher_layer_wins_where_it_covers(self) -> None:
        office = replace(layer(BEN, position=1), restrictions=OFFICE)
        plan = schedule("Europe/Berlin", office, layer(ANA))
        assert told(plan, "2026-07-17 00:00", "2026-07-18 00:00") == [
            "07-17 02:00+0200 Ana",
            "07-17 09:00+0200 Ben",
            "07-17 17:00+0200 Ana",
        ]
        assert [entry.because for entry in who(plan, at("2026-07-17 08:00"))] == ["layer layer-1"]

    def test_restrictions_are_cut_out_after_turns_are_decided(self) -> None:
        plan = schedule("Europe/Berlin", replace(layer(ANA, BEN, anchor="2026-07-17 12:00"), restrictions=OFFICE))
        assert told(plan, "2026-07-17 00:00", "2026-07-21 00:00") == [
            "07-17 12:00+0200 Ana",
            "07-20 09:00+0200 Ana",
            "07-20 12:00+0200 Ben",
        ], "Saturday's and Sunday's turns pass although nobody serves them"

    def test_restriction_over_the_repeated_hour(self) -> None:
        night = hours.parse_spans([{"days": ["sun"], "from": "02:00", "to": "02:30"}])
        plan = schedule("Europe/Berlin", replace(layer(ANA), restrictions=night))
        shifts = final(plan, at("2026-10-24 12:00"), at("2026-10-26 12:00"))
        assert [(s.starts_at, s.ends_at) for s in shifts] == [(at("2026-10-25 00:00"), at("2026-10-25 00:30"))]

    def test_nobody_as_a_member_lets_the_lower_layer_show_through(self) -> None:
        plan = schedule("UTC", layer(ANA), layer(BEN, None, (), position=1))
        assert told(plan, "2026-01-01 09:00", "2026-01-05 00:00") == [
            "01-01 09:00+0000 Ben",
            "01-02 09:00+0000 Ana",
            "01-04 09:00+0000 Ben",
        ]

    def test_layer_without_members_covers_nothing(self) -> None:
        plan = schedule("UTC", layer(ANA), layer(position=1))
        assert told(plan, "2026-02-01 00:00", "2026-03-01 00:00") == ["02-01 00:00+0000 Ana"]

    def test_a_layer_that_adds_is_parallel(self) -> None:
        second = replace(layer(BEN, ANA, position=1), mode="add")
        plan = schedule("UTC", layer(ANA), second)
        assert names(plan, "2026-01-01 10:00") == ["Ana", "Ben"]
        assert names(plan, "2026-01-02 10:00") == ["Ana"]

    def test_a_layer_that_adds_adds_to_whatever_shows_below_it(self) -> None:
        nights = hours.parse_spans([{"days": ["thu"], "from": "22:00", "to": "06:00"}])
        plan = schedule(
            "UTC",
            layer(ANA),
            replace(layer(BEN, position=1), restrictions=nights),
            replace(layer(CARA, position=2), mode="add"),
            replace(layer(DAN, position=3), restrictions=hours.parse_spans([{"from": "sat 00:00", "to": "sun 24:00"}])),
        )
        assert names(plan, "2026-01-01 10:00") == ["Ana", "Cara"]
        assert names(plan, "2026-01-01 23:00") == ["Ben", "Cara"]
        assert names(plan, "2026-01-03 23:00") == ["Dan"], "a layer that replaces also replaces what was added below it"

    def test_a_layer_that_adds_covers_where_nobody_else_does(self) -> None:
        plan = schedule("UTC", replace(layer(ANA), restrictions=OFFICE), replace(layer(BEN, position=1), mode="add"))
        assert names(plan, "2026-01-01 23:00") == ["Ben"]
        assert gaps(plan, at("2026-01-02 00:00"), at("2026-01-09 00:00")) == []

    def test_shadows_look_on_and_cover_nothing(self) -> None:
        shadow = replace(layer(CARA, None, position=1), mode="shadow")
        plan = schedule("UTC", replace(layer(ANA, BEN), restrictions=OFFICE), shadow)
        assert [names(plan, f"2026-01-0{day} 10:00") for day in (1, 2)] == [["Ana"], ["Ben"]]
        assert [names(shadowed(plan), f"2026-01-0{day} 10:00") for day in (1, 2)] == [["Cara"], []]
        assert names(plan, "2026-01-01 23:00") == []
        assert told(plan, "2026-01-01 09:00", "2026-01-02 09:00") == ["01-01 09:00+0000 Ana"]

    def test_following_the_sun_with_a_zone_a_layer(self) -> None:
        day = hours.parse_spans([{"days": list(hours.DAYS), "from": "08:00", "to": "16:00"}])
        zones = ("Asia/Singapore", "Europe/Berlin", "America/Los_Angeles")
        layers = [replace(layer(user, position=n), zone=zones[n], restrictions=day) for n, user in enumerate((1, 2, 3))]
        plan = schedule("UTC", *layers)
        assert told(plan, "2026-07-14 00:00", "2026-07-15 00:00") == [
            "07-14 00:00+0000 Ana",
            "07-14 06:00+0000 Ben",
            "07-14 15:00+0000 Cara",
        ]
        assert gaps(plan, at("2026-07-14 00:00"), at("2026-07-15 00:00")) == [
            (at("2026-07-14 14:00"), at("2026-07-14 15:00")),
            (at("2026-07-14 23:00"), at("2026-07-15 00:00")),
        ]
        assert told(plan, "2026-01-14 00:00", "2026-01-14 12:00")[1] == "01-14 07:00+0000 Ben"

    def test_a_secondary_is_the_next_of_the_same_rotation(self) -> None:
        primary = layer(ANA, BEN, CARA, every=(1, "week"), anchor="2026-01-05 09:00")
        plan, second = schedule("UTC", primary), schedule("UTC", shifted(primary, 1))
        for day in range(5, 30):
            assert names(plan, f"2026-01-{day:02} 12:00") != names(second, f"2026-01-{day:02} 12:00")
            if day < 23:
                assert names(second, f"2026-01-{day:02} 12:00") == names(plan, f"2026-01-{day + 7:02} 12:00")
        assert shifted(primary, -1) == shifted(primary, 2)
        assert shifted(primary, 3) == primary

    def test_empty_schedule_is_one_gap(self) -> None:
        plan = schedule("UTC")
        assert names(plan, "2026-01-01 00:00") == []
        assert gaps(plan, at("2026-01-01 00:00"), at("2026-01-02 00:00")) == [
            (at("2026-01-01 00:00"), at("2026-01-02 00:00"))
        ]

    def test_empty_window(self) -> None:
        plan = schedule("UTC", layer(ANA))
        assert final(plan, at("2026-02-01 00:00"), at("2026-02-01 00:00")) == []
        assert gaps(plan, at("2026-02-02 00:00"), at("2026-02-01 00:00")) == []

    def test_window_in_another_zone_is_the_same_window(self) -> None:
        plan = schedule("Europe/Berlin", layer(ANA, BEN, anchor="2026-10-24 02:30"))
        berlin = ZoneInfo("Europe/Berlin")
        t0, t1 = at("2026-10-25 00:45"), at("2026-10-25 01:15")
        assert final(plan, t0.astimezone(berlin), t1.astimezone(berlin)) == final(plan, t0, t1) != []
        assert final(plan, t0.astimezone(berlin), t1.astimezone(berlin))[0].starts_at.tzinfo is UTC


class TestOverrides:
    WEEK = layer(ANA, BEN, every=(1, "week"), anchor="2026-01-05 09:00")

    def plan(self, *overrides: Override) -> Schedule:
        return schedule("UTC", self.WEEK, overrides=overrides)

    def test_somebody_in_place_of_whoever(self) -> None:
        plan = self.plan(override(7, CARA, "2026-01-11 09:00", "2026-01-13 09:00"))
        shifts = final(plan, at("2026-01-05 09:00"), at("2026-01-19 09:00"))
        assert [(NAMES[s.user_id], f"{s.starts_at:%d}", s.layer_id, s.override_id, s.because) for s in shifts] == [
            ("Ana", "05", 10, None, "layer layer-0"),
            ("Cara", "11", None, 7, "override 7"),
            ("Ben", "13", 10, None, "layer layer-0"),
        ]

    def test_half_open(self) -> None:
        plan = self.plan(override(7, CARA, "2026-01-06 10:00", "2026-01-06 11:00"))
        instants = ["2026-01-06 09:59:59", "2026-01-06 10:00", "2026-01-06 10:59:59", "2026-01-06 11:00"]
        assert [names(plan, instant) for instant in instants] == [["Ana"], ["Cara"], ["Cara"], ["Ana"]]

    def test_later_created_wins_wherever_it_stands_in_the_list(self) -> None:
        early = override(7, CARA, "2026-01-06 00:00", "2026-01-08 00:00")
        late = override(8, DAN, "2026-01-07 00:00", "2026-01-09 00:00")
        for plan in (self.plan(early, late), self.plan(late, early)):
            assert told(plan, "2026-01-06 00:00", "2026-01-10 00:00") == [
                "01-06 00:00+0000 Cara",
                "01-07 00:00+0000 Dan",
                "01-09 00:00+0000 Ana",
            ]

    def test_replacing_one_person_leaves_the_other(self) -> None:
        pair = schedule(
            "UTC",
            layer((ANA, BEN)),
            overrides=(override(7, CARA, "2026-01-06 00:00", "2026-01-07 00:00", replaces=ANA),),
        )
        assert names(pair, "2026-01-06 12:00") == ["Cara", "Ben"]

    def test_replacing_somebody_who_is_not_on_call_does_nothing(self) -> None:
        plan = self.plan(override(7, CARA, "2026-01-11 09:00", "2026-01-14 09:00", replaces=ANA))
        assert told(plan, "2026-01-11 09:00", "2026-01-14 09:00") == ["01-11 09:00+0000 Cara", "01-12 09:00+0000 Ben"]

    def test_two_replacements_of_one_person_the_later_wins(self) -> None:
        plan = self.plan(
            override(7, CARA, "2026-01-06 00:00", "2026-01-08 00:00", replaces=ANA),
            override(8, DAN, "2026-01-07 00:00", "2026-01-09 00:00", replaces=ANA),
        )
        assert names(plan, "2026-01-07 12:00") == ["Dan"]

    def test_replacement_of_the_replacement(self) -> None:
        plan = self.plan(
            override(7, CARA, "2026-01-06 00:00", "2026-01-08 00:00", replaces=ANA),
            override(8, DAN, "2026-01-07 00:00", "2026-01-09 00:00", replaces=CARA),
        )
        assert told(plan, "2026-01-06 00:00", "2026-01-10 00:00") == [
            "01-06 00:00+0000 Cara",
            "01-07 00:00+0000 Dan",
            "01-08 00:00+0000 Ana",
        ]

    def test_given_back(self) -> None:
        plan = self.plan(
            override(7, CARA, "2026-01-06 00:00", "2026-01-08 00:00"),
            override(8, ANA, "2026-01-07 00:00", "2026-01-08 00:00", replaces=CARA),
        )
        assert names(plan, "2026-01-07 12:00") == ["Ana"]

    def test_one_for_two_is_paged_once(self) -> None:
        pair = schedule(
            "UTC", layer((ANA, BEN)), overrides=(override(7, CARA, "2026-01-06 00:00", "2026-01-07 00:00"),)
        )
        assert names(pair, "2026-01-06 12:00") == ["Cara"]
        assert len(final(pair, at("2026-01-06 00:00"), at("2026-01-07 00:00"))) == 1

    def test_swap_between_two_who_are_on_call_together(self) -> None:
        pair = schedule(
            "UTC",
            layer((ANA, BEN)),
            overrides=(override(7, BEN, "2026-01-06 00:00", "2026-01-07 00:00", replaces=ANA),),
        )
        assert names(pair, "2026-01-06 12:00") == ["Ben"]

    def test_nobody_on_purpose(self) -> None:
        plan = self.plan(override(7, None, "2026-01-06 00:00", "2026-01-07 00:00"))
        assert names(plan, "2026-01-06 12:00") == []
        assert gaps(plan, at("2026-01-05 09:00"), at("2026-01-08 00:00")) == [
            (at("2026-01-06 00:00"), at("2026-01-07 00:00"))
        ]

    def test_somebody_where_the_layers_say_nobody(self) -> None:
        plan = self.plan(override(7, CARA, "2026-01-01 00:00", "2026-01-06 00:00"))
        assert told(plan, "2026-01-01 00:00", "2026-01-07 00:00") == ["01-01 00:00+0000 Cara", "01-06 00:00+0000 Ana"]

    def test_somebody_besides(self) -> None:
        plan = self.plan(replace(override(7, CARA, "2026-01-06 00:00", "2026-01-07 00:00"), adds=True))
        assert names(plan, "2026-01-06 12:00") == ["Ana", "Cara"]
        assert [entry.because for entry in who(plan, at("2026-01-06 12:00"))] == ["layer layer-0", "override 7"]
        assert names(plan, "2026-01-07 00:00") == ["Ana"]

    def test_who_is_added_is_alone_where_nobody_is(self) -> None:
        plan = self.plan(replace(override(7, CARA, "2026-01-01 00:00", "2026-01-06 00:00"), adds=True))
        assert told(plan, "2026-01-01 00:00", "2026-01-07 00:00")[0] == "01-01 00:00+0000 Cara"

    def test_who_is_added_and_there_already_is_there_once(self) -> None:
        plan = self.plan(replace(override(7, ANA, "2026-01-06 00:00", "2026-01-07 00:00"), adds=True))
        assert names(plan, "2026-01-06 12:00") == ["Ana"]

    def test_a_later_replacement_of_everybody_replaces_who_was_added(self) -> None:
        added = replace(override(7, CARA, "2026-01-06 00:00", "2026-01-08 00:00"), adds=True)
        plan = self.plan(added, override(8, DAN, "2026-01-07 00:00", "2026-01-08 00:00"))
        assert names(plan, "2026-01-07 12:00") == ["Dan"]
        plan = self.plan(replace(added, id=9), override(8, DAN, "2026-01-07 00:00", "2026-01-08 00:00"))
        assert names(plan, "2026-01-07 12:00") == ["Dan", "Cara"]

    def test_who_is_removed_leaves_an_empty_place_and_lower_layers_do_not_show_through(self) -> None:
        removed = override(7, None, "2026-01-06 00:00", "2026-01-07 00:00", replaces=ANA)
        plan = schedule("UTC", layer(DAN), replace(self.WEEK, id=20, position=1), overrides=(removed,))
        assert names(plan, "2026-01-05 23:00") == ["Ana"]
        assert names(plan, "2026-01-06 12:00") == []
        pair = schedule("UTC", layer((ANA, BEN)), overrides=(removed,))
        assert names(pair, "2026-01-06 12:00") == ["Ben"]

    def test_nobody_cannot_be_added(self) -> None:
        with pytest.raises(Invalid, match="somebody"):
            replace(override(7, None, "2026-01-06 00:00", "2026-01-07 00:00"), adds=True)


class TestDifference:
    def test_who_gains_and_who_loses(self) -> None:
        before = schedule("UTC", layer(ANA, BEN))
        after = schedule("UTC", layer(ANA, CARA))
        changes = difference(before, after, at("2026-01-01 09:00"), at("2026-01-05 09:00"))
        bens = ((at("2026-01-02 09:00"), at("2026-01-03 09:00")), (at("2026-01-04 09:00"), at("2026-01-05 09:00")))
        assert [(c.user_id, c.gained_seconds, c.lost_seconds, c.gained, c.lost) for c in changes] == [
            (BEN, 0, 2 * 86_400, (), bens),
            (CARA, 2 * 86_400, 0, bens, ()),
        ]

    def test_one_user_may_gain_and_lose(self) -> None:
        before = schedule("UTC", layer(ANA, BEN))
        after = schedule("UTC", layer(ANA, BEN, anchor="2026-01-01 15:00"))
        ana, ben = difference(before, after, at("2026-01-02 00:00"), at("2026-01-04 00:00"))
        assert (ana.user_id, ana.gained_seconds, ana.lost_seconds) == (ANA, 6 * 3600, 6 * 3600)
        assert ana.gained == ((at("2026-01-02 09:00"), at("2026-01-02 15:00")),)
        assert ana.lost == ((at("2026-01-03 09:00"), at("2026-01-03 15:00")),)
        assert (ben.gained, ben.lost) == (ana.lost, ana.gained)

    def test_another_cause_for_the_same_hours_is_no_change(self) -> None:
        before = schedule("UTC", layer(ANA))
        after = schedule("UTC", layer(ANA, position=5), layer(BEN))
        assert difference(before, after, at("2026-02-01 00:00"), at("2026-03-01 00:00")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 0}, "at least one"),
        ({"unit": "year"}, "counted in hour, day, week, month"),
        ({"anchor": at("2026-01-01 09:00")}, "anchor is local time"),
        ({"anchor": datetime(2026, 1, 1, 9, 0, 0, 1)}, "whole seconds"),
        ({"ends_at": datetime(2026, 1, 1)}, "instants"),
    ],
)
def test_impossible_layer_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        replace(layer(ANA), **change)  # type: ignore[arg-type]  # wrong on purpose


def test_impossible_override_and_schedule_are_refused() -> None:
    with pytest.raises(Invalid, match="ends after it starts"):
        override(1, ANA, "2026-01-01 09:00", "2026-01-01 09:00")
    with pytest.raises(Invalid, match="instants"):
        Override(1, ANA, datetime(2026, 1, 1), datetime(2026, 1, 2))
    with pytest.raises(Invalid, match="unknown time zone"):
        schedule("Mars/Olympus")
    with pytest.raises(ValueError, match="instant needs a zone"):
        who(schedule("UTC", layer(ANA)), datetime(2026, 1, 1))
