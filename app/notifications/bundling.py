"""Which pages go out alone, which together, which wait. Pure: what is due for one contact method in, a decision out.

behaviour.md 8: limits bundle, never drop. Of what is due, as much as fits goes out, each as a message of its own; what
does not fit goes along in the last of these messages. Where nothing fits, all wait until the window opens. Fair order:
the first page of a service first, then whoever has waited longest. While a storm lasts all is one message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from msgspec import Struct

from app.notifications.limits import LIMITS, Pace, fits, opens_at, spend


class Waiting(Struct, frozen=True, gc=False):
    """A page that is due and may be bundled."""

    id: UUID
    service_id: int
    since: datetime


@dataclass(slots=True)
class Bundled:
    """`alone`: each a message; `together`: one message; `later`: due again at `until`, with the reason `because`."""

    pace: Pace
    alone: list[UUID] = field(default_factory=list)
    together: list[UUID] = field(default_factory=list)
    later: list[UUID] = field(default_factory=list)
    until: datetime | None = None
    because: str = ""


def fair(waiting: Sequence[Waiting]) -> list[UUID]:
    """The first of each service, then the others, each by how long they have waited."""
    by_age = sorted(waiting, key=lambda w: (w.since, w.id))
    first: dict[int, UUID] = {}
    for w in by_age:
        first.setdefault(w.service_id, w.id)
    ahead = set(first.values())
    return [w.id for w in by_age if w.id in ahead] + [w.id for w in by_age if w.id not in ahead]


def bundle(
    channel: str, waiting: Sequence[Waiting], bypassing: int, pace: Pace, now: datetime, *, storm: bool
) -> Bundled:
    """Decides for one contact method. `bypassing`: so many messages go out whatever the limit says, and count."""
    pace = spend(channel, pace, now, bypassing)
    room = fits(channel, pace, now, storm=storm)
    order = fair(waiting)
    if not order:
        return Bundled(pace)
    if not room:
        until = max(opens_at(channel, pace, storm=storm), now + timedelta(milliseconds=1))
        return Bundled(pace, later=order, until=until, because=_because(channel, storm=storm))
    if len(order) <= room:
        return Bundled(spend(channel, pace, now, len(order)), alone=order)
    spent = spend(channel, pace, now, room)
    return Bundled(spent, alone=order[: room - 1], together=order[room - 1 :])


def _because(channel: str, *, storm: bool) -> str:
    if storm:
        return "bundled: while a storm lasts, one message in 2 minutes"
    limit = LIMITS[channel]
    every = f"one in {limit.every // timedelta(seconds=1)} s"
    return f"bundled: {every}" if limit.burst == 1 else f"bundled: {limit.burst} messages at once, then {every}"
