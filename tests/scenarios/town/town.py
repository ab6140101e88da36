"""The town itself: starts everything, moves the clock, and looks at the end whether anything happened unexpectedly."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.secrets import Secrets
from app.channels import registry
from app.db import engine as db
from app.dev import mail_program
from app.dev.exchange import PhoneExchange
from app.dev.mailbox import Mailbox
from app.escalation.policy_document import Target
from app.main import Tocsin
from app.notifications.due import NEXT_DUE
from app.settings import Settings
from town.browser import Browser
from town.building import Builder, Rungs
from town.clock import MONDAY, VirtualClock
from town.ears import Ears
from town.looking import Looking
from town.residents import Resident
from town.senders import Alertmanager, Generic, Prometheus
from town.serving import PUBLIC_URL, Doomed, Watchdog, Web, worker

STEPS_AT_MOST = 2000
PASSES_AT_MOST = 100


class Town(Looking):
    """`now` is the virtual instant. `workers` tick only when the town waits or settles, never by themselves."""

    def __init__(self, engine: AsyncEngine, settings: Settings, url: str, at: datetime) -> None:
        self.engine = engine
        self.settings = settings
        self.database_url = url
        self.clock = VirtualClock(engine, at)
        self.exchange = PhoneExchange(clock=lambda: self.clock.now)
        self.mailbox = Mailbox()
        self.ears = Ears()
        self.http = httpx.AsyncClient(timeout=120)
        self.workers: list[Tocsin] = []
        self.webs: list[Web] = []
        self.routing_keys: dict[tuple[str, str], str] = {}
        self.residents: dict[str, Resident] = {}
        self.alertmanager = Alertmanager(self)
        self.prometheus = Prometheus(self)
        self.generic = Generic(self)

    @property
    def now(self) -> datetime:
        return self.clock.now

    # -- furnishing

    async def people(
        self, *names: str, each_with: str | Sequence[str] = "sms", role: str = "operator", zone: str | None = None
    ) -> list[Resident]:
        """New users, with a verified contact method on each of these channels: `sms`, `mail`, or none at all: `()`."""
        channels = (each_with,) if isinstance(each_with, str) else each_with
        for name in names:
            self.residents[name] = await self.build.person(self, name, channels, role=role, zone=zone)
        return [self.residents[name] for name in names]

    async def service(self, key: str, *, policy: Rungs | str | None = None, repeats: int = 0, **members: Any) -> None:
        """With `policy` as in `[ana, minutes(5), [ben, cara]]`, or the key of one, and members of a service."""
        self.routing_keys |= await self.build.service(key, policy=policy, repeats=repeats, **members)

    async def team(self, key: str, *members: Resident) -> Target:
        return await self.build.team(key, members)

    async def schedule(self, key: str, layers: Sequence[Mapping[str, Any]], zone: str = "Europe/Berlin") -> Target:
        return await self.build.schedule(key, {"time_zone": zone, "layers": list(layers)})

    # -- time

    async def wait(self, duration: timedelta) -> None:
        """Moves the clock from due row to due row; at each of them the workers do what there is to do."""
        await self.wait_until(self.now + duration)

    async def wait_until(self, target: datetime) -> None:
        await self.settle()
        for _ in range(STEPS_AT_MOST):
            due = await self._due()
            if due is None or due > target:
                break
            await self.clock.stop_at(due)
            await self.settle()
        else:
            raise AssertionError(f"{STEPS_AT_MOST} things fell due before {target}: something spins")
        await self.clock.stop_at(target)
        await self.settle()

    async def settle(self) -> None:
        """Lets the workers do everything that is due now, and whatever becomes due by that."""
        for _ in range(PASSES_AT_MOST):
            await asyncio.gather(*(self._tick(w) for w in self.workers))
            await self.exchange.settled()
            due = await self._due()
            if due is None or due > self.now:
                return
        raise AssertionError("something is due, and no worker does it")

    async def _tick(self, process: Tocsin) -> None:
        assert process.worker is not None
        for tries_left in range(5, -1, -1):
            try:
                await process.worker.prove()
                await process.worker.ask()
                await process.worker.tick()
                break
            except (DBAPIError, OSError):  # the metronome would try again after a second
                if not tries_left:
                    raise
        await process.worker.delivery.settle()
        while await process.worker.calling.send_due():
            await process.worker.calling.settle()

    async def _due(self) -> datetime | None:
        """When the next row falls due, by the statement that the road itself asks."""
        async with self.engine.connect() as conn:
            wait_s = (await conn.execute(NEXT_DUE)).scalar_one()
        if wait_s is None:
            return None
        return self.now + timedelta(microseconds=math.ceil(float(wait_s) * 1_000_000 - 0.01))

    async def mail_comes(self, sender: str, recipient: str, raw: bytes) -> None:
        """Somebody's server hands a mail over to ours; what is due by that is done."""
        door = self.webs[0].process.mail_door
        assert door is not None, "this town takes no mail: it needs the setting mail_in_listen"
        await mail_program.hand_over(door.port, sender, recipient, raw)
        await self.settle()

    # -- looking

    def nothing_else_arrived(self) -> None:
        """Up to here every message was expected."""
        assert not self.exchange.unexpected(), f"unexpected texts: {self.exchange.unexpected()}"
        assert not self.mailbox.unexpected(), f"unexpected mails: {self.mailbox.unexpected()}"

    # -- more of it

    async def another_worker(self, **settings: Any) -> Tocsin:
        """One more worker process's worth of worker, with its own connections."""
        process = await self._parts.enter_async_context(worker(replace(self.settings, **settings), self.database_url))
        self.workers.append(process)
        return process

    @asynccontextmanager
    async def metronome(self, **settings: Any) -> AsyncIterator[Tocsin]:
        """A worker that wakes by itself, as in life: by NOTIFY, at the next due time, every second."""
        process = Tocsin(replace(self.settings, roles=("worker",), **settings), self.database_url)
        async with process.running():
            yield process

    @asynccontextmanager
    async def doomed_worker(self) -> AsyncIterator[Doomed]:
        """A worker process outside, whose metronome runs; `kill` it."""
        doomed = await Doomed.born(self.settings, self.database_url)
        try:
            yield doomed
        finally:
            await doomed.kill()

    async def until(self, happened: Callable[[], Awaitable[object]], within_s: float = 20) -> None:
        """Looks again and again, for what a process outside does in its own time."""
        async with asyncio.timeout(within_s):
            while not await happened():  # noqa: ASYNC110  # a process outside cannot set an event here
                await asyncio.sleep(0.005)

    async def watchdog(self) -> Watchdog:
        """Where the second path speaks. The only worker from here on is one that knows of it; it logs an ERROR."""
        watchdog = Watchdog()
        await watchdog.server.start("127.0.0.1", 0)
        self._parts.push_async_callback(watchdog.server.stop)
        self.workers.clear()
        watchdog.process = await self.another_worker(watchdog_url=f"http://127.0.0.1:{watchdog.server.port}/")
        self.ears.expect("second_path")
        return watchdog

    async def another_web(self) -> Web:
        web = await self._parts.enter_async_context(Web.serving(self.settings, self.database_url))
        self.webs.append(web)
        return web

    @asynccontextmanager
    async def running(self, *, zone: str, workers: int) -> AsyncIterator[Town]:
        async with AsyncExitStack() as self._parts:
            parts = self._parts
            parts.enter_context(self.ears.listening())
            parts.push_async_callback(self.engine.dispose)
            parts.push_async_callback(self.http.aclose)
            await self.clock.stop_at(self.now)
            for place in (self.exchange, self.mailbox):
                await place.start()
                parts.push_async_callback(place.stop)
            self.settings = _told_about(self.settings, self.exchange, self.mailbox)
            channels = registry.channels(self.settings)
            self.build = Builder(self.engine, channels, Secrets.load(self.settings))
            for channel in channels.values():
                parts.push_async_callback(channel.close)
            await self.build.organisation(zone)
            web = await self.another_web()
            self.exchange.hooks.reroute[PUBLIC_URL] = web.url
            self.exchange.inbound_url = f"{PUBLIC_URL}/v1/twilio/sms"
            self.http.base_url = httpx.URL(web.url)
            self.browser = Browser(self.http, PUBLIC_URL, web.url)
            for _ in range(workers):
                await self.another_worker()
            yield self

    def inspect(self) -> None:
        """Raises AssertionError for whatever nobody expected."""
        self.nothing_else_arrived()
        errors = self.ears.errors()
        assert not errors, "errors in the log: " + "\n".join(errors)


def _told_about(settings: Settings, exchange: PhoneExchange, mailbox: Mailbox) -> Settings:
    known = {f: getattr(settings, f) for f in Settings.__dataclass_fields__}
    return Settings(
        **known
        | {
            "twilio_account_sid": exchange.account_sid,
            "twilio_auth_token": exchange.auth_token,
            "twilio_from": exchange.numbers[0],
            "twilio_base_url": exchange.url,
            "smtp_url": mailbox.url,
            "mail_from": "Tocsin <tocsin@example.org>",
            "mail_reply_to": "reply@in.example.org",
            "mail_bounces_to": "bounces@in.example.org",
            "mail_in_listen": "127.0.0.1:0",
        }
    )


@asynccontextmanager
async def opened(
    database_url: str,
    directory: Path,
    *,
    at: datetime = MONDAY,
    zone: str = "Europe/Berlin",
    workers: int = 1,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Town]:
    """A town with an organisation, one web process, its workers, and nobody in it."""
    told = {"public_url": PUBLIC_URL, "secret_key": "t" * 40} | dict(settings or {})
    town = Town(db.create(database_url, size=3), Settings(data_dir=directory, **told), database_url, at)
    async with town.running(zone=zone, workers=workers):
        yield town
