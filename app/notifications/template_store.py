"""SQL of message templates: what is stored, and what a template is judged on."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import countries
from app.channels.banned import BANNED
from app.db import ids
from app.notifications.template_values import CODE, Page, Price, Sent
from app.notifications.texts import About

SAMPLES: Final = 100
_LOOKED_THROUGH: Final = 20_000
"""The newest occurrences, among which those of a service are looked for."""
_PRICED_WITHIN: Final = timedelta(days=30)

_KEY = "t.part || coalesce(':' || s.key, '')"
_TEMPLATES = text(f"""
    SELECT t.id, {_KEY} AS key, t.part, t.service_id, t.text, t.version, t.created_at, t.updated_at
    FROM message_templates t LEFT JOIN services s ON s.id = t.service_id
    WHERE CAST(:key AS text) IS NULL OR {_KEY} = :key
    ORDER BY 2
""")
_LOCK = text(f"""
    SELECT t.id, t.version FROM message_templates t LEFT JOIN services s ON s.id = t.service_id
    WHERE {_KEY} = :key FOR UPDATE OF t
""")
_INSERT = text("""
    INSERT INTO message_templates (part, service_id, text, created_at, updated_at)
    VALUES (:part, :service_id, :text, :now, :now)
    ON CONFLICT (part, service_id) DO NOTHING RETURNING id
""")
_UPDATE = text("""
    UPDATE message_templates SET text = :text, version = version + 1, updated_at = :now WHERE id = :id
""")
_DELETE = text("DELETE FROM message_templates WHERE id = :id")
_SERVICE = text("SELECT id FROM services WHERE key = :key")
_OF_PART = text("""
    SELECT t.text FROM message_templates t
    WHERE t.part = :part AND (t.service_id IS NULL
        OR t.service_id = (SELECT i.service_id FROM incidents i WHERE i.id = :incident_id))
    ORDER BY t.service_id NULLS LAST LIMIT 1
""")
"""A service's own before the organisation's."""

# What an alert said: as sent, with what routing rules added.
_SAID = "a.labels || coalesce(o.routed -> 'labels', CAST('{}' AS jsonb)) AS labels, a.annotations"
_FIRST = text(f"""
    SELECT i.id, first.severity, first.labels, first.annotations, coalesce(t.key, '') AS team
    FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN teams t ON t.id = s.team_id
    LEFT JOIN LATERAL (
        SELECT o.severity, {_SAID} FROM occurrences o JOIN alerts a ON a.id = o.alert_id
        WHERE o.incident_id = i.id ORDER BY o.id LIMIT 1) AS first ON true
    WHERE i.id = ANY (CAST(:ids AS uuid[]))
""")
"""Of each incident, what its first alert said."""

_NEWEST = text(f"""
    SELECT i.number, a.title, i.priority, s.name AS service, i.opened_at, i.firing, i.reopened, o.severity,
           {_SAID}, coalesce(t.key, '') AS team, coalesce(o.routed ->> 'runbook', s.runbook_url) AS runbook_url,
           g.time_zone
    FROM (SELECT * FROM occurrences ORDER BY id DESC LIMIT :looked_through) o
    JOIN incidents i ON i.id = o.incident_id JOIN alerts a ON a.id = o.alert_id
    JOIN services s ON s.id = o.service_id LEFT JOIN teams t ON t.id = s.team_id CROSS JOIN organisation g
    WHERE CAST(:service AS text) IS NULL OR s.key = :service
    ORDER BY o.id DESC LIMIT :limit
""")
_PRICE = text("""
    SELECT a.currency, avg(a.price) AS amount, count(*) AS messages
    FROM attempts a JOIN notifications n ON n.id = a.notification_id
    WHERE a.id >= CAST(:first AS uuid) AND n.channel = 'sms' AND n.purpose = 'page' AND a.price > 0
      AND n.carried_by_id IS NULL
    GROUP BY a.currency ORDER BY count(*) DESC LIMIT 1
