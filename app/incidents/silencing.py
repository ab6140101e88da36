"""Silencing the alerts of an incident, in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import silences, suppression_store
from app.alerts.silence_store import StoredSilence
from app.alerts.silences import Wanted
from app.errors import Conflict, NotFound
from app.incidents import commands, store
from app.incidents.commands import SNOOZE_AT_MOST, Responder
from app.rules.matching import MOST

MOST_ALERTS: Final = 10_000


async def silence(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    who: Responder,
    lasts: timedelta,
    comment: str,
    owner: str | None = None,
) -> StoredSilence:
    """A silence for what its firing alerts have in common, of its service. When a person does it, the incident is
    theirs and snoozed as long, so that it pages nobody meanwhile; at the end it pages again if it still fires.
    `owner`: the key of the user who stands for it; without one the person who does it.

    Raises `NotFound`, `Conflict` (`nothing_fires`, `nothing_in_common`, `too_wide`), `Invalid`.
    """
    incident = (await store.lock(conn, [incident_id])).get(incident_id)
    if incident is None:
        raise NotFound("there is no such incident")
    firing = await suppression_store.firing(conn, incident_id=incident_id, limit=MOST_ALERTS)
    if not firing:
        raise Conflict("no alert of it fires: there is nothing to silence", code="nothing_fires")
    shared = common(alert["routed"] for alert in firing)
    if not shared:
        raise Conflict("its alerts have no label in common: make a silence by hand", code="nothing_in_common")
    if not any("alertname" in alert["routed"] for alert in firing):
        said = ", ".join(f'{name}="{value}"' for name, value in sorted(shared.items()))
        message = f"its alerts have no alertname, and {said} would silence other problems too: make a silence by hand"
        raise Conflict(message, code="too_wide")
    matchers: list[dict[str, Any]] = [
        {"name": name, "value": value, "isRegex": False, "isEqual": True} for name, value in sorted(shared.items())
    ]
    owner = owner or (None if who.user_id is None else who.key)
    wanted = Wanted(matchers[:MOST], now, now + lasts, who.name, comment, owner, incident.service_id)
    made = await silences.create(conn, now, wanted, actor=who.actor)
    said = f"Silenced its alerts until {made.ends_at:%Y-%m-%d %H:%M} UTC: {comment}"
    await commands.note(conn, now, incident_id, who, said)
    if incident.is_open and who.user_id is not None:
        await commands.snooze(conn, now, incident_id, who, now + min(lasts, SNOOZE_AT_MOST))
    return made


def common(labels: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all have with the same value, empty ones left out."""
    shared: dict[str, str] | None = None
    for each in labels:
        shared = dict(each) if shared is None else {n: v for n, v in shared.items() if each.get(n) == v}
    return {n: v for n, v in (shared or {}).items() if v}
