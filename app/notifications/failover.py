"""⑩ Bad news about a message: what follows at once (behaviour.md 8)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.directory import contacts
from app.escalation import commands as escalation
from app.incidents import store as incident_store
from app.incidents.timeline import Entry
from app.notifications import digest_store, store
from app.notifications.commands import queue_message
from app.notifications.plan import Planned

ON_ITS_WAY = frozenset({"sending", "sent", "delivered"})
LOST = frozenset({"failed", "undelivered"})


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A notification that will not arrive, as failover needs it."""

    id: UUID
    user_id: int | None
    user_name: str
    contact_method_id: int | None
    channel: str
    loudness: str
    purpose: str
    incident_id: UUID | None
    ladder_id: UUID | None
    epoch: int | None
    round: int | None
    step: int | None

    @classmethod
    def of(cls, row: Any, notification_id: UUID) -> Undelivered:
        """From a row that has the columns of the notification and `user_name`."""
        return cls(notification_id, *(getattr(row, name) for name in cls.__slots__[1:]))


def by_ladder(lost: Iterable[Undelivered]) -> list[Undelivered]:
    """In the order in which whoever fails over several at once takes their ladders: nobody waits in a circle."""
    return sorted(lost, key=lambda one: str(one.ladder_id))


async def fail_over(
    conn: AsyncConnection,
    now: datetime,
    lost: Undelivered,
    because: str,
    channels: Collection[str],
    *,
    broken: bool = False,
    opted_out: bool = False,
) -> None:
    """Bad news about a message: the next contact method now, then the next person now (behaviour.md 8). A webhook is
    nobody's: that it failed is told, and no more.

    `broken`: the address itself is no good; its owner is told another way. `opted_out`: by its owner, with STOP.
    """
    if lost.incident_id is not None:
        said = {"name": lost.user_name, "channel": lost.channel, "because": because}
        await incident_store.write_timeline(conn, [Entry(lost.incident_id, "not_sent", data=said)], now)
    if (
        broken
        and lost.contact_method_id is not None
        and await contacts.mark_broken(conn, now, lost.contact_method_id, because, opted_out=opted_out)
    ):
        await _tell_owner(conn, now, lost, because, channels)
    if lost.ladder_id is None or lost.user_id is None:
        return
    await escalation.hold(conn, lost.ladder_id)
    step = {
        "ladder_id": lost.ladder_id,
        "epoch": lost.epoch,
        "round": lost.round,
        "step": lost.step,
    }
    forward = step | {
        "now": now,
        "because": f"brought forward: {because}",
        "user_id": lost.user_id,
        "contact_method_id": lost.contact_method_id,
    }
    if (await conn.execute(store.BRING_FORWARD, forward)).first() is not None:
        return
    used = (await conn.execute(store.STEP_STATE, step)).all()
    if await _another_method(conn, now, lost, {r.contact_method_id for r in used}, channels):
        return
    if lost.purpose in ("page", "drill") and not any(_may_arrive(r, used) for r in used):
        await escalation.advance(conn, now, lost.ladder_id, lost.epoch or 0, lost.round or 0, lost.step or 0)


def _may_arrive(row: Any, step: Sequence[Any]) -> bool:
    """Whether this message of a step still gives hope. One that waits for the contact method that has just failed gives
    none: the next person is not kept waiting for it."""
    if row.state == "pending":
        return row.contact_method_id not in {r.contact_method_id for r in step if r.state in LOST}
    return row.state in ON_ITS_WAY


async def _another_method(
    conn: AsyncConnection, now: datetime, lost: Undelivered, used: set[int | None], channels: Collection[str]
) -> bool:
    """A usable contact method of this person that this step has not tried: one that no notification rule names."""
    if lost.user_id is None:
        return False
    person = (await contacts.people(conn, [lost.user_id], channels)).get(lost.user_id)
    if person is None or not person.active:
        return False
    day = await digest_store.day(conn, lost.id)  # what was to go out as one message still does
    for method in person.calls_last:
        if method.id not in used:
            planned = Planned(
                id=ids.new(now),
                key=f"{lost.purpose}:{lost.ladder_id}:{lost.epoch}:{lost.round}:{lost.step}:{lost.user_id}:failover:{method.id}",
                purpose=lost.purpose,
                loudness=lost.loudness,
                user_id=lost.user_id,
                contact_method_id=method.id,
                channel=method.channel,
                address=method.address,
                due_at=now,
                incident_id=lost.incident_id,
                ladder_id=lost.ladder_id,
                epoch=lost.epoch,
                round=lost.round,
                step=lost.step,
                content={"why": "another contact method failed"} | ({"digest": day} if day else {}),
            )
            return await store.insert(conn, [planned], now) > 0
    return False


async def _tell_owner(
    conn: AsyncConnection, now: datetime, lost: Undelivered, because: str, channels: Collection[str]
) -> None:
    if lost.user_id is None:
        return
    person = (await contacts.people(conn, [lost.user_id], channels)).get(lost.user_id)
    for method in person.calls_last[:1] if person is not None and person.active else ():
        mend = "add the device anew in its own browser" if lost.channel == "push" else "mend and verify it"
        text = f"Your {lost.channel} address on Tocsin does not work any more ({because}). Please {mend}."
        await queue_message(
            conn,
            now,
            user_id=lost.user_id,
            contact_method_id=method.id,
            channel=method.channel,
            address=method.address,
            purpose="notice",
            content={"subject": "A contact method of yours is broken", "text": text},
            key=f"broken:{lost.contact_method_id}:{lost.id}",
        )
