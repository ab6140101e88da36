"""Wall clock -> instants: the only zone arithmetic in the product (behaviour.md 9)."""

from app.hours.intervals import TimeInterval, held_until, parse_interval
from app.hours.weekly import (
    DAYS,
    Span,
    Week,
    WeeklyHours,
    advance_open,
    hours_json,
    next_close,
    next_open,
    parse_hours,
    parse_spans,
    spans_json,
    week,
    within,
)
from app.hours.zones import day_start, instant, local, reached, utc_second, wall_instant, wall_second, wall_time, zone

__all__ = [
    "DAYS",
    "Span",
    "TimeInterval",
    "Week",
    "WeeklyHours",
    "advance_open",
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
    "within",
    "zone",
]
