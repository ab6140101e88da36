"""Intervals of time, `[start, end)` in UTC: their union, their difference, their length. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

Interval = tuple[datetime, datetime]
"""`[start, end)` in UTC."""


def seconds(intervals: Iterable[Interval]) -> int:
    """How long they are together."""
    return round(sum((b - a for a, b in intervals), timedelta()).total_seconds())


def joined(intervals: Iterable[Interval]) -> list[Interval]:
    """The union as sorted, disjoint intervals that do not touch."""
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def without(intervals: list[Interval], others: list[Interval]) -> list[Interval]:
    """`intervals` less `others`; both sorted and disjoint."""
    left: list[Interval] = []
    ends = [end for _, end in others]
    for start, end in intervals:
        inner = []
        for a, b in islice(others, bisect_right(ends, start), None):
            if a >= end:
                break
            inner += [max(a, start), min(b, end)]
        left += [(a, b) for a, b in _in_pairs([start, *inner, end]) if a < b]
    return left


def _in_pairs(edges: list[datetime]) -> list[Interval]:
    """The first with the second, the third with the fourth, and so on."""
    return list(zip(edges[::2], edges[1::2], strict=True))
