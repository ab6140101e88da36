"""Repetition against dateutil, which is another implementation of the same standard."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from dateutil.rrule import rrulestr
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from app.calendars.recurrence import Budget, TooMuch, occurrences, rule

DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def lists(low: int, high: int, *, negative: bool = False) -> st.SearchStrategy[str]:
    values = st.integers(low, high)
    signed = values | values.map(lambda n: -n) if negative else values
    return st.lists(signed, min_size=1, max_size=3, unique=True).map(lambda found: ",".join(map(str, found)))


weekdays = st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True).map(",".join)
ordinals = st.tuples(st.sampled_from(["1", "2", "-1", "4"]), st.sampled_from(DAYS)).map("".join)
PARTS = {
    "HOURLY": {"BYHOUR": lists(0, 23), "BYDAY": weekdays},
    "DAILY": {"BYMONTH": lists(1, 12), "BYDAY": weekdays, "BYMONTHDAY": lists(1, 31, negative=True),
              "BYHOUR": lists(0, 23)},
    "WEEKLY": {"BYDAY": weekdays, "BYMONTH": lists(1, 12), "BYHOUR": lists(0, 23)},
    "MONTHLY": {"BYMONTHDAY": lists(1, 31, negative=True), "BYDAY": weekdays | ordinals, "BYMONTH": lists(1, 12)},
    "YEARLY": {
        "BYMONTH": lists(1, 12), "BYMONTHDAY": lists(1, 31, negative=True), "BYDAY": weekdays | ordinals,
        "BYYEARDAY": lists(1, 366, negative=True), "BYWEEKNO": lists(1, 53, negative=True),
    },
}  # fmt: skip


@st.composite
def rules(draw: st.DrawFn) -> str:
    frequency = draw(st.sampled_from(sorted(PARTS)))
    text = f"FREQ={frequency};INTERVAL={draw(st.integers(1, 4))};WKST={draw(st.sampled_from(DAYS))}"
    chosen = draw(st.lists(st.sampled_from(sorted(PARTS[frequency])), max_size=2, unique=True))
    assume(not {"BYDAY", "BYWEEKNO"} <= set(chosen) or "BYMONTH" not in chosen)
    for name in chosen:
        text += f";{name}={draw(PARTS[frequency][name])}"
    assume("BYWEEKNO" not in chosen or not any(c.isdigit() for c in text.partition("BYDAY=")[2].partition(";")[0]))
    # Of a week alone dateutil makes seven days; RFC 5545 takes what no part says from the start: one.
    assume("BYWEEKNO" not in chosen or {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & set(chosen))
    if chosen and frequency in ("MONTHLY", "WEEKLY") and draw(st.booleans()):
        text += f";BYSETPOS={draw(st.sampled_from(['1', '-1', '2']))}"
    if draw(st.booleans()):
        text += f";COUNT={draw(st.integers(1, 30))}"
    return text


def ours(text: str, start: datetime, first: datetime, end: datetime) -> list[datetime]:
    return list(occurrences(rule(text), start, first, end, Budget()))


@given(
    text=rules(),
    start=st.datetimes(datetime(2020, 1, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(microsecond=0)),
    skipped=st.integers(0, 1500),
    days=st.integers(1, 500),
)
def test_as_dateutil_has_it(text: str, start: datetime, skipped: int, days: int) -> None:
    """With the start itself first, which dateutil leaves out when it does not meet the rule."""
    if (
        "FREQ=WEEKLY" in text and "BYSETPOS" in text
    ):  # dateutil counts places from the start's day on, RFC 5545 the week's
        start -= timedelta(days=(start.weekday() - DAYS.index(text.partition("WKST=")[2][:2])) % 7)
    first = start + timedelta(days=skipped)
    end = first + timedelta(days=days)
    bare, _, count = text.partition(";COUNT=")
    expected: list[datetime] = [start]
    try:
        theirs = rrulestr(bare, dtstart=start)
    except ValueError:  # it refuses what no time meets, which `test_what_is_met_by_no_time_ends` is about
        reject()
    for at in theirs.xafter(start, inc=False):
        if at >= end or (count and len(expected) >= int(count)):
            break
        expected.append(at)
    assert ours(text, start, first, end) == [at for at in expected if first <= at < end]


@given(text=rules(), start=st.datetimes(datetime(2020, 1, 1), datetime(2026, 12, 31)), cut=st.integers(1, 399))
def test_a_window_may_be_cut_anywhere(text: str, start: datetime, cut: int) -> None:
    first, end = start, start + timedelta(days=400)
    middle = first + timedelta(days=cut)
    assert ours(text, start, first, middle) + ours(text, start, middle, end) == ours(text, start, first, end)


@pytest.mark.parametrize(
    "text",
    [
        "FREQ=HOURLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=DAILY;COUNT=5;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=YEARLY;BYWEEKNO=53;BYMONTH=6",
    ],
)
def test_what_is_met_by_no_time_ends(text: str) -> None:
    assert ours(text, datetime(2000, 1, 1), datetime(2000, 1, 2), datetime(2027, 1, 1)) == []


def test_the_budget_is_shared_and_spent() -> None:
    start, end = datetime(2026, 1, 1), datetime(2027, 1, 1)
    budget = Budget(work=800)
    for _ in range(2):
        list(occurrences(rule("FREQ=DAILY;BYHOUR=1"), start, start, end, budget))
    with pytest.raises(TooMuch, match="too long to work out"):
        list(occurrences(rule("FREQ=DAILY;BYHOUR=1"), start, start, end, budget))
    with pytest.raises(TooMuch, match="too many entries"):
        list(occurrences(rule("FREQ=DAILY"), start, start, end, Budget(instances=100)))


def test_places_in_a_week_are_counted_from_its_first_day() -> None:
    """RFC 5545: BYSETPOS takes from all of an interval, also when the start is in the middle of it."""
    wednesday = datetime(2020, 1, 1)
    found = ours("FREQ=WEEKLY;WKST=MO;BYDAY=MO,TH;BYSETPOS=1", wednesday, wednesday, datetime(2020, 1, 14))
    assert found == [wednesday, datetime(2020, 1, 6), datetime(2020, 1, 13)]
