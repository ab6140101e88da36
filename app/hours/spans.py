"""Spans of the week as people write them in JSON, in two shapes:

{"days": ["mon", "tue"], "from": "22:00", "to": "06:00"}    a part of each of these days, perhaps over midnight
{"from": "fri 17:00", "to": "mon 08:00"}                     one span from a time of the week to another
"""

from __future__ import annotations

import re
from datetime import date

from app.errors import Invalid
from app.hours.weekly import WEEK, Span, WeeklyHours
from app.hours.zones import zone

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_DAY, _WEEK = 1440, WEEK // 60
_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00", re.ASCII)
_WEEK_TIME = re.compile(rf"({'|'.join(DAYS)}) (([01]\d|2[0-3]):[0-5]\d|24:00)", re.ASCII)


def parse_hours(raw: object, field: str = "support_hours") -> WeeklyHours:
    """From `{"time_zone": "Europe/Berlin", "spans": [...]}`, spans as in `parse_spans`; perhaps with `holidays`, the
    key of a calendar, and `days_off`, its dates as they are stored. Raises `Invalid` likewise."""
    if (
        not isinstance(raw, dict)
        or raw.keys() - {"holidays", "days_off"} != {"time_zone", "spans"}
        or not isinstance(raw["time_zone"], str)
    ):
        raise _invalid([(field, 'give {"time_zone": "Europe/Berlin", "spans": [...]}, and nothing else')])
    try:
        zone(raw["time_zone"])
    except Invalid as unknown:
        raise _invalid([(f"{field}.time_zone", unknown.message)]) from unknown
    holidays = raw.get("holidays") or ""
    if not isinstance(holidays, str) or not re.fullmatch(r"([a-z0-9][a-z0-9_-]{0,63})?", holidays, re.ASCII):
        raise _invalid([(f"{field}.holidays", "give the key of a calendar of holidays")])
    days = frozenset(date.fromisoformat(day) for day in raw.get("days_off", ()))
    return WeeklyHours(raw["time_zone"], parse_spans(raw["spans"], f"{field}.spans"), holidays, days)


def parse_spans(raw: object, field: str = "restrictions") -> tuple[Span, ...]:
    """From a list of both shapes; sorted, each day of a list of days a span of its own.

    A span of days whose `to` is earlier than its `from` ends on the next day; `to` may be 24:00. Raises `Invalid` whose
    `errors` names every span that cannot be right.
    """
    if not isinstance(raw, list):
        raise _invalid([(field, "give a list of spans")])
    spans: set[Span] = set()
    wrong: list[tuple[str, str]] = []
    for i, item in enumerate(raw):
        over_days = isinstance(item, dict) and item.keys() == {"from", "to"}
        if complaint := _week_complaint(item) if over_days else _complaint(item):
            wrong.append((f"{field}[{i}]", complaint))
        elif over_days:
            start, end = week_minute(item["from"]), week_minute(item["to"])
            spans.add(Span(start, start + ((end - start) % _WEEK)))
        else:
            start, end = _minute(item["from"]), _minute(item["to"])
            length = end - start if end > start else end - start + _DAY
            starts = [DAYS.index(day) * _DAY + start for day in item["days"]]
            spans |= {Span(at, at + length) for at in starts}
    if wrong:
        raise _invalid(wrong)
    return tuple(sorted(spans))


def week_minute(text: str) -> int:
    """`"fri 17:00"` as minutes since Monday 00:00, below 10080. Raises `ValueError`."""
    if (found := _WEEK_TIME.fullmatch(text)) is None:
        raise ValueError(f"a time of the week is like fri 17:00, not {text!r:.40}")
    return (DAYS.index(found[1]) * _DAY + _minute(found[2])) % _WEEK


def _complaint(item: object) -> str | None:
    if not isinstance(item, dict) or item.keys() != {"days", "from", "to"}:
        return (
            'a span is {"days": ["mon"], "from": "09:00", "to": "17:00"} or {"from": "fri 17:00", "to": "mon 08:00"}, '
            "and nothing else"
        )
    days = item["days"]
    if not isinstance(days, list) or not days or any(day not in DAYS for day in days) or len(set(days)) < len(days):
        return f"days lists some of {', '.join(DAYS)}, each once"
    for key, last in (("from", "23:59"), ("to", "24:00")):
        if not isinstance(item[key], str) or not _TIME.fullmatch(item[key]) or item[key] > last:
            return f"{key} is a time of day from 00:00 to {last}, not {item[key]!r:.40}"
    if item["from"] == item["to"]:
        return "from and to are equal; a whole day is 00:00 to 24:00"
    return None


def _week_complaint(item: dict[str, object]) -> str | None:
    for key, value in item.items():
        if not isinstance(value, str) or not _WEEK_TIME.fullmatch(value):
            return f"{key} is a time of the week like fri 17:00, not {value!r:.40}; or name the days"
    if week_minute(str(item["from"])) == week_minute(str(item["to"])):
        return "from and to are equal; the whole week needs no span"
    return None


def _minute(text: str) -> int:
    return int(text[:2]) * 60 + int(text[3:])


def _invalid(wrong: list[tuple[str, str]]) -> Invalid:
    return Invalid(
        "; ".join(f"{field}: {message}" for field, message in wrong),
        errors=[{"field": field, "message": message} for field, message in wrong],
    )


def spans_json(spans: tuple[Span, ...]) -> list[dict[str, object]]:
    """The JSON shape of `parse_spans`: spans of a day at most by days, those of equal times together; longer ones, and
    24 hours that do not begin at midnight, from a time of the week to another. The whole week is seven whole days."""
    days: dict[tuple[int, int], set[int]] = {}
    long: list[dict[str, object]] = []
    for span in spans:
        start, stop = span.from_minute, span.to_minute
        if stop - start == _WEEK:
            days.setdefault((0, _DAY), set()).update(range(7))
        elif stop - start > _DAY or (stop - start == _DAY and start % _DAY):
            long.append({"from": week_time(start), "to": week_time(stop, ends=True)})
        else:
            days.setdefault((start % _DAY, (stop - 1) % _DAY + 1), set()).add(start // _DAY)
    by_days: list[dict[str, object]] = [
        {"days": [DAYS[day] for day in sorted(on)], "from": _clock(start), "to": _clock(stop)}
        for (start, stop), on in days.items()
    ]
    return by_days + long


def week_time(minute: int, *, ends: bool = False) -> str:
    """Minutes since Monday 00:00 as `fri 17:00`; what `ends` at midnight is 24:00 of the day before."""
    day, rest = divmod((minute - 1) % _WEEK + 1, _DAY) if ends else divmod(minute % _WEEK, _DAY)
    if ends and not rest:
        day, rest = day - 1, _DAY
    return f"{DAYS[day % 7]} {_clock(rest)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def hours_json(hours: WeeklyHours) -> dict[str, object]:
    """The JSON shape of `parse_hours`, as people write it: holidays by the key of their calendar."""
    holidays: dict[str, object] = {"holidays": hours.holidays} if hours.holidays else {}
    return {"time_zone": hours.zone, "spans": spans_json(hours.spans)} | holidays
