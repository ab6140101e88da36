"""A night of real processes: `tocsin serve` for the web and for two workers, a real PostgreSQL that is restarted, the
exchange, the mailbox and receivers of webhooks on real sockets, `kill -9` at random instants; on a clock that runs
faster. Some nights have gains, as those on the virtual clock: webhooks, templates, a morning that falls into them.

What happens when is drawn from the seed; what comes of it is up to the machine, so it is judged, not repeated.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import clock
from app.access.links import Links
from app.access.secrets import Secrets
from app.db import engine as db
from app.db import migrate
from app.db.embedded import EmbeddedServer
from app.dev.exchange import PhoneExchange
from app.dev.mailbox import Mailbox
from app.dev.program import Service, free_port
from app.incidents import commands
from app.incidents.commands import Responder
from nights import morning, real_gains
from nights.evidence import Evidence
from nights.furnishing import Furnished, address_of, furnish
from nights.gains import hosts, with_gains
from nights.house import CALLS_DUE
from nights.lines import Line
from nights.organisations import organisation
from nights.outside import Outside
from nights.reading_back import read_back
from nights.real_receiver import RealReceiver
from nights.script import Night
from nights.town_clock import TownClock

SPEED = 40.0
"""A minute of the night takes 1.5 s."""
LASTS_S = 6.0
SLACK_S = 0.75
DAWN_S = 60.0
SECRET = "n" * 40
NAMES = ("HighErrorRate", "DiskFull", "Latency")
OPEN = text("SELECT id FROM incidents WHERE state IN ('triggered', 'acknowledged', 'mitigated') ORDER BY number")
LEFT = text(f"""
    SELECT (SELECT count(*) FROM notifications WHERE state IN ('pending', 'sending'))
         + (SELECT count(*) FROM webhook_calls WHERE state = 'sending')
         + (SELECT count(*) FROM ({CALLS_DUE}) AS due (at) WHERE at < tocsin_now() + interval '20 seconds')
