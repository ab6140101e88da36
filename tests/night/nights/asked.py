"""Which nights are played: by environment, so that `./tocsin test` stays quick. A test per night; nights of real
processes take the same names with TOCSIN_REAL_NIGHTS in place of TOCSIN_NIGHTS, and none of them unless asked.

TOCSIN_NIGHTS=1000        so many, in place of 24
TOCSIN_NIGHTS_FROM=5000   from this seed on, in place of 0
TOCSIN_NIGHTS_FOR=300     none begins later than so many seconds after the first; what is left is skipped, and counted
TOCSIN_NIGHT=4711         this one alone, with its story
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from app import clock


class Asked:
    """`seeds`; `alone`: one night was asked for by its seed. Raises ValueError for what is no number."""

    def __init__(self, name: str = "NIGHT", unless: int = 24, environment: Mapping[str, str] = os.environ) -> None:
        def told(what: str) -> str:
            return environment.get(f"TOCSIN_{name}{what}", "")

        one, first = told(""), int(told("S_FROM") or 0)
        self.alone = bool(one)
        self.seeds = range(int(one), int(one) + 1) if one else range(first, first + int(told("S") or unless))
        self.for_s = float(told("S_FOR")) if told("S_FOR") else None
        self._began: float | None = None

    def time_is_up(self) -> bool:
        """Whether no more night begins in this process. The first always does: a run that plays none is no run."""
        if self._began is None:
            self._began = clock.elapsed()
            return False
        return self.for_s is not None and clock.elapsed() - self._began > self.for_s
