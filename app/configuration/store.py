"""SQL of the configuration as a whole; its parts are read and written by their rooms."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Every change of configuration writes this row, so whoever holds it keeps all others out.
_LOCK = text("SELECT version FROM configuration_version FOR UPDATE")
_METHODS = text("""
    SELECT u.key AS user, m.id, m.user_id, m.channel, m.address, m.label, m.links
    FROM contact_methods m JOIN users u ON u.id = m.user_id ORDER BY u.key, m.channel, m.address
""")
_RULES = text("""
    SELECT u.key AS user, r.loudness, r.delay_s, m.channel, m.address
    FROM notification_rules r JOIN users u ON u.id = r.user_id JOIN contact_methods m ON m.id = r.contact_method_id
    ORDER BY u.key, r.loudness, r.delay_s, m.channel, m.address
""")


async def lock(conn: AsyncConnection) -> int:
    """The version of the configuration; nobody else changes it until the transaction ends."""
    return int((await conn.execute(_LOCK)).scalar_one())


async def contact_methods(conn: AsyncConnection) -> dict[str, list[dict[str, Any]]]:
    """Everybody's contact methods as documents, by user key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for r in await conn.execute(_METHODS):
        method = {"channel": r.channel, "address": r.address, "label": r.label, "links": r.links}
        found.setdefault(r.user, []).append(method)
    return found


async def notification_rules(conn: AsyncConnection) -> dict[str, list[dict[str, Any]]]:
    """Everybody's notification rules, by user key."""
    found: dict[str, list[dict[str, Any]]] = {}
    for r in await conn.execute(_RULES):
        rule = {"loudness": r.loudness, "delay_s": r.delay_s, "channel": r.channel, "address": r.address}
        found.setdefault(r.user, []).append(rule)
    return found
