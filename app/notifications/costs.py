"""What messages cost, where their provider tells it. Amounts of different currencies are never added up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids

MOST_LINES: Final = 100_000

_OF = """
    FROM attempts a JOIN notifications n ON n.id = a.notification_id LEFT JOIN users u ON u.id = n.user_id
    LEFT JOIN incidents i ON i.id = n.incident_id LEFT JOIN services s ON s.id = i.service_id
    LEFT JOIN teams t ON t.id = s.team_id
    WHERE a.id >= CAST(:first AS uuid) AND a.id < CAST(:last AS uuid) AND a.provider_id IS NOT NULL
      AND n.channel IN ('sms', 'voice')
"""
_BY_TEAM = text(f"""
    SELECT t.key AS team, n.channel, a.provider, a.currency, count(*) AS messages, count(a.price) AS priced,
           sum(a.price) AS total
    {_OF} GROUP BY 1, 2, 3, 4 ORDER BY 1 NULLS LAST, 2, 3, 4 NULLS LAST
""")
_MESSAGES = text(f"""
    SELECT a.started_at AS at, i.number AS incident, t.key AS team, s.key AS service, u.key AS user, n.purpose,
           n.channel, a.provider, a.provider_id, a.status, a.price, a.currency
    {_OF} ORDER BY a.id LIMIT :limit
""")
"""A message that carried pages about several incidents counts for the first of them."""


def amount(price: Decimal | None) -> str | None:
    """As it is answered: digits, never an exponent.

    >>> amount(Decimal("0.07500")), amount(Decimal("1E-7")), amount(None)
    ('0.07500', '0.0000001', None)
    """
    return None if price is None else f"{price:f}"


async def by_team(conn: AsyncConnection, start: datetime, end: datetime) -> Sequence[Any]:
    """What was sent in this time: by team, channel, provider and currency. `total`: NULL where no price was told."""
    return (await conn.execute(_BY_TEAM, _span(start, end))).all()


async def messages(conn: AsyncConnection, start: datetime, end: datetime) -> Sequence[Any]:
    """One by one, oldest first, at most `MOST_LINES`."""
    return (await conn.execute(_MESSAGES, _span(start, end) | {"limit": MOST_LINES})).all()


def _span(start: datetime, end: datetime) -> dict[str, Any]:
    return {"first": ids.first_of(start), "last": ids.first_of(end)}
