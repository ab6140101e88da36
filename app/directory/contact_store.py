"""SQL of contact methods and notification rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.directory.documents import NotificationRuleDocument, NotificationRulesEdit

_METHODS = """
    SELECT id, user_id, channel, address, label, links, verified_at, broken_at, broken_because, code_hash,
        code_expires_at, code_tries, version, created_at, updated_at
    FROM contact_methods
"""
_OF_USER = text(_METHODS + " WHERE user_id = :user_id ORDER BY id")
_ONE = text(_METHODS + " WHERE user_id = :user_id AND id = :id")
_LOCK = text(_METHODS + " WHERE user_id = :user_id AND id = :id FOR UPDATE")
_INSERT = text("""
    INSERT INTO contact_methods (user_id, channel, address, sealed_address, label, links, verified_at, created_at,
        updated_at)
    VALUES (:user_id, :channel, :address, :sealed_address, :label, :links, :verified_at, :now, :now)
    ON CONFLICT (user_id, channel, address) DO NOTHING RETURNING id
""")
_TAKEN = text("""
    SELECT 1 FROM contact_methods WHERE user_id = :user_id AND channel = :channel AND address = :address AND id <> :id
""")
_DESCRIBE = text("""
    UPDATE contact_methods SET label = :label, links = :links, version = version + 1, updated_at = :now WHERE id = :id
""")
_READDRESS = text("""
    UPDATE contact_methods SET address = :address, sealed_address = :sealed_address, label = :label, links = :links,
        verified_at = NULL, broken_at = NULL, broken_because = NULL, opted_out_at = NULL, code_hash = NULL,
        code_expires_at = NULL, code_tries = 0, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_HELD = text("""
    SELECT m.id, m.user_id, u.key AS user_key, m.address, m.sealed_address, m.label, m.broken_at
    FROM contact_methods m JOIN users u ON u.id = m.user_id
    WHERE m.channel = :channel AND m.address = :address ORDER BY m.id FOR UPDATE OF m
""")
_SEALED = text("""
    SELECT u.key AS user_key, m.channel, m.address, m.sealed_address
    FROM contact_methods m JOIN users u ON u.id = m.user_id
    WHERE m.sealed_address IS NOT NULL AND m.broken_at IS NULL AND u.active ORDER BY u.key, m.id
""")
_RENEW = text("""
    UPDATE contact_methods SET address = :address, sealed_address = :sealed_address, broken_at = NULL,
        broken_because = NULL, version = version + 1, updated_at = :now
    WHERE id = :id AND NOT EXISTS (SELECT 1 FROM contact_methods other
        WHERE other.user_id = :user_id AND other.channel = :channel AND other.address = :address)
    RETURNING id
""")
_DELETE = text("DELETE FROM contact_methods WHERE id = :id")
_PUT_CODE = text("""
    UPDATE contact_methods SET code_hash = :hash, code_expires_at = :expires_at, code_tries = 0 WHERE id = :id
""")
_COUNT_TRY = text("UPDATE contact_methods SET code_tries = code_tries + 1 WHERE id = :id")
_VERIFY = text("""
    UPDATE contact_methods SET verified_at = :now, broken_at = NULL, broken_because = NULL,
        opted_out_at = NULL, code_hash = NULL, code_expires_at = NULL, code_tries = 0,
        version = version + 1, updated_at = :now
    WHERE id = :id
""")
_CODES_SENT = text("""
    SELECT count(*) FROM audit_records
    WHERE entity = 'contact_method' AND entity_key = :key AND action = 'contact_method.code_sent' AND at > :since
""")
_RULES = text("""
    SELECT loudness, delay_s, contact_method_id FROM notification_rules WHERE user_id = :user_id
    ORDER BY loudness, delay_s, contact_method_id
""")
_CLEAR_RULES = text("DELETE FROM notification_rules WHERE user_id = :user_id")
_PUT_RULES = text("""
    INSERT INTO notification_rules (user_id, loudness, delay_s, contact_method_id)
    SELECT :user_id, r.loudness, r.delay_s, r.contact_method
    FROM jsonb_to_recordset(CAST(:rules AS jsonb)) AS r (loudness text, delay_s int, contact_method bigint)
""")


@dataclass(frozen=True, slots=True)
class StoredMethod:
    """A contact method as it is now. It counts while `verified_at` is set and `broken_at` is not. `address` is only a
    name where the channel has secret addresses."""

    id: int
    user_id: int
    channel: str
    address: str
    label: str
    links: bool
    verified_at: datetime | None
    broken_at: datetime | None
    broken_because: str | None
    code_hash: bytes | None
    code_expires_at: datetime | None
    code_tries: int
    version: int
    created_at: datetime
    updated_at: datetime

    def shown(self) -> dict[str, Any]:
        """What an audit record says of it."""
        return {
            "user_id": self.user_id,
            "channel": self.channel,
            "address": self.address,
            "label": self.label,
            "links": self.links,
            "verified": self.verified_at is not None,
        }


