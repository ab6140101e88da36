"""Signs of life, and their absence: pings are taken down, what is due is looked at, and events are what comes of it.

A ping writes its heartbeat's row and nothing else. When its alert is to be told something, the row is due at once, and
the worker does the telling: one road for overdue heartbeats, failures and returns, on which nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours, metrics
from app.db import ids
from app.db.engine import on_commit
from app.heartbeats import beat_store, states, store
from app.heartbeats.beat_store import Known
from app.heartbeats.commands import hashed
from app.heartbeats.documents import SOURCE, braced
from app.heartbeats.states import Beat, Ping
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Event, Noticed
from app.ingest.requests import Request
from app.rules import conditions
from app.rules.conditions import Condition
from app.rules.facts import Facts, TimeFacts

BODY_KEPT = 10_000
PINGS_KEPT = 100
_NO_TIME = TimeFacts(0, 0, "mon", "1970-01-01")


async def ping_by_token(conn: AsyncConnection, now: datetime, token: str, sign: Ping, body: bytes = b"") -> bool:
    """One ping under its token. False: there is no such token."""
    known = await beat_store.lock_by_token(conn, hashed(token))
    return await _take(conn, now, known, sign, body, "ping")


async def ping_by_ping_key(
    conn: AsyncConnection, now: datetime, ping_key: str, key: str, sign: Ping, body: bytes = b""
) -> bool:
    """One ping by the heartbeat's key under a ping key. False: that opens no integration with such a heartbeat."""
    integration_id = await beat_store.ping_key(conn, now, hashed(ping_key))
    if integration_id is None:
        return False
    return await _take(conn, now, await beat_store.lock_by_key(conn, key, integration_id), sign, body, "ping")


async def ping_by_key(
    conn: AsyncConnection, now: datetime, key: str, integration_id: int, *, via: str = "opsgenie"
) -> bool:
    """A success of the heartbeat with this key, for doors that have checked who is calling: of the integration (source
    `heartbeat`) itself, or of one of the same service. False: there is no such heartbeat. Wake the worker after the
    commit."""
    known = await beat_store.lock_by_neighbour(conn, key, integration_id)
    return await _take(conn, now, known, Ping("success"), b"", via)


async def _take(conn: AsyncConnection, now: datetime, known: Known | None, sign: Ping, body: bytes, via: str) -> bool:
    if known is None:
        return False
    await _write(conn, now, [(known, sign)], body, via)
    return True


async def _write(
    conn: AsyncConnection, now: datetime, signs: Sequence[tuple[Known, Ping]], body: bytes, via: str
) -> None:
    beats, rows = [], []
    for known, sign in signs:
        after = states.ping(known.beat, known.rhythm, sign, now)
        beats.append((known.id, after, states.due_at(after, known.rhythm, now)))
        rows.append(_row(known, sign, after, now) | {"body": body[:BODY_KEPT], "via": via})
        on_commit(conn, partial(metrics.heartbeat_pinged, sign.kind, via))
    await beat_store.keep(conn, beats)
    await beat_store.add_pings(conn, rows, PINGS_KEPT)


def _row(known: Known, sign: Ping, after: Beat, now: datetime) -> dict[str, Any]:
    ended = sign.kind in ("success", "fail") and sign.run in known.beat.runs
    return {
        "id": ids.new(now),
        "heartbeat_id": known.id,
        "now": now,
        "kind": sign.kind,
        "exit_status": sign.exit_status,
        "run": UUID(sign.run) if sign.run else None,
        "duration_ms": after.last_duration_ms if ended else None,
    }


@dataclass(frozen=True, slots=True)
class Feed:
    """A heartbeat that alerts of another integration feed."""

    heartbeat_id: int
    condition: Condition

    def matches(self, event: Event) -> bool:
        if event.kind != "firing":
            return False
        if any(event.labels.get(n.removeprefix("labels."), "") != v for n, v in self.condition.equalities.items()):
            return False
        return self.condition.evaluate(Facts(_NO_TIME, event.labels)).matched


