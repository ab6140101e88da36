"""Cron lines: what is allowed, when they fall due next, and the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app import hours
from app.errors import Invalid
from app.hours import cron

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia")
instants = st.datetimes(datetime(2005, 1, 1), datetime(2035, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


def test_lines_that_cannot_be_right_say_where():
    for line, said in {
        "": "five fields",
        "* * * *": "five fields",
        "* * * * * *": "five fields",
        "60 * * * *": "minute is 0 to 59",
        "* 24 * * *": "hour is 0 to 23",
        "* * 0 * *": "day of month is 1 to 31",
        "* * * 13 *": "month is 1 to 12",
        "* * * * 8": "day of week is 0 to 7",
        "5-1 * * * *": "not '5-1'",
        "*/0 * * * *": "step",
        "1,, * * * *": "minute",
        "* * * * xyz": "day of week",
        "٣ * * * *": "minute",
        "0 0 31 2,4,6 *": "never",
        "@reboot": "five fields",
        "* " * 400: "five fields",
    }.items():
        with pytest.raises(Invalid, match=said):
            cron.parse(line)


@given(st.text(max_size=40) | st.from_regex(r"[0-9*/,\-a-z]{1,8}( [0-9*/,\-a-z]{1,8}){4}", fullmatch=True))
def test_any_text_is_a_line_or_refused(line):
    try:
        cron.parse(line)
    except Invalid:
        return
    cron.next_after(line, "Europe/Berlin", datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("line", "after", "expected"),
    [
        ("0 2 * * *", "2026-11-22T01:59:59", "2026-11-22T02:00"),
        ("0 2 * * *", "2026-11-22T02:00:00", "2026-11-23T02:00"),
        ("*/15 9-17 * * mon-fri", "2026-11-20T17:45", "2026-11-23T09:00"),
        ("0 0 1 jan,jul *", "2026-01-01T00:00", "2026-07-01T00:00"),
        ("0 12 13 * fri", "2026-11-22T00:00", "2026-11-27T12:00"),  # either day, as Vixie cron has it
        ("0 12 */2 * fri", "2026-11-22T00:00", "2026-11-27T12:00"),  # both: a step of * is no restriction by itself
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 * * 7", "2026-11-22T00:00", "2026-11-29T00:00"),
        ("30/20 * * * *", "2026-11-22T00:31", "2026-11-22T00:50"),
        ("@hourly", "2026-12-31T23:30", "2027-01-01T00:00"),
        ("@weekly", "2026-11-22T00:00", "2026-11-29T00:00"),
    ],
)
def test_next_in_utc(line, after, expected):
    at = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert cron.next_after(line, "UTC", at) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def runs(line: str, zone: str, start: datetime, count: int) -> list[str]:
    found, at = [], start
    for _ in range(count):
        at = cron.next_after(line, zone, at)
        found.append(f"{at.astimezone(ZoneInfo(zone)):%d %H:%M%z}")
    return found


def test_a_skipped_hour_runs_at_the_first_valid_instant():
    """Berlin, 29 March 2026: 02:00 to 03:00 does not exist."""
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert runs("30 2 * * *", "Europe/Berlin", before, 2) == ["29 03:00+0200", "30 02:30+0200"]
    several = runs("*/20 * * * *", "Europe/Berlin", datetime(2026, 3, 29, 0, 30, tzinfo=UTC), 3)
    assert several == ["29 01:40+0100", "29 03:00+0200", "29 03:20+0200"], "a run that is due twice at once runs once"


def test_an_ambiguous_hour_runs_once():
    """Berlin, 25 October 2026: 02:00 to 03:00 comes twice."""
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert runs("30 2 * * *", "Europe/Berlin", before, 2) == ["25 02:30+0200", "26 02:30+0100"]


lines = st.tuples(
    st.sampled_from(["*", "0", "30", "*/7", "5,50", "10-20/3"]),
    st.sampled_from(["*", "2", "0-3", "*/5", "23"]),
    st.sampled_from(["*", "1", "15,31", "*/10"]),
    st.sampled_from(["*", "3,10", "1-6"]),
    st.sampled_from(["*", "0", "mon-fri", "sun"]),
).map(" ".join)


@given(lines, st.sampled_from(ZONES), instants)
def test_the_next_run_lies_ahead_and_what_lies_between_is_none(line, zone, at):
    first = cron.next_after(line, zone, at)
    assert first > at
    assert cron.next_after(line, zone, first - timedelta(seconds=1)) == first
    between = at + (first - at) / 2
    assume(between < first)
    assert cron.next_after(line, zone, between) == first


@given(lines, st.sampled_from(ZONES), instants)
def test_a_run_is_when_the_clocks_first_show_its_minute_or_later(line, zone, at):
    first, where, parsed = cron.next_after(line, zone, at), hours.zone(zone), cron.parse(line)
    shown = hours.wall_time(hours.reached(hours.utc_second(first), where))
    candidates = (shown.replace(second=0, microsecond=0) - timedelta(minutes=n) for n in range(24 * 60 + 61))
    allowed = (
        w for w in candidates if w.minute in parsed.minutes and w.hour in parsed.hours and parsed.falls_on(w.date())
    )
    wall = next(allowed)
    assert hours.instant(wall, where) == first, "the latest minute of the line that the clocks have shown is this run"


@given(st.sampled_from(ZONES), st.integers(2006, 2034))
def test_a_daily_run_runs_once_on_every_day_that_there_is(zone, year):
    at = datetime(year, 1, 1, 12, tzinfo=UTC)
    days = []
    for _ in range(400):
        at = cron.next_after("30 2 * * *", zone, at)
        days.append(at.astimezone(ZoneInfo(zone)).date())
    missing = {days[0] + timedelta(days=n) for n in range((days[-1] - days[0]).days)} - set(days)
    assert missing <= {datetime(2011, 12, 30).date()}, "Samoa had no such day"
    assert len(set(days)) == 400 - len(missing), "the run of a day that is skipped falls on the first minute after it"
