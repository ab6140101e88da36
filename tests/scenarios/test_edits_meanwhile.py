"""Silences, windows, inhibitions and rules come and go in the same seconds in which alerts flap, over two webs and two
workers. When nothing suppresses any more, whatever still fires is in an incident that somebody was paged for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import pytest
from sqlalchemy import text
from town import Town, minutes, seconds
from town.senders import Alertmanager

from app.alerts import silences, suppression_rules
from app.alerts.silences import Wanted
from app.alerts.suppression_rules import INHIBITIONS, WINDOWS
from app.incidents.correlation_rules import CORRELATION_RULES
from app.rules import commands as rules

PODS, TURNS, EDITS = 14, 8, 10
NAMES = ("Errors", "Latency", "Down")

STANDING = text("""
    SELECT a.dedup_key, o.id IS NOT NULL AS open, o.suppressed, o.held_key, i.state, i.firing, i.number, i.loudness,
           exists(SELECT 1 FROM ladders l WHERE l.incident_id = i.id) AS ladder,
           exists(SELECT 1 FROM notifications n WHERE n.incident_id = i.id AND n.purpose = 'page') AS paged
    FROM alerts a
    LEFT JOIN occurrences o ON o.alert_id = a.id AND o.ended_at IS NULL
    LEFT JOIN incidents i ON i.id = o.incident_id
    ORDER BY a.id
""")
MISCOUNTED = text("""
    SELECT i.number, i.firing, count(o.id) AS fire FROM incidents i
    LEFT JOIN occurrences o ON o.incident_id = i.id AND o.ended_at IS NULL
    GROUP BY i.id HAVING count(o.id) <> i.firing
""")
SAME_KEY = [
    {"key": "by-name", "name": "One a name", "when": "true", "then": {"key": ["labels.alertname"]}},
]


class Admin:
    """Edits whatever suppresses and correlates, in short transactions of their own."""

    def __init__(self, town: Town, chance: Random) -> None:
        self._town = town
        self._chance = chance
        self._silences: list[Any] = []
        self._made: list[tuple[Any, str]] = []

    async def edits(self, numbers: range) -> None:
        """Does something and undoes something, again and again."""
        for number in numbers:
            make: Callable[[int], Awaitable[None]] = self._chance.choice(
                [self._silence, self._silence, self._window, self._inhibit, self._correlate]
            )
            await make(number)
            if self._chance.random() < 0.6:
                await self._end_one()

    async def ends_all(self) -> None:
        while self._silences or self._made:
            await self._end_one()

    async def _silence(self, _: int) -> None:
        label, value = self._chance.choice(
            [("alertname", self._chance.choice(NAMES)), ("pod", str(self._chance.randrange(PODS)))]
        )
        async with self._town.transaction() as (conn, now):
            matchers = [{"name": label, "value": value, "isRegex": False, "isEqual": True}]
            wanted = Wanted(matchers, now, now + minutes(600), "Ana", "in passing")
            self._silences.append((await silences.create(conn, now, wanted, actor="user:ana")).id)

    async def _window(self, number: int) -> None:
        key = f"window-{number}"
        async with self._town.transaction() as (conn, now):
            members = {"key": key, "name": key, "comment": "in passing", "owner": "ana", "services": ["checkout"],
                       "starts_at": now.isoformat(), "ends_at": (now + minutes(600)).isoformat()}  # fmt: skip
            document = WINDOWS.document.model_validate(members)
            await suppression_rules.create(conn, now, WINDOWS, document, actor="user:ana")
        self._made.append((WINDOWS, key))

    async def _inhibit(self, number: int) -> None:
        key = f"inhibition-{number}"
        async with self._town.transaction() as (conn, now):
            members = {"key": key, "name": key, "source": '{alertname="Down"}', "target": '{alertname!="Down"}'}
            document = INHIBITIONS.document.model_validate(members)
            await suppression_rules.create(conn, now, INHIBITIONS, document, actor="user:ana")
        self._made.append((INHIBITIONS, key))

    async def _correlate(self, number: int) -> None:
        async with self._town.transaction() as (conn, now):
            await rules.publish(conn, now, CORRELATION_RULES, SAME_KEY if number % 2 else [], actor="user:ana")

    async def _end_one(self) -> None:
        which = self._silences if self._silences and (not self._made or self._chance.random() < 0.7) else self._made
        if not which:
            return
        ended = which.pop(self._chance.randrange(len(which)))
        async with self._town.transaction() as (conn, now):
            if which is self._silences:
                await silences.expire(conn, now, ended, actor="user:ana")
            else:
                await suppression_rules.delete(conn, now, *ended, actor="user:ana")


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
@pytest.mark.parametrize("seed", range(3))
async def test_nothing_that_fires_is_forgotten(town: Town, seed: int) -> None:
    chance = Random(seed)
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(6000)])
    senders = [town.alertmanager, Alertmanager(town, port=(await town.another_web()).port)]
    admin = Admin(town, chance)
    fires: dict[int, bool] = {}

    async def flaps(pod: int) -> None:
        name = NAMES[pod % len(NAMES)]
        sender, started = senders[pod % 2], town.now
        labels = sender.labels(name, "checkout", "critical", {"pod": str(pod)})
        for turn in range(TURNS):
            at = town.now + seconds(turn)
            if not fires.get(pod):
                started = at
            fires[pod] = chance.random() < 0.7
            alert = sender.alert(name, labels, ended=None if fires[pod] else at) | {"startsAt": started.isoformat()}
            assert (await sender.send("checkout", sender.body(alert))).status == 202

    async with town.metronome(), town.metronome():
        await town.clock.run(speed=5)  # a worker that takes a minute for a mail is taken for dead: 12 s of ours
        await asyncio.gather(
            *(flaps(pod) for pod in range(PODS)), admin.edits(range(EDITS)), admin.edits(range(EDITS, 2 * EDITS))
        )
        await admin.ends_all()

        async def quiet() -> bool:
            rows = await town.rows(STANDING)
            return all(r.suppressed is None and (not r.open or r.paged) for r in rows)

        try:
            await town.until(quiet, within_s=30)
        except TimeoutError:
            for row in await town.rows(STANDING):
                print(tuple(row))
            raise
        await town.clock.stop_at(town.now + seconds(1))

    standing = await town.rows(STANDING)
    assert sum(r.open for r in standing) == sum(fires.values())
    for row in standing:
        assert not row.open or (row.state == "triggered" and row.ladder and row.loudness == "loud"), row
        assert row.held_key is None
    assert await town.rows(MISCOUNTED) == []
    failed = [line for line in town.ears.lines if line["event"] in ("tick_failed", "batch_tried_one_by_one")]
    assert failed == []
    while ana.inbox.unexpected():
        await ana.expects_mail()
