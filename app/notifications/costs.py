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

_BY_TEAM = text("""
    WITH carried AS (
        SELECT a.id, n.channel, a.provider, a.currency, a.price, greatest(scale(a.price), 6) AS digits, p.incident_id,
               row_number() OVER (PARTITION BY a.id ORDER BY p.id) AS nth, count(*) OVER (PARTITION BY a.id) AS among
        FROM attempts a JOIN notifications n ON n.id = a.notification_id
        JOIN LATERAL (SELECT n.id, n.incident_id UNION ALL
                      SELECT c.id, c.incident_id FROM notifications c WHERE c.carried_by_id = n.id) p ON true
        WHERE a.id >= CAST(:first AS uuid) AND a.id < CAST(:last AS uuid) AND a.provider_id IS NOT NULL
          AND n.channel IN ('sms', 'voice')
    ), shares AS (
        SELECT id, channel, provider, currency, price, incident_id,
               CASE WHEN among = 1 THEN price
                    ELSE round(price * nth / among, digits) - round(price * (nth - 1) / among, digits) END AS share
        FROM carried
    )
    SELECT t.key AS team, min(t.name) AS name, p.channel, p.provider, p.currency, count(DISTINCT p.id) AS messages,
           count(DISTINCT p.id) FILTER (WHERE p.price IS NOT NULL) AS priced, sum(p.share) AS total
    FROM shares p LEFT JOIN incidents i ON i.id = p.incident_id LEFT JOIN services s ON s.id = i.service_id
    LEFT JOIN teams t ON t.id = s.team_id
    GROUP BY 1, 3, 4, 5 ORDER BY 1 NULLS LAST, 3, 4, 5 NULLS LAST
""")
"""A message is one price. What it carried has equal parts of it, of six digits at least: the difference of two rounded
running sums, so that the parts of a message add up to its price exactly, however it divides."""
_TOTALS = text("""
    SELECT a.currency, count(*) AS messages, count(a.price) AS priced, sum(a.price) AS total
    FROM attempts a JOIN notifications n ON n.id = a.notification_id
    WHERE a.id >= CAST(:first AS uuid) AND a.id < CAST(:last AS uuid) AND a.provider_id IS NOT NULL
      AND n.channel IN ('sms', 'voice')
    GROUP BY 1 ORDER BY 1 NULLS LAST
""")
_MESSAGES = text("""
    SELECT a.started_at AS at, i.number AS incident, t.key AS team, s.key AS service, u.key AS user, n.purpose,
           n.channel, a.provider, a.provider_id, a.status, a.price, a.currency,
           (SELECT string_agg(CAST(o.number AS text), ' ' ORDER BY o.number)
            FROM notifications x JOIN incidents o ON o.id = x.incident_id
            WHERE x.id = n.id OR x.carried_by_id = n.id) AS incidents
    FROM attempts a JOIN notifications n ON n.id = a.notification_id LEFT JOIN users u ON u.id = n.user_id
    LEFT JOIN incidents i ON i.id = n.incident_id LEFT JOIN services s ON s.id = i.service_id
    LEFT JOIN teams t ON t.id = s.team_id
    WHERE a.id >= CAST(:first AS uuid) AND a.id < CAST(:last AS uuid) AND a.provider_id IS NOT NULL
      AND n.channel IN ('sms', 'voice')
    ORDER BY a.id LIMIT :limit
""")
"""`incident`, `team` and `service` are those of the first incident of a message that carried several."""


def amount(price: Decimal | None) -> str | None:
    """As it is answered: digits, never an exponent.

    >>> amount(Decimal("0.07500")), amount(Decimal("1E-7")), amount(None)
    ('0.07500', '0.0000001', None)
    """
    return None if price is None else f"{price:f}"


async def by_team(conn: AsyncConnection, start: datetime, end: datetime) -> Sequence[Any]:
    """What was sent in this time: by team, channel, provider and currency. A message about incidents of several teams
    is among the `messages` of each, and its price is shared by incident; the totals add up to those of `totals`.
    `total`: NULL where no price was told."""
    return (await conn.execute(_BY_TEAM, _span(start, end))).all()


async def totals(conn: AsyncConnection, start: datetime, end: datetime) -> Sequence[Any]:
    """By currency, every message once: `messages`, of them `priced`, `total`. NULL: those without a price."""
    return (await conn.execute(_TOTALS, _span(start, end))).all()


async def messages(conn: AsyncConnection, start: datetime, end: datetime) -> Sequence[Any]:
    """One by one, oldest first, at most `MOST_LINES`."""
    return (await conn.execute(_MESSAGES, _span(start, end) | {"limit": MOST_LINES})).all()


def _span(start: datetime, end: datetime) -> dict[str, Any]:
    return {"first": ids.first_of(start), "last": ids.first_of(end)}
