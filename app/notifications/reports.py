"""⑩ What providers say later about messages they took, and what changes by it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.channel import RANK, UNDONE, DeliveryReport, Status, supersedes
from app.incidents import store as incident_store
from app.incidents.timeline import Entry
from app.notifications import health_store, pacing_store, store
from app.notifications.failover import Undelivered, by_ladder, fail_over
from app.notifications.health import is_its_own_loss
from app.notifications.outcome import went_out
from app.notifications.polling_plan import first_asked


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
            "provider": report.provider,
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
    from any attempt, also when it was to be tried again or had been given up; bad news only from the newest. What was
    to be tried again because nobody knew whether it went out, and is on its way, is not."""
    both = [(row, Undelivered.of(row, row.notification_id))]
    both += [(r, Undelivered.of(r, r.id)) for r in await pacing_store.carried(conn, row.notification_id)]
    if status in ("delivered", "read"):
        glad = [lost for was, lost in both if was.state not in ("delivered", "cancelled")]
        await _set_state(conn, now, glad, "delivered", "")
        said = [
            Entry(lost.incident_id, "delivered", data={"name": lost.user_name, "channel": lost.channel})
            for lost in glad
            if lost.incident_id is not None
        ]
        await incident_store.write_timeline(conn, said, now)
    elif status in UNDONE and row.number == row.tries:
        because = str(report.fault) if report.fault else status
        sad = [lost for was, lost in both if was.state in ("sending", "sent")]
        await _set_state(conn, now, sad, "undelivered", because)
        broken = report.fault is not None and report.fault.broken_address
        opted_out = report.fault is not None and report.fault.opted_out
        for lost in by_ladder(sad):
            await fail_over(conn, now, lost, because, channels, broken=broken, opted_out=opted_out)
    elif status not in UNDONE and row.number == row.tries:
        found = [lost for was, lost in both if was.state == "pending" and was.repeated]
        if not found:
            return
        await _set_state(conn, now, found, "sent", "")
        await conn.execute(store.ASK_AT, {"id": row.id, "ask_at": first_asked(row.channel, now)})
        entries = went_out(found, repeated=row.number > 1, others=len(both) - 1)
        await incident_store.write_timeline(conn, entries, now)


async def _set_state(conn: AsyncConnection, now: datetime, of: Sequence[Undelivered], state: str, because: str) -> None:
    if of:
        named = {"ids": [n.id for n in of], "now": now, "state": state, "because": because}
        await conn.execute(store.SET_STATE, named)
