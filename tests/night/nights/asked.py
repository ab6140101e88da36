"""Which nights are played: by environment, so that `./tocsin test` stays quick and CI goes on where it stopped.

TOCSIN_NIGHTS=1000        so many, in place of 24
TOCSIN_NIGHTS_FROM=5000   from this seed on, in place of 0
TOCSIN_NIGHTS_FOR=300     and no longer than so many seconds; what is left is named
TOCSIN_NIGHT=4711         this one alone, with its story
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

SHARES = 4
"""Tests among which the nights are divided: two for each of two processes."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`seeds` of one share; `for_s`: of real time; `alone`: one night was asked for by its seed."""

    seeds: range
    for_s: float | None
    alone: bool


def asked(share: int, environment: Mapping[str, str] = os.environ) -> Asked:
    """The seeds of a share: every fourth one. Raises ValueError for what is no number."""
    for_s = float(environment["TOCSIN_NIGHTS_FOR"]) / (SHARES / 2) if environment.get("TOCSIN_NIGHTS_FOR") else None
    if one := environment.get("TOCSIN_NIGHT"):
        return Asked(range(int(one), int(one) + (share == 0)), for_s, alone=True)
    first = int(environment.get("TOCSIN_NIGHTS_FROM") or 0)
    number = int(environment.get("TOCSIN_NIGHTS") or 24)
    return Asked(range(first + share, first + number, SHARES), for_s, alone=False)
