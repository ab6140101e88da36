"""Signs of our own: what Tocsin notices about itself and about its peer (`app.vigil`) becomes an alert like any other.

Whoever notices writes one row and nothing else; the worker does the telling, as it does for heartbeats: one road, on
which nothing is told twice, and an alert that resolves when its row says that all is well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import service_store
from app.directory.changes import record
from app.directory.documents import IntegrationDocument
from app.directory.integrations import OWN, read, service_id_of
from app.heartbeats import own_store
from app.heartbeats.documents import SOURCE
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Event, Noticed, Severity

INTEGRATION: Final = OWN
_ACTOR: Final = "tocsin"


@dataclass(frozen=True, slots=True)
class Sign:
    """Something that is wrong. `key` stays the same while it lasts, `wrong` is what in one word: another word is told
    anew. `labels` are its alert's own; `service`, `alertname` and `wrong` are added."""

    key: str
    wrong: str
    alertname: str
    title: str
    description: str
    severity: Severity
    labels: Mapping[str, str]


async def notice(conn: AsyncConnection, now: datetime, sign: Sign, service: str) -> bool:
    """Something is wrong, and pages for `service` (a key). True when that is news: wake a worker after the commit.

    Raises `Invalid` when there is no such service.
    """
    values = {
        "key": sign.key,
        "integration_id": await _integration(conn, now, service),
        "wrong": sign.wrong,
        "title": sign.title,
        "description": sign.description,
        "severity": sign.severity,
        "labels": {"alertname": sign.alertname, **sign.labels},
    }
    return await own_store.wrong(conn, now, values)


async def settle(conn: AsyncConnection, now: datetime, key: str) -> bool:
    """All is well. True when that is news."""
    return await own_store.fine(conn, now, key)


async def _integration(conn: AsyncConnection, now: datetime, service: str) -> int:
    """The entrance that these alerts belong to; made when it is needed first, moved when another service is named."""
    found = await own_store.integration(conn, INTEGRATION)
    if found is not None and found.service == service:
        return int(found.id)
    document = IntegrationDocument(
        key=INTEGRATION, name="What Tocsin notices about itself and its peer", source=SOURCE, service=service
    )
    service_id = await service_id_of(conn, service)
    if found is not None:
        before = (await read(conn, INTEGRATION)).document
        after = before.model_copy(update={"service": service})
        await service_store.update_integration(conn, now, found.id, after, service_id)
        await record(
            conn, now, _ACTOR, "integration.edited", INTEGRATION, before.model_dump(), after=after.model_dump()
        )
        return int(found.id)
    await service_store.insert_integration(conn, now, document, service_id)
    await record(conn, now, _ACTOR, "integration.created", INTEGRATION, after=document.model_dump())
    made = await own_store.integration(conn, INTEGRATION)
    return int(made.id)


async def claim(conn: AsyncConnection, now: datetime) -> Sequence[Any]:
    """⓪ What is to be told, each for one worker."""
    return await own_store.claim(conn, now)


async def tell(conn: AsyncConnection, claimed: Sequence[Any], now: datetime) -> list[Noticed]:
    """The events of what was claimed. While its integration is disabled nothing is told."""
    if claimed:
        await own_store.told(conn, [row.key for row in claimed])
    return [_noticed(row, now) for row in claimed if row.enabled and row.wrong != row.told]


def _noticed(row: Any, now: datetime) -> Noticed:
    labels = {**row.labels, "service": row.service}
    event = Event(
        "firing" if row.wrong else "resolved",
        f"tocsin/{row.key}",
        fingerprint(labels),
        row.title,
        row.severity,
        labels | {"wrong": row.wrong or row.told},
        min(row.since, now),
        None if row.wrong else now,
        annotations={"summary": row.title, "description": row.description},
    )
    return Noticed(event, row.integration_id, row.integration, row.source, row.service_id)
