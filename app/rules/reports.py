"""What the compiler of CEL says, for people: without its drawing, with line and column."""

from __future__ import annotations

import re

_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")


def first(report: str) -> tuple[str, int, int]:
    """Message, line and column (from 1) of the first error in a report of the library."""
    if (found := _ERROR.search(report)) is None:
        return report.splitlines()[0], 1, 1
    return found[3].removesuffix(" (in container '')"), int(found[1]), int(found[2])


def line_and_column(source: str, offset: int) -> tuple[int, int]:
    """Both from 1, of an offset in code points."""
    before = source[:offset]
    return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1
