"""The second path under load and failure: no false alarm while a burst is worked off in time, the alarm when it is not,
one all-clear, and nothing of its own lost when the receiver, the database or a provider is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import make_url, text
from town import Town, minutes, seconds

from app.db import engine as db
from app.dev import wire
from app.notifications.second_path import SecondPath

BURST = 300


class Monotonic:
    """A monotonic clock that moves when the story says so."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Desk:
    """Somebody else's monitoring, and the second path that tells it. `status`: what it answers from now on."""

    def __init__(self, elapsed: Monotonic) -> None:
        self.elapsed = elapsed
        self.status = 200
        self.tried = 0
        self.posted: list[tuple[str, str]] = []
        self.server = wire.Server(self._take)
        self.path: SecondPath

    async def looks(self, times: int = 1) -> None:
        for _ in range(times):
            await self.path.check()
            self.elapsed.at += 15

    async def _take(self, request: wire.Request) -> wire.Answer:
        self.tried += 1
        if self.status == 200:
            said = db.loads(request.body)
            self.posted.append((said["reason"], said["status"]))
        return wire.Answer(self.status)


@pytest.fixture
async def desk(town: Town) -> AsyncIterator[Desk]:
    desk = Desk(Monotonic())
    await desk.server.start("127.0.0.1", 0)
    settings = replace(town.settings, watchdog_url=f"http://127.0.0.1:{desk.server.port}/")
    engine = db.create(town.database_url, size=1)
    desk.path = SecondPath(settings, engine, confirm_s=0, elapsed=desk.elapsed)
    town.ears.expect("second_path")
    yield desk
    await desk.path.close()
    await desk.server.stop()


async def burst(town: Town) -> None:
    """So many incidents at once, whose ladders are due now; nobody climbs them yet."""
    (ana,) = await town.people("Ana", each_with="mail")
    await town.build.storms_above(100_000)
    await town.service("checkout", policy=[ana, minutes(60)])
    sender = town.alertmanager
    alerts = [
        sender.alert(f"Problem{n}", sender.labels(f"Problem{n}", "checkout", "critical", {})) for n in range(BURST)
    ]
    await sender.send("checkout", sender.body(*alerts))
    assert len(await town.rows("SELECT 1 FROM ladders WHERE next_step_at IS NOT NULL")) >= BURST


async def worked_off(town: Town) -> None:
    await town.settle()
    left = await town.rows("SELECT 1 FROM ladders WHERE next_step_at <= tocsin_now()")
    assert left == []
    town.mailbox.inbox(town.residents["Ana"].address).items.clear()


async def test_a_burst_in_time_is_no_alarm_and_one_that_waits_is_told_and_cleared_once(town: Town, desk: Desk) -> None:
    await burst(town)
    for _ in range(3):
        await town.clock.stop_at(town.now + seconds(19))
        await desk.looks()
    assert desk.posted == []
    await town.clock.stop_at(town.now + seconds(10))
    await desk.looks(3)
    assert desk.posted == [("ladder_overdue", "firing")]
    await worked_off(town)
    await desk.looks(6)
    assert desk.posted == [("ladder_overdue", "firing"), ("ladder_overdue", "resolved")]


async def test_the_database_goes_away_in_the_burst_and_comes_back(town: Town, desk: Desk) -> None:
    await burst(town)
    await desk.looks()
    async with _away(town):
        await desk.looks(3)
        assert desk.posted == []  # three quarters of a minute
        desk.status = 503  # and the receiver is away when it is told first
        await desk.looks(2)
        assert (desk.posted, desk.tried) == ([], 2)
        desk.status = 200
        await desk.looks(3)
        assert desk.posted == [("database_unreadable", "firing")]
    await town.clock.stop_at(town.now + seconds(90))  # nobody climbed meanwhile
    await desk.looks(3)
    assert sorted(desk.posted[1:]) == [("database_unreadable", "resolved"), ("ladder_overdue", "firing")]
    await worked_off(town)
    desk.status = 500
    await desk.looks(2)
    assert len(desk.posted) == 3
    desk.status = 200  # the all-clear was not lost either
    await desk.looks(5)
    assert desk.posted[3:] == [("ladder_overdue", "resolved")]
    assert len(desk.posted) == 4


async def test_a_provider_that_hangs_is_an_alarm_only_when_nobody_takes_over(town: Town, desk: Desk) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", minutes(0), "sms")])
    await town.build.notification_rules(ben, [("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    town.exchange.troubles.hangs(stored=False, to=ana.number)
    sender = town.alertmanager
    alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
    await sender.send("checkout", sender.body(alert))
    async with town.doomed_worker() as doomed:
        await town.until(_claimed_and_sent(town), within_s=90)
        await ben.expects_mail("HighErrorRate")  # the other channel is not held up
        await doomed.kill()
    await town.clock.stop_at(town.now + seconds(100))
    await desk.looks(2)
    assert desk.posted == []  # its lease, and a minute more
    await town.clock.stop_at(town.now + seconds(30))
    await desk.looks(2)
    assert desk.posted == [("notification_overdue", "firing")]
    town.exchange.troubles.heals()
    await town.settle()
    await town.wait(seconds(30))
    await ana.phone.expects_sms("HighErrorRate", "(repeat)")
    await desk.looks(6)
    assert desk.posted[1:] == [("notification_overdue", "resolved")]


def _claimed_and_sent(town: Town) -> Callable[[], Any]:
    async def happened() -> bool:
        states = {row.state for row in await town.rows("SELECT state FROM notifications")}
        return {"sending", "sent"} <= states

    return happened


class _away:
    """Nobody can connect to the town's database, and whoever was connected is not any more."""

    def __init__(self, town: Town) -> None:
        url = make_url(town.database_url)
        self._name = url.database
        self._engine = db.create(url.set(database="postgres").render_as_string(hide_password=False), size=1)

    async def __aenter__(self) -> None:
        await self._run(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS false")
        await self._run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name", name=self._name)

    async def __aexit__(self, *_: object) -> None:
        await self._run(f"ALTER DATABASE {self._name} ALLOW_CONNECTIONS true")
        await self._engine.dispose()

    async def _run(self, statement: str, **named: Any) -> None:
        async with self._engine.connect() as admin:
            await admin.execution_options(isolation_level="AUTOCOMMIT")
            await admin.execute(text(statement), named)
