"""What webhooks are sent: the usual body, and the request of their own that some have.

The format of the usual body is public (docs/webhooks.md): members are added, never renamed or removed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.links import Links
from app.channels.webhook_request import Ready, Template, ready, usual
from app.db.engine import dumps
from app.escalation.webhooks import secrets_label

_FACTS = text("""
    SELECT i.id, i.number, i.title, i.state, i.priority, s.key AS service, s.name AS service_name, t.key AS team,
           h.name AS acknowledged_by, i.opened_at, i.firing, s.runbook_url, coalesce((
               SELECT a.labels FROM occurrences o JOIN alerts a ON a.id = o.alert_id WHERE o.incident_id = i.id
               ORDER BY o.id LIMIT 1), '{}') AS labels
    FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN teams t ON t.id = s.team_id
    LEFT JOIN users h ON h.id = i.acknowledged_by_id
    WHERE i.id = ANY (CAST(:ids AS uuid[]))
""")
_REQUESTS = text("""
    SELECT w.id, w.request, w.sealed_secrets FROM webhooks w
    WHERE w.id = ANY (CAST(:ids AS bigint[])) AND w.request IS NOT NULL
""")
_KEEP = text("""
    UPDATE notifications n SET content = n.content || jsonb_build_object('incident', t.incident)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:incidents AS jsonb[])) AS t (id, incident) WHERE n.id = t.id
""")
_NEWEST = text("SELECT i.id FROM incidents i WHERE NOT i.drill ORDER BY i.id DESC LIMIT 1")

EXAMPLE: Mapping[str, Any] = {
    "number": 42, "title": "HighErrorRate", "state": "triggered", "priority": 1, "service": "checkout",
    "service_name": "Checkout", "team": "payments", "acknowledged_by": None, "opened_at": "2026-11-23T10:00:00+00:00",
    "firing": 1, "runbook_url": "", "url": "https://tocsin.example.org/incidents/42",
    "labels": {"alertname": "HighErrorRate", "severity": "critical"},
}  # fmt: skip
"""An incident for previews where there is none yet."""


async def facts(conn: AsyncConnection, incident_ids: Collection[UUID], public_url: str) -> dict[UUID, dict[str, Any]]:
    """`incident` of the usual body, of each, as it is now; `labels` are those of the alert that it began with."""
    if not incident_ids:
        return {}
    return {
        r.id: {
            "number": r.number, "title": r.title, "state": r.state, "priority": r.priority, "service": r.service,
            "service_name": r.service_name, "team": r.team, "acknowledged_by": r.acknowledged_by,
            "opened_at": r.opened_at.isoformat(), "firing": r.firing, "runbook_url": r.runbook_url,
            "url": f"{public_url}/incidents/{r.number}", "labels": r.labels,
        }
        for r in await conn.execute(_FACTS, {"ids": list(incident_ids)})
    }  # fmt: skip


async def newest(conn: AsyncConnection, public_url: str) -> dict[str, Any] | None:
    """`incident` of the newest one, that no drill made."""
    found = (await conn.execute(_NEWEST)).scalar()
    return None if found is None else (await facts(conn, [found], public_url))[found]


def happened(happening: str, at: datetime, because: str, incident: Mapping[str, Any]) -> dict[str, Any]:
    """The usual body of something that happened to an incident."""
    return {
        "type": f"incident.{happening}",
        "at": at.isoformat(),
        "text": line(happening, incident),
        "because": because,
        "incident": {name: incident.get(name) for name in EXAMPLE},  # in the same order at every try
    }


def line(happening: str, incident: Mapping[str, Any]) -> str:
    """`[P1] priority changed: HighErrorRate (#42, Checkout)`."""
    what = f"[P{incident['priority']}] {happening.replace('_', ' ')}: {incident['title']}"
    return f"{what} (#{incident['number']}, {incident['service_name']})"


class Requests:
    """The requests of their own of some webhooks, with their secrets, as one transaction sees them."""

    def __init__(self, of: Mapping[int, tuple[Template, dict[str, str]]]) -> None:
        self._of = of

    @classmethod
    async def read(cls, conn: AsyncConnection, webhook_ids: Collection[int], links: Links) -> Requests:
        rows = await conn.execute(_REQUESTS, {"ids": sorted(webhook_ids)}) if webhook_ids else ()
        return cls({r.id: (msgspec.convert(r.request, Template), _secrets(links, r)) for r in rows})

    def ready(self, webhook_id: int, message_id: str, body: Mapping[str, Any]) -> Ready:
        """What this webhook is sent of a body."""
        template, secrets = self._of.get(webhook_id, (None, {}))
        return usual(body) if template is None else ready(template, body, message_id, secrets)


def _secrets(links: Links, row: Any) -> dict[str, str]:
    found = links.unsealed(secrets_label(row.id), bytes(row.sealed_secrets)) if row.sealed_secrets else None
    return msgspec.json.decode(found, type=dict[str, str]) if found else {}


class Called:
    """What the webhooks among some notifications are sent: of steps that name them, and of tests."""

    def __init__(self, requests: Requests, facts: Mapping[UUID, Mapping[str, Any]]) -> None:
        """`facts` by notification."""
        self._requests = requests
        self._facts = facts

    @classmethod
    async def read(cls, conn: AsyncConnection, rows: Sequence[Any], links: Links, public_url: str) -> Called:
        """`rows`: of notifications, to people as well. How an incident is at the first try is kept: every try of one
        message says the same."""
        called = [r for r in rows if r.webhook_id is not None]
        requests = await Requests.read(conn, {r.webhook_id for r in called}, links)
        about = [r for r in called if r.incident_id is not None]
        kept = {r.id: r.content["incident"] for r in about if "incident" in r.content}
        fresh = [r for r in about if r.id not in kept]
        known = await facts(conn, {r.incident_id for r in fresh}, public_url)
        if fresh:
            said = {"ids": [r.id for r in fresh], "incidents": [dumps(known[r.incident_id]) for r in fresh]}
            await conn.execute(_KEEP, said)
        return cls(requests, kept | {r.id: known[r.incident_id] for r in fresh})

    def request(self, row: Any) -> Ready | None:
        """None for a notification to a person."""
        if row.webhook_id is None:
            return None
        return self._requests.ready(row.webhook_id, str(row.id), self._body(row))

    def _body(self, row: Any) -> dict[str, Any]:
        because, at = row.content.get("why", ""), row.created_at
        incident = self._facts.get(row.id)
        if incident is None:
            sent = {"at": at.isoformat(), "sent_at": at.isoformat()}
            return {"type": "test", "because": because, "text": f"A test from Tocsin: {because}"} | sent
        happening = "escalated" if row.purpose == "page" else "informed"
        return happened(happening, at, because, incident) | {"round": row.round, "step": row.step + 1}
