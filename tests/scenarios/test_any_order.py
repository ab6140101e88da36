"""Repeating events, cutting the stream into any batches over any number of replicas, and two redundant senders in any
order that keeps each one's own: always the same alerts and incidents, up to their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from town import Town, minutes, seconds

from app import flow
from app.db.engine import dumps
from app.db.hot import together
from app.incidents.correlation_rules import CORRELATION_RULES
from app.ingest import store
from app.ingest.entrances import door_of
from app.ingest.requests import Door, Request
from app.rules import commands as rules
from app.standing import Standings

SERVICES = ("db-1", "payments", "checkout", "shop")
CLEAR = """TRUNCATE receipts, events, alerts, occurrences, incidents, timeline_entries, acknowledgements, ladders,
           notifications, attempts RESTART IDENTITY CASCADE"""
RULES = [
    {
        "key": "clusters",
        "name": "One incident a cluster",
        "when": 'labels.cluster == "c1"',
        "then": {"key": ["labels.cluster"], "across_services": True},
    },
    {
        "key": "pods",
        "name": "Two pods at least",
        "when": 'labels.pod != "" && labels.alertname == "Pod"',
        "then": {"key": ["labels.alertname"], "threshold": {"count": 2, "within_minutes": 30}},
    },
]


@dataclass(frozen=True)
class Told:
    """One event of a source: when it says so, of which service and alert, and whether it fires."""

    after: timedelta
    service: str
    name: str
    labels: tuple[tuple[str, str], ...]
    severity: str
    fires: bool
    began: timedelta


def _stream(random: Random) -> list[list[Told]]:
    """Rounds of events, some minutes apart. Every alert has one severity while it fires."""
    firing: dict[tuple[str, str, tuple[tuple[str, str], ...]], Told] = {}
    rounds: list[list[Told]] = []
    at = timedelta()
    for _ in range(random.randint(1, 3)):
        events = []
        for _ in range(random.randint(2, 8)):
            at += seconds(random.randint(1, 20))
            labels = random.choice(((), (("cluster", "c1"),), (("pod", "a"),), (("pod", "b"),)))
            key = random.choice(SERVICES), random.choice(("Down", "Pod")), labels
            before = firing.pop(key, None)
            if before is not None and random.random() < 0.7:
                told = Told(at, *key, before.severity, False, before.began)
            else:
                severity = before.severity if before else random.choice(("critical", "warning"))
                told = Told(at, *key, severity, True, before.began if before else at)
                firing[key] = told
            events.append(told)
        rounds.append(events)
        at += minutes(random.randint(4, 20))
    return rounds


class Road:
    """The road itself, without HTTP: batches of requests, each by one of some replicas."""

    def __init__(self, town: Town, replicas: int) -> None:
        self.town = town
        self.standings = [Standings() for _ in range(replicas)]
        self.doors: dict[str, Door] = {}

    async def play(self, rounds: Sequence[Sequence[Sequence[Told]]], random: Random) -> list[Any]:
        """`rounds` of batches; after each of them the clock does what is due. What it comes to."""
        town = self.town
        await town.execute(CLEAR)
        async with town.transaction() as (conn, now):
            rows = (await conn.execute(store.ENTRANCES, {"now": now})).all()
        hashes = {
            sha256(key.encode()).digest(): service
            for (service, source), key in town.routing_keys.items()
            if source == "alertmanager"
        }
        self.doors = {hashes[bytes(r.key_hash)]: door_of(r) for r in rows if bytes(r.key_hash) in hashes}
        start = town.now
        for batches in rounds:
            await town.clock.stop_at(start + max(t.after for batch in batches for t in batch) + seconds(1))
            for batch in batches:
                async with town.engine.connect() as conn, conn.begin(), together(conn):
                    await flow.receive(conn, [self._request(t, start) for t in batch], random.choice(self.standings))
            await self._tick(random)
        await town.clock.stop_at(start + timedelta(hours=2))
        return await self._seen()

    async def _tick(self, random: Random) -> None:
        for _ in range(20):
            async with self.town.engine.begin() as conn:
                climbed = await flow.climb(conn, (), random.choice(self.standings))
            if not climbed.again and (climbed.due.wait_s is None or climbed.due.wait_s > 0):
                return

    def _request(self, told: Told, start: Any) -> Request:
        sender = self.town.alertmanager
        labels = sender.labels(told.name, told.service, None, dict(told.labels)) | {"severity": told.severity}
        alert = sender.alert(told.name, labels, ended=None if told.fires else start + told.after)
        alert["startsAt"] = (start + told.began).isoformat()
        return Request(self.doors[told.service], dumps(sender.body(alert)).encode(), {})

    async def _seen(self) -> list[Any]:
        """All that does not depend on who told it, how often and when: no ids, no numbers, no counts of events.
        Nor the epoch: what is opened and raised in one batch pages once."""
        incidents = await self.town.rows("""
            SELECT s.key, i.correlation_key, i.state, i.priority, i.firing, i.occurrences, i.reopened,
                   i.open_key IS NOT NULL AS holds, m.correlation_key AS merged_into,
                   ARRAY(SELECT a.dedup_key || o.symptom || (o.ended_at IS NULL) || o.severity
                                      || coalesce(o.priority, 0)
                         FROM occurrences o JOIN alerts a ON a.id = o.alert_id WHERE o.incident_id = i.id ORDER BY 1)
            FROM incidents i JOIN services s ON s.id = i.service_id LEFT JOIN incidents m ON m.id = i.merged_into_id
            ORDER BY 1, 2, 3, 4, 5, 6, 10""")
        alerts = await self.town.rows("""
            SELECT a.dedup_key, a.state, a.severity, a.flips, a.ended_at - a.starts_at AS lasted,
                   (SELECT count(*) FROM occurrences o WHERE o.alert_id = a.id) AS occurrences,
                   ARRAY(SELECT o.suppressed ->> 'by' FROM occurrences o WHERE o.alert_id = a.id ORDER BY o.id)
            FROM alerts a ORDER BY 1""")
        return [tuple(r) for r in incidents] + [tuple(r) for r in alerts]


def _one_by_one(rounds: Sequence[Sequence[Told]]) -> list[list[list[Told]]]:
    return [[[told] for told in events] for events in rounds]


def _cut(rounds: Sequence[Sequence[Told]], random: Random) -> list[list[list[Told]]]:
    cut: list[list[list[Told]]] = []
    for events in rounds:
        left, batches = list(events), []
        while left:
            length = random.randint(1, len(left))
            batches.append(left[:length])
            left = left[length:]
        cut.append(batches)
    return cut


def _repeated(rounds: Sequence[Sequence[Told]], random: Random) -> list[list[Told]]:
    return [[told for told in events for _ in range(random.choice((1, 1, 2, 3)))] for events in rounds]


def _two_senders(rounds: Sequence[Sequence[Told]], random: Random) -> list[list[Told]]:
    mixed: list[list[Told]] = []
    for events in rounds:
        queues, round_ = [list(events), list(events)], []
        while any(queues):
            round_.append(random.choice([q for q in queues if q]).pop(0))
        mixed.append(round_)
    return mixed


@pytest.mark.parametrize("configured", [False, True], ids=["plain", "configured"])
async def test_the_same_stream_comes_to_the_same(town: Town, configured: bool) -> None:
    (ana,) = await town.people("Ana", each_with=())
    above: list[str] = []
    for key in SERVICES:
        await town.service(key, policy=[ana, minutes(600)], depends_on=above[-1:] if configured else [])
        above.append(key)
    if configured:
        async with town.transaction() as (conn, now):
            await rules.publish(conn, now, CORRELATION_RULES, RULES, actor="cli")
    for seed in range(5):
        random = Random(seed)
        rounds = _stream(random)
        expected = await Road(town, 1).play(_one_by_one(rounds), random)
        repeated = _cut(_repeated(rounds, random), random)
        assert await Road(town, 3).play(repeated, random) == expected, f"repeated, seed {seed}"
        pair = _cut(_two_senders(rounds, random), random)
        assert await Road(town, 2).play(pair, random) == expected, f"two senders, seed {seed}"