Feeds = Mapping[int, Sequence[Feed]]
"""By the id of the integration whose alerts are looked at."""


async def feeds(conn: AsyncConnection) -> Feeds:
    """All of them, as they are configured now."""
    found: dict[int, list[Feed]] = {}
    for row in await store.feeds(conn):
        feed = Feed(row.id, conditions.compile(braced(row.fed_by_matchers)))
        found.setdefault(row.fed_by_id, []).append(feed)
    return found


async def feed(conn: AsyncConnection, feeds: Feeds, requests: Iterable[Request], now: datetime) -> bool:
    """Pings the heartbeats that the events of these requests feed. True: one of them has something to tell."""
    fed = {
        feed.heartbeat_id
        for request in requests
        for feed in feeds.get(request.door.entrance.integration_id, ())
        if any(feed.matches(event) for _, event in request.parsed.events)
    }
    if not fed:
        return False
    known = await beat_store.lock(conn, fed)
    await _write(conn, now, [(k, Ping("success")) for k in known], b"", "alert")
    return any(k.beat.firing or k.beat.down_since is not None for k in known)


async def claim(conn: AsyncConnection, now: datetime, limit: int = 500) -> list[Known]:
    """⓪ Heartbeats that are due, each for one worker."""
    return await beat_store.claim(conn, now, limit)


async def look(conn: AsyncConnection, claimed: Sequence[Known], now: datetime) -> list[Noticed]:
    """What is to be told of them: those that are overdue are down, those that returned are up."""
    noticed: list[Noticed] = []
    beats = []
    for known in claimed:
        if known.enabled:
            beat = states.overdue(known.beat, known.rhythm, now, _when(known, now))
        else:
            beat = states.excuse(known.beat, known.rhythm, now)
        told = states.tell(beat)
        if told.fired:
            noticed.append(_noticed(known, _fired(known, beat, now)))
            on_commit(conn, metrics.heartbeat_missed)
        if told.resolved:
            noticed.append(_noticed(known, _resolved(known, beat, now)))
        beats.append((known.id, told.beat, states.due_at(told.beat, known.rhythm, now)))
    await beat_store.keep(conn, beats)
    return noticed


def _noticed(known: Known, event: Event) -> Noticed:
    return Noticed(event, known.integration_id, known.integration, SOURCE, known.service_id)


def _fired(known: Known, beat: Beat, now: datetime) -> Event:
    labels = {"alertname": "HeartbeatMissed", "heartbeat": known.key, "job": known.key, "service": known.service}
    description = f"{beat.down_because[:1].upper()}{beat.down_because[1:]}."
    return Event(
        "firing",
        f"heartbeat/{known.key}",
        fingerprint(labels),
        f"{known.name}: {beat.down_because}",
        known.severity,
        labels,
        min(beat.down_since or now, now),
        annotations={"summary": f"{known.name} gives no sign of life", "description": description},
        details={"rhythm": str(known.rhythm), "last_kind": beat.last_kind, "exit_status": beat.last_exit_status},
    )


def _resolved(known: Known, beat: Beat, now: datetime) -> Event:
    fired = _fired(known, beat, now)
    back = beat.last_success_at or now
    ends_at = now if beat.state == "paused" else max(back, fired.starts_at)
    return Event(
        "resolved",
        fired.dedup_key,
        fired.fingerprint,
        fired.title,
        fired.severity,
        fired.labels,
        fired.starts_at,
        ends_at,
        annotations=fired.annotations,
    )


def _when(known: Known, now: datetime) -> str:
    """`02:14` today, else with the day; on the clocks of its zone."""
    last = known.beat.last_success_at or known.beat.last_ping_at
    if last is None:
        return "it was made"
    where = hours.zone(known.zone)
    then, today = hours.local(last, where), hours.local(now, where)
    day = "" if then.date() == today.date() else f"{then:%a %d %b} "
    return f"{day}{hours.clock(then)} ({known.zone})"
