"""The n-th time: how often an incident's correlation key came back, and what it was last time, in words. Pure.

Counted back from the opening of the incident, so that the number stays true however late somebody looks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.errors import Invalid

WITHIN = timedelta(days=30)
COUNTED = 1000
"""So many are counted; beyond that it only matters that it is often."""
LONGEST = 300
"""Characters of a cause, and of a fix."""
_SHOWN = 80
"""Characters of each in the one line."""


@dataclass(frozen=True, slots=True)
class Earlier:
    """An incident of the same key that is over. `cause` and `fix` are empty where nobody said."""

    number: int
    opened_at: datetime
    resolved_at: datetime
    cause: str
    fix: str

    @property
    def lasted(self) -> timedelta:
        """From opened to resolved."""
        return self.resolved_at - self.opened_at


@dataclass(frozen=True, slots=True)
class Recurrence:
    """`times`: incidents of the key in the 30 days up to the opening of this one, this one included; at most `COUNTED`.
    `last`: the newest earlier one that was resolved, however long ago."""

    times: int
    last: Earlier | None


def line(known: Recurrence | None, now: datetime) -> str:
    """`5th time in 30 days; last time, 3 days ago: disk full, fixed by rotating the logs, took 14 min`; empty for the
    first time. `now`: seen from when."""
    if known is None:
        return ""
    last = "" if known.last is None else _last(known.last, now)
    said = "; ".join(filter(None, [_times(known.times), last]))
    return said[:1].upper() + said[1:]


def shorter(known: Recurrence | None) -> Sequence[str]:
    """The same for where there is less room, the longest first: `5th time in 30 days; last time fixed by ...`."""
    if known is None or not (times := _times(known.times)):
        return ()
    said = "" if known.last is None else _said(known.last.cause) or _said(known.last.fix)
    if known.last is not None and known.last.fix:
        said = f"fixed by {_said(known.last.fix)}"
    return (f"{times}; last time {said}", times) if said else (times,)


def checked(field: str, text: str) -> str:
    """A cause or a fix as it is kept: one line. Raises `Invalid` naming the field for one that is too long or holds
    control characters."""
    kept = text.strip()
    if len(kept) > LONGEST:
        raise _refused(field, f"has more than {LONGEST} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in kept):
        raise _refused(field, "holds a line break or another control character")
    return kept


def _refused(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


def _times(times: int) -> str:
    if times < 2:
        return ""
    often = f"more than {COUNTED - 1} times" if times >= COUNTED else f"{_ordinal(times)} time"
    return f"{often} in {WITHIN.days} days"


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"


def _last(last: Earlier, now: datetime) -> str:
    fixed = f"fixed by {_said(last.fix)}" if last.fix else ""
    what = ", ".join(filter(None, [_said(last.cause), fixed, f"took {_span(last.lasted)}"]))
    return f"last time, {_span(now - last.resolved_at)} ago: {what}"


def _said(text: str) -> str:
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3].rstrip() + "..."


def _span(length: timedelta) -> str:
    """`40 s`, `14 min`, `2 h 05 min`, `3 days`."""
    seconds = max(0, round(length.total_seconds()))
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86_400:
        return f"{seconds // 3600} h {seconds % 3600 // 60:02} min"
    return "1 day" if seconds < 2 * 86_400 else f"{seconds // 86_400} days"
