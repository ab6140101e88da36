"""⑨ Queueing notifications."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.directory import contacts
from app.directory.contacts import Person
from app.errors import Conflict
from app.escalation.positions import PageOrder, Shadowing
from app.incidents.storms import Storm
from app.notifications import shadow_notices, store
from app.notifications.plan import Planned, plan

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
