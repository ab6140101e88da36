"""The metronome: APScheduler wakes `flow.climb` and `flow.deliver`. Nothing due is remembered outside a row.

Three things set one asyncio.Event: an interval of a second, a date job at the next due row, and NOTIFY. The jobs are
coroutines that only set it: a late job is never dropped, and never runs twice at once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, flow, metrics
from app.access.links import Links
from app.asides import Aside
from app.channels.channel import Channel
from app.db.engine import transaction
from app.db.notify import Listener
from app.notifications import handoff_notices, polling
from app.notifications.chat_updates import ChatUpdates
from app.notifications.delivery import Delivery
from app.notifications.due import Climbed, together
from app.proof import watching
from app.standing import Standings

DELIVER_EVERY_S = 1.0
RETRY_AFTER_S = 1.0
MOST_S = 60.0
CHORES_AFTER_S = 2.0
"""Whoever starts has something better to do first."""
PROVE_EVERY_S = 5
ASK_EVERY_S = 5
ERRANDS_EVERY_S = 1
FOLLOW_EVERY_S = 0.5
OVERDUE_S = 0.1

log = structlog.get_logger()


class Worker:
    """Claims and does what is due. Any number of them on one database. `unreachable` is told when not even the last
    resort can be reached: the second path."""

    def __init__(
        self,
        engine: AsyncEngine,
        channels: Mapping[str, Channel],
        links: Links,
        public_url: str,
        *,
        webhooks: Channel | None = None,
        listen_url: str | None = None,
        unreachable: Callable[[int], None] = lambda ladders: None,
        keep_house: Callable[[], Awaitable[object]] | None = None,
        errands: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        self._engine = engine
        self._channels = tuple(channels)
        self._providers = channels
        self._standings = Standings()
        self._unreachable = unreachable
        self._due = asyncio.Event()
        self._scheduler = AsyncIOScheduler(
            timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        )
        self._listener = Listener(listen_url, self.wake) if listen_url else None
        self._task: asyncio.Task[None] | None = None
        outward = dict(channels) | ({webhooks.capability.channel: webhooks} if webhooks is not None else {})
        self.delivery = Delivery(engine, outward, links, public_url, self.wake)
        self.chat = ChatUpdates(engine, channels, links, public_url)
        self._stopping = False
        self._following = Aside("chat updates", self.chat.follow, rest_s=FOLLOW_EVERY_S)
        self._chores = Aside("chores", keep_house) if keep_house is not None else None
        self._errands = Aside("errands", errands) if errands is not None else None
        self._proof = Aside("proof", self.prove)
        self._asking = Aside("ask", self.ask)
        self._public_url = public_url
        self.seen_at: float | None = None
        """When the last tick ended, on the monotonic clock."""

    def wake(self) -> None:
        self._due.set()

    def start(self) -> None:
        self._scheduler.add_job(self._beat, "interval", seconds=1, id="beat")
        if self._chores is not None:
            first = datetime.now(UTC) + timedelta(seconds=CHORES_AFTER_S)
            self._scheduler.add_job(self._chores.begun, "interval", seconds=60, id="chores", next_run_time=first)
        if self._errands is not None:
            self._scheduler.add_job(self._errands.begun, "interval", seconds=ERRANDS_EVERY_S, id="errands")
        self._scheduler.add_job(self._proof.begun, "interval", seconds=PROVE_EVERY_S, id="proof")
        self._scheduler.add_job(self._asking.begun, "interval", seconds=ASK_EVERY_S, id="ask")
        self._scheduler.start()
        if self._listener is not None:
            self._listener.start()
        self._task = asyncio.create_task(self._run(), name="worker")

    async def stop(self, grace_s: float = 20.0) -> None:
        """Ends its pass, claims nothing more, and lets what is in flight be recorded."""
        self._scheduler.shutdown(wait=False)
        if self._listener is not None:
            await self._listener.stop()
        for aside in filter(None, (self._chores, self._errands, self._proof, self._asking, self._following)):
            await aside.stop()
        self._stopping = True
        self._due.set()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=grace_s)
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self.delivery.settle()

    async def tick(self) -> float | None:
        """One pass over everything that is due. Returns the real seconds until the next row falls due.

        When more is due than one claim takes, the climb goes first: a message can wait a second for its provider, a
        ladder that is not climbed has not even found out whom to wake."""
        delivered_at, behind = -DELIVER_EVERY_S, False
        while True:
            climbed = await self._climb_two() if behind else await self._climb()
            if climbed.again:
                continue
            for late in climbed.lateness:
                metrics.ladder_claimed(late)
            if climbed.unreachable:
                self._unreachable(climbed.unreachable)
            behind = climbed.behind and not self._stopping
            if behind and clock.elapsed() - delivered_at < DELIVER_EVERY_S:
                continue
            if climbed.due.handing_over:
                await self._hand_over()
            sent = await flow.deliver(self.delivery) if climbed.due.sends or climbed.due.handing_over else 0
            delivered_at = clock.elapsed()
            if self._stopping or (not climbed.behind and not sent and not climbed.pages):
                return climbed.due.wait_s

    async def _climb(self, *, behind: bool = False) -> Climbed:
        async with self._engine.begin() as conn:
            return await flow.climb(conn, self._channels, self._standings, behind=behind)

    async def _climb_two(self) -> Climbed:
        """Two passes at once: while PostgreSQL does what one asked for, the other thinks. Claims keep them apart, as
        they keep two workers. Raises what the first raised that failed, when both have ended."""
        passes = await asyncio.gather(self._climb(behind=True), self._climb(behind=True), return_exceptions=True)
        done = [p for p in passes if not isinstance(p, BaseException)]
        for failed in passes:
            if isinstance(failed, BaseException):
                raise failed
        return together(*done)

    async def _hand_over(self) -> None:
        """Apart from the climb: no page waits for it."""
        try:
            async with transaction(self._engine) as (conn, now):
                await handoff_notices.tell_due(conn, now, self._channels)
        except (DBAPIError, OSError, TimeoutError) as e:
            log.warning("handoffs_failed", error=repr(e))
        except Exception as e:  # pages go out, whatever it died of
            log.error("handoffs_failed", error=repr(e), exc_info=e)

    async def _beat(self) -> None:
        self._due.set()

    async def prove(self) -> None:
        """One pass over what is proven before it is needed: drills, the next 48 hours, weekly mails."""
        if await watching.prove(self._engine, self._channels, self._public_url):
            self.wake()

    async def ask(self) -> None:
        """One pass over what providers took and did not tell the end of."""
        if await polling.ask_due(self._engine, self._providers):
            self.wake()

    async def _run(self) -> None:
        while True:
            await self._due.wait()
            if self._stopping:
                return
            self._due.clear()
            if self.chat.channels:
                self._following.begin()
            started = clock.elapsed()
            try:
                wait_s = await self.tick()
            except (DBAPIError, OSError, TimeoutError) as e:
                metrics.tick_failed()
                log.warning("tick_failed", error=repr(e))
                await clock.pause(RETRY_AFTER_S)
                continue
            except Exception as e:  # the metronome must not stop, whatever one pass died of
                metrics.tick_failed()
                log.error("tick_failed", error=repr(e), exc_info=e)
                await clock.pause(RETRY_AFTER_S)
                continue
            self.seen_at = clock.elapsed()
            metrics.ticked(self.seen_at - started)
            self._wake_in(wait_s)

    def _wake_in(self, wait_s: float | None) -> None:
        if wait_s is None or wait_s > MOST_S:
            return
        # What is overdue and was not claimed is held by another worker, or by a channel without room.
        at = datetime.now(UTC) + timedelta(seconds=wait_s + 0.002 if wait_s > 0 else OVERDUE_S)
        self._scheduler.add_job(self._beat, "date", run_date=at, id="due", replace_existing=True)
