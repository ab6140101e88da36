"""Time intervals in Alertmanager's language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import hours
from app.errors import Invalid

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def holds(at: str, **members: Any) -> bool:
    return hours.parse_interval(members).holds(datetime.fromisoformat(at))


@pytest.mark.parametrize(
    ("at", "members", "expected"),
    [
        ("2026-11-23T09:00Z", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, True),
        ("2026-11-23T17:00Z", {"times": [{"start_time": "09:00", "end_time": "17:00"}]}, False),
        ("2026-11-23T23:59Z", {"times": [{"start_time": "20:00", "end_time": "24:00"}]}, True),
        ("2026-11-23T12:00Z", {"weekdays": ["monday:friday"]}, True),
        ("2026-11-22T12:00Z", {"weekdays": ["monday:friday"]}, False),
        ("2026-11-22T12:00Z", {"weekdays": ["saturday", "sunday"]}, True),
        ("2026-11-30T12:00Z", {"days_of_month": ["-1"]}, True),
        ("2026-11-29T12:00Z", {"days_of_month": ["-1"]}, False),
        ("2024-02-29T12:00Z", {"days_of_month": ["-1"]}, True),
        ("2026-11-28T12:00Z", {"days_of_month": ["-3:-1"]}, True),
        ("2026-11-05T12:00Z", {"days_of_month": ["1:5"]}, True),
        ("2026-11-06T12:00Z", {"days_of_month": ["1:5"]}, False),
        ("2026-11-06T12:00Z", {"days_of_month": ["1:-1"]}, True),
        ("2026-02-28T12:00Z", {"days_of_month": ["28:31"]}, True),
        ("2026-02-28T12:00Z", {"days_of_month": ["30:31"]}, False),
        ("2026-11-01T12:00Z", {"days_of_month": ["-31:-31"]}, False),
        ("2026-11-05T12:00Z", {"months": ["january:march", "11"]}, True),
        ("2026-12-05T12:00Z", {"months": ["january:march", "11"]}, False),
        ("2026-12-05T12:00Z", {"years": ["2025:2026"]}, True),
        ("2027-12-05T12:00Z", {"years": ["2025:2026"]}, False),
        ("2026-11-23T23:30Z", {"weekdays": ["tuesday"], "location": "Europe/Berlin"}, True),
        ("2026-11-23T08:30Z", {"times": [{"start_time": "09:00", "end_time": "10:00"}], "location": "Europe/Berlin"},
         True),
        ("2026-11-23T12:00Z", {}, True),
    ],
)  # fmt: skip
def test_when_it_holds(at: str, members: dict[str, Any], expected: bool) -> None:
    assert holds(at, **members) is expected


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"times": [{"start_time": "17:00", "end_time": "09:00"}]}, "i.times[0]"),
        ({"times": [{"start_time": "9:00", "end_time": "17:00"}]}, "i.times[0].start_time"),
        ({"times": [{"start_time": "09:00"}]}, "i.times[0]"),
        ({"times": []}, "i.times"),
        ({"weekdays": ["friday:monday"]}, "i.weekdays[0]"),
        ({"weekdays": ["monday", "funday"]}, "i.weekdays[1]"),
        ({"days_of_month": ["0"]}, "i.days_of_month[0]"),
        ({"days_of_month": ["5:1"]}, "i.days_of_month[0]"),
        ({"days_of_month": ["-1:5"]}, "i.days_of_month[0]"),
        ({"days_of_month": ["-1:-5"]}, "i.days_of_month[0]"),
        ({"months": ["13"]}, "i.months[0]"),
        ({"years": ["two"]}, "i.years[0]"),
        ({"location": "Europe/Berlino"}, "i.location"),
        ({"time": []}, "i.time"),
    ],
)
def test_what_cannot_be(members: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        hours.parse_interval(members, "i")
    assert [e["field"] for e in refused.value.errors] == [field]


def test_the_end_of_a_union() -> None:
    """A night that two intervals make: until midnight, and from midnight on."""
    night = [
        hours.parse_interval({"times": [{"start_time": a, "end_time": b}], "location": "Europe/Berlin"})
        for a, b in (("20:00", "24:00"), ("00:00", "06:00"))
    ]
    at = datetime(2026, 11, 23, 21, 0, tzinfo=UTC)  # 22:00 in Berlin
    assert hours.held_until(night, at) == datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
    assert hours.held_until(night, datetime(2026, 11, 23, 12, 0, tzinfo=UTC)) is None


def test_an_interval_without_end_is_looked_at_again() -> None:
    always = hours.parse_interval({})
    until = hours.held_until([always], MONDAY)
    assert until is not None
    assert timedelta(days=28) < until - MONDAY <= timedelta(days=32)


times = st.tuples(st.integers(0, 1439), st.integers(1, 1440)).filter(lambda t: t[0] < t[1])


@given(
    st.lists(times, min_size=1, max_size=3),
    st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
    st.integers(0, 400 * 24 * 60),
)
def test_it_holds_up_to_its_end_and_not_at_it(spans: list[tuple[int, int]], place: str, minute: int) -> None:
    texts = [{"start_time": f"{a // 60:02}:{a % 60:02}", "end_time": f"{b // 60:02}:{b % 60:02}"} for a, b in spans]
    interval = hours.parse_interval({"times": texts, "location": place})
    at = MONDAY + timedelta(minutes=minute)
    until = hours.held_until([interval], at)
    assert (until is not None) is interval.holds(at)
    if until is not None:
        step = (until - at) / 7
        assert all(interval.holds(at + step * n) for n in range(7))
        assert not interval.holds(until) or until - at >= timedelta(days=28)
