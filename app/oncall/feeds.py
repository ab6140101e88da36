"""Feeds: the shifts of a schedule, or of a person, for calendar programs. What people do with them, and what they say.

A feed is an address with a random token of 128 bits, of which only the SHA-256 is kept; it is shown once. Everybody who
wants one makes one, so that to revoke one takes it from nobody else. What it says is `final`, like everything else.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars import feed_store, writing
from app.calendars.feed_store import StoredFeed
from app.calendars.following import Shown, Told, followed
from app.calendars.writing import NOBODY, USER, Line
from app.db import ids
from app.directory.changes import record
from app.errors import Conflict, NotFound
from app.oncall import shifts, store
from app.oncall.intervals import joined, without
from app.oncall.shifts import Schedule

BACK: Final = timedelta(days=30)
AHEAD: Final = timedelta(days=180)
MOST: Final = 50
_READ_EVERY: Final = timedelta(hours=1)
"""When somebody last read is written down so often at most."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Of what a feed is: a schedule or a user, by key, and the one id."""

    kind: str
    key: str
    schedule_id: int | None = None
    user_id: int | None = None


def hashed(token: str) -> bytes:
    return sha256(token.encode()).digest()


async def listed(conn: AsyncConnection, owner: Owner) -> list[StoredFeed]:
    return await feed_store.feeds(conn, schedule_id=owner.schedule_id, user_id=owner.user_id)


async def make(conn: AsyncConnection, now: datetime, owner: Owner, name: str, *, actor: str) -> tuple[StoredFeed, str]:
    """The feed and its token, which nobody can read again. Raises `Conflict` (`too_many`)."""
    if len(await listed(conn, owner)) >= MOST:
        raise Conflict(f"there are {MOST} feeds already: revoke some", code="too_many")
    token = secrets.token_urlsafe(16)
    values = {"schedule_id": owner.schedule_id, "user_id": owner.user_id, "name": name, "actor": actor, "now": now}
    feed_id = await feed_store.insert(conn, values | {"hash": hashed(token), "hint": token[-4:]})
    await record(conn, now, actor, "calendar_feed.created", _called(owner, feed_id), after={"name": name})
    return await one(conn, owner, feed_id), token


async def one(conn: AsyncConnection, owner: Owner, feed_id: int) -> StoredFeed:
    """Raises `NotFound`."""
    found = await feed_store.feeds(conn, schedule_id=owner.schedule_id, user_id=owner.user_id, feed_id=feed_id)
    if not found:
        raise NotFound(f"{owner.kind} {owner.key!r} has no feed {feed_id}", key=owner.key)
    return found[0]


async def rotate(
    conn: AsyncConnection, now: datetime, owner: Owner, feed_id: int, *, actor: str
) -> tuple[StoredFeed, str]:
    """Another token; the one before counts no more. Raises `NotFound`."""
    await one(conn, owner, feed_id)
    token = secrets.token_urlsafe(16)
    await feed_store.rotate(conn, now, feed_id, hashed(token), token[-4:])
    await record(conn, now, actor, "calendar_feed.rotated", _called(owner, feed_id))
    return await one(conn, owner, feed_id), token


async def revoke(conn: AsyncConnection, now: datetime, owner: Owner, feed_id: int, *, actor: str) -> None:
    """Raises `NotFound`."""
    feed = await one(conn, owner, feed_id)
    await feed_store.delete(conn, feed_id)
    await record(conn, now, actor, "calendar_feed.revoked", _called(owner, feed_id), {"name": feed.name})


def _called(owner: Owner, feed_id: int) -> str:
    return f"{owner.kind}/{owner.key}/{feed_id}"


@dataclass(frozen=True, slots=True)
class Page:
    """What a feed says: the calendar, and when anything in it last changed."""

    content: bytes
    changed_at: datetime


def window(now: datetime) -> tuple[datetime, datetime]:
    """Whole months: a window that moved with every second would change shifts at its edges all the time."""
    first, last = (now - BACK).astimezone(UTC), (now + AHEAD).astimezone(UTC)
    year, month = divmod(last.year * 12 + last.month, 12)
    return datetime(first.year, first.month, 1, tzinfo=UTC), datetime(year, month + 1, 1, tzinfo=UTC)


