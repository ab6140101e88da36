"""Two runs of a simulation, compared."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from app.rehearsal import compared

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def page(user: str, at: datetime, zone: str) -> Any:
    return SimpleNamespace(user=user, name=user.capitalize(), at=at, zone=zone)


def occurrence(key: str, **changed: Any) -> Any:
    row = {
        "integration": "prom",
        "dedup_key": key,
        "starts_at": NOON,
        "title": f"Title of {key}",
        "service": "checkout",
        "suppressed": None,
        "routed": None,
        "incident_id": key,
        "priority": 2,
        "verdict": {"inputs": [{"what": "impact", "value": 1, "because": "it matters"}]},
        "opens": True,
        "opened_by": key,
    }
    return SimpleNamespace(**(row | changed))


def test_nights_are_those_of_whoever_is_paged() -> None:
    pages = [
        page("ana", NOON, "Asia/Tokyo"),  # 21:00
        page("ana", NOON.replace(hour=13), "Asia/Tokyo"),  # 22:00
        page("ben", NOON.replace(hour=21, minute=59), "Asia/Tokyo"),  # 6:59
        page("ben", NOON.replace(hour=22), "Asia/Tokyo"),  # 7:00
    ]
    totals = compared.ran([], pages).totals
    assert [(p.user, p.pages, p.by_night) for p in totals.by_person] == [("ana", 2, 1), ("ben", 2, 1)]
    assert (totals.pages, totals.by_night) == (4, 2)


def test_incidents_are_counted_once_and_by_their_priority() -> None:
    joined = occurrence("b", incident_id="a", opens=False, opened_by="a")
    quiet = occurrence("c", incident_id=None, priority=None, verdict=None, suppressed={"by": "silence", "name": "x"})
    totals = compared.ran([occurrence("a"), joined, quiet, occurrence("d", priority=4)], []).totals
    assert (totals.incidents, totals.suppressed, totals.by_priority) == (2, 1, {"P2": 1, "P4": 1})


def test_a_rule_that_suppresses_gives_its_reason_once() -> None:
    said = {"because": "it is a test"}
    quiet = occurrence(
        "a", verdict=None, routed={"rules": [said]}, suppressed={"by": "routing rule", "name": "t"} | said
    )
    assert [verdict.because for verdict in compared.ran([quiet], []).verdicts.values()] == [("it is a test",)]


def test_what_came_to_something_else_is_told_with_both_reasons() -> None:
    routed = {"rules": [{"because": "a rule says so"}]}
    suppressed = {"by": "routing rule", "name": "tests", "because": "it is a test"}
    before = compared.ran([occurrence("a"), occurrence("same"), occurrence("b")], [])
    quiet = occurrence("a", incident_id=None, priority=None, verdict=None, routed=routed, suppressed=suppressed)
    joins = occurrence("b", incident_id="same", opens=False, opened_by="same")
    after = compared.ran([quiet, occurrence("same"), joins, occurrence("new")], [])
    first, second, third = compared.differences(before, after)
    assert (first.title, first.before and first.before.incident) == ("Title of a", "opened")
    assert first.before is not None
    assert first.before.because == ("impact 1: it matters",)
    assert first.after is not None
    assert (first.after.suppressed, first.after.because) == (
        "routing rule tests",
        ("a rule says so", "it is a test"),
    )
    assert second.after is not None
    assert second.after.incident == "joined that of same"
    assert (third.dedup_key, third.before) == ("new", None)


def test_another_reason_for_the_same_is_no_difference() -> None:
    other = occurrence("a", verdict={"inputs": [{"what": "impact", "value": 1, "because": "another rule"}]})
    assert compared.differences(compared.ran([occurrence("a")], []), compared.ran([other], [])) == []
