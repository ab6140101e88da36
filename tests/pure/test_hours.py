"""Wall clock and instants on the nights that hurt (behaviour.md 9)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from app import hours
from app.errors import Invalid
from app.hours import Span, WeeklyHours

BERLIN = hours.zone("Europe/Berlin")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "local", "expected"),
    [
        pytest.param("Europe/Berlin", "2026-01-15 09:00", "2026-01-15 08:00", id="Berlin winter"),
        pytest.param("Europe/Berlin", "2026-07-15 09:00", "2026-07-15 07:00", id="Berlin summer"),
        pytest.param("Europe/Berlin", "2026-03-29 02:30", "2026-03-29 01:00", id="Berlin skipped: 03:00 CEST"),
        pytest.param("Europe/Berlin", "2026-03-29 02:00", "2026-03-29 01:00", id="Berlin first skipped minute"),
        pytest.param("Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29 00:59:59", id="Berlin last before the gap"),
        pytest.param("Europe/Berlin", "2026-10-25 02:30", "2026-10-25 00:30", id="Berlin repeated: the first"),
        pytest.param("Europe/Berlin", "2026-10-25 02:00", "2026-10-25 00:00", id="Berlin first repeated minute"),
        pytest.param("Europe/Berlin", "2026-10-25 03:00", "2026-10-25 02:00", id="Berlin after both"),
        pytest.param("America/New_York", "2026-03-08 02:15", "2026-03-08 07:00", id="New York skipped: 03:00 EDT"),
        pytest.param("America/New_York", "2026-11-01 01:15", "2026-11-01 05:15", id="New York repeated: EDT"),
        pytest.param("Australia/Lord_Howe", "2026-10-04 02:10", "2026-10-03 15:30", id="Lord Howe skips 30 minutes"),
        pytest.param("Australia/Lord_Howe", "2026-04-05 01:40", "2026-04-04 14:40", id="Lord Howe repeats 30 minutes"),
        pytest.param("Asia/Kolkata", "2026-03-29 02:30", "2026-03-28 21:00", id="Kolkata never changes"),
        pytest.param("Pacific/Apia", "2011-12-30 12:00", "2011-12-30 10:00", id="Apia skipped this whole day"),
        pytest.param(
            "Africa/Casablanca", "2026-02-15 02:30", "2026-02-15 01:30", id="Casablanca enters Ramadan: first"
        ),
        pytest.param("Africa/Casablanca", "2026-03-22 02:30", "2026-03-22 02:00", id="Casablanca leaves Ramadan"),
        pytest.param("America/Sao_Paulo", "2018-11-04 00:00", "2018-11-04 03:00", id="Sao Paulo skipped midnight"),
        pytest.param("America/Sao_Paulo", "2018-02-17 23:30", "2018-02-18 01:30", id="Sao Paulo repeated 23:30"),
    ],
)
def test_local_time_stands_for_first_instant_that_shows_it_or_later(name: str, local: str, expected: str) -> None:
    assert hours.instant(datetime.fromisoformat(local), hours.zone(name)) == at(expected)


@pytest.mark.parametrize(
    ("local", "now", "expected"),
    [
        pytest.param("2026-10-25 02:45", "2026-10-25 00:10", "2026-10-25 00:45", id="02:10 CEST: the first 02:45"),
        pytest.param("2026-10-25 02:45", "2026-10-25 01:10", "2026-10-25 01:45", id="02:10 CET: the second 02:45"),
        pytest.param("2026-10-25 02:05", "2026-10-25 01:10", "2026-10-25 01:05", id="both are past"),
        pytest.param("2026-10-25 03:30", "2026-10-25 01:10", "2026-10-25 02:30", id="after both"),
        pytest.param("2026-10-25 01:30", "2026-10-25 01:10", "2026-10-24 23:30", id="past, and only once"),
        pytest.param("2026-03-29 02:30", "2026-03-29 00:50", "2026-03-29 01:00", id="skipped"),
    ],
)
def test_an_end_named_in_the_repeated_hour_is_what_is_to_come(local: str, now: str, expected: str) -> None:
    assert hours.ahead(datetime.fromisoformat(local), BERLIN, at(now)) == at(expected)


@pytest.mark.parametrize(
    ("local", "said"),
    [
        ("2026-03-29 01:59", ""),
        (
            "2026-03-29 02:30",
            "2026-03-29 02:30 does not exist in Europe/Berlin, where clocks are put forward then: 03:00 CEST is taken"
            " in its place",
        ),
        ("2026-03-29 03:00", ""),
        (
            "2026-10-25 02:30",
            "2026-10-25 02:30 comes twice in Europe/Berlin, where clocks are put back then: the first one is taken"
            " (CEST, 2026-10-25T02:30+02:00); the second is 2026-10-25T02:30+01:00",
        ),
        ("2026-10-25 03:00", ""),
    ],
)
def test_what_became_of_an_awkward_local_time_is_said(local: str, said: str) -> None:
    assert hours.doubt(datetime.fromisoformat(local), hours.zone("Europe/Berlin")) == said


def test_instant_is_in_utc_and_ignores_fold() -> None:
    second_half_past_two = datetime(2026, 10, 25, 2, 30, fold=1)
    assert hours.instant(second_half_past_two, BERLIN).isoformat() == "2026-10-25T00:30:00+00:00"


def test_naive_and_aware_are_not_mixed_up() -> None:
    with pytest.raises(ValueError, match="local time has no zone"):
        hours.instant(at("2026-01-01 09:00"), BERLIN)
    for ask in (lambda t: hours.local(t, BERLIN), hours.utc_second, lambda t: hours.within(WEEKDAYS, t)):
        with pytest.raises(ValueError, match="instant needs a zone"):
            ask(datetime(2026, 1, 1, 9))


def test_local_shows_the_clock() -> None:
    shown = hours.local(at("2026-10-25 01:30"), BERLIN)
    assert (shown.isoformat(), shown.fold) == ("2026-10-25T02:30:00+01:00", 1)


@pytest.mark.parametrize(
    ("name", "day", "expected"),
    [
        ("Europe/Berlin", "2026-07-15", "2026-07-14 22:00"),
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04 03:00"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30 10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30 10:00"),
        ("America/Havana", "2026-11-01", "2026-11-01 04:00"),
    ],
)
def test_day_start(name: str, day: str, expected: str) -> None:
    assert hours.day_start(date.fromisoformat(day), hours.zone(name)) == at(expected)


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        pytest.param("2026-10-25 00:59:59", "2026-10-25 02:59:59", id="end of the first pass"),
        pytest.param("2026-10-25 01:00:00", "2026-10-25 02:59:59", id="clock shows 02:00 again"),
        pytest.param("2026-10-25 01:59:59", "2026-10-25 02:59:59", id="end of the second pass"),
        pytest.param("2026-10-25 02:00:00", "2026-10-25 03:00:00", id="new time"),
        pytest.param("2026-03-29 00:59:59", "2026-03-29 01:59:59", id="before the gap"),
        pytest.param("2026-03-29 01:00:00", "2026-03-29 03:00:00", id="after the gap"),
    ],
)
def test_reached_never_goes_back(instant: str, shown: str) -> None:
    wall = hours.reached(hours.utc_second(at(instant)), BERLIN)
    assert hours.wall_time(wall) == datetime.fromisoformat(shown)


@pytest.mark.parametrize("name", ["", "Berlin", "CEST+1", "America", "../etc/passwd", "right/UTC", "localtime", "a\0b"])
def test_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid, match="unknown time zone") as refusal:
        hours.zone(name)
    assert refusal.value.code == "unknown_time_zone"


@pytest.mark.parametrize(
    ("name", "meant"), [("europe/berlin", "Europe/Berlin"), ("America/NewYork", "America/New_York")]
)
def test_unknown_zone_suggests_the_one_that_was_meant(name: str, meant: str) -> None:
    with pytest.raises(Invalid, match=f"did you mean {meant}"):
        hours.zone(name)


WEEKDAYS = hours.parse_hours(
    {
        "time_zone": "Europe/Berlin",
        "spans": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}],
    }
)
NIGHTS = hours.parse_hours(
    {"time_zone": "Europe/Berlin", "spans": [{"days": ["sat", "sun"], "from": "22:00", "to": "06:00"}]}
)
EARLY_SUNDAY = hours.parse_hours(
    {"time_zone": "Europe/Berlin", "spans": [{"days": ["sun"], "from": "02:00", "to": "03:00"}]}
)


@pytest.mark.parametrize(
    ("hours_", "instant", "expected"),
    [
        pytest.param(WEEKDAYS, "2026-07-15 06:59:59", False, id="before nine"),
        pytest.param(WEEKDAYS, "2026-07-15 07:00:00", True, id="nine is in"),
        pytest.param(WEEKDAYS, "2026-07-15 14:59:59", True, id="before five"),
        pytest.param(WEEKDAYS, "2026-07-15 15:00:00", False, id="five is out"),
        pytest.param(WEEKDAYS, "2026-07-18 10:00:00", False, id="Saturday"),
        pytest.param(NIGHTS, "2026-07-19 20:00:00", True, id="Sunday 22:00"),
        pytest.param(NIGHTS, "2026-07-20 03:59:59", True, id="over the end of the week to Monday"),
        pytest.param(NIGHTS, "2026-07-20 04:00:00", False, id="Monday 06:00"),
        pytest.param(NIGHTS, "2026-07-20 20:00:00", False, id="Monday 22:00"),
        pytest.param(WeeklyHours("Europe/Berlin"), "2026-07-20 20:00:00", True, id="no spans: always"),
        pytest.param(None, "2026-07-20 20:00:00", True, id="no hours: always"),
    ],
)
def test_within(hours_: WeeklyHours | None, instant: str, expected: bool) -> None:
    assert hours.within(hours_, at(instant)) is expected


@pytest.mark.parametrize(
    ("hours_", "instant", "expected"),
    [
        pytest.param(WEEKDAYS, "2026-07-15 08:00", "2026-07-15 08:00", id="open now"),
        pytest.param(WEEKDAYS, "2026-07-15 15:00", "2026-07-16 07:00", id="tomorrow"),
        pytest.param(WEEKDAYS, "2026-03-27 20:00", "2026-03-30 07:00", id="Monday, on summer time by then"),
        pytest.param(NIGHTS, "2026-07-20 04:00", "2026-07-25 20:00", id="next Saturday"),
        pytest.param(EARLY_SUNDAY, "2026-03-29 00:00", "2026-04-05 00:00", id="the whole span was skipped"),
        pytest.param(WeeklyHours("Europe/Berlin"), "2026-07-20 20:00", "2026-07-20 20:00", id="always"),
        pytest.param(None, "2026-07-20 20:00", "2026-07-20 20:00", id="no hours"),
    ],
)
def test_next_open(hours_: WeeklyHours | None, instant: str, expected: str) -> None:
    assert hours.next_open(hours_, at(instant)) == at(expected)


@pytest.mark.parametrize(
    ("hours_", "instant", "open_hours", "expected"),
    [
        pytest.param(WEEKDAYS, "2026-07-15 07:00", 8, "2026-07-15 15:00", id="a working day ends at its end"),
        pytest.param(WEEKDAYS, "2026-07-15 13:00", 8, "2026-07-16 13:00", id="two today, six tomorrow"),
        pytest.param(WEEKDAYS, "2026-07-17 14:00", 8, "2026-07-20 14:00", id="over the weekend"),
        pytest.param(WEEKDAYS, "2026-07-18 10:00", 8, "2026-07-20 15:00", id="from a Saturday"),
        pytest.param(WEEKDAYS, "2026-07-13 07:00", 41, "2026-07-20 08:00", id="more than a week"),
        pytest.param(NIGHTS, "2026-10-24 20:00", 9, "2026-10-25 05:00", id="a night of nine hours"),
        pytest.param(NIGHTS, "2026-03-28 21:00", 8, "2026-03-29 21:00", id="a night of seven, one more"),
        pytest.param(EARLY_SUNDAY, "2026-10-24 20:00", 2, "2026-10-25 02:00", id="02:00 to 03:00 lasts two hours"),
        pytest.param(WEEKDAYS, "2026-07-18 10:00", 0, "2026-07-18 10:00", id="nothing to wait for"),
        pytest.param(WeeklyHours("UTC"), "2026-07-18 10:00", 8, "2026-07-18 18:00", id="always"),
        pytest.param(None, "2026-07-18 10:00", 8, "2026-07-18 18:00", id="no hours"),
    ],
)
def test_advance_open(hours_: WeeklyHours | None, instant: str, open_hours: int, expected: str) -> None:
    assert hours.advance_open(hours_, at(instant), open_hours * 3600) == at(expected)


def test_advance_open_adds_up() -> None:
    once = hours.advance_open(WEEKDAYS, at("2026-03-27 10:00"), 30 * 3600)
    twice = hours.advance_open(WEEKDAYS, hours.advance_open(WEEKDAYS, at("2026-03-27 10:00"), 11 * 3600), 19 * 3600)
    assert once == twice


def test_parts_of_a_second_are_kept() -> None:
    start = at("2026-07-15 07:00") + timedelta(microseconds=1)
    assert hours.advance_open(WEEKDAYS, start, 60) == start + timedelta(seconds=60)


def test_spans_are_sorted_and_one_per_day() -> None:
    assert NIGHTS.spans == (Span(5 * 1440 + 1320, 6 * 1440 + 360), Span(6 * 1440 + 1320, 7 * 1440 + 360))


@pytest.mark.parametrize(
    "spans",
    [
        [],
        [{"days": ["mon", "sun"], "from": "00:00", "to": "24:00"}],
        [{"days": ["sun"], "from": "22:00", "to": "06:00"}, {"days": ["wed"], "from": "08:00", "to": "00:00"}],
        [{"days": ["tue"], "from": "09:00", "to": "17:00"}, {"days": ["mon", "fri"], "from": "10:30", "to": "11:45"}],
    ],
)
def test_json_there_and_back(spans: list[object]) -> None:
    parsed = hours.parse_hours({"time_zone": "Asia/Kolkata", "spans": spans})
    shape = hours.hours_json(parsed)
    assert hours.parse_hours(shape) == parsed
    assert hours.hours_json(hours.parse_hours(shape)) == shape


def test_json_joins_days_of_equal_times() -> None:
    assert hours.hours_json(WEEKDAYS) == {
        "time_zone": "Europe/Berlin",
        "spans": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}],
    }


def test_a_span_over_a_weekend_is_one_span_in_json() -> None:
    weekend = (Span(4 * 1440 + 1020, 7 * 1440 + 480),)
    shape = [{"from": "fri 17:00", "to": "mon 08:00"}]
    assert hours.spans_json(weekend) == shape
    assert hours.parse_spans(shape) == weekend


@pytest.mark.parametrize(
    ("short", "canonical"),
    [
        ({"from": "fri 17:00", "to": "fri 20:00"}, {"days": ["fri"], "from": "17:00", "to": "20:00"}),
        ({"from": "sun 22:00", "to": "mon 06:00"}, {"days": ["sun"], "from": "22:00", "to": "06:00"}),
        ({"from": "fri 17:00", "to": "mon 00:00"}, {"from": "fri 17:00", "to": "sun 24:00"}),
        ({"from": "tue 24:00", "to": "fri 24:00"}, {"from": "wed 00:00", "to": "fri 24:00"}),
        ({"from": "mon 09:00", "to": "mon 08:00"}, {"from": "mon 09:00", "to": "mon 08:00"}),
        ({"from": "fri 17:00", "to": "sat 17:00"}, {"from": "fri 17:00", "to": "sat 17:00"}),
        ({"from": "fri 00:00", "to": "sat 00:00"}, {"days": ["fri"], "from": "00:00", "to": "24:00"}),
    ],
)
def test_times_of_the_week_have_one_shape(short: dict[str, str], canonical: dict[str, object]) -> None:
    spans = hours.parse_spans([short])
    assert hours.spans_json(spans) == [canonical]
    assert hours.parse_spans([canonical]) == spans


def test_a_whole_week_is_seven_days() -> None:
    assert hours.spans_json((Span(600, 600 + 10_080),)) == [{"days": list(hours.DAYS), "from": "00:00", "to": "24:00"}]


def test_changes_of_clocks_say_what_is_skipped_and_what_comes_twice() -> None:
    spring, autumn = hours.clock_changes(BERLIN, 2026)
    assert (spring.before, spring.after, autumn.before, autumn.after) == (3600, 7200, 7200, 3600)
    assert [hours.wall_time(w) for w in spring.skipped] == [datetime(2026, 3, 29, 2), datetime(2026, 3, 29, 3)]
    assert [hours.wall_time(w) for w in autumn.repeated] == [datetime(2026, 10, 25, 2), datetime(2026, 10, 25, 3)]
    assert spring.repeated[0] == spring.repeated[1]
    assert autumn.skipped[0] == autumn.skipped[1]
    assert hours.clock_changes(hours.zone("UTC"), 2026) == ()


def test_a_time_that_comes_twice_says_which_it_is() -> None:
    first = datetime(2026, 10, 25, 0, 20, tzinfo=UTC)
    shown = [hours.clock(hours.local(first + timedelta(hours=n), BERLIN)) for n in range(-1, 3)]
    assert shown == ["01:20", "02:20 CEST", "02:20 CET", "03:20"]


@pytest.mark.parametrize(
    ("raw", "where", "message"),
    [
        (None, "support_hours", "time_zone"),
        ([], "support_hours", "time_zone"),
        ({"time_zone": "Europe/Berlin"}, "support_hours", "spans"),
        ({"time_zone": "Europe/Berlin", "spans": [], "colour": 1}, "support_hours", "nothing else"),
        ({"time_zone": "Europe/Brelin", "spans": []}, "support_hours.time_zone", "did you mean Europe/Berlin"),
        ({"time_zone": "UTC", "spans": {}}, "support_hours.spans", "list of spans"),
    ],
)
def test_wrong_hours_are_refused_by_name(raw: object, where: str, message: str) -> None:
    with pytest.raises(Invalid, match=message) as refusal:
        hours.parse_hours(raw)
    assert [error["field"] for error in refusal.value.errors] == [where]


GOOD = {"days": ["mon"], "from": "09:00", "to": "17:00"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"days": []}, "days lists"),
        ({"days": ["Mon"]}, "days lists"),
        ({"days": ["mon", "mon"]}, "days lists"),
        ({"days": [["mon"]]}, "days lists"),
        ({"days": "mon"}, "days lists"),
        ({"from": "9:00"}, "from is a time of day"),
        ({"from": "24:00"}, "from 00:00 to 23:59"),
        ({"from": "09:60"}, "from is a time of day"),
        ({"from": 9}, "from is a time of day"),
        ({"to": "24:01"}, "to is a time of day"),
        ({"to": "17:00:00"}, "to is a time of day"),
        ({"to": "١٧:٠٠"}, "to is a time of day"),
        ({"to": "09:00"}, "whole day is 00:00 to 24:00"),
        ({"until": "09:00"}, "nothing else"),
    ],
)
def test_wrong_span_is_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message) as refusal:
        hours.parse_spans([GOOD, GOOD | change], "layers[0].restrictions")
    assert [error["field"] for error in refusal.value.errors] == ["layers[0].restrictions[1]"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"from": "fri 17:00", "to": "08:00"}, "to is a time of the week"),
        ({"from": "friday 17:00", "to": "mon 08:00"}, "from is a time of the week"),
        ({"from": "fri 17:00", "to": "mon 24:01"}, "to is a time of the week"),
        ({"from": "sun 24:00", "to": "mon 00:00"}, "whole week needs no span"),
        ({"from": 1, "to": "mon 00:00"}, "from is a time of the week"),
    ],
)
def test_wrong_times_of_the_week_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(Invalid, match=message):
        hours.parse_spans([wrong])


def test_every_wrong_span_is_named() -> None:
    with pytest.raises(Invalid) as refusal:
        hours.parse_spans([GOOD | {"to": "x"}, GOOD, GOOD | {"days": 1}, 7])
    assert [error["field"] for error in refusal.value.errors] == [f"restrictions[{i}]" for i in (0, 2, 3)]


@pytest.mark.parametrize(("start", "end"), [(-1, 5), (10080, 10081), (5, 5), (6, 5), (0, 10081)])
def test_span_outside_the_week_is_refused(start: int, end: int) -> None:
    with pytest.raises(Invalid):
        Span(start, end)