async def page(conn: AsyncConnection, now: datetime, token: str, public_url: str) -> Page | None:
    """None for a token that is none, any more, or yet."""
    feed = await feed_store.by_token(conn, hashed(token))
    if feed is None:
        return None
    if feed.last_read_at is None or now - feed.last_read_at > _READ_EVERY:
        await feed_store.was_read(conn, now, feed.id)
    span = window(now)
    if feed.user_id is None:
        wanted: list[int] = [feed.schedule_id]
    else:
        wanted = list(await store.schedules_of_user(conn, feed.user_id, window=span))
    schedules = await store.schedules(conn, wanted, window=span) if wanted else {}
    told = await _told(conn, now, schedules, span)
    users = await store.names(conn, {one.user_id for all_of in told.values() for one in all_of if one.user_id})
    lines: list[Line] = []
    for schedule_id, entries in told.items():
        own = [one for one in entries if feed.user_id is None or one.user_id == feed.user_id]
        lines += [_line(one, schedules[schedule_id], users, public_url, own=feed.user_id is not None) for one in own]
    name = f"On call: {feed.name}"
    lines.sort(key=lambda line: (line.starts_at, line.uid))
    changed = max((line.changed_at for line in lines), default=span[0])
    return Page(writing.calendar(name, lines), changed)


async def _told(
    conn: AsyncConnection, now: datetime, schedules: Mapping[int, Schedule], span: tuple[datetime, datetime]
) -> dict[int, list[Told]]:
    """By schedule id what its feeds say now; written down where it is something else than before."""
    computed = await asyncio.to_thread(_computed, schedules, span)
    before = await feed_store.told(conn, schedules)
    result = {}
    for schedule_id, shown in computed.items():
        known = before.get(schedule_id, [])
        after = _followed(known, shown, span, now)
        if after != known:
            await feed_store.lock(conn, schedule_id)  # and look again: somebody may have been faster
            known = (await feed_store.told(conn, [schedule_id])).get(schedule_id, [])
            after = _followed(known, shown, span, now)
            await feed_store.tell(conn, schedule_id, after)
        result[schedule_id] = after
    return result


def _followed(
    known: Sequence[Told], shown: Sequence[Shown], span: tuple[datetime, datetime], now: datetime
) -> list[Told]:
    return followed(known, shown, span[0], now, lambda: f"{ids.new(now)}@tocsin")


def _computed(schedules: Mapping[int, Schedule], span: tuple[datetime, datetime]) -> dict[int, list[Shown]]:
    return {schedule_id: shown(schedule, *span) for schedule_id, schedule in schedules.items()}


def shown(schedule: Schedule, t0: datetime, t1: datetime) -> list[Shown]:
    """The shifts of `[t0, t1)` as people see them: one while somebody stays on call, whatever the cause; and gaps, in
    which nobody is."""
    final = shifts.final(schedule, t0, t1)
    found = []
    for user, intervals in shifts.by_user(final).items():
        own = [shift for shift in final if shift.user_id == user]
        for start, end in intervals:
            causes = dict.fromkeys(s.because for s in own if s.starts_at < end and s.ends_at > start)
            found.append(Shown(user, start, end, ", ".join(causes)))
    covered = joined((shift.starts_at, shift.ends_at) for shift in final)
    found += [Shown(None, start, end, "") for start, end in without([(t0, t1)], covered)]
    return sorted(found, key=lambda one: (one.starts_at, one.user_id or 0))


def _line(told: Told, schedule: Schedule, users: Mapping[int, tuple[str, str]], public_url: str, *, own: bool) -> Line:
    if told.user_id is None:
        summary, extra, why = f"Nobody is on call: {schedule.name}", {NOBODY: "NOBODY"}, "A gap: nobody is paged."
    else:
        key, name = users.get(told.user_id, ("", "somebody who was removed"))
        summary = f"On call: {schedule.name if own else name}"
        extra, why = {USER: key}, f"{name} is on call in {schedule.name}, by {told.because}."
    return Line(
        told.uid,
        told.starts_at,
        told.ends_at,
        summary,
        told.changed_at,
        told.sequence,
        why,
        f"{public_url}/on-call",
        told.user_id is not None,
        extra,
    )
