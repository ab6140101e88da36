"""When there is something to do next, in any room of the road: what the metronome is set to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import silent_store as silent
from app.alerts import store as alerts
from app.escalation import store as escalation
from app.heartbeats import beat_store as beats
from app.heartbeats import own_store as own
from app.incidents import store as incidents
from app.incidents import storm_store
from app.notifications import store as notifications
from app.oncall import handoff_store

_LOOK = f"""
    SELECT extract(epoch FROM due.road - tocsin_now()) / v.speed AS road,
           extract(epoch FROM due.messages - tocsin_now()) / v.speed AS messages,
           extract(epoch FROM due.handoffs - tocsin_now()) / v.speed AS handoffs,
           EXISTS ({silent.ANY}) AS silent
    FROM (SELECT least(({alerts.NEXT_EXPIRY}), ({alerts.NEXT_RECHECK}), ({incidents.NEXT_DUE}),
                       ({storm_store.NEXT_LOOK}), ({escalation.NEXT_STEP}), ({beats.NEXT_DUE}),
                       ({own.NEXT_DUE})) AS road,
                 ({notifications.NEXT_DUE}) AS messages, ({handoff_store.NEXT_DUE}) AS handoffs) AS due,
         (SELECT coalesce((SELECT nullif(speed, 0) FROM clock_control), 1) AS speed) AS v
"""
LOOK = text(_LOOK)
NEXT_DUE = text(f"SELECT least(road, messages, handoffs) FROM ({_LOOK}) AS look")
"""Real seconds until the next row of any room falls due; null: none waits."""


class Due(NamedTuple):
    """Real seconds until the next row falls due for the road, and the next message, and the next that is to be told of
    handoffs; None: none waits. `silent`: there are silent sources, which may speak again at any time."""

    road: float | None
    messages: float | None
    handoffs: float | None
    silent: bool

    @property
    def wait_s(self) -> float | None:
        return min((s for s in (self.road, self.messages, self.handoffs) if s is not None), default=None)

    @property
    def now(self) -> bool:
        """A pass along the road has something to do."""
        return self.silent or (self.road is not None and self.road <= 0)

    @property
    def sends(self) -> bool:
        return self.messages is not None and self.messages <= 0

    @property
    def handing_over(self) -> bool:
        return self.handoffs is not None and self.handoffs <= 0


@dataclass(frozen=True, slots=True)
class Climbed:
    """What one pass of the clock did. `lateness`: in s, of claimed ladders. `again`: the next pass is due at once."""

    pages: int
    lateness: Sequence[float]
    unreachable: int
    due: Due  # after it
    again: bool = False

    @property
    def behind(self) -> bool:
        """It claimed all that one pass may."""
        return self.due is BEHIND


def together(one: Climbed, other: Climbed) -> Climbed:
    """What two passes did at the same time."""
    due = Due(
        _sooner(one.due.road, other.due.road),
        _sooner(one.due.messages, other.due.messages),
        _sooner(one.due.handoffs, other.due.handoffs),
        one.due.silent or other.due.silent,
    )
    return Climbed(
        one.pages + other.pages,
        [*one.lateness, *other.lateness],
        one.unreachable + other.unreachable,
        BEHIND if one.behind or other.behind else due,
        one.again or other.again,
    )


def _sooner(one: float | None, other: float | None) -> float | None:
    return min((s for s in (one, other) if s is not None), default=None)


BEHIND = Due(0.0, 0.0, None, False)


async def look(conn: AsyncConnection, *, behind: bool = False) -> Due:
    """With one statement, where a pass of the clock has a dozen. `behind`: the pass before claimed all that one may, so
    more is due and nobody need look."""
    if behind:
        return BEHIND
    *waits, silent_ones = (await conn.execute(LOOK)).one()
    road, messages, handoffs = (None if s is None else float(s) for s in waits)
    return Due(road, messages, handoffs, silent_ones)
