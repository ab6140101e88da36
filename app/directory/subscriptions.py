"""Stakeholders: who wants to be told of incidents of a service, and need not respond (words.md)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.directory import store
from app.directory.changes import check_version, invalid, missing, record
from app.directory.documents import SubscriptionDocument, SubscriptionsEdit

_OF_USER = text("""
    SELECT s.key AS service, n.priority_at_least FROM subscriptions n LEFT JOIN services s ON s.id = n.service_id
    WHERE n.user_id = :user_id ORDER BY s.key NULLS FIRST
""")
_ALL = text("""
    SELECT u.key AS user, s.key AS service, n.priority_at_least
    FROM subscriptions n JOIN users u ON u.id = n.user_id LEFT JOIN services s ON s.id = n.service_id
    ORDER BY u.key, s.key NULLS FIRST
""")
_KNOWN = text("SELECT key FROM services WHERE key = ANY (CAST(:keys AS text[]))")
_SERVICES = text("SELECT key, name FROM services ORDER BY name, key")
_CLEAR = text("DELETE FROM subscriptions WHERE user_id = :user_id")
_PUT = text("""
    INSERT INTO subscriptions (user_id, service_id, priority_at_least)
    SELECT :user_id, s.id, r.priority_at_least
    FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r (service text, priority_at_least smallint)
    LEFT JOIN services s ON s.key = r.service
""")
_CONCERNED = text("""
    SELECT coalesce(n.service_id, 0) AS service_id, n.user_id, n.priority_at_least
    FROM subscriptions n JOIN users u ON u.id = n.user_id AND u.active
    WHERE n.service_id IS NULL OR n.service_id = ANY (CAST(:services AS bigint[]))
    ORDER BY n.user_id
""")


async def of_user(conn: AsyncConnection, user_id: int) -> SubscriptionsEdit:
    found = await conn.execute(_OF_USER, {"user_id": user_id})
    return SubscriptionsEdit(
        subscriptions=[SubscriptionDocument(service=r.service, priority_at_least=r.priority_at_least) for r in found]
    )


async def by_user(conn: AsyncConnection) -> dict[str, list[dict[str, object]]]:
    """Everybody's, by user key, as the configuration document has them."""
    found: dict[str, list[dict[str, object]]] = {}
    for r in await conn.execute(_ALL):
        found.setdefault(r.user, []).append({"service": r.service, "priority_at_least": r.priority_at_least})
    return found


async def services(conn: AsyncConnection) -> dict[str, str]:
    """To choose from: names by key."""
    return {r.key: r.name for r in await conn.execute(_SERVICES)}


async def put(
    conn: AsyncConnection,
    now: datetime,
    user_key: str,
    edit: SubscriptionsEdit,
    *,
    actor: str,
    version: int | None = None,
) -> int:
    """Puts these in place of all subscriptions of the user. Returns the user's version, which this raises.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for services that are none.
    """
    if (locked := await store.lock_user(conn, user_key)) is None:
        raise missing("user", user_key)
    user_id, current = locked
    check_version("user", user_key, current, version)
    before = await of_user(conn, user_id)
    if edit == before:
        return current
    keys = [s.service for s in edit.subscriptions if s.service is not None]
    known = set((await conn.execute(_KNOWN, {"keys": keys})).scalars())
    wrong = [
        (f"subscriptions[{i}].service", f"there is no service {s.service!r}")
        for i, s in enumerate(edit.subscriptions)
        if s.service is not None and s.service not in known
    ]
    if wrong:
        raise invalid(*wrong)
    await conn.execute(_CLEAR, {"user_id": user_id})
    rows = [s.model_dump() for s in edit.subscriptions]
    await conn.execute(_PUT, {"user_id": user_id, "rows": dumps(rows)})
    await store.touch_user(conn, now, user_id)
    await record(conn, now, actor, "subscriptions.edited", user_key, before.model_dump(), edit.model_dump())
    return current + 1


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Who is subscribed to some services: (user id, least important priority) by service id; 0: to all services."""

    of: dict[int, list[tuple[int, int]]]

    def told(self, service_id: int, priority: int) -> list[int]:
        """Whom an incident of this service and priority concerns, each once; what is said about a service goes before
        what is said about all."""
        least = dict(self.of.get(0, ())) | dict(self.of.get(service_id, ()))
        return sorted(user for user, at_least in least.items() if priority <= at_least)


async def subscribers(conn: AsyncConnection, services: Collection[int]) -> Subscribers:
    """Of these services, by id. Only active users."""
    found: dict[int, list[tuple[int, int]]] = {}
    for r in await conn.execute(_CONCERNED, {"services": sorted(services)}):
        found.setdefault(r.service_id, []).append((r.user_id, r.priority_at_least))
    return Subscribers(found)
