"""Notices to one person that are about no incident: a swap is offered, a shift is near. Quiet, and once per key."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids
from app.directory import contacts
from app.directory.contacts import UsableMethod
from app.notifications import store
from app.notifications.plan import Planned

_CALL_OFF = text("""
    UPDATE notifications SET state = 'cancelled', because = :because, finished_at = :now
    WHERE key = ANY (CAST(:keys AS text[])) AND state = 'pending'
""")


async def tell(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    *,
    subject: str,
    words: str,
    key: str,
    channels: Collection[str],
    due_at: datetime | None = None,
    purpose: str = "notice",
    long: str = "",
    mail_first: bool = False,
) -> int:
    """Queues one message along the first of the person's quiet notification rules, for `due_at` or now; with
    `mail_first` by mail where there is one. `key` names what it is about: told once. `long`: the words for channels
    that have room. Returns how many messages; none for somebody who cannot be reached."""
    person = (await contacts.people(conn, [user_id], channels)).get(user_id)
    if person is None or not person.active:
        return 0
    mails = [m for m in person.methods if m.channel == "mail"] if mail_first else []
    content = {"subject": subject, "text": words} | ({"text_long": long} if long else {})
    for method in (mails or [rule.method for rule in person.rules_for("quiet")])[:1]:
        return await tell_by(conn, now, user_id, method, content, key, due_at=due_at, purpose=purpose)
    return 0


async def tell_by(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    method: UsableMethod,
    content: Mapping[str, Any],
    key: str,
    *,
    due_at: datetime | None = None,
    purpose: str = "notice",
) -> int:
    """The same by one contact method. `content`: `subject` and `text`; `text_long` and `facts` for a mail, `handshake`
    for a link that confirms one."""
    planned = Planned(
        ids.new(now), key, purpose, "quiet", user_id, method.id, method.channel, method.address, due_at or now,
        content=content,
    )  # fmt: skip
    return await store.insert(conn, [planned], now)


async def call_off(conn: AsyncConnection, now: datetime, keys: Sequence[str], because: str) -> None:
    """Notices of these keys that have not been sent are not needed any more."""
    await conn.execute(_CALL_OFF, {"keys": list(keys), "because": because, "now": now})
