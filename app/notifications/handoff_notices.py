"""Who is told when a shift changes hands, and who is asked to confirm that they have it.

A worker claims the watch of a schedule when its next handoff is due, or somebody edited it, and looks at what is so
then: a shift that was swapped or edited away is not announced. A message is told once for its key, whoever looks again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.directory import contacts
from app.directory.contacts import Person, UsableMethod
from app.escalation import concern_store
from app.notifications import edit_notices, handoff_texts, swap_notices
from app.notifications.telling import tell_by
from app.oncall import handoff_store, handoffs, handshakes, shifts, store
from app.oncall.handoff_store import StoredHandshake, Watched
from app.oncall.handoffs import LOOK_AHEAD, ChangeOfHands
from app.oncall.shifts import Schedule

LOOK_EVERY = timedelta(days=1)
"""A schedule is looked at so often although nothing is due: it makes up for whatever went wrong."""
OVERLAP = timedelta(minutes=1)
"""Edits that were being written at the last look."""
ASK_BEFORE = timedelta(minutes=1)
"""A handshake begins so long before the handoff at least: whoever leaves has not left when it comes."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look at one schedule."""

    conn: AsyncConnection
    now: datetime
    channels: Collection[str]
    watched: Watched
    schedule: Schedule

    def zone_of(self, person: Person | None) -> ZoneInfo:
        return hours.zone(person.time_zone if person is not None and person.time_zone else self.watched.zone)


async def tell_due(conn: AsyncConnection, now: datetime, channels: Collection[str]) -> None:
    """Tells who comes on call, who leaves, whose hours were edited, and what has become of swaps."""
    await look(conn, now, channels)
    await edit_notices.tell(conn, now, channels)
    await swap_notices.tell_due(conn, now, channels)


async def look(conn: AsyncConnection, now: datetime, channels: Collection[str]) -> int:
    """Looks at the handoffs of every schedule that is due. Returns at how many."""
    claimed = await handoff_store.claim(conn, now)
    for watched in claimed:
        await _look_at(conn, now, channels, watched)
    return len(claimed)


async def _look_at(conn: AsyncConnection, now: datetime, channels: Collection[str], watched: Watched) -> None:
    notices, schedule_id = watched.notices, watched.schedule_id
    if notices is None:
        await handshakes.close_all(conn, now, schedule_id)
        await handoff_store.unwatch(conn, schedule_id)
        return
    lead = timedelta(minutes=notices.minutes_before)
    if notices.confirm_within_minutes is None:
        await handshakes.close_all(conn, now, schedule_id)
    else:
        lead = max(lead, ASK_BEFORE)
        await handshakes.look_again(conn, now, schedule_id)
    window = (max(watched.looked_at, now - LOOK_EVERY) - OVERLAP, now + lead)
    looking = await _loaded(conn, now, channels, watched, window)
    while (change := await _next_to_confirm(looking, window)) is not None:
        if await handshakes.begin(conn, now, looking.schedule, schedule_id, change) is None:
            break
        looking = await _loaded(conn, now, channels, watched, window)
    dues = await _ask(looking)
    await _tell(looking, window)
    coming = handoffs.changes_of_hands(looking.schedule, now, now + LOOK_EVERY + lead)
    dues += [c.at - lead for c in coming if c.incoming] + [c.at for c in coming if c.outgoing]
    await handoff_store.looked(conn, schedule_id, now, min([now + LOOK_EVERY, *(at for at in dues if at > now)]))


async def _loaded(
    conn: AsyncConnection, now: datetime, channels: Collection[str], watched: Watched, window: tuple[datetime, datetime]
) -> Look:
    """Complete for as long after the window as somebody may be on call."""
    loaded = await store.schedules(conn, [watched.schedule_id], window=(window[0], window[1] + 2 * LOOK_AHEAD))
    return Look(conn, now, channels, watched, loaded[watched.schedule_id])


async def _next_to_confirm(looking: Look, window: tuple[datetime, datetime]) -> ChangeOfHands | None:
    """The first handoff whose shift is not over and that nobody has been asked about."""
    notices = looking.watched.notices
    if notices is None or notices.confirm_within_minutes is None:
        return None
    known = await handoff_store.asked_about(looking.conn, looking.watched.schedule_id, window[0])
    for change in handoffs.changes_of_hands(looking.schedule, *window):
        if change.incoming and change.outgoing and change.at not in known:
            until = handoffs.on_call_until(looking.schedule, change.incoming, change.at)
            if until is None or until > looking.now:
                return change
    return None