""")
"""Messages on their way, webhooks that are being told of something, and whether one soon will be."""
COMMITTED = text("SELECT id, pg_xact_commit_timestamp(xmin) AS committed FROM timeline_entries")
KEEP_COMMITS = text("ALTER SYSTEM SET track_commit_timestamp = on")
AWAY = (DBAPIError, OSError, TimeoutError)


def real_night(seed: int) -> Night:
    """The organisation of a night of real processes; what happens in it is drawn while it is played."""
    chance, began = Random(f"real/{seed}"), datetime(2026, 11, 23, 20, 0).astimezone()
    town = organisation(chance, began)
    policies = tuple({**p, "steps": [{**s, "delay_s": 60} for s in p["steps"]]} for p in town.policies)
    services = tuple(replace(s, recovery_delay_s=0) for s in town.services)
    town = replace(town, policies=policies, services=services, overrides=())
    return replace(with_gains(Night(seed, began, LASTS_S, town, ())), happenings=())


async def found(directory: Path) -> Path:
    """Makes a server with a migrated database, for nights to copy: half of what a night takes before it begins. It
    keeps when transactions were committed, from which instant on others saw them."""
    directory.chmod(0o755)
    server = EmbeddedServer(directory / "data", durable=False)
    engine = db.create(await server.start(), size=1)
    await migrate.upgrade(engine)
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as conn:
        await conn.execute(KEEP_COMMITS)
    await engine.dispose()
    await server.stop()
    shutil.rmtree(directory / "data" / "run")
    return directory / "data"


class RealNight:
    """`play` once, in a directory with a copy of what `found` made. Everything it starts ends with it."""

    def __init__(self, night: Night, directory: Path) -> None:
        self.night = night
        self.directory = directory
        self.chance = Random(f"real/{night.seed}/happens")
        self.gained = Random(f"real/{night.seed}/gained")
        self.server = EmbeddedServer(directory / "data", durable=False)
        self.clock = TownClock(SPEED)
        self.exchange = PhoneExchange(clock=self.clock)
        self.mailbox = Mailbox()
        self.links = Links(Secrets(SECRET.encode()))
        self.workers: dict[int, Service] = {}
        self.evidence = Evidence(night.began, troubled=True)
        self.furnished = Furnished()
        self.receivers = [RealReceiver(hook.key, self.evidence, self.clock) for hook in night.organisation.hooks]
        self._settings: dict[str, str] = {}
        self._returns: set[asyncio.Task[None]] = set()

    async def play(self) -> Evidence:
        """What was seen. Raises AssertionError when the morning does not come."""
        async with self._started():
            await real_gains.set_mornings(self)
            async with asyncio.TaskGroup() as group:
                for act in (self._sender, self._sleepers, self._killer, self._restarter, self._saboteur):
                    group.create_task(act())
                group.create_task(real_gains.sends_quiet(self))
                group.create_task(real_gains.fails_receivers(self))
            await self._dawn()
            self.evidence.rows = await morning.rows(self.engine)
            async with self.engine.connect() as conn:
                committed = {r.id: self.clock.at(r.committed) for r in await conn.execute(COMMITTED)}
            read_back(self, committed)
        self.evidence.slack = timedelta(seconds=SPEED * self._slowest_s())
        self.evidence.errors += self._complaints()
        return self.evidence

    # -- the house

    @asynccontextmanager
    async def _started(self) -> AsyncIterator[None]:
        async with AsyncExitStack() as parts:
            url = await self.server.start()
            parts.push_async_callback(self.server.stop)
            self.engine = db.create(url, size=2)
            parts.push_async_callback(self.engine.dispose)
            for place in (self.exchange, self.mailbox, *self.receivers):
                await place.start()
                parts.push_async_callback(place.stop)
            await self._furnish()
            self._settings = self._settings_for(url)
            port = free_port()
            self.web = Service(
                self._settings | {"roles": "web", "listen": f"127.0.0.1:{port}"}, self.directory / "web.log"
            )
            self.exchange.inbound_url = f"{self._settings['public_url']}/v1/twilio/sms"
            self.exchange.hooks.reroute[self._settings["public_url"]] = f"http://127.0.0.1:{port}"
            self.http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=15)
            parts.push_async_callback(self.http.aclose)
            parts.push_async_callback(self.web.stop)
            await asyncio.gather(self.web.start(), *(self._born(n) for n in range(2)))
            parts.push_async_callback(self._all_down)
            yield

    async def _furnish(self) -> None:
        hooks = [replace(h, at=r.address) for h, r in zip(self.night.organisation.hooks, self.receivers, strict=True)]
        night = self.night = replace(self.night, organisation=replace(self.night.organisation, hooks=tuple(hooks)))
        lines = {c: Line(c, 0, Outside(night, Evidence(night.began)), {}) for c in ("sms", "voice", "mail")}
        await self.clock.run(self.engine)
        async with db.transaction(self.engine) as (conn, now):
            self.evidence.began = now
            self.furnished = await furnish(conn, now, night.organisation, lines)
        for nth, resident in enumerate(night.organisation.people):
            phone = self.exchange.phone(address_of(resident, "sms", nth), resident.name)
            if resident.temper in ("prompt", "late", "twice"):
                phone.will_press("4")

    def _settings_for(self, url: str) -> dict[str, str]:
        return {
            "data_dir": str(self.directory / "var"), "database_url": url, "public_url": "https://tocsin.test",
            "secret_key": SECRET, "clock_control": "true", "allow_private_networks": "true",
            "smtp_url": self.mailbox.url, "mail_from": "Tocsin <tocsin@example.org>",
            "twilio_account_sid": self.exchange.account_sid, "twilio_auth_token": self.exchange.auth_token,
            "twilio_from": self.exchange.numbers[0], "twilio_base_url": self.exchange.url,
        }  # fmt: skip

    async def _born(self, number: int) -> None:
        settings = self._settings | {"roles": "worker", "listen": f"127.0.0.1:{free_port()}"}
        worker = Service(settings, self.directory / f"worker{number}.log")
        await worker.start()
        self.workers[number] = worker

    async def _all_down(self) -> None:
        for task in self._returns:
            task.cancel()
        await asyncio.gather(*(w.stop() for w in self.workers.values()))

    # -- what happens, each in its own time

    async def _sender(self) -> None:
        """Alerts that fire, repeat and end, the first fires; a sender whose request fails comes again."""
        for nth in range(self.chance.randint(3, 8)):
            await clock.pause(self.chance.uniform(0, LASTS_S / 4))
            service = self.chance.choice(self.night.organisation.services).key
            await self.tell(service, self.chance.choice(NAMES), fires=nth == 0 or self.chance.random() < 0.75)

    async def tell(self, service: str, name: str, *, fires: bool, severity: str = "critical") -> None:
        body = {"title": name, "status": "firing" if fires else "resolved", "severity": severity,
                "dedup_key": f"{service}/{name}", "labels": {"alertname": name} | self._host()}  # fmt: skip
        for _ in range(100):
            try:
                answer = await self.http.post(f"/v1/intake/{self.furnished.keys[service]}/generic", json=body)
            except httpx.HTTPError:
                answer = None
            if answer is not None and answer.is_success:
                self.evidence.says(self.clock(), f"{name} of {service} fires: {fires}")
                return
            await clock.pause(0.1)
        raise AssertionError(f"nobody took {name} of {service}")

    def _host(self) -> dict[str, str]:
        return {"host": self.gained.choice(found)} if (found := hosts(self.night)) else {}

    async def _sleepers(self) -> None:
        """Whoever answers, texts the letter that acknowledges; sometimes it is nonsense."""
        for _ in range(12):
            await clock.pause(self.chance.uniform(0.1, LASTS_S / 8))
            phones = [p for p in self.exchange.phones.values() if p.inbox.items]
            if phones and self.chance.random() < 0.6:
                phone = self.chance.choice(phones)
                body = self.chance.choice(("a", "a", "e", "c", "hm?"))
                self.evidence.says(self.clock(), f"{phone.owner} texts {body!r}")
                await phone.replies(body)

    async def _killer(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            await clock.pause(self.chance.uniform(0.3, LASTS_S / 2))
            number = self.chance.randrange(2)
            if (worker := self.workers.pop(number, None)) is not None and worker.process is not None:
                worker.process.kill()
                await worker.process.wait()
                self.evidence.says(self.clock(), f"worker {number} was killed")
                task = asyncio.create_task(self._returns_after(number, self.chance.uniform(0, 1.5)))
                self._returns.add(task)

    async def _returns_after(self, number: int, seconds: float) -> None:
        await clock.pause(seconds)
        await self._born(number)

    async def _restarter(self) -> None:
        if self.chance.random() < 0.6:
            await clock.pause(self.chance.uniform(0.5, LASTS_S))
            self.evidence.says(self.clock(), "the database is restarted")
            await self.server.stop()
            await clock.pause(self.chance.uniform(0, 1))
            await self.server.start()

    async def _saboteur(self) -> None:
        """Providers that hang, break and refuse, for the next message or two."""
        for _ in range(self.chance.randint(1, 5)):
            await clock.pause(self.chance.uniform(0, LASTS_S / 3))
            stored = self.chance.random() < 0.5
            match self.chance.choice(("resets", "breaks", "busy", "dawdles", "loses", "mail", "callbacks")):
                case "resets":
                    self.exchange.troubles.resets(stored=stored)
                case "breaks":
                    self.exchange.troubles.breaks(stored=stored)
                case "busy":
                    self.exchange.troubles.refuses(20429, times=2)
                case "dawdles":
                    self.exchange.troubles.dawdles(self.chance.uniform(0.05, 1.0))
                case "loses":
                    self.exchange.troubles.loses(30008)
                case "mail":
                    self.mailbox.refuses("451 4.3.0 try again later", times=2)
                case _:
                    self.exchange.callbacks_come = self.chance.choice(("once", "twice", "backwards"))

    # -- the morning

    async def _dawn(self) -> None:
        """Both workers live, all is mended, what is left is resolved; then nothing may stay on its way."""
        self.exchange.troubles.heals()
        self.mailbox.heals()
        for receiver in self.receivers:
            receiver.failing = ""
        await asyncio.gather(*self._returns)
        for service in self.night.organisation.services:
            for name in (*NAMES, *real_gains.QUIET):
                await self.tell(service.key, name, fires=False)
        async with asyncio.timeout(DAWN_S):
            while await self._resolved() or await self._left():
                await clock.pause(0.2)
        await self.exchange.settled()

    async def _resolved(self) -> int:
        try:
            async with db.transaction(self.engine) as (conn, now):
                found = list((await conn.execute(OPEN)).scalars())
                for incident in found:
                    who = Responder(self.furnished.users["cara"], "cara", "Cara", "screen")
                    await commands.resolve(conn, now, incident, who, confirmed=True)
        except AWAY:
            return 1
        return len(found)

    async def _left(self) -> int:
        """The night ends where nothing is left."""
        async with db.transaction(self.engine) as (conn, self.evidence.ended):
            return int((await conn.execute(LEFT)).scalar_one())

    def _slowest_s(self) -> float:
        """So long something may have been in flight from its look to its commit: what people said to the service was
        answered as late as that, on a machine that has other things to do."""
        return max((SLACK_S, *(made.took_s for made in self.exchange.hooks.made)))

    def _complaints(self) -> list[str]:
        """ERROR lines of all processes."""
        logs: list[Any] = sorted(self.directory.glob("*.log"))
        return [line for log in logs for line in log.read_text(errors="replace").splitlines() if "[error" in line]
