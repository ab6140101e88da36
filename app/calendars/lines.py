"""An iCalendar stream (RFC 5545, 3.1) as components with properties. Pure; loads the library `icalendar`, so it is
imported only where a calendar is really read.

Only the content lines are the library's. What they mean is worked out here and next door: a calendar comes from a
stranger, and the library would follow its rules without a budget, those of its time zones included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from icalendar.parser import Contentline, Contentlines

from app.calendars.recurrence import TooMuch, Unusable

MAX_BYTES: Final = 1024 * 1024
MAX_EVENTS: Final = 5_000
MAX_LINES: Final = 60_000
_DEEPEST: Final = 6


@dataclass(frozen=True, slots=True)
class Property:
    """A value, still text with its escapes undone by the library, and its parameters in upper case."""

    value: str
    parameters: dict[str, str]


@dataclass(slots=True)
class Component:
    """`VEVENT`, say: its properties by name in upper case, in their order; what is within it."""

    name: str
    properties: dict[str, list[Property]] = field(default_factory=dict)
    within: list[Component] = field(default_factory=list)

    def one(self, name: str) -> Property | None:
        """The first property of this name."""
        found = self.properties.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        """Its value without surrounding space, empty when it is missing."""
        found = self.one(name)
        return found.value.strip() if found else ""

    def all(self, name: str) -> list[Property]:
        return self.properties.get(name, [])


def calendars(body: bytes) -> list[Component]:
    """The calendars of a stream. A line that cannot be read is left out. Raises `Unusable` for what is no calendar or
    was cut off, `TooMuch` for one that is too large."""
    if len(body) > MAX_BYTES:
        raise TooMuch(f"it is larger than {MAX_BYTES} bytes")
    text = body.decode("utf-8-sig", errors="replace").replace("\x00", "")
    if not text.lstrip()[:15].upper().startswith("BEGIN:VCALENDAR"):
        raise Unusable("it is no calendar: it does not begin with BEGIN:VCALENDAR")
    if text.count("\n") > MAX_LINES:
        raise TooMuch(f"it has more than {MAX_LINES} lines")
    root = Component("")
    open_ones, events = [root], 0
    for name, parameters, value in _lines(text.strip()):
        if name == "BEGIN":
            inner = Component(value.strip().upper())
            events += inner.name == "VEVENT"
            if len(open_ones) > _DEEPEST or events > MAX_EVENTS:
                raise TooMuch(f"it has more than {MAX_EVENTS} entries, or is nested too deep")
            open_ones[-1].within.append(inner)
            open_ones.append(inner)
        elif name == "END":
            if len(open_ones) == 1 or open_ones[-1].name != value.strip().upper():
                raise Unusable("its BEGIN and END do not match")
            open_ones.pop()
        else:
            open_ones[-1].properties.setdefault(name, []).append(Property(value, parameters))
    if len(open_ones) > 1:
        raise Unusable("it was cut off: an END is missing")
    return [c for c in root.within if c.name == "VCALENDAR"]


def _lines(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    for line in Contentlines.from_ical(text):  # type: ignore[no-untyped-call]  # the library leaves it untyped
        if not line:
            continue
        try:
            name, parameters, value = Contentline(line).parts()  # type: ignore[no-untyped-call]  # as above
        except ValueError:
            continue
        yield name.upper(), {str(k).upper(): _first(v) for k, v in parameters.items()}, str(value)


def _first(value: object) -> str:
    return str(value[0]) if isinstance(value, list) and value else str(value)
