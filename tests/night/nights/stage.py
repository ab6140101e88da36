"""Plays a night: the real road on a real PostgreSQL, two workers, a clock that stands still between two instants."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from random import Random

from sqlalchemy.exc import DBAPIError

from app import clock
from app.access.links import Links
from app.notifications.delivery import ROOM
from app.worker import Worker
from nights import digest_answers, morning
from nights.doors import SAID_NO, Doors
from nights.evidence import Evidence, Gone, Late, Letter, Seen
from nights.furnishing import SECRETS, furnish
from nights.gains import hosts
from nights.house import House
from nights.lines import Line, seconds
from nights.outside import Outside
from nights.reactions import reaction
from nights.receivers import Receivers
from nights.script import Alerts, Deed, Happening, Jump, Kill, Night, Outage, Trouble

PUBLIC_URL = "https://tocsin.test"
WORKERS = 2
PASSES_AT_MOST = 60
STEPS_AT_MOST = 5000
TICK_AT_MOST_S = 45.0
"""Of real time: a pass takes hundredths of a second; one that goes on and on never ends."""
LOOK_AGAIN_S = 0.0005
"""Of real time, between two looks whether workers are quiet: to look all the while would cost PostgreSQL its core."""
AGAIN_S = 20.0
"""So long after an error somebody tries again."""
LINGER = timedelta(minutes=90)
AWAY = (DBAPIError, OSError, TimeoutError)


class Spins(Exception):
    """The night does not come to an end: something is due again and again."""


class Stage:
    """One night in one house. `play` once."""

    def __init__(self, house: House, night: Night) -> None:
        self.house = house
        self.night = night
        self.evidence = Evidence(night.began)
        self.outside = Outside(night, self.evidence)
        self.outside.arrived = self._arrived
        self.outside.reports = self._reports
        self.links = Links(SECRETS)
        self.workers: dict[int, Worker] = {}
        self._order: Random = night.chance("order")
        self._callers: Random = night.chance("callers")
        self._heard: Counter[tuple[str, str]] = Counter()
        self._firing: dict[tuple[str, str, str], Alerts] = {}
        self._database_away = False
        self._nobody_since: datetime | None = None
        self._known: dict[int, Seen] = {}
        self._clock_at: datetime | None = None
        self._due: datetime | None = None
        self._calls_due: datetime | None = None
        self._back_after: dict[int, float] = {}

    @property
    def now(self) -> datetime:
        return self.outside.now

    async def play(self) -> Evidence:
        """Raises `Spins`; whatever else goes wrong is in the evidence."""
        await self.house.empty()
        await self._set_clock()
        self._people: dict[str, str] = {}
        lines = self._lines(WORKERS)
        async with self.house.transaction() as (conn, now):
            self.furnished = await furnish(conn, now, self.night.organisation, lines)
        self._people.update(self.furnished.addresses)
        self.doors = Doors(self.house.engine, self.furnished, lines, self.evidence, hosts(self.night))
        for worker in range(WORKERS):
            self._born(worker)
        for happening in self.night.happenings:
            self.outside.plan(self.night.began + seconds(happening.at), partial(self._happens, happening))
        dawn = self.night.began + seconds(self.night.lasts)
        with self.house.listening(self.evidence):
            try:
                await self._run_until(dawn)
                await self._dawn()
                self.evidence.rows, self.evidence.ended = await morning.rows(self.house.engine), self.now
            finally:
                for worker in self.workers:
                    self.outside.end(worker)
                await clock.pause(0)
        return self.evidence

    # -- time

    async def _run_until(self, target: datetime, *, calm: bool = False) -> None:
        """`calm`: or until nothing is due any more before it."""
        for _ in range(STEPS_AT_MOST):
            await self._settle()
            ahead = [at for at in (self._due_ahead(), self.outside.next_at) if at is not None and at <= target]
            if not ahead:
                break
            self.outside.now = max(self.now, min(ahead))
            if (at := self.outside.next_at) is not None and at <= self.now:
                await self._attempt(self.outside.take_next())
        else:
            raise Spins(f"{STEPS_AT_MOST} things happened before {target}")
        if not calm:
            self.outside.now = max(self.now, target)
            await self._settle()

    def _due_ahead(self) -> datetime | None:
        """What a worker is awaited for; nothing while none can work."""
        if self._database_away or not self.workers:
            return None
        dues = [due for due in (self._due, self._calls_due) if due is not None and due > self.now]
        return min(dues, default=None)

    async def _attempt(self, call: Callable[[], Awaitable[None]]) -> None:
        """What people, machines and providers do; while the database is away they come again a little later."""
        try:
            await self._set_clock()
            await call()
        except SAID_NO as no:
            self.evidence.says(self.now, f"... refused: {no}")
        except AWAY as e:
            if not self._database_away:
                raise
            self.evidence.says(self.now, f"... the service does not answer ({type(e).__name__}); again later")
            self.outside.plan(self.now + seconds(AGAIN_S), call)
        await self._quiet()

    async def _settle(self) -> None:
        """Lets workers do everything that is due now, and what becomes due by that."""
        if self._database_away:
            return
        for turn in range(PASSES_AT_MOST):
            await self._look()
            if not self.workers:
                return
            if self._due is None or self._due > self.now:
                if await self._calls():
                    continue
                return
            if turn == 0 and self._due < self.now:
                self.evidence.late.append(Late(self._due, self.now))
            await self._tick(self._order.choice(sorted(self.workers)))
            if any(w.delivery.in_flight >= ROOM for w in self.workers.values()):
                await self._look()
                return
        raise Spins(f"something is due at {self.now}, and no worker does it")

    async def _calls(self) -> bool:
        """Lets one worker tell webhooks what is due. False: none has anything to tell, or room for it."""
        if self._calls_due is None or self._calls_due > self.now:
            return False
        for number in self._callers.sample(sorted(self.workers), len(self.workers)):
            try:
                claimed = await self.workers[number].calling.send_due()
            except AWAY as e:
                self.evidence.says(self.now, f"worker {number} could not tell webhooks: {e!r}")
                continue
            await self._quiet()
            if claimed:
                return True
        return False

    async def _tick(self, number: int) -> None:
        worker = self.workers.get(number)
        if worker is None:
            return
        known = len(self.evidence.letters)
        try:
            async with asyncio.timeout(TICK_AT_MOST_S) as patience:
                await worker.tick()
        except AWAY as e:
            if patience.expired():
                raise Spins(f"a pass of worker {number} at {self.now} does not end") from e
            self.evidence.says(self.now, f"a pass of worker {number} failed: {e!r}")
        await self._quiet()
        await self._look_into(self.evidence.letters[known:])

    async def _look_into(self, letters: list[Letter]) -> None:
        """What each of them carries, while it is on its way."""
        carried = await self.house.carried([x.notification_id for x in letters]) if letters else []
        for letter in letters:
            own = letter.notification_id
            letter.carries = (own, *(n for n, by in carried if by == own))

    async def _quiet(self) -> None:
        """Until every task of every worker waits for something outside, or is done; then the dead are buried."""
        pause_s = 0.0
        while any(_busy(w) > self.outside.waiting(n) for n, w in self.workers.items()):
            await clock.pause(pause_s)
            pause_s = LOOK_AGAIN_S
        for number in sorted(self.outside.dying):
            self.outside.dying.discard(number)
            await self._dies(number)

    async def _set_clock(self) -> None:
        if not self._database_away and self._clock_at != self.now:
            await self.house.set_clock(self.now)
            self._clock_at = self.now

    async def _look(self) -> None:
        """How things stand."""
        await self._set_clock()
        wait_s, incidents = await self.house.look()
        self._due = None
        if wait_s is not None:
            self._due = self.now + timedelta(microseconds=math.ceil(float(wait_s) * 1_000_000 - 0.01))
        self._calls_due = await self.house.calls_due() if self.night.organisation.hooks else None
        settled = self._due is None or self._due > self.now
        for number, state, epoch, climbs, withheld in incidents:
            seen = Seen(self.now, number, state, epoch, climbs or not settled, withheld)
            known = self._known.get(number)
            if known is None or replace(known, at=self.now) != seen:
                self._known[number] = seen
                self.evidence.seen.append(seen)

    # -- workers

    def _lines(self, worker: int) -> dict[str, Line]:
        return {c: Line(c, worker, self.outside, self._people) for c in ("sms", "voice", "mail")}

    def _born(self, number: int) -> None:
        hooks = self.night.organisation.hooks
        receivers = Receivers(number, self.outside, hooks) if hooks else None
        engine, lines = self.house.engine, self._lines(number)
        self.workers[number] = Worker(engine, lines, self.links, PUBLIC_URL, webhooks=receivers)
        if self._nobody_since is not None:
            self.evidence.gone.append(Gone(self._nobody_since, self.now, "no worker"))
            self._nobody_since = None

    async def _dies(self, number: int) -> None:
        worker = self.workers.pop(number)
        self.evidence.troubled = True
        self.evidence.says(self.now, f"worker {number} is killed with {_busy(worker)} messages in flight")
        self.outside.end(number)
        await worker.delivery.settle()
        await worker.calling.settle()
        if not self.workers:
            self._nobody_since = self.now

        async def back() -> None:
            self.evidence.says(self.now, f"worker {number} is back")
            self._born(number)

        self.outside.plan(self.now + seconds(self._back_after.get(number, 30.0)), back)

    # -- what happens

    async def _happens(self, happening: Happening) -> None:
        self.evidence.says(self.now, happening.tell())
        match happening:
            case Alerts():
                await self._alerts(happening)
            case Trouble():
                self.evidence.troubled |= happening.kind == "hangs"
                self.outside.begins(happening, self.now + seconds(happening.lasts))
            case Kill():
                doomed = self.outside.doomed_calls if happening.calls else self.outside.doomed
                doomed[happening.worker] = happening.when
                self._back_after[happening.worker] = happening.back_after
            case Outage():
                await self._outage(happening)
            case Jump():
                self.evidence.gone.append(Gone(self.now, self.now + seconds(happening.by), "the clock jumped"))
                self.outside.now += seconds(happening.by)
            case Deed():
                await self.doors.acts(happening)

    async def _alerts(self, said: Alerts) -> None:
        await self.doors.alerts(said, self.night.began + seconds(said.began))
        for name in said.names:
            key = said.service, name, said.pod
            if said.fires:
                self._firing[key] = said
            else:
                self._firing.pop(key, None)

    async def _outage(self, outage: Outage) -> None:
        if self._database_away:
            return
        await self.house.close_down()
        self.evidence.troubled = True
        self._database_away, since = True, self.now

        async def back() -> None:
            await self.house.open_up()
            self._database_away, self._clock_at = False, None
            self.evidence.gone.append(Gone(since, self.now, "the database was away"))
            self.evidence.says(self.now, "the database is back")

        self.outside.plan(self.now + seconds(outage.lasts), back)

    async def _dawn(self) -> None:
        """Everything is mended, and a manager resolves what is left; then the night comes to its end by itself."""
        self.outside.doomed.clear()
        self.outside.doomed_calls.clear()
        self.outside.mended()
        while self._database_away or not self.workers:
            await self._run_until(self.now + seconds(60))
        self.evidence.says(self.now, "dawn: all is mended, and what is left is resolved")
        for said in list(self._firing.values()):
            for name in said.names:
                gone = Alerts(said.at, said.service, (name,), said.pod, said.severity, False, said.began)
                await self._alerts(gone)
        await self._settle()
        await self.doors.resolves_all("cara")
        self.outside.silent = True
        await self._run_until(self.now + LINGER)

    # -- answers

    async def _reports(self, letter: Letter, status: str, code: str) -> None:
        """A callback that finds nobody there is lost."""
        if not self._database_away:
            await self.doors.reports(letter, status, code)

    async def _arrived(self, letter: Letter) -> None:
        self._heard[letter.person, letter.channel] += 1
        nth = self._heard[letter.person, letter.channel]
        resident = self.night.resident(letter.person)
        if letter.digest and letter.channel == "sms" and not self.outside.silent:
            for after, words in digest_answers.reaction(self.night, resident, letter, nth):
                self.outside.plan(self.now + seconds(after), partial(self._answers, letter, "digest", words))
            return
        answers = (
            []
            if letter.purpose != "page" or self.outside.silent
            else reaction(self.night, resident, letter.channel, nth)
        )
        if letter.channel == "voice":
            await self._called(letter, answers, nth)
            return
        for after, door, what in answers:
            self.outside.plan(self.now + seconds(after), partial(self._answers, letter, door, what))

    async def _called(self, letter: Letter, answers: list[tuple[float, str, str]], nth: int) -> None:
        """A call ends within the minute, with or without a key."""
        chance = self.night.chance("call", letter.person, nth)
        if not answers:
            status, machine = chance.choice((("no-answer", False), ("busy", False), ("completed", True)))
            await self._call_went(letter, status, machine)
            return
        await self.doors.picks_up(letter)
        self.outside.plan(
            self.now + seconds(chance.uniform(3, 12)), partial(self._answers, letter, "key", answers[0][2])
        )
        self.outside.plan(self.now + seconds(20), partial(self._call_went, letter, "completed", False))

    async def _call_went(self, letter: Letter, status: str, machine: bool) -> None:
        if not self._database_away:
            await self.doors.call_went(letter, status, machine=machine)

    async def _answers(self, letter: Letter, door: str, what: str) -> None:
        self.evidence.says(self.now, f"{letter.person}, by {door}: {what}")
        if door == "text":
            await self.doors.texts(letter, what)
        elif door == "digest":
            await self.doors.answers_digest(letter, what)
        elif door == "key":
            await self.doors.presses_key(letter, what)
        else:
            await self.doors.follows_link(letter, what)


def _busy(worker: Worker) -> int:
    """How many messages and calls it has in flight."""
    return worker.delivery.in_flight + worker.calling.in_flight