""")
_NUMBERS = text("""
    SELECT p.prefix FROM unnest(CAST(:prefixes AS text[])) AS p (prefix)
    WHERE EXISTS (SELECT 1 FROM contact_methods m
                  WHERE m.channel = 'sms' AND m.verified_at IS NOT NULL AND starts_with(m.address, p.prefix))
    ORDER BY 1
""")
_WANT_NONE = text("""
    SELECT count(*) FROM contact_methods m WHERE m.channel = 'sms' AND m.verified_at IS NOT NULL AND NOT m.links
""")
_BANNED = text("SELECT banned_in_messages FROM organisation")


async def templates(conn: AsyncConnection, key: str | None = None) -> Sequence[Any]:
    """Rows of all, or of this one, in the order of their keys."""
    return (await conn.execute(_TEMPLATES, {"key": key})).all()


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version), locked until the transaction ends."""
    row = (await conn.execute(_LOCK, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(conn: AsyncConnection, now: datetime, part: str, service_id: int | None, words: str) -> bool:
    """False when there is one already."""
    named = {"part": part, "service_id": service_id, "text": words, "now": now}
    return (await conn.execute(_INSERT, named)).first() is not None


async def update(conn: AsyncConnection, now: datetime, template_id: int, words: str) -> None:
    await conn.execute(_UPDATE, {"id": template_id, "text": words, "now": now})


async def delete(conn: AsyncConnection, template_id: int) -> None:
    await conn.execute(_DELETE, {"id": template_id})


async def service_id(conn: AsyncConnection, key: str) -> int | None:
    found: int | None = (await conn.execute(_SERVICE, {"key": key})).scalar_one_or_none()
    return found


async def of_part(conn: AsyncConnection, part: str, incident_id: UUID) -> str | None:
    """The text for this part of pages about an incident; None: there is no template."""
    found: str | None = (await conn.execute(_OF_PART, {"part": part, "incident_id": incident_id})).scalar_one_or_none()
    return found


async def sent(conn: AsyncConnection, incident_ids: Collection[UUID]) -> dict[UUID, Sent]:
    """What the first alert of each of these incidents said."""
    if not incident_ids:
        return {}
    return {r.id: _sent(r) for r in await conn.execute(_FIRST, {"ids": sorted(incident_ids)})}


async def newest(conn: AsyncConnection, service: str | None, now: datetime) -> list[Page]:
    """Pages as the newest alerts that made or joined an incident would give them, newest first."""
    named = {"service": service, "limit": SAMPLES, "looked_through": _LOOKED_THROUGH}
    return [_page(r, now) for r in await conn.execute(_NEWEST, named)]


async def price(conn: AsyncConnection, now: datetime) -> Price | None:
    """Of text messages, in the currency of most of them; None where no provider told any."""
    row = (await conn.execute(_PRICE, {"first": ids.first_of(now - _PRICED_WITHIN)})).first()
    return None if row is None else Price(row.amount, row.currency, row.messages)


async def unlinked(conn: AsyncConnection) -> list[str]:
    """Countries of verified numbers whose carriers refuse links."""
    refusing = {f"+{code}": rule.country for code, rule in countries.RULES.items() if not rule.links}
    rows = await conn.execute(_NUMBERS, {"prefixes": sorted(refusing)})
    return [refusing[r.prefix] for r in rows]


async def want_no_links(conn: AsyncConnection) -> int:
    """How many verified numbers get no links because their owners say so."""
    return int((await conn.execute(_WANT_NONE)).scalar_one())


async def banned(conn: AsyncConnection) -> Sequence[str]:
    """What the organisation does not send."""
    found = (await conn.execute(_BANNED)).scalar_one_or_none()
    return BANNED if found is None else [str(pattern) for pattern in found]


def _sent(row: Any) -> Sent:
    return Sent(row.severity or "", row.labels or {}, row.annotations or {}, row.team)


def _page(row: Any, now: datetime) -> Page:
    about = About(
        number=row.number, title=row.title, priority=row.priority, service=row.service, opened_at=row.opened_at,
        firing=max(row.firing, 1), runbook_url=row.runbook_url or "", reopened=row.reopened, code=CODE,
    )  # fmt: skip
    return Page(about, _sent(row), "on call in schedule Primary: layer Weekly", row.time_zone, now)
