"""PagerDuty's shift-based schedules: events that recur, and whose turn each occurrence is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from moving_town import notices, source, users

from app.configuration import document
from app.moving import pagerduty
from app.moving.comparing import shifts_of
from app.moving.moved import Moved

CONTRACT = Path(__file__).resolve().parent.parent / "payloads" / "moving" / "pagerduty" / "rest-export-examples.json"
NEW_YORK = ZoneInfo("America/New_York")
FIRST = datetime(2026, 3, 2, 9, 0)
"""A Monday; the clocks of New York change on the Sunday after it."""


def event(rule: str, hours: float, *members: str, first: datetime = FIRST, **more: Any) -> dict[str, Any]:
    """From 9 o'clock in New York on."""

    def at(local: datetime) -> dict[str, str]:
        instant = local.replace(tzinfo=NEW_YORK).astimezone(UTC)
        return {"date_time": instant.strftime("%Y-%m-%dT%H:%M:%SZ"), "time_zone": "America/New_York"}

    turns = {"type": "rotating_member_assignment_strategy", "shifts_per_member": 1,
             "members": [{"type": "user_member", "user_id": m} for m in members]}  # fmt: skip
    made = {"name": "Primary", "start_time": at(first), "end_time": at(first + timedelta(hours=hours)),
            "recurrence": [f"RRULE:{rule}"] if rule else [], "assignment_strategy": turns}  # fmt: skip
    return made | more


def read(*events: dict[str, Any]) -> Moved:
    value = {"id": "PV3", "name": "New", "time_zone": "America/New_York", "rotations": [{"events": list(events)}]}
    moved = pagerduty.read([source(users()), source({"schedule": value})], {})
    document.parse(moved.document)
    return moved


def on_call(moved: Moved, local: datetime) -> list[str]:
    at = local.replace(tzinfo=NEW_YORK).astimezone(UTC)
    [schedule] = moved.document["schedules"]
    return sorted(shifts_of(schedule, [], at, at + timedelta(minutes=1)))


def test_the_example_of_the_contract() -> None:
    example = json.loads(CONTRACT.read_text())["schedule_v3"]["event"]
    people = {"users": [{"id": id_, "name": id_, "email": f"{id_}@example.org"} for id_ in ("PUSER123", "PUSER456")]}
    value = {"id": "PV3", "name": "New", "time_zone": "America/New_York", "rotations": [{"events": [example]}]}
    moved = pagerduty.read([source(people), source({"schedule": value})], {})
    document.parse(moved.document)
    assert notices(moved, "left_out") == []
    begins = datetime(2025, 3, 3, 9, tzinfo=UTC).astimezone(NEW_YORK).replace(tzinfo=None)
    for week in range(8):
        at = begins + timedelta(weeks=week)
        who = ["puser123", "puser456"][week % 2]
        assert on_call(moved, at) == on_call(moved, at + timedelta(days=6, hours=23)) == [who], f"week {week}"
    assert on_call(moved, begins - timedelta(minutes=1)) == []


def test_weeks_by_the_clock_on_the_wall_each_member_so_many_shifts() -> None:
    twice = event("FREQ=WEEKLY", 168, "PA", "PB")
    twice["assignment_strategy"]["shifts_per_member"] = 2
    moved = read(twice)
    found = [on_call(moved, FIRST + timedelta(weeks=week)) for week in range(6)]
    assert found == [["ana"], ["ana"], ["ben"], ["ben"], ["ana"], ["ana"]]
    assert on_call(moved, datetime(2026, 3, 9, 8, 59)) == ["ana"]


def test_an_occurrence_a_day_on_weekdays_turns_over_the_weekend() -> None:
    moved = read(event("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", 8, "PA", "PB", "PC"))
    days = [day for day in range(28) if (FIRST + timedelta(days=day)).weekday() < 5]
    for n, day in enumerate(days):
        at = FIRST + timedelta(days=day)
        assert on_call(moved, at) == [["ana"], ["ben"], ["cara"]][n % 3], at
        assert on_call(moved, at + timedelta(hours=8)) == [], "8 hours only"
    assert on_call(moved, FIRST + timedelta(days=5)) == [], "Saturday"


def test_a_day_of_the_week_that_the_first_one_is_not() -> None:
    moved = read(event("FREQ=DAILY;BYDAY=WE", 8, "PA", "PB"))
    assert on_call(moved, FIRST) == []
    assert [on_call(moved, FIRST + timedelta(days=2 + 7 * week)) for week in range(3)] == [["ana"], ["ben"], ["ana"]]


def test_it_ends_when_it_says_and_when_it_no_longer_counts() -> None:
    until = read(event("FREQ=DAILY;UNTIL=20260304T235959Z", 8, "PA", "PB"))
    assert [on_call(until, FIRST + timedelta(days=day)) for day in range(4)] == [["ana"], ["ben"], ["ana"], []]
    counted = read(event("FREQ=DAILY;COUNT=2", 8, "PA"))
    assert [on_call(counted, FIRST + timedelta(days=day)) for day in range(3)] == [["ana"], ["ana"], []]
    window = {"effective_since": "2026-03-04T00:00:00Z", "effective_until": "2026-03-06T00:00:00Z"}
    counts = read(event("FREQ=DAILY", 8, "PA", **window))
    assert [on_call(counts, FIRST + timedelta(days=day)) for day in range(5)] == [[], [], ["ana"], ["ana"], []]


def test_once_everybody_and_several_rotations_are_on_call_together() -> None:
    together = event("FREQ=DAILY", 8, "PA", "PB")
    together["assignment_strategy"]["type"] = "every_member_assignment_strategy"
    moved = read(together, event("", 4, "PC"))
    assert on_call(moved, FIRST) == ["ana", "ben", "cara"]
    assert on_call(moved, FIRST + timedelta(days=1)) == ["ana", "ben"]
    assert notices(moved, "changed") == ["rotations of schedule New"]


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("FREQ=MONTHLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAY=MO,TU;INTERVAL=2", "every few weeks on several days"),
        ("FREQ=YEARLY", "no frequency YEARLY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "1MO"),
        ("FREQ=DAILY;UNTIL=soon", "until SOON"),
    ],
)
def test_what_has_no_equal_is_said_and_is_a_gap(rule: str, why: str) -> None:
    moved = read(event(rule, 8, "PA"))
    [notice, nothing] = [n for n in moved.notices if n.kind == "left_out"]
    assert why in notice.why
    assert "gap" in notice.instead
    assert "no event" in nothing.why
    assert moved.document["schedules"][0]["layers"] == []