async def methods(conn: AsyncConnection, user_id: int) -> list[StoredMethod]:
    """All of a user, usable or not, oldest first."""
    return [StoredMethod(**row) for row in (await conn.execute(_OF_USER, {"user_id": user_id})).mappings()]


async def method(conn: AsyncConnection, user_id: int, method_id: int, *, lock: bool = False) -> StoredMethod | None:
    if not 0 < method_id < 2**63:
        return None
    named = {"user_id": user_id, "id": method_id}
    row = (await conn.execute(_LOCK if lock else _ONE, named)).mappings().one_or_none()
    return None if row is None else StoredMethod(**row)


async def insert_method(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    *,
    channel: str,
    address: str,
    label: str,
    verified_at: datetime | None,
    sealed_address: bytes | None = None,
    links: bool = True,
) -> int | None:
    """The id; None when the user has this address on this channel already."""
    values: dict[str, Any] = {"user_id": user_id, "channel": channel, "address": address, "label": label}
    values |= {"links": links, "verified_at": verified_at, "sealed_address": sealed_address}
    found: int | None = (await conn.execute(_INSERT, values | {"now": now})).scalar_one_or_none()
    return found


async def taken(conn: AsyncConnection, method: StoredMethod, address: str) -> bool:
    """Whether another contact method of this user on this channel has the address."""
    named = {"user_id": method.user_id, "channel": method.channel, "address": address, "id": method.id}
    return (await conn.execute(_TAKEN, named)).first() is not None


async def describe(conn: AsyncConnection, now: datetime, method_id: int, label: str, *, links: bool) -> None:
    """All that may change of it without another verification."""
    await conn.execute(_DESCRIBE, {"id": method_id, "label": label, "links": links, "now": now})


async def readdress(
    conn: AsyncConnection, now: datetime, method_id: int, address: str, label: str, sealed_address: bytes | None = None,
    *, links: bool,
) -> None:  # fmt: skip
    """Another address: no longer verified, no longer broken."""
    named = {"id": method_id, "address": address, "sealed_address": sealed_address, "label": label, "links": links}
    await conn.execute(_READDRESS, named | {"now": now})


async def held(conn: AsyncConnection, channel: str, address: str) -> Sequence[Any]:
    """Whose contact methods have this address, locked: rows with `id`, `user_id`, `user_key`, `address`,
    `sealed_address`, `label`, `broken_at`."""
    return (await conn.execute(_HELD, {"channel": channel, "address": address})).all()


async def sealed(conn: AsyncConnection) -> Sequence[Any]:
    """Contact methods of active users whose address is a secret and that are not known to be broken: `user_key`,
    `channel`, `address` (its name), `sealed_address`."""
    return (await conn.execute(_SEALED)).all()


async def renew(
    conn: AsyncConnection, now: datetime, method_id: int, user_id: int, channel: str, address: str, sealed: bytes
) -> bool:
    """The same device under another address: as verified as before, no longer broken. False: the user has that one
    already."""
    named = {"id": method_id, "user_id": user_id, "channel": channel, "address": address, "sealed_address": sealed}
    return (await conn.execute(_RENEW, named | {"now": now})).first() is not None


async def delete_method(conn: AsyncConnection, method_id: int) -> None:
    """Its notification rules go with it."""
    await conn.execute(_DELETE, {"id": method_id})


async def put_code(conn: AsyncConnection, method_id: int, code_hash: bytes, expires_at: datetime) -> None:
    await conn.execute(_PUT_CODE, {"id": method_id, "hash": code_hash, "expires_at": expires_at})


async def count_try(conn: AsyncConnection, method_id: int) -> None:
    await conn.execute(_COUNT_TRY, {"id": method_id})


async def set_verified(conn: AsyncConnection, now: datetime, method_id: int) -> None:
    await conn.execute(_VERIFY, {"id": method_id, "now": now})


async def codes_sent(conn: AsyncConnection, now: datetime, method_id: int, within: timedelta) -> int:
    """How many codes went to this contact method lately, by the audit records."""
    found = await conn.execute(_CODES_SENT, {"key": str(method_id), "since": now - within})
    return int(found.scalar_one())


async def rules(conn: AsyncConnection, user_id: int) -> NotificationRulesEdit:
    found = await conn.execute(_RULES, {"user_id": user_id})
    return NotificationRulesEdit(
        rules=[
            NotificationRuleDocument(loudness=r.loudness, delay_s=r.delay_s, contact_method=r.contact_method_id)
            for r in found
        ]
    )


async def put_rules(conn: AsyncConnection, user_id: int, edit: NotificationRulesEdit) -> None:
    await conn.execute(_CLEAR_RULES, {"user_id": user_id})
    rules = [r.model_dump() for r in edit.rules]
    await conn.execute(_PUT_RULES, {"user_id": user_id, "rules": dumps(rules)})
