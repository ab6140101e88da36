"""Who is on call by definition, written with `whenever` and stepping where the program computes: the other side of the
property tests. It shares nothing with what it judges but the shapes of layers, spans and schedules.

It knows four sentences: a local time is the first instant that shows it or a later time; turn k begins at the anchor
plus k lengths (or at the k-th handoff since) and ends where turn k + 1 begins; a layer that skips counts only turns
with a covered instant; layers are laid over each other from the lowest on, then the overrides in their order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo, available_timezones

from whenever import Date, Instant, PlainDateTime, RepeatedTime, SkippedTime

from app.hours import Span
from app.oncall.layers import Layer
from app.oncall.shifts import Schedule

ZONES = sorted(available_timezones() - {"localtime", "Factory"})
FIRST, LAST = datetime(2008, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)


@cache
def changes_of_clocks(name: str) -> list[datetime]:
    """Every instant of the 20 years at which the offset of the zone changes."""
    zone = ZoneInfo(name)

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, zone).utcoffset()

    weeks = range(int(FIRST.timestamp()), int(LAST.timestamp()) + 1, 7 * 86_400)
    found = []
    for (a, before), (b, after) in pairwise((week, offset(week)) for week in weeks):
        if before != after:
            seconds = range(a, b + 1)
            found.append(seconds[bisect_left(seconds, 1, key=lambda s, was=before: offset(s) != was)])
    return [datetime.fromtimestamp(second, UTC) for second in found]


@cache
def distinct_zones() -> list[str]:
    """One name for each way the clocks went in these years; the others are links or differ before."""
    ways = {}
    for name in ZONES:
        shown = tuple(datetime.fromtimestamp(t.timestamp(), ZoneInfo(name)).utcoffset() for t in (FIRST, LAST))
        ways.setdefault((shown, *changes_of_clocks(name)), name)
    return list(ways.values())


@lru_cache(maxsize=100_000)
def first_instant(local: PlainDateTime, name: str) -> Instant:
    try:
        return local.assume_tz(name, disambiguation="raise").to_instant()
    except RepeatedTime:
        return local.assume_tz(name, disambiguation="earlier").to_instant()
    except SkippedTime:
        at = local.assume_tz(name, disambiguation="earlier").to_instant()
        while at.to_tz(name).to_plain() < local:  # changes fall on whole minutes, here since 1972
            at = at.add(minutes=1)
        return at.subtract(seconds=at.timestamp() % 60)


def handoff(layer: Layer, name: str, k: int) -> Instant:
    anchor = PlainDateTime(layer.anchor)
    n = k * layer.length
    if layer.unit == "hour":
        return first_instant(anchor, name).add(hours=n)
    if layer.handoffs:
        at = layer.anchor.weekday() * 1440 + layer.anchor.hour * 60 + layer.anchor.minute
        week, part = divmod(k + sorted(layer.handoffs).index(at), len(layer.handoffs))
        monday = anchor.date().subtract(days=layer.anchor.weekday()).add(weeks=week)
        return first_instant(minute_of(monday, sorted(layer.handoffs)[part]), name)
    day = {"day": lambda d: d.add(days=n), "week": lambda d: d.add(weeks=n), "month": lambda d: d.add(months=n)}
    return first_instant(day[layer.unit](anchor.date()).at(anchor.time()), name)


def turn_by_definition(layer: Layer, name: str, at: Instant) -> int:
    shortest = {"hour": 1, "day": 24, "week": 168, "month": 672}[layer.unit] * layer.length * 3600
    elapsed = at.timestamp() - first_instant(PlainDateTime(layer.anchor), name).timestamp()
    turns = range((int(max(0, elapsed) // shortest) + 4) * max(1, len(layer.handoffs)))
    return bisect_right(turns, at, key=lambda k: handoff(layer, name, k)) - 1


def member_by_definition(layer: Layer, name: str, k: int) -> tuple[int | None, ...]:
    if layer.skips_uncovered and layer.restrictions:
        k = sum(is_covered(layer, name, j) for j in range(k))
    return layer.members[k % len(layer.members)]


def is_covered(layer: Layer, name: str, k: int) -> bool:
    start, end = handoff(layer, name, k), handoff(layer, name, k + 1)
    if end.timestamp() - start.timestamp() > 28 * 86_400:
        return True  # it has every hour of the week three times at least
    return any(max(start, a) < min(end, b) for a, b in open_times(layer.restrictions, name, start, end))


def open_times(spans: tuple[Span, ...], name: str, start: Instant, end: Instant) -> list[tuple[Instant, Instant]]:
    day = start.to_tz(name).date()
    monday = day.subtract(days=day.day_of_week().value - 1)
    weeks = range(-2, int((end.timestamp() - start.timestamp()) // 604_800) + 3)
    mondays = [monday.add(weeks=week) for week in weeks]
    return [
        (first_instant(minute_of(m, s.from_minute), name), first_instant(minute_of(m, s.to_minute), name))
        for m in mondays
        for s in spans
    ]


def in_restrictions(spans: tuple[Span, ...], name: str, at: Instant) -> bool:
    today = at.to_tz(name).date()
    for week in range(-2, 2):
        monday = today.subtract(days=today.day_of_week().value - 1).add(weeks=week)
        for span in spans:
            start, end = (
                first_instant(minute_of(monday, minute), name) for minute in (span.from_minute, span.to_minute)
            )
            if start <= at < end:
                return True
    return not spans


def minute_of(monday: Date, minute: int) -> PlainDateTime:
    day = monday.add(days=minute // 1440)
    return PlainDateTime(day.year, day.month, day.day, minute // 60 % 24, minute % 60)


def users_by_definition(schedule: Schedule, at: Instant) -> set[int]:
    """For overrides without `replaces_user_id`."""
    now = at.to_stdlib()
    found: set[int] = set()
    for layer in sorted(schedule.layers, key=lambda layer: layer.position):
        name = layer.zone or schedule.zone
        here = {
            user
            for _ in [None]
            if (layer.starts_at or FIRST - 1000 * WEEK) <= now < (layer.ends_at or LAST + 1000 * WEEK)
            and in_restrictions(layer.restrictions, name, at)
            and (k := turn_by_definition(layer, name, at)) >= 0
            for user in member_by_definition(layer, name, k)
            if user is not None
        }
        if here and layer.mode != "shadow":
            found = here | found if layer.mode == "add" else here
    for override in sorted(schedule.overrides, key=lambda o: o.id):
        if override.starts_at <= now < override.ends_at:
            found = (found if override.adds else set()) | ({override.user_id} - {None})
    return found
