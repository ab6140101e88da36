"""Some events name an alert and say nothing of it: "resolve srv01/mysql". What was told of it before stands."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts.dedup import Arrival
from app.alerts.words_store import Words, words
from app.ingest.event import Event


async def completed(conn: AsyncConnection, arrivals: Sequence[Arrival]) -> Sequence[Arrival]:
    """The arrivals of a batch, terse events with the words of their alert, as the database or the batch knows them."""
    terse = {a.identity for a in arrivals if a.event.terse}
    if not terse:
        return arrivals
    known = await words(conn, terse)
    told = []
    for arrival in arrivals:
        event = arrival.event
        if not event.terse:
            if arrival.identity in terse:
                known[arrival.identity] = _words(event)
        elif (said := known.get(arrival.identity)) is not None:
            arrival = replace(arrival, event=_saying(event, said))
        told.append(arrival)
    return told


def _words(event: Event) -> Words:
    return Words(event.title, event.severity, dict(event.labels), dict(event.annotations), event.links)


def _saying(event: Event, said: Words) -> Event:
    return replace(
        event,
        title=said.title,
        severity=said.severity,
        labels=said.labels,
        annotations=said.annotations,
        links=said.links,
    )
