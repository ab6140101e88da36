"""How this process stands, by its own last look (behaviour.md 17): what the outgoing heartbeat and the peer are told.
Pure: what was seen and the time give words. Times are seconds on the monotonic clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from app.notifications import watch
from app.notifications.watch import Overdue, Seen

TICK_WITHIN_S: Final = 30.0
"""As `/readyz`: a worker ticks every second, a burst may take it some; then it hangs."""
LOOK_WITHIN_S: Final = 60.0
"""A look comes every 15 s and takes 25 at most; one that is older is no news."""
START_S: Final = 60.0
"""A process that has just started has not ticked and looked yet; later that is wrong."""


@dataclass(frozen=True, slots=True)
class Process:
    """This process now. `tick_ago`: seconds since its worker's last tick ended, None before the first; `ticks`: it has
    a worker at all. `up_s`: since when it runs."""

    seen: Seen | None
    at: float
    up_s: float
    ticks: bool
    tick_ago: float | None


def wrong(process: Process) -> list[str] | None:
    """What is wrong in words; empty: all is truly fine; None: neither can be said yet."""
    found = [*_loops(process)]
    unclear = process.tick_ago is None and process.ticks
    if process.seen is not None and process.at - process.seen.at <= LOOK_WITHIN_S:
        look = process.seen.look
        for reason, overdue in watch.found(look).items():
            if overdue is not None and overdue.late > 0:
                found.append(watch.title(watch.Word(reason, False, overdue.late, overdue.oldest_s)))
        unclear = unclear or look.ladders is None
    else:
        unclear = True
    return found or (None if unclear else [])


def _loops(process: Process) -> list[str]:
    found = []
    if process.ticks and process.tick_ago is None and process.up_s > START_S:
        found.append("the worker has not ticked since it was started")
    elif process.tick_ago is not None and process.tick_ago > TICK_WITHIN_S:
        found.append(f"the worker has not ticked for {watch.duration(process.tick_ago)}")
    looked_ago = process.up_s if process.seen is None else process.at - process.seen.at
    if looked_ago > LOOK_WITHIN_S:
        found.append(f"nobody has looked at the database for {watch.duration(looked_ago)}")
    return found


def document(process: Process, version: str) -> Mapping[str, Any]:
    """What a peer is told: see `report.Report`, which reads it."""
    seen = process.seen
    look = None if seen is None else seen.look
    clock = None if seen is None or seen.clock is None else seen.clock
    readable = look is not None and look.ladders is not None
    return {
        "version": version,
        "clock": None if clock is None else clock[0] + timedelta(seconds=process.at - clock[1]),
        "database_readable": readable,
        "unreadable_s": round(look.unreadable_s, 1) if look is not None else 0.0,
        "ladders": _lateness(look.ladders if look else None),
        "notifications": _lateness(look.notifications if look else None),
        "unreachable": look.unreachable.late if look is not None else 0,
        "tick_s": None if process.tick_ago is None else round(process.tick_ago, 1),
        "looked_s": None if seen is None else round(process.at - seen.at, 1),
    }


def _lateness(overdue: Overdue | None) -> Mapping[str, Any] | None:
    return None if overdue is None else {"late": overdue.late, "oldest_s": round(overdue.oldest_s, 1)}
