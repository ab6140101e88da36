"""A schedule of ours in PagerDuty's shape, imported again, has the same people on call all the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st
from moving_town import schedule, source, users

from app import hours
from app.hours import Span
from app.moving import pagerduty
from app.moving.comparing import compare, shifts_of
from app.oncall.schedule_document import LayerDocument, ScheduleDocument

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Santiago", "UTC")
T0 = datetime(2026, 1, 15, tzinfo=UTC)
T1 = T0 + timedelta(days=300)
KEYS = {"PA": "ana", "PB": "ben", "PC": "cara", "PD": "dan"}


@st.composite
def spans(draw: st.DrawFn) -> list[dict[str, object]]:
    starts = draw(st.lists(st.integers(0, 335), max_size=4, unique=True))
    found = [Span(start * 30, start * 30 + draw(st.integers(1, 96)) * 30) for start in starts]
    return hours.spans_json(tuple(sorted(found)))


@st.composite
def layers(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Handoffs lie outside the hours in which clocks change: a local time that is shown twice has no one offset."""
    day, hour = draw(st.integers(0, 200)), draw(st.integers(5, 21))
    anchor = datetime(2025, 8, 1, hour, draw(st.sampled_from((0, 30)))) + timedelta(days=day)
    made: dict[str, Any] = {
        "name": f"Layer {number}",
        "unit": draw(st.sampled_from(("day", "week"))),
        "length": draw(st.integers(1, 3)),
        "anchor": anchor.strftime("%Y-%m-%dT%H:%M"),
        "members": [[key] for key in draw(st.lists(st.sampled_from(sorted(KEYS.values())), min_size=1, max_size=5))],
        "restrictions": draw(spans()),
    }
    bounds = draw(st.sampled_from(((), ("starts_at",), ("ends_at",), ("starts_at", "ends_at"))))
    instants = {"starts_at": "2026-02-17T11:30:00Z", "ends_at": "2026-09-03T05:00:00Z"}
    return made | {name: instants[name] for name in bounds}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    count = draw(st.integers(1, 3))
    own = [draw(layers(n)) for n in range(1, count + 1)]
    return {"key": "primary", "name": "Primary", "time_zone": draw(st.sampled_from(ZONES)), "layers": own}


def as_pagerduty(entry: dict[str, Any]) -> dict[str, Any]:
    document = ScheduleDocument.model_validate(entry)
    zone = hours.zone(document.time_zone)
    own = [_layer(layer, zone) for layer in reversed(document.layers)]
    ids = {key: id_ for id_, key in KEYS.items()}
    final = [
        {"start": s.isoformat(), "end": e.isoformat(), "user": {"id": ids[user]}}
        for user, intervals in shifts_of(entry, [], T0, T1).items()
        for s, e in intervals
    ]
    return schedule(document.time_zone, *own, final_schedule={"rendered_schedule_entries": final})


def _layer(layer: LayerDocument, zone: ZoneInfo) -> dict[str, Any]:
    begins = hours.instant(layer.anchor, zone)
    starts_at = max(begins, layer.starts_at or begins)
    unit = {"day": 86_400, "week": 604_800}[layer.unit]
    ids = {key: id_ for id_, key in KEYS.items()}
    restrictions = [
        {
            "type": "weekly_restriction",
            "start_day_of_week": span.from_minute // 1440 + 1,
            "start_time_of_day": f"{span.from_minute % 1440 // 60:02}:{span.from_minute % 60:02}:00",
            "duration_seconds": (span.to_minute - span.from_minute) * 60,
        }
        for span in hours.parse_spans([r.model_dump() for r in layer.restrictions])
    ]
    return {
        "name": layer.name,
        "start": starts_at.astimezone(zone).isoformat(),
        "end": layer.ends_at.isoformat() if layer.ends_at else None,
        "rotation_virtual_start": begins.astimezone(zone).isoformat(),
        "rotation_turn_length_seconds": unit * layer.length,
        "users": [{"user": {"id": ids[turn[0]]}} for turn in layer.members],
        "restrictions": restrictions,
    }


@given(documents())
@settings(max_examples=80)
def test_a_schedule_of_ours_comes_back_with_the_same_shifts(entry: dict[str, Any]):
    moved = pagerduty.read([source(users()), source(as_pagerduty(entry))], {})
    [made] = moved.document["schedules"]
    assert shifts_of(made, [], T0, T1) == shifts_of(entry, [], T0, T1)
    assert all((c.equal, c.differences) == (c.total, ()) for c in compare(moved))
    again = pagerduty.read([source(as_pagerduty(entry)), source(users())], {})
    assert again.document == moved.document
