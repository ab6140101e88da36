"""Who is told that others edited their hours: by mail where there is one, and not at night unless it is soon."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.directory import contacts
from app.notifications.telling import tell_by
from app.oncall import edit_store, editing
from app.oncall.edit_store import Untold
from app.oncall.edits import Edited, edited, morning
from app.oncall.intervals import Interval

SHOWN = 2
"""So many stretches of each kind are named in the short form."""


async def tell(conn: AsyncConnection, now: datetime, channels: Collection[str]) -> int:
    """Tells everybody whose edits have settled what has come of them. Returns how many were due."""
    due = await edit_store.claim(conn, now)
    people = await contacts.people(conn, {u.user_id for u in due}, channels)
    for untold in due:
        after = await editing.hours_of(conn, now, [untold.schedule_id], untold.until)
        found = edited(untold.before, after[untold.schedule_id].get(untold.user_id, ()), now, untold.until)
        where, person = hours.zone(untold.time_zone), people.get(untold.user_id)
        at = morning(now, where)
        if not found.nothing and at is not None and not found.is_soon(now):
            await edit_store.later(conn, untold, at)
            continue
        await edit_store.forget(conn, untold.schedule_id, untold.user_id)
        if found.nothing or person is None or not person.active:
            continue
        ways = [m for m in person.methods if m.channel == "mail"] or [r.method for r in person.rules_for("quiet")]
        for method in ways[:1]:
            key = f"edit:{untold.schedule_id}:{untold.user_id}:{untold.due_at.isoformat()}"
            await tell_by(conn, now, person.id, method, content(untold, found, where), key)
    return len(due)


def content(untold: Untold, found: Edited, where: ZoneInfo) -> dict[str, Any]:
    """`Your hours in Primary were edited by Cara: on call Mon 30 Nov 09:00 to ...; not on call ...`."""
    parts = [
        f"{what} {_listed(intervals, where, untold.until)}"
        for what, intervals in (("on call", found.gained), ("not on call", found.lost))
        if intervals
    ]
    facts = [["You are on call", _span(i, where, untold.until)] for i in found.gained]
    facts += [["You are not on call", _span(i, where, untold.until)] for i in found.lost]
    head = f"Your hours in {untold.schedule} were edited by {untold.edited_by}"
    return {
        "subject": f"Your hours in {untold.schedule} have changed",
        "text": f"{head}: {'; '.join(parts)}.",
        "text_long": f"{head}.",
        "facts": facts,
    }


def _listed(intervals: Sequence[Interval], where: ZoneInfo, until: datetime) -> str:
    more = f" and {len(intervals) - SHOWN} more times" if len(intervals) > SHOWN else ""
    return ", ".join(_span(i, where, until) for i in intervals[:SHOWN]) + more


def _span(interval: Interval, where: ZoneInfo, until: datetime) -> str:
    """Where nobody looked beyond `until`, no end is named."""
    first, last = (hours.local(at, where) for at in interval)
    if interval[1] >= until:
        return f"from {first:%a %d %b %H:%M %Z} on"
    return f"from {first:%a %d %b} {hours.clock(first)} to {last:%a %d %b %H:%M %Z}"
