"""A move as somebody reads it in a terminal, and as a program does: what has no equal, shifts beside theirs, overrides.
Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from app.moving.comparing import Comparison, Difference
from app.moving.moved import Kind, Moved, Notice, PlannedOverride

HEADINGS: Final[dict[Kind, str]] = {
    "missing": "Missing, nothing can be imported without it:",
    "left_out": "Left out:",
    "changed": "Not the same here:",
    "told": "Worth knowing:",
}
_MOST_DIFFERENCES: Final = 10
_MOST_NAMES: Final = 3


def notices(moved: Moved) -> Iterator[str]:
    """By kind, the worst first; what is the same in several places, or of several people, once, with how many."""
    for kind, heading in HEADINGS.items():
        told: dict[tuple[str, str, str], list[Notice]] = {}
        for notice in moved.notices:
            if notice.kind == kind:
                what = notice.what if kind == "missing" else notice.what.partition(" of ")[0]
                told.setdefault((what, notice.why, notice.instead), []).append(notice)
        if told:
            yield heading
        for (_, why, instead), same in told.items():
            places = f" ({len(same)} times)" if len(same) > 1 else f" ({same[0].where})" if same[0].where else ""
            yield f"  {_what(same)}: {why}{f'; here: {instead}' if instead else ''}{places}"


def _what(same: Sequence[Notice]) -> str:
    """`roles of Ana, Ben and 58 more`, of notices that differ in nothing but of what they are."""
    different = list(dict.fromkeys(notice.what for notice in same))
    if len(different) == 1:
        return different[0]
    names = [what.partition(" of ")[2] for what in different]
    shown, more = (names, 0) if len(names) <= _MOST_NAMES + 1 else (names[:_MOST_NAMES], len(names) - _MOST_NAMES)
    listed = f"{', '.join(shown)} and {more} more" if more else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"{different[0].partition(' of ')[0]} of {listed}"


def compared(comparisons: Sequence[Comparison]) -> Iterator[str]:
    """A line for each rendering, and where it differs."""
    if not comparisons:
        yield "Nothing to compare: the export has no rendered shifts."
        return
    total, equal = sum(c.total for c in comparisons), sum(c.equal for c in comparisons)
    yield f"Compared with the source's own rendering: {equal} of {total} shifts equal."
    for c in comparisons:
        if c.differences:
            yield f"  {c.schedule}, {c.of}: {c.equal} of {c.total} equal"
            for difference in c.differences[:_MOST_DIFFERENCES]:
                yield f"    {_difference(difference)}"
            if len(c.differences) > _MOST_DIFFERENCES:
                yield f"    and {len(c.differences) - _MOST_DIFFERENCES} more, see --report"


def _difference(d: Difference) -> str:
    return f"{_time(d.starts_at)} to {_time(d.ends_at)}: there {_names(d.theirs)}, here {_names(d.ours)}"


def override(planned: PlannedOverride) -> str:
    """As a line of the plan."""
    how = "besides" if planned.adds else f"for {planned.replaces}" if planned.replaces else "for whoever is on call"
    when = f"{_time(planned.starts_at)} to {_time(planned.ends_at)}"
    return f"+ override of {planned.schedule}: {planned.user} {how}, {when}"


def report(moved: Moved, comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """All of it as JSON values."""
    return {
        "notices": [{m: getattr(n, m) for m in ("kind", "what", "where", "why", "instead")} for n in moved.notices],
        "comparisons": [_comparison(c) for c in comparisons],
        "overrides": [overriding(o) | {"schedule": o.schedule} for o in moved.overrides],
    }


def overriding(planned: PlannedOverride) -> dict[str, Any]:
    """The body of a request."""
    body = {"kind": planned.kind, "user": planned.user, "starts_at": zulu(planned.starts_at)}
    return body | {"ends_at": zulu(planned.ends_at)} | ({"replaces": planned.replaces} if planned.replaces else {})


def _comparison(c: Comparison) -> dict[str, Any]:
    return {
        "schedule": c.schedule,
        "of": c.of,
        "from": zulu(c.starts_at),
        "to": zulu(c.ends_at),
        "shifts": c.total,
        "equal": c.equal,
        "differences": [
            {"from": zulu(d.starts_at), "to": zulu(d.ends_at), "theirs": list(d.theirs), "ours": list(d.ours)}
            for d in c.differences
        ],
    }


def _names(users: Sequence[str]) -> str:
    return ", ".join(users) or "nobody"


def _time(at: datetime) -> str:
    return at.strftime("%a %Y-%m-%d %H:%MZ")


def zulu(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
