"""Ladders that fall due together, written by SQL, and how late the worker is with each.

A ladder counts as climbed when its new row and its notification are committed. That is watched from outside: every
20 ms, what is the oldest ladder that is still due? Up to 20 ms of what is reported are the watching.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from app.dev.bench.programs import Failed
from app.dev.bench.town import Town

LOOK_EVERY_S: Final = 0.02
GIVE_UP_AFTER_S: Final = 120.0

_INCIDENTS: Final = """
    INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict, loudness,
                           opened_at, triggered_at, last_occurrence_at, firing, occurrences)
    SELECT uuidv7(INTERVAL '-1 hour'), s.id, $1 || n, $1, 'triggered', 1, 1, 1, '{"inputs": []}', 'loud', tocsin_now(),
           tocsin_now(), tocsin_now(), 1, 1
    FROM generate_series(1, $2::int) AS n, services s WHERE s.key = 'service-1'
"""
_LADDERS: Final = """
    INSERT INTO ladders (id, incident_id, purpose, policy, epoch, round, step, reached, next_step_at, started_at)
    SELECT gen_random_uuid(), i.id, 'page',
           jsonb_build_object('key', 'bench', 'name', 'bench', 'version', 1, 'repeats', 0, 'steps', jsonb_build_array(
               jsonb_build_object('delay_s', 86400, 'targets', jsonb_build_array(
                   jsonb_build_object('type', 'user', 'id', u.id))))),
           1, 1, 0, 0, $2::timestamptz + (row_number() OVER () - 1) * $3::interval, tocsin_now()
    FROM incidents i, users u WHERE i.title = $1 AND u.key = 'stormed'
"""
_WRITTEN: Final = """
    SELECT count(*) AS rows, count(DISTINCT n.ladder_id) AS ladders
    FROM notifications n JOIN incidents i ON i.id = n.incident_id WHERE i.title = $1
"""
_OLDEST: Final = "SELECT tocsin_now() AS at, (SELECT min(next_step_at) FROM ladders WHERE next_step_at <= $1) AS due"


@dataclass(frozen=True, slots=True)
class Watched:
    """`late`: seconds of each ladder from its due instant until it was seen climbed."""

    late: Sequence[float]
    lost: int
    duplicates: int


def lateness(due: Sequence[datetime], looks: Sequence[tuple[datetime, datetime | None]]) -> list[float]:
    """Seconds by which each of the ascending instants `due` was late. `looks`: (when, the oldest that was still due
    then or None), in the order of time; the last one has None."""
    late = []
    times = [at for at, _ in looks]
    for instant in due:
        first = bisect_left(times, instant)
        climbed = next(at for at, oldest in looks[first:] if oldest is None or oldest > instant)
        late.append((climbed - instant).total_seconds())
    return late


async def fall_due(town: Town, title: str, count: int, over_s: float) -> Watched:
    """`count` ladders, one after the other within `over_s` seconds (0: all at once), starting in a moment."""
    async with town.conn.transaction():
        await town.conn.execute(_INCIDENTS, title, count)
        began = await town.value("SELECT tocsin_now() + make_interval(secs => $1)", 1 + count / 20_000)
        apart = timedelta(seconds=over_s / count)
        await town.conn.execute(_LADDERS, title, began, apart)
    due = [began + apart * n for n in range(count)]
    looks = await _watch(town, due[-1])
    written = await town.conn.fetchrow(_WRITTEN, title)
    await _calm(town, title)
    return Watched(lateness(due, looks), count - written["ladders"], written["rows"] - written["ladders"])


async def _watch(town: Town, last: datetime) -> list[tuple[datetime, datetime | None]]:
    looks: list[tuple[datetime, datetime | None]] = []
    while True:
        row = await town.conn.fetchrow(_OLDEST, last)
        looks.append((row["at"], row["due"]))
        if row["due"] is None:
            return looks
        if row["at"] > last + timedelta(seconds=GIVE_UP_AFTER_S):
            raise Failed("the worker does not climb its ladders")
        await asyncio.sleep(LOOK_EVERY_S)


async def _calm(town: Town, title: str) -> None:
    """What was written is counted; to send it all would only delay what is measured next."""
    async with town.conn.transaction():
        await town.conn.execute("DELETE FROM notifications WHERE state = 'pending' AND tries = 0")
        await town.conn.execute(
            "DELETE FROM ladders USING incidents i WHERE incident_id = i.id AND i.title = $1", title
        )
        await town.conn.execute(
            "UPDATE incidents SET state = 'resolved', resolved_at = tocsin_now() WHERE title = $1", title
        )
