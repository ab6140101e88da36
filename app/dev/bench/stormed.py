"""100,000 alerts within a minute over 1,000 alert names, on the wall clock: are all stored, when does the first page
come, and how often does a phone ring in two minutes?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from app.dev.bench.bodies import Storm
from app.dev.bench.load import open_loop
from app.dev.bench.measured_intake import ENTRANCES_OF_STORM
from app.dev.bench.numbers import Value, rounded
from app.dev.bench.programs import Failed, Program
from app.dev.bench.provider import Provider
from app.dev.bench.town import STORMED, Town

EACH: Final = 100
"""Alerts in a request."""
NAMES: Final = 250
"""Alert names of each of four services: a thousand incidents."""
WINDOW_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Weather:
    """`alerts` within `over_s` seconds, watched for `watch_s` seconds from the first on: less than two minutes do not
    tell how often a phone rings in two minutes."""

    alerts: int
    over_s: float
    watch_s: float


def most_within(times: Sequence[float], window_s: float = WINDOW_S) -> int:
    """The most of these instants that fall into a window of this length, its end excluded."""
    return max((sum(start <= t < start + window_s for t in times) for start in times), default=0)


async def breaks_loose(
    subject: Program, town: Town, provider: Provider, weather: Weather, say: Callable[[str], None]
) -> dict[str, Value]:
    """Raises `Failed` when the subject refuses a request."""
    await town.calm()
    await town.storms_above(20)
    shots = Storm(903, NAMES).shots(ENTRANCES_OF_STORM, weather.alerts // EACH, EACH)
    provider.asked.clear()
    began = perf_counter()
    outcome = await open_loop(subject.port, shots, len(shots) / weather.over_s)
    if outcome.failed:
        raise Failed(f"in a storm {subject.name} answered {outcome.failed}")
    await asyncio.sleep(max(began + weather.watch_s - perf_counter(), 0.0))
    times = [at for at, to in provider.asked if to == STORMED and at >= began]
    stored = weather.alerts - await town.lost(shot.alerts for shot in shots)
    first = times[0] - began if times else None
    most = most_within(times) if weather.watch_s >= WINDOW_S else None
    rang = "not watched for 2 min" if most is None else f"{most} in 2 min"
    say(f"storm: {stored:,} of {weather.alerts:,} alerts stored, first page after {first or 0:.2f} s, {rang}")
    return {
        "paging.storm_100k.stored": stored,
        "paging.storm_100k.first_page_s": rounded(first, 3),
        "paging.storm_100k.most_notifications_per_contact_method_in_2_minutes": most,
    }
