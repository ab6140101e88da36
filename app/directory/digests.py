"""Which quiet pages wait for the morning, and until when. Pure.

Somebody who asked for digests gets the quiet pages of a night as one message, in the morning, in place of one message
each. The night is the twelve hours of the clock before it: by day a quiet page goes out at once. The ladder of an
incident counts from the morning, too (`Reach.told_at`): nobody else is asked because somebody sleeps. Every day, not
only on working days: who is on call on Saturday is not who is on Monday.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from app import hours
from app.directory.contacts import Person, Rule

NIGHT: Final = timedelta(hours=12)


class Morning(Struct, frozen=True, gc=False):
    """A digest: the local date that names it, and when it is due."""

    day: date
    due_at: datetime


def of(person: Person, now: datetime) -> Morning | None:
    """The digest for which a quiet page of `now` to this person waits; None: it goes out at once."""
    if person.digest_at is None or not person.methods:
        return None
    return morning(now, person.digest_at, hours.zone(person.zone))


def way(person: Person) -> Rule:
    """By which contact method somebody gets it, who has one: what their quiet notification rules use first. The others
    are for what nobody answers at once."""
    return min(person.rules_for("quiet"), key=lambda rule: rule.delay_s)


def morning(now: datetime, at: str, where: ZoneInfo) -> Morning | None:
    """The digest at `at` (`09:00`, of the clocks there) for which a quiet page of `now` waits; None by day. A time that
    clocks skip is the first instant after it, one that they show twice the first of the two: one digest a date."""
    wall = time.fromisoformat(at)
    today = hours.local(now, where).date()
    for day in (today, today + timedelta(days=1)):
        local = datetime.combine(day, wall)
        begins, due_at = hours.instant(local - NIGHT, where), hours.instant(local, where)
        if begins <= now < due_at:
            return Morning(day, due_at)
    return None