async def _tell(looking: Look, window: tuple[datetime, datetime]) -> None:
    """Those who come, unless they are asked to confirm; and those who have left, of the last time only when several
    were missed."""
    known = await handoff_store.asked_about(looking.conn, looking.watched.schedule_id, window[0])
    open_ones = await handoff_store.open_ones(looking.conn, [looking.watched.schedule_id])
    remaining = {user for h in open_ones for user in h.outgoing}
    on_call = {entry.user_id for entry in shifts.who(looking.schedule, looking.now)}
    left: dict[int, datetime] = {}
    for change in handoffs.changes_of_hands(looking.schedule, *window):
        if change.at not in known:
            for user in set(change.incoming) - remaining:
                await _tell_incoming(looking, user, change.at)
        if change.at <= looking.now:
            left |= dict.fromkeys(set(change.outgoing) - on_call, change.at)
    for user, at in left.items():
        await _tell_outgoing(looking, user, at)


async def _tell_incoming(looking: Look, user: int, at: datetime) -> None:
    until = handoffs.on_call_until(looking.schedule, [user], at)
    if until is None or until > looking.now:
        person = await _person(looking, user)
        content = await _incoming(looking, person, at, until)
        await _send(looking, person, _first(person), content, f"{user}:on:{at.isoformat()}")


async def _tell_outgoing(looking: Look, user: int, at: datetime) -> None:
    person = await _person(looking, user)
    on_call = [entry.user_id for entry in shifts.who(looking.schedule, looking.now)]
    names = await store.names(looking.conn, on_call)
    content = handoff_texts.outgoing(looking.watched.name, [names[u][1] for u in on_call if u in names])
    await _send(looking, person, _first(person), content, f"{user}:off:{at.isoformat()}")


async def _incoming(looking: Look, person: Person | None, at: datetime, until: datetime | None) -> dict[str, Any]:
    concerns = await concern_store.open_incidents(looking.conn, looking.watched.schedule_id)
    name, where = looking.watched.name, looking.zone_of(person)
    return handoff_texts.incoming(name, at, until, concerns, where, looking.now)


async def _ask(looking: Look) -> list[datetime]:
    """Takes the next step of every handshake that is due. Returns when something of them is due again."""
    notices = looking.watched.notices
    dues = []
    for handshake in await handoff_store.open_ones(looking.conn, [looking.watched.schedule_id]):
        due_at = handshake.due_at
        if due_at is not None and due_at <= looking.now and notices and notices.confirm_within_minutes:
            due_at = await _step(looking, handshake, timedelta(minutes=notices.confirm_within_minutes))
        dues += [handshake.ends_at] + ([] if due_at is None else [due_at])
    return dues


async def _step(looking: Look, handshake: StoredHandshake, within: timedelta) -> datetime | None:
    """Asks by the next contact method; when there is none left, whoever leaves is told. Returns when it is due."""
    known = await contacts.people(looking.conn, handshake.incoming, looking.channels)
    asked = False
    for user in handshake.incoming:
        person = known.get(user)
        ways = _ways(person)
        if len(ways) > handshake.asked:
            content = await _incoming(looking, person, handshake.starts_at, handshake.ends_at)
            content |= {"handshake": handshake.id}
            key = f"{user}:handshake:{handshake.id}:{handshake.asked}"
            await _send(looking, person, ways[handshake.asked], content, key)
            asked = True
    due_at = looking.now + within if asked else None
    if not asked:
        await _tell_who_stays(looking, handshake, [p.name for p in known.values()])
    told_at = None if asked else looking.now
    count = handshake.asked + asked
    await handoff_store.move(looking.conn, handshake.id, asked=count, due_at=due_at, told_at=told_at)
    return due_at


async def _tell_who_stays(looking: Look, handshake: StoredHandshake, names: Sequence[str]) -> None:
    for user in handshake.outgoing:
        person = await _person(looking, user)
        content = handoff_texts.stays(
            looking.watched.name, names, handshake.starts_at, looking.zone_of(person), looking.now,
            alone=not handshake.asked,
        )  # fmt: skip
        await _send(looking, person, _first(person), content, f"{user}:stays:{handshake.id}")


async def _person(looking: Look, user: int) -> Person | None:
    return (await contacts.people(looking.conn, [user], looking.channels)).get(user)


def _first(person: Person | None) -> UsableMethod | None:
    return next(iter(_ways(person)), None)


def _ways(person: Person | None) -> list[UsableMethod]:
    """All contact methods, in the order in which somebody wants to be told of what is quiet, then of what is loud."""
    if person is None or not person.active:
        return []
    rules = [*person.rules_for("quiet"), *person.rules_for("loud")]
    return list(dict.fromkeys([*(rule.method for rule in rules), *person.methods]))


async def _send(
    looking: Look, person: Person | None, method: UsableMethod | None, content: dict[str, Any], key: str
) -> None:
    if person is not None and method is not None:
        named = f"handoff:{looking.watched.schedule_id}:{key}"
        await tell_by(looking.conn, looking.now, person.id, method, content, named)
