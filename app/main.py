"""Builds the process: settings, database, intake, API, screens, worker, second path. One screen of code.

`Tocsin` is everything a process runs, whether `tocsin serve`, the demo or a test started it; `asgi` is its front.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from app import flow
from app.access.links import Links
from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.access.store import sweep
from app.calendars.refreshing import Refresher
from app.channels import registry
from app.channels.channel import Channel
from app.channels.hosts import HostPolicy
from app.channels.http import Http
from app.channels.webhook import WebhookChannel
from app.db import engine as db
from app.db import migrate
from app.db.notify import Notifier
from app.db.partitions import keep_house, partitioned
from app.db.waiting import AWAITED, patiently
from app.escalation import webhooks
from app.ingest.entrances import Entrances
from app.ingest.expiry import forget_quarantined
from app.ingest.group_commit import GroupCommit
from app.ingest.requests import Answer, Received, Request
from app.notifications import calling, health_store, reply_store
from app.notifications.second_path import SecondPath
from app.settings import Settings
from app.standing import Standings
from app.vigil.vigil import Vigil
from app.web import application
from app.web.dropin.heartbeat_ping import Heartbeats
from app.web.dropin.opsgenie import Opsgenie
from app.web.dropin.pagerduty import PagerDuty
from app.web.intake import App, Intake
from app.web.intake_desk import Desk
from app.web.later import Later
from app.web.mail_intake import MailIntake
from app.web.observed import Observed
from app.worker import Worker

if TYPE_CHECKING:
    from app.web.mail_imap import ImapDoor
    from app.web.mail_smtp import SmtpDoor


FOR_PEOPLE: Final = 6
"""Connections to the database, and as many more at a rush, for the API and screens: alerts that come in and pages that
go out have their own, and wait for nobody's report."""


