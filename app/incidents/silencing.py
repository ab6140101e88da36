"""Silencing the alerts of an incident, in one go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import silences, suppression_store
from app.alerts.silence_store import StoredSilence
from app.alerts.silences import Wanted
from app.errors import Conflict, NotFound
from app.incidents import commands, store
from app.incidents.commands import SNOOZE_AT_MOST, Responder
from app.rules import matching, patterns
from app.rules.matchers import Matcher
from app.rules.matching import DEDUP_KEY, INTEGRATION, MOST, PSEUDO_LABELS

MOST_ALERTS: Final = 10_000
MOST_NAMED: Final = 500
"""Problems that one silence names one by one."""


async def silence(
    conn: AsyncConnection,
    now: datetime,
    incident_id: UUID,
    who: Responder,
    lasts: timedelta,
    comment: str,
    owner: str | None = None,
) -> StoredSilence:
    """A silence for its firing alerts (`covering`). When a person does it, the incident is theirs and
    snoozed as long, so that it pages nobody meanwhile; at the end it pages again if it still fires.
    `owner`: the key of the user who stands for it; without one the person who does it.

    Raises `NotFound`, `Conflict` (`nothing_fires`, `too_many`), `Invalid`.
    """
    # A silence locks alerts, and whoever locks both locks alerts first: so the incident is only read until it is made.
    found = await store.read(conn, [incident_id])
    if not found:
        raise NotFound("there is no such incident")
    [incident] = found
    firing = await suppression_store.firing(conn, incident_id=incident_id, limit=MOST_ALERTS)
    if not firing:
        raise Conflict("no alert of it fires: there is nothing to silence", code="nothing_fires")
    at_home = all(alert["service_id"] == incident.service_id for alert in firing)
    matchers = [matching.document(m) for m in covering([alert["seen"] for alert in firing], one_by_one=not at_home)]
    owner = owner or (None if who.user_id is None else who.key)
    wanted = Wanted(matchers, now, now + lasts, who.name, comment, owner, incident.service_id if at_home else None)
    made = await silences.create(conn, now, wanted, actor=who.actor)
    said = f"Silenced its alerts until {made.ends_at:%Y-%m-%d %H:%M} UTC: {comment}"
    await commands.note(conn, now, incident_id, who, said)
    [incident] = (await store.lock(conn, [incident_id])).values()
    if incident.is_open and who.user_id is not None:
        await commands.snooze(conn, now, incident_id, who, now + min(lasts, SNOOZE_AT_MOST))
    return made


def covering(firing: Sequence[Mapping[str, str]], *, one_by_one: bool) -> list[Matcher]:
    """Matchers for these alerts, given as matchers see them, and no other problem.

    The labels that all have in common, and their alertnames, which is enough within a service. `one_by_one`, or where
    one has no alertname: each by its dedup key, without labels, since such sources put into them what changes.
    Raises `Conflict` (`too_many`).
    """
    if not one_by_one and all(alert.get("alertname") for alert in firing):
        shared = common(firing)
        names = [name for name in sorted(shared) if name != "alertname" and name not in PSEUDO_LABELS]
        found = [_any_of("alertname", firing), *(Matcher(name, "=", shared[name]) for name in names)]
        return sorted(found[:MOST], key=lambda m: m.name)
    return [_any_of(DEDUP_KEY, firing), _any_of(INTEGRATION, firing)]


def _any_of(name: str, firing: Iterable[Mapping[str, str]]) -> Matcher:
    texts = {alert[name] for alert in firing}
    if len(texts) > MOST_NAMED:
        message = f"its alerts are {len(texts)} different problems, more than {MOST_NAMED}: make a silence by hand"
        raise Conflict(message, code="too_many")
    return Matcher(name, "=", texts.pop()) if len(texts) == 1 else Matcher(name, "=~", patterns.one_of(texts))


def common(labels: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """The labels that all have with the same value, empty ones left out."""
    shared: dict[str, str] | None = None
    for each in labels:
        shared = dict(each) if shared is None else {n: v for n, v in shared.items() if each.get(n) == v}
    return {n: v for n, v in (shared or {}).items() if v}
