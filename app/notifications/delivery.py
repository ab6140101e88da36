"""⑩ Claim, send, record. Claim in one transaction, send in none, record in another (behaviour.md 8).

Whoever dies in between leaves a notification in `sending`: after its lease another worker asks the provider whether it
has the message, by the link in it, which is derived from the attempt and so can be written again. If nobody can tell, a
loud message goes out once more, marked as a repeat, and a quiet one does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.access.links import Links
from app.channels.channel import Channel, SendFailed, Sent
from app.channels.several import askable
from app.db import ids
from app.db.engine import transaction
from app.notifications import chat_store, health_store, outcome, reply_codes, store
from app.notifications.claiming import Claim, claim
from app.notifications.health import is_its_own
from app.notifications.jobs import Job, Jobs
from app.notifications.template_cache import Templates
from app.notifications.ways import ROOM, Way, Ways
from app.notifications.wording import Wording

LEASE = timedelta(seconds=60)
"""Longer than any channel may take to answer."""

log = structlog.get_logger()


class Delivery:
    """Sends what is due. One per worker; any number of workers at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        channels: Mapping[str, Channel],
        links: Links,
        public_url: str,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        """`freed` is told when a provider that was full has room again."""
        self._engine = engine
        self._channels = channels
        self._jobs = Jobs(channels, links, public_url)
        self._ways = Ways(channels, freed)
        self._wake = freed
        self._templates = Templates()
        self._tasks: set[asyncio.Task[None]] = set()
        self._mine: set[UUID] = set()

    async def send_due(self) -> int:
        """Claims what is due on channels with room, and starts to send it. Returns how many it claimed."""
        room = self._ways.room()
        async with transaction(self._engine) as (conn, now):
            claimed = await claim(conn, now, room, list(self._channels)) if room.channels else Claim()
            ways = await self._ways.choose(conn, now, claimed.parcels)
            codes = await reply_codes.give(conn, now, claimed.parcels)
            wording = await Wording.of(conn, now, claimed.parcels, claimed.storm, codes, self._templates)
            called = await self._jobs.called(conn, claimed.parcels)
            jobs = [
                self._jobs.of(p, ids.new(now), max(r.tries for r in p) + 1, now, wording, way, called)
                for p, way in zip(claimed.parcels, ways, strict=True)
            ]
            await self._jobs.write(conn, now, jobs)
            if not claimed.looked:  # it reads all that is due, which in a burst is much
                await outcome.fail_unconfigured(conn, now, list(self._channels))
        for job in jobs:
            if job.digest:
                metrics.digest_sent(job.lost.channel, len(job.carries))
            elif len(job.carries) > 1:
                metrics.notifications_bundled(job.lost.channel, len(job.carries) - 1)
            self._start(job, self._send(job))
        return claimed.looked

    async def recover(self) -> int:
        """Takes over what another worker claimed and never recorded. Returns how many."""
        async with transaction(self._engine) as (conn, now):
            named = {"before": now - LEASE, "channels": list(self._channels), "mine": list(self._mine), "limit": ROOM}
            ids_ = [r.id for r in await conn.execute(store.LOST, named)]
            if not ids_:
                return 0
            jobs = await self._reclaim(conn, now, ids_)
        for job in jobs:
            self._start(job, self._ask(job))
        return len(jobs)

    async def settle(self) -> None:
        """Waits for everything in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    def _start(self, job: Job, work: Any) -> None:
        self._ways.started(job.way, job.attempt_id)
        self._mine.add(job.lost.id)
        task = asyncio.create_task(work)
        self._tasks.add(task)

        def done(finished: asyncio.Task[None]) -> None:
            self._tasks.discard(finished)
            self._mine.discard(job.lost.id)
            self._ways.ended(job.way, job.attempt_id)
            if not finished.cancelled() and (error := finished.exception()) is not None:
                # The row stays in `sending`; after its lease a worker asks the provider and goes on.
                log.warning("attempt_not_recorded", attempt=str(job.attempt_id), error=repr(error))

        task.add_done_callback(done)

    async def _reclaim(self, conn: AsyncConnection, now: datetime, notification_ids: list[UUID]) -> list[Job]:
        named = {"ids": notification_ids, "now": now}
        parcels: dict[UUID, list[Any]] = {}
        for r in await conn.execute(store.PARCELS, named):
            parcels.setdefault(r.carried_by_id or r.id, []).append(r)
        lost = (await conn.execute(store.LOST_DETAILS, named)).all()
        await conn.execute(store.RECLAIM, named)
        codes = await reply_codes.give(conn, now, list(parcels.values()))
        wording = await Wording.of(conn, now, list(parcels.values()), codes=codes, templates=self._templates)
        called = await self._jobs.called(conn, list(parcels.values()))
        jobs = []
        for r in lost:
            way = self._ways.way_of(parcels[r.id][0].channel, r.provider, parcels[r.id][0].address)
            jobs.append(self._jobs.of(parcels[r.id], r.attempt_id, r.number, r.started_at, wording, way, called))
        return jobs

    async def _send(self, job: Job) -> None:
        channel = self._ways.provider(job.way)
        try:
            sent: Sent | SendFailed = await channel.send(job.message)
        except SendFailed as failed:
            sent = failed
        await self._note(job.way, sent)
        if isinstance(sent, SendFailed) and sent.maybe_sent:
            sent = await self._find(channel, job) or sent
        await self._record(job, sent)

    async def _ask(self, job: Job) -> None:
        """The attempt of a worker that is gone: did the provider get it?"""
        channel = self._ways.provider(job.way)
        found = await self._find(channel, job)
        lost = SendFailed("nobody knows whether it was sent", code="unknown", maybe_sent=True)
        await self._record(job, found or lost)

    async def _find(self, channel: Channel, job: Job) -> Sent | None:
        try:
            return await channel.find(job.message, job.claimed_at)
        except SendFailed:
            return None

    async def _record(self, job: Job, sent: Sent | SendFailed) -> None:
        told = askable(self._channels[job.way.channel], job.way.provider) is not None
        async with transaction(self._engine) as (conn, now):
            result = await outcome.record(
                conn, now, job.attempt_id, job.carries, job.tries, sent, list(self._channels), repeated=job.repeated,
                elsewhere=job.way.elsewhere, askable=told,
            )  # fmt: skip
            if isinstance(sent, Sent) and job.shows and job.lost.incident_id is not None:
                await chat_store.keep(conn, now, job.attempt_id, job.lost.incident_id, job.shows)
        self._count(job, sent, now)
        if result is not None:
            metrics.notification_ended(job.lost.channel, result)
        elif job.way.elsewhere and isinstance(sent, SendFailed):
            self._wake()  # another provider has it at once

    async def _note(self, way: Way, sent: Sent | SendFailed) -> None:
        """How the provider fares, before anything else: the next message is to know. Written when it is news."""
        if not way.provider or (isinstance(sent, SendFailed) and not is_its_own(sent)):
            return
        if isinstance(sent, Sent) and way.health.fault != "taking" and not way.health.outcomes.endswith("f"):
            return  # as always
        async with transaction(self._engine) as (conn, now):
            if isinstance(sent, SendFailed):
                before, done = await health_store.note(conn, now, way.key, "failed", sent.code, sent.message)
            else:
                before, done = await health_store.note(conn, now, way.key, "accepted")
        if done.fault != before.fault:
            log.warning("provider_health", channel=way.channel, provider=way.provider, prefix=way.prefix,
                        state=done.state(now), code=done.code)  # fmt: skip

    def _count(self, job: Job, sent: Sent | SendFailed, now: datetime) -> None:
        channel = job.lost.channel
        if isinstance(sent, Sent):
            metrics.notification_accepted(channel, (now - job.due_at).total_seconds())
            metrics.provider_attempt(channel, job.way.provider or channel, "accepted")
        else:
            metrics.provider_error(channel, sent.code)
            metrics.provider_attempt(channel, job.way.provider or channel, "failed")
            log.warning("send_failed", channel=channel, code=sent.code, permanent=sent.permanent,
                        configuration=sent.configuration, notification=str(job.lost.id))  # fmt: skip
