"""STOP and START: whoever owns a phone decides whether we may text it. The carriers keep to that, and so do we."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import contacts
from app.directory.changes import record

BECAUSE: Final = "its owner texted STOP; texting START to our number undoes that"

_OPT_IN = text("""
    UPDATE contact_methods SET broken_at = NULL, broken_because = NULL, opted_out_at = NULL, version = version + 1,
        updated_at = :now
    WHERE id = :id AND opted_out_at IS NOT NULL RETURNING id
""")


_STOPPED = text("""
    SELECT u.name, u.key FROM contact_methods m JOIN users u ON u.id = m.user_id
    WHERE m.opted_out_at IS NOT NULL AND u.active ORDER BY u.key LIMIT :limit
""")


async def stopped(conn: AsyncConnection, limit: int) -> list[str]:
    """Who texted STOP and has not texted START since: `Ana (ana)`."""
    return [f"{r.name} ({r.key})" for r in await conn.execute(_STOPPED, {"limit": limit})]


async def opt_out(conn: AsyncConnection, now: datetime, contact_method_id: int, *, actor: str) -> bool:
    """Nothing is sent there until START. False: it did not count anyway."""
    if not await contacts.mark_broken(conn, now, contact_method_id, BECAUSE, opted_out=True):
        return False
    await record(conn, now, actor, "contact_method.opted_out", str(contact_method_id))
    return True


async def opt_in(conn: AsyncConnection, now: datetime, contact_method_id: int, *, actor: str) -> bool:
    """It counts again, without a new verification: the text came from its owner. False: it had not been stopped."""
    if (await conn.execute(_OPT_IN, {"id": contact_method_id, "now": now})).first() is None:
        return False
    await record(conn, now, actor, "contact_method.opted_in", str(contact_method_id))
    return True