class Tocsin:
    """One process. `async with tocsin.running(): ...` starts its parts and ends them in the right order."""

    def __init__(self, settings: Settings, database_url: str) -> None:
        self.settings = settings
        behind_pooler = bool(settings.database_listen_url)
        self.engine = db.create(database_url, behind_pooler=behind_pooler)
        self.for_people = db.create(database_url, size=FOR_PEOPLE, behind_pooler=behind_pooler)
        self.secrets = Secrets.load(settings)
        self.channels: Mapping[str, Channel] = registry.channels(settings, AddressSealing(self.secrets))
        self.links = Links(self.secrets)
        self.webhooks = WebhookChannel(settings)
        self.notifier = Notifier(self.engine)
        self.calendars = Refresher(self.engine, self.secrets, Http(HostPolicy.of(settings)))
        self.second_path = SecondPath(settings, db.create(database_url, size=1))
        self.worker = self._worker(settings.database_listen_url or database_url) if "worker" in settings.roles else None
        self.mail_door: SmtpDoor | None = None
        self.mailbox = self._mailbox()
        self._take_alerts()
        self.vigil = Vigil(
            settings,
            self.engine,
            self.channels,
            self.second_path,
            self.wake,
            None if self.worker is None else self._seen_at,
            _release(),
        )
        self.api.state.peer_report = self.vigil.report

    def _take_alerts(self) -> None:
        """Intake, and the API and screens behind it."""
        standings = Standings()

        async def receive(conn: AsyncConnection, requests: Sequence[Request]) -> Received:
            return await flow.receive(conn, requests, standings)

        async def refuse(conn: AsyncConnection, request: Request, error: str) -> Answer:
            return await flow.refuse(conn, request, error, standings)

        self.commits = GroupCommit(self.engine, receive, refuse, self.wake)
        self.api: FastAPI = application.build(
            engine=self.for_people,
            settings=self.settings,
            secrets=self.secrets,
            channels=self.channels,
            links=self.links,
            wake=self.wake,
            receive=receive,
            replay=partial(flow.replay, standings=standings),
            worker_seen_at=None if self.worker is None else self._seen_at,
        )
        desk = Desk(self.engine, Entrances(self.engine, self.secrets), self.commits)
        opsgenie = Opsgenie(desk, Heartbeats(self.engine, self.wake))
        self.people = Later(self.api)
        self.asgi: App = Intake(Observed(self.people), desk, (PagerDuty(desk), opsgenie))

    def _worker(self, listen_url: str) -> Worker:
        return Worker(
            self.engine,
            self.channels,
            self.links,
            self.settings.public_url,
            webhooks=self.webhooks,
            listen_url=listen_url,
            unreachable=self.second_path.unreachable,
            keep_house=self._keep_house,
            errands=self._run_errands,
        )

    def _mailbox(self) -> ImapDoor | None:
        if not self.settings.mail_in_imap_url or "worker" not in self.settings.roles:
            return None
        from app.channels import imap  # noqa: PLC0415  # only where there is a mailbox
        from app.web.mail_imap import ImapDoor  # noqa: PLC0415  # as above

        return ImapDoor(imap.mailbox(self.settings.mail_in_imap_url), self._mail_intake())

    def wake(self) -> None:
        """Something fell due: the worker of this process at once, those of others by NOTIFY."""
        if self.worker is not None:
            self.worker.wake()
        self.notifier.notify()

    def _mail_intake(self) -> MailIntake:
        return MailIntake(self.engine, self.settings, self.links, list(self.channels), self.wake)

    async def _run_errands(self) -> None:
        """Each in its own time: a calendar that hangs does not keep answers from being read."""
        errands = [self.calendars.refresh_due(), *([self.mailbox.poll_due()] if self.mailbox is not None else [])]
        for ended in await asyncio.gather(*errands, return_exceptions=True):
            if isinstance(ended, BaseException):
                raise ended

    async def _keep_house(self) -> bool:
        days = self.settings
        tables = partitioned(
            receipts=timedelta(days=days.retention_receipts_days), history=timedelta(days=days.retention_history_days)
        )
        forget = partial(forget_quarantined, keep=timedelta(days=days.retention_quarantine_days))
        sweeps = (sweep, forget, reply_store.sweep, health_store.sweep, calling.sweep)
        return await keep_house(self.engine, tables, sweeps)

    def _seen_at(self) -> float | None:
        return None if self.worker is None else self.worker.seen_at

    async def _prepare(self) -> None:
        """Before anybody writes: attaching a partition to a busy table makes its writers try again."""
        await migrate.upgrade(self.engine)
        async with db.transaction(self.engine) as (conn, now):
            await webhooks.seal_plain(conn, now, self.secrets)
        await self._keep_house()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Migrates, starts; at the end commits what waits and records what is in flight."""
        await patiently(self._prepare, AWAITED)
        stop = asyncio.Event()
        async with AsyncExitStack() as parts:
            parts.push_async_callback(self.engine.dispose)
            parts.push_async_callback(self.for_people.dispose)
            for channel in (*self.channels.values(), self.webhooks):
                parts.push_async_callback(channel.close)
            parts.push_async_callback(self.calendars.close)
            parts.push_async_callback(self.second_path.close)
            self.notifier.start()
            parts.push_async_callback(self.notifier.stop)
            watching = asyncio.create_task(self.second_path.run(stop), name="second path")
            parts.push_async_callback(asyncio.wait_for, watching, 15)
            parts.push_async_callback(self.vigil.close)
            vigil = asyncio.create_task(self.vigil.run(stop), name="vigil")
            parts.push_async_callback(asyncio.wait_for, vigil, 15)
            parts.callback(stop.set)
            if self.worker is not None:
                self.worker.start()
                parts.push_async_callback(self.worker.stop)
            if self.settings.mail_in_listen and "web" in self.settings.roles:
                from app.web.mail_smtp import SmtpDoor  # noqa: PLC0415  # a mail server, only where one is wanted

                self.mail_door = SmtpDoor(self.settings, self._mail_intake())
                await self.mail_door.start()
                parts.push_async_callback(self.mail_door.stop)
            self.commits.start()
            parts.push_async_callback(self.commits.stop)
            yield


def _release() -> str:
    try:
        return version("tocsin")
    except PackageNotFoundError:  # run from a clone that was never installed
        return "unknown"
