"""What would become of a body: its events, where each value comes from, which priority it would get. Stores nothing."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import suppression_store
from app.alerts.commands import Ways
from app.alerts.dedup import Arrival
from app.ingest.adapters import ADAPTERS, generic, grafana, mapped
from app.ingest.adapters.mapped import Explained
from app.ingest.adapters.mapping import compiled
from app.ingest.event import TEST_LABEL, Entrance, Event, Parsed, Refused, Unparsable
from app.ingest.requests import NIL
from app.rehearsal import priority_trial, store
from app.rehearsal.priority_trial import NO_SERVICE, SUBJECT_LIMIT, Tried, invalid
from app.rehearsal.store import TriedService
from app.standing import Standing


@dataclass(frozen=True, slots=True)
class TriedEvent:
    """An event that a body would make."""

    index: int
    event: Event
    tried: Tried
    fields: tuple[Explained, ...]


@dataclass(frozen=True, slots=True)
class TriedRefusal:
    """An event that would be refused, with its values as far as they could be made out."""

    refused: Refused
    fields: tuple[Explained, ...]


@dataclass(frozen=True, slots=True)
class TriedBody:
    """`left_out`: events that the mapping's `when` leaves out."""

    events: tuple[TriedEvent, ...]
    refused: tuple[TriedRefusal, ...]
    left_out: tuple[int, ...]
    note: str | None


async def entrance_of(conn: AsyncConnection, integration: str) -> Entrance:
    """Raises `Invalid` for an integration that does not exist."""
    if (entrance := await store.entrance(conn, integration)) is None:
        raise invalid("integration", f"there is no integration {integration!r}")
    return entrance


async def service_of(conn: AsyncConnection, entrance: Entrance, key: str | None) -> TriedService:
    """The service by its key, else the entrance's. Raises `Invalid` for one that does not exist."""
    if key is None:
        return (await store.services(conn, [entrance.service_id])).get(entrance.service_id, NO_SERVICE)
    if (found := await store.service(conn, key)) is None:
        raise invalid("service", f"there is no service {key!r}")
    return found


async def try_body(
    conn: AsyncConnection,
    now: datetime,
    entrance: Entrance,
    service: TriedService,
    standing: Standing,
    body: bytes,
    headers: Mapping[str, str],
    integration: str = "",
) -> TriedBody:
    """The first hundred events. A test's label is not looked at: this says what the real thing would get, and what
    would suppress it now. `integration`: the key of the one that it would come through.

    Raises `Invalid` for a body of which nothing can be used. Works in a thread: expressions and rules take a while.
    """
    ground = await priority_trial.ground(conn, now)
    ways = await _ways(conn, standing, now)
    try:
        parsed, explained = await asyncio.to_thread(_read, entrance, body, headers, now)
    except Unparsable as e:
        raise invalid("payload", str(e)) from e
    events = [(index, _real(event)) for index, event in parsed.events[:SUBJECT_LIMIT]]
    subjects = [priority_trial.of_event(ground, event, entrance.source, service) for _, event in events]
    if (service_id := _id_of(standing, service)) is not None:
        made = [_arrival(event, entrance, integration, service_id) for _, event in events]
        whys = await asyncio.to_thread(lambda: [ways.quiet(arrival, now) for arrival in made])
        subjects = [dataclasses.replace(s, suppressed=why) for s, why in zip(subjects, whys, strict=True)]
    judged = await priority_trial.judge(ground, subjects, explain=False)
    known = {index for index, _ in parsed.events} | {r.index for r in parsed.refused}
    return TriedBody(
        tuple(
            TriedEvent(index, event, tried, tuple(explained.get(index, ())))
            for (index, event), tried in zip(events, judged, strict=True)
        ),
        tuple(TriedRefusal(r, tuple(explained.get(r.index, ()))) for r in parsed.refused[:SUBJECT_LIMIT]),
        tuple(index for index in explained if index not in known),
        parsed.note,
    )


async def _ways(conn: AsyncConnection, standing: Standing, now: datetime) -> Ways:
    ways = standing.ways(now)
    if not ways.suppressions.inhibitions:
        return ways
    return Ways(ways.route, ways.suppressions.while_firing(await suppression_store.sources(conn)))


def _id_of(standing: Standing, service: TriedService) -> int | None:
    return next((s.id for s in standing.services.values() if s.facts.key == service.facts.key), None)


def _arrival(event: Event, entrance: Entrance, integration: str, service_id: int) -> Arrival:
    return Arrival(event, entrance.integration_id, integration, entrance.source, service_id, 0, NIL, 0)


def _read(
    entrance: Entrance, body: bytes, headers: Mapping[str, str], now: datetime
) -> tuple[Parsed, dict[int, list[Explained]]]:
    parsed = ADAPTERS[entrance.source](body, headers, entrance, now)
    if entrance.mapping is None or (not parsed.events and not parsed.refused and parsed.note is None):
        return parsed, {}
    message, envelopes = generic.opened(body, headers)
    if entrance.source == "grafana" and grafana.is_usual(message):
        return parsed, {}
    told = message if envelopes is None else envelopes
    return parsed, mapped.explain(told, headers, compiled(entrance.mapping), SUBJECT_LIMIT)


def _real(event: Event) -> Event:
    return replace(event, labels={name: text for name, text in event.labels.items() if name != TEST_LABEL})
