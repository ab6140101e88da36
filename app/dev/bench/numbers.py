"""Arithmetic of the bench."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from statistics import median

Value = float | int | None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` (0 to 1) of them do not exceed: nearest rank, nothing invented
    between two measurements. Raises ValueError for none."""
    if not values:
        raise ValueError("there is no percentile of nothing")
    return sorted(values)[max(ceil(share * len(values)) - 1, 0)]


def middle(values: Sequence[float]) -> float:
    """The median of the rounds."""
    return median(values)


def ratio(subject: float, reference: float | None) -> float | None:
    """None where there is no reference."""
    return None if not reference else subject / reference


def rounded(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
