"""`tocsin bench`: what Tocsin can do on this machine, beside a reference that ran in the same minutes.

Everything is started on loopback and talked to over sockets. Nothing is switched off: the database is durable, rules,
correlation, receipts, timeline and metrics are on. Subject and reference take turns, so that what else the machine does
hits both; trust the ratios, not the rates.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import uvloop

from app.dev.bench import keys, measured_intake, measured_paging
from app.dev.bench.numbers import Value


def intake(*, quick: bool = False, history: bool = False, plan: measured_intake.Plan | None = None) -> dict[str, Value]:
    """The report of `tocsin bench intake`: its keys (keys.INTAKE) with their values, None where there is none.

    `quick`: rougher, in less than 40 s. `history`: with 10 million occurrences, which takes minutes and 10 GB.
    Raises `programs.Failed` when there is nothing to report. What it does it says on stderr.
    """
    chosen = plan or (measured_intake.QUICK if quick else measured_intake.Plan())
    return _in_order(keys.INTAKE, _run(measured_intake.measure(chosen, history, _say)))


def paging(*, quick: bool = False, history: bool = False, plan: measured_paging.Plan | None = None) -> dict[str, Value]:
    """The report of `tocsin bench paging`, its keys being keys.PAGING; arguments as for `intake`."""
    chosen = plan or (measured_paging.QUICK if quick else measured_paging.Plan())
    return _in_order(keys.PAGING, _run(measured_paging.measure(chosen, history, _say)))


def _run(work: Coroutine[Any, Any, dict[str, Value]]) -> dict[str, Value]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _in_order(names: tuple[str, ...], found: Mapping[str, Value]) -> dict[str, Value]:
    return {name: found[name] for name in names}


_say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True)  # noqa: E731
