"""⑨ Queueing notifications; what becomes of them when a provider says no; what its callbacks change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.channel import RANK, UNDONE, DeliveryReport, Status, supersedes
from app.db import ids
from app.directory import contacts
from app.directory.contacts import Person
from app.errors import Conflict
from app.escalation import commands as escalation
from app.escalation.positions import PageOrder, Shadowing
from app.incidents import store as incident_store
from app.incidents.storms import Storm
from app.incidents.timeline import Entry
from app.notifications import digest_store, health_store, pacing_store, shadow_notices, store
from app.notifications.health import is_its_own_loss
from app.notifications.plan import Planned, plan

ON_ITS_WAY = frozenset({"sending", "sent", "delivered"})
LOST = frozenset({"failed", "undelivered"})
NOBODY: Mapping[int, Person] = {}


async def queue_pages(
    conn: AsyncConnection,
    orders: Sequence[PageOrder],
    channels: Collection[str],
    now: datetime,
    shadows: Sequence[Shadowing] = (),
    known: Mapping[int, Person] = NOBODY,
) -> int:
    """The messages of these orders, and to who looks on; a message that is queued already is not queued twice. `known`:
    people who were looked up in this transaction. Returns how many are new."""
    if not orders:
        return 0
    unknown = {o.user_id for o in orders if o.user_id is not None} - known.keys()
    people = {**known, **await contacts.people(conn, unknown, channels)}
    addresses = await store.addresses(conn, {o.webhook_id for o in orders if o.webhook_id is not None})
    queued = await store.insert(conn, plan(orders, people, now, addresses), now)
    return queued + await shadow_notices.queue(conn, shadows, channels, now)


async def queue_message(
    conn: AsyncConnection,
    now: datetime,
    *,
    user_id: int,
    contact_method_id: int,
    channel: str,
    address: str,
    purpose: str,
    content: Mapping[str, Any],
    key: str,
    loudness: str = "loud",
) -> None:
    """One message that is about no incident: a verification code, a notice. `key` makes it unique."""
    planned = Planned(
        ids.new(now), key, purpose, loudness, user_id, contact_method_id, channel, address, now, content=content
    )
    await store.insert(conn, [planned], now)


async def queue_webhook_test(conn: AsyncConnection, now: datetime, webhook_id: int, by: str) -> UUID:
    """A request about no incident, to see whether the other side takes it. Returns the notification's id.
    Raises `Conflict` (`no_address`)."""
    if (address := (await store.addresses(conn, [webhook_id])).get(webhook_id)) is None:
        raise Conflict("it has no address yet", code="no_address")
    notification = ids.new(now)
    test = Planned(
        notification, f"webhook-test:{notification}", "drill", "loud", None, None, "webhook", address, now,
        content={"why": f"{by} pressed Test", "text": "A test from Tocsin"}, webhook_id=webhook_id,
    )  # fmt: skip
    await store.insert(conn, [test], now)
    return notification


async def queue_storm_reports(
    conn: AsyncConnection, reports: Sequence[tuple[Storm, str]], channels: Collection[str], now: datetime
) -> None:
    """The exit report of each storm by mail, to everybody who was paged about it."""
    for storm, report in reports:
        paged = await conn.execute(store.PAGED_ABOUT, {"incident_id": storm.incident_id})
        for person in (await contacts.people(conn, set(paged.scalars()), channels)).values():
            for method in [m for m in person.methods if m.channel == "mail" and person.active][:1]:
                await queue_message(
                    conn, now, user_id=person.id, contact_method_id=method.id, channel=method.channel,
                    address=method.address, purpose="digest", key=f"storm:{storm.id}:{person.id}",
                    content={"subject": f"{storm.name} is over", "text": report},
                )  # fmt: skip


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


async def report_delivery(
    conn: AsyncConnection, now: datetime, callback_hash: bytes, report: DeliveryReport, channels: Collection[str]
) -> bool:
    """A provider's callback. Status only moves forward; bad news fails over at once. False: no such attempt."""
    row = (await conn.execute(store.ATTEMPT_OF_CALLBACK, {"hash": callback_hash})).first()
    if row is None:
        return False
    if row.status in RANK and not supersedes(report.status, row.status):
        return True
    fault = report.fault
    await conn.execute(
        store.CALLBACK,
        {
            "id": row.id,
            "status": report.status,
            "provider_id": report.provider_id,
            "code": fault.code if fault else "",
            "error": str(fault) if fault else "",
            "now": now,
        },
    )
    await _follow(conn, now, row, report.status, report, channels)
    await _note(conn, now, row, report)
    return True


async def _note(conn: AsyncConnection, now: datetime, row: Any, report: DeliveryReport) -> None:
    """How the provider fares with such numbers: what was delivered, and what got lost on the way."""
    if not row.provider or not row.prefix or not report.final:
        return
    key, fault = (row.channel, row.provider, row.prefix), report.fault
    if report.status not in UNDONE:
        await health_store.note(conn, now, key, "delivered")
    elif report.status in ("failed", "undelivered") and fault is not None and is_its_own_loss(row.channel, fault):
        await health_store.note(conn, now, key, "undelivered", fault.code, fault.message)


async def _follow(
    conn: AsyncConnection, now: datetime, row: Any, status: Status, report: DeliveryReport, channels: Collection[str]
) -> None:
    """What a new status of an attempt means for its notification and those that its message carried: good news counts
    from any attempt, also when it was to be tried again or had been given up; bad news only from the newest."""
    both = [(row.state, Undelivered.of(row, row.notification_id))]
    both += [(r.state, Undelivered.of(r, r.id)) for r in await pacing_store.carried(conn, row.notification_id)]
    if status in ("delivered", "read"):
        glad = [lost for state, lost in both if state not in ("delivered", "cancelled")]
        await _set_state(conn, now, glad, "delivered", "")
        said = [
            Entry(lost.incident_id, "delivered", data={"name": lost.user_name, "channel": lost.channel})
            for lost in glad
            if lost.incident_id is not None
        ]
        await incident_store.write_timeline(conn, said, now)
    elif status in UNDONE and row.number == row.tries:
        because = str(report.fault) if report.fault else status
        sad = [lost for state, lost in both if state in ("sending", "sent")]
        await _set_state(conn, now, sad, "undelivered", because)
        broken = report.fault is not None and report.fault.broken_address
        opted_out = report.fault is not None and report.fault.opted_out
        for lost in by_ladder(sad):
            await fail_over(conn, now, lost, because, channels, broken=broken, opted_out=opted_out)


async def _set_state(conn: AsyncConnection, now: datetime, of: Sequence[Undelivered], state: str, because: str) -> None:
    if of:
        named = {"ids": [n.id for n in of], "now": now, "state": state, "because": because}
        await conn.execute(store.SET_STATE, named)
