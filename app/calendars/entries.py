"""The entries of a calendar as intervals of time, with the words that may name people. Pure.

Rules of RFC 5545 where it has some; where exporters differ, `docs/calendars.md` says what holds here. `read` never
fails for one bad entry: it leaves it out and says so, because a shift that is missing must not go unnoticed.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from app import hours
from app.calendars import lines, tzids
from app.calendars.lines import Component, Property
from app.calendars.people import Words
from app.calendars.recurrence import Budget, TooMuch, Unusable, occurrences, rule
from app.calendars.tzids import Zone
from app.calendars.writing import NOBODY, USER

MAX_PROBLEMS: Final = 20
_DAY: Final = timedelta(days=1)
_STAMP: Final = re.compile(r"(\d{8})(?:T(\d{6})(Z?))?")
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,8})S)?)?"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """`[starts_at, ends_at)` in UTC; of an entry of whole days also `[first, after)` as dates, which have no zone."""

    starts_at: datetime
    ends_at: datetime
    words: Words
    uid: str
    days: tuple[date, date] | None = None


@dataclass(slots=True)
class Found:
    """What a calendar holds in the window that was asked for. `problems`: what could not be read, in words."""

    name: str = ""
    entries: list[Entry] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def complain(self, about: str) -> None:
        if about not in self.problems and len(self.problems) < MAX_PROBLEMS:
            self.problems.append(about)


@dataclass(frozen=True, slots=True)
class _Moment:
    """A local time and where; of whole days a midnight."""

    local: datetime
    zone: Zone
    is_date: bool

    @property
    def at(self) -> datetime:
        return self.zone.instant(self.local)


@dataclass(frozen=True, slots=True)
class _Length:
    """`nominal` is added on the wall clock, `exact` in real time."""

    nominal: timedelta
    exact: timedelta = timedelta()


@dataclass(slots=True)
class _Reader:
    zones: dict[str, Zone]
    floating: Zone
    t0: datetime
    t1: datetime
    budget: Budget
    found: Found

    def moment(self, of: Property, value: str | None = None) -> _Moment:
        """Raises `Unusable`."""
        text = (of.value if value is None else value).strip().upper()
        stamp = _STAMP.fullmatch(text)
        try:
            day = datetime.strptime(stamp[1], "%Y%m%d") if stamp else None
            clock = datetime.strptime(stamp[2], "%H%M%S").time() if stamp and stamp[2] else time.min
        except ValueError:
            day = None
        if stamp is None or day is None or not 1970 <= day.year < 2900:
            raise Unusable(f"{text[:40]!r} is no time")
        if stamp[3]:
            return _Moment(datetime.combine(day, clock), tzids.Named(hours.zone("UTC")), False)
        return _Moment(datetime.combine(day, clock), self._zone(of), stamp[2] is None)

    def _zone(self, of: Property) -> Zone:
        tzid = of.parameters.get("TZID", "")
        if not tzid:
            return self.floating
        zone = self.zones.get(tzid) or tzids.named(tzid)
        if zone is None:
            self.found.complain(f"time zone {tzid[:80]!r} is unknown: its times are read in the calendar's own zone")
            return self.floating
        self.zones[tzid] = zone
        return zone


def read(body: bytes, zone: str, t0: datetime, t1: datetime, budget: Budget | None = None) -> Found:
    """The entries that touch `[t0, t1)`, by their start. `zone`: for times without one, unless the calendar says.
    Raises `Unusable` for what is no calendar, `TooMuch` for what would take for ever."""
    budget = budget or Budget()
    found = Found()
    for calendar in lines.calendars(body):
        found.name = found.name or calendar.text("X-WR-CALNAME")[:200]
        floating = tzids.named(calendar.text("X-WR-TIMEZONE")) if calendar.text("X-WR-TIMEZONE") else None
        zones = tzids.described(calendar.within, t1, budget)
        reader = _Reader(zones, floating or tzids.Named(hours.zone(zone)), t0, t1, budget, found)
        events = [c for c in calendar.within if c.name == "VEVENT"]
        for uid, group in _by_uid(events).items():
            found.entries += _of_uid(reader, uid, group)
    found.entries.sort(key=lambda entry: (entry.starts_at, entry.ends_at, entry.uid))
    return found


def _by_uid(events: list[Component]) -> dict[str, list[Component]]:
    found: dict[str, list[Component]] = {}
    for n, event in enumerate(events):
        found.setdefault(event.text("UID") or f"without UID {n}", []).append(event)
    return found


def _of_uid(reader: _Reader, uid: str, group: list[Component]) -> list[Entry]:
    """One entry with its repetitions: the newest master, less what is excluded, moved or cancelled."""
    masters = [c for c in group if c.one("RECURRENCE-ID") is None]
    newest = max(masters, key=_revision, default=None)
    try:
        changed = _changed(reader, [c for c in group if c.one("RECURRENCE-ID") is not None])
        entries = [] if newest is None or _is_off(newest) else list(_repeated(reader, uid, newest, changed))
        entries += [e for c in changed.ones for e in _single(reader, uid, c.component) if not _is_off(c.component)]
        return entries
    except TooMuch as refused:
        if reader.budget.work < 0 or reader.budget.instances < 0:
            raise
        reader.found.complain(f"{_called(group)}: {refused}")
    except Unusable as refused:
        reader.found.complain(f"{_called(group)}: {refused}")
    return []


def _called(group: list[Component]) -> str:
    return repr(next((c.text("SUMMARY") for c in group if c.text("SUMMARY")), "an entry without a summary")[:80])


def _revision(event: Component) -> tuple[int, str]:
    sequence = event.text("SEQUENCE")
    return (int(sequence) if sequence.isascii() and sequence.isdigit() else 0), event.text("DTSTAMP")


def _is_off(event: Component) -> bool:
    return event.text("STATUS").upper() == "CANCELLED"


@dataclass(frozen=True, slots=True)
class _Change:
    """Another word on one instance, or on it and all after it."""

    of: _Moment
    component: Component
    onward: bool


@dataclass(frozen=True, slots=True)
class _Changes:
    """Both by their instant."""

    ones: tuple[_Change, ...]
    onward: tuple[_Change, ...]


class _Struck:
    """Instances that are not there: excluded, or told of by themselves. A date strikes whatever is on that day."""

    def __init__(self, moments: Iterable[_Moment]) -> None:
        every = list(moments)
        self._instants = {m.at for m in every if not m.is_date}
        self._days = {m.local.date() for m in every if m.is_date}
        self._days_of_instants = {m.local.date() for m in every if not m.is_date}

    def has(self, instance: _Moment) -> bool:
        day = instance.local.date()
        if instance.is_date:
            return day in self._days or day in self._days_of_instants
        return day in self._days or instance.at in self._instants


def _changed(reader: _Reader, components: list[Component]) -> _Changes:
    newest: dict[tuple[datetime, bool], _Change] = {}
    for component in sorted(components, key=_revision):
        named = component.one("RECURRENCE-ID")
        assert named is not None
        change = _Change(reader.moment(named), component, named.parameters.get("RANGE", "").upper() == "THISANDFUTURE")
        newest[change.of.at, change.onward] = change
    changes = sorted(newest.values(), key=lambda change: change.of.at)
    return _Changes(tuple(c for c in changes if not c.onward), tuple(c for c in changes if c.onward))


def _single(reader: _Reader, uid: str, event: Component) -> Iterator[Entry]:
    """An entry by itself, whatever its rule."""
    stamp = event.one("DTSTART")
    if _is_off(event):
        return
    if stamp is None:
        raise Unusable("it has no start")
    start = reader.moment(stamp)
    if made := _entry(reader, uid, start, _length(reader, event, start), _words(event)):
        reader.budget.count()
        yield made


def _repeated(reader: _Reader, uid: str, event: Component, changes: _Changes) -> Iterator[Entry]:
    stamp = event.one("DTSTART")
    if stamp is None:
        raise Unusable("it has no start")
    start = reader.moment(stamp)
    length = _length(reader, event, start)
    struck = _Struck([*(change.of for change in changes.ones), *_excluded(reader, event)])
    for local in _locals(reader, event, start, length, changes):
        instance = replace(start, local=local)
        if struck.has(instance):
            continue
        made = _onward(reader, uid, instance, changes) if changes.onward else None
        if made is not None and not made[0]:
            continue
        entry = made[1] if made is not None else _entry(reader, uid, instance, length, _words(event))
        if entry is not None:
            yield entry


def _onward(reader: _Reader, uid: str, instance: _Moment, changes: _Changes) -> tuple[bool, Entry | None] | None:
    """What the last change of this and all later instances makes of one; None: no change has begun. (False, None): it
    is cancelled."""
    begun = bisect_right(changes.onward, instance.at, key=lambda change: change.of.at)
    if not begun:
        return None
    change = changes.onward[begun - 1]
    stamp = change.component.one("DTSTART")
    if _is_off(change.component):
        return False, None
    start = reader.moment(stamp) if stamp is not None else change.of
    length = _length(reader, change.component, start)
    moved = replace(start, local=instance.local + (start.local - change.of.local))
    return True, _entry(reader, uid, moved, length, _words(change.component))


def _locals(
    reader: _Reader, event: Component, start: _Moment, length: _Length, changes: _Changes
) -> Iterator[datetime]:
    """The local starts of all instances that may touch the window, each once."""
    margin = length.nominal + length.exact + 2 * _DAY
    for change in changes.onward:
        if (stamp := change.component.one("DTSTART")) is not None:
            margin += abs(reader.moment(stamp).local - change.of.local) + 2 * _DAY
    first = start.zone.local(reader.t0) - margin
    end = start.zone.local(reader.t1) + margin
    found = {moment.local for of in event.all("RDATE") for moment in _dates(reader, of, start)}
    for value in [p.value for p in event.all("RRULE")][:3]:
        found |= set(occurrences(rule(value, _until(value, start)), start.local, first, end, reader.budget))
    reader.budget.spend(len(found))
    yield from sorted(found | {start.local})


def _dates(reader: _Reader, of: Property, start: _Moment) -> Iterator[_Moment]:
    """The times of an RDATE or EXDATE, on the clocks of `start`. A PERIOD counts by its start."""
    for value in of.value.split(","):
        moment = reader.moment(of, value.partition("/")[0])
        if moment.is_date or start.is_date:
            yield moment
        else:
            yield replace(start, local=start.zone.local(moment.at))


def _excluded(reader: _Reader, event: Component) -> Iterator[_Moment]:
    for of in event.all("EXDATE"):
        yield from (reader.moment(of, value) for value in filter(None, (v.strip() for v in of.value.split(","))))


def _until(text: str, start: _Moment) -> datetime | None:
    """The UNTIL of a rule on the clocks of its start; a date counts to its end, whatever the standard says."""
    found = re.search(r"UNTIL=([^;]*)", text.upper())
    if found is None:
        return None
    stamp = _STAMP.fullmatch(found[1].strip())
    try:
        day = datetime.strptime(stamp[1], "%Y%m%d") if stamp else None
        if stamp is None or day is None:
            raise ValueError
        if not stamp[2]:
            return day + _DAY - timedelta(seconds=1)
        at = datetime.combine(day, datetime.strptime(stamp[2], "%H%M%S").time())
    except (ValueError, OverflowError):
        raise Unusable(f"its repetition ends at {found[1][:40]!r}, which is no time") from None
    if start.is_date:
        return day + _DAY - timedelta(seconds=1)
    return start.zone.local(at.replace(tzinfo=UTC)) if stamp[3] and 1970 <= at.year < 2900 else at


def _length(reader: _Reader, event: Component, start: _Moment) -> _Length:
    """DTEND, else DURATION, else a day or nothing (RFC 5545, 3.6.1). Raises `Unusable`."""
    if (stamp := event.one("DTEND")) is not None:
        end = reader.moment(stamp)
        if end.is_date != start.is_date or end.zone == start.zone:
            length = _Length(end.local - start.local)
        else:
            length = _Length(timedelta(), end.at - start.at)
    elif text := event.text("DURATION"):
        length = _duration(text)
    else:
        length = _Length(_DAY if start.is_date else timedelta())
    if length.nominal + length.exact < timedelta():
        raise Unusable("it ends before it starts")
    return length


def _duration(text: str) -> _Length:
    """Weeks and days on the wall clock, the rest in real time (RFC 5545, 3.3.6)."""
    found = _DURATION.fullmatch(text.upper())
    if found is None or found[1] == "-":
        raise Unusable(f"{text[:40]!r} is no duration")
    weeks, days, h, m, s = (int(part or 0) for part in found.groups()[1:])
    return _Length(timedelta(weeks=weeks, days=days), timedelta(hours=h, minutes=m, seconds=s))


def _entry(reader: _Reader, uid: str, start: _Moment, length: _Length, words: Words) -> Entry | None:
    """None for what does not touch the window, or lasts no time."""
    try:
        starts_at, ends_at = start.at, start.zone.instant(start.local + length.nominal) + length.exact
        after = start.local + length.nominal
    except (OverflowError, ValueError):
        raise Unusable("its times are beyond what anybody plans") from None
    if ends_at <= starts_at or ends_at <= reader.t0 or starts_at >= reader.t1:
        return None
    days = (start.local.date(), after.date()) if start.is_date else None
    return Entry(starts_at, ends_at, words, uid, days)


def _words(event: Component) -> Words:
    if event.text(NOBODY).upper() == "NOBODY":
        return Words(user="-")
    summary = " ".join(event.text("SUMMARY").split())[:500]
    attending = (
        p
        for p in event.all("ATTENDEE")
        if p.parameters.get("PARTSTAT", "").upper() != "DECLINED"
        and p.parameters.get("CUTYPE", "").upper() not in ("ROOM", "RESOURCE")
    )
    organizer = event.one("ORGANIZER")
    people = tuple(_person(p) for p in attending)[:20]
    return Words(summary, people, _person(organizer) if organizer else ("", ""), event.text(USER)[:64])


def _person(of: Property) -> tuple[str, str]:
    value = of.value.strip()
    mail = value[7:] if value.lower().startswith("mailto:") else ""
    return mail.strip()[:254], of.parameters.get("CN", "").strip()[:200]
