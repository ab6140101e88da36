"""Wall clock -> instants: the only zone arithmetic in the product (behaviour.md 9)."""

from app.hours.intervals import TimeInterval, held_until, parse_interval
from app.hours.spans import DAYS, hours_json, parse_hours, parse_spans, spans_json, week_minute, week_time
from app.hours.weekly import (
    Span,
    Week,
    WeeklyHours,
    advance_open,
    next_close,
    next_open,
    week,
    within,
)
from app.hours.zones import (
    ClockChange,
    clock_changes,
    day_start,
    instant,
    local,
    reached,
    utc_second,
    wall_instant,
    wall_second,
    wall_time,
    zone,
)

__all__ = [
    "DAYS",
    "ClockChange",
    "Span",
    "TimeInterval",
    "Week",
    "WeeklyHours",
    "advance_open",
    "clock_changes",
    "day_start",
    "held_until",
    "hours_json",
    "instant",
    "local",
    "next_close",
    "next_open",
    "parse_hours",
    "parse_interval",
    "parse_spans",
    "reached",
    "spans_json",
    "utc_second",
    "wall_instant",
    "wall_second",
    "wall_time",
    "week",
    "week_minute",
    "week_time",
    "within",
    "zone",
]
