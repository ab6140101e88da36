"""The second path: tells somebody when paging itself does not work (behaviour.md 17).

Every process looks every 15 s, on a connection of its own, at what `watch.py` needs to know. What it has to say goes
to TOCSIN_WATCHDOG_URL, and by mail through TOCSIN_WATCHDOG_SMTP_URL to TOCSIN_WATCHDOG_TO: from settings alone, since
the database may be what is broken. Each process speaks for itself. One that is dead says nothing: somebody else's
monitoring should look at `/readyz`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import localtime
from typing import Final, Literal
from uuid import uuid4

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, metrics, watch_metrics
from app.channels.channel import Message, SendFailed
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.channels.mail import MailChannel
from app.db.engine import dumps
from app.errors import Invalid
from app.notifications import overdue_store, watch
from app.notifications.watch import Look, Overdue, Process, Reason, Seen, Standing, Word
from app.settings import Settings

EVERY_S: Final = 15
_LOOK_WITHIN_S: Final = 10

_UNREADABLE: Final = (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
"""What reading the database raises when that fails; asyncpg's own while connecting. TimeoutError is an OSError."""

log = structlog.get_logger()


class SecondPath:
    """One per process. `engine` is its own and used for nothing else; `close` gives it up.

    `confirm_s`: lateness seen for the first time is looked at again after so many seconds. Whoever has just started, or
    whose clock was moved, has caught up by then. `elapsed` is the monotonic clock, in seconds. Raises `Invalid` when
    the settings for the mail are not enough.
    """

    def __init__(
        self,
        settings: Settings,
        engine: AsyncEngine,
        *,
        confirm_s: float = 5,
        elapsed: Callable[[], float] = clock.elapsed,
    ) -> None:
        self._engine = engine
        self._elapsed = elapsed
        self._confirm_s = confirm_s
        self._url = settings.watchdog_url
        self._http = Http(HostPolicy.of(settings, settings.watchdog_url)) if settings.watchdog_url else None
        self._mail, self._to = _mail(settings)
        self._process = Process(settings.roles, socket.gethostname(), os.getpid(), settings.public_url)
        self._state: dict[Reason, Standing] = {}
        self._read_at = self._elapsed()
        self._unreachable: deque[tuple[float, int]] = deque(maxlen=1000)
        self._clock: tuple[datetime, float] | None = None
        self.seen: Seen | None = None
        """What the last look found; None before the first."""

    @property
    def configured(self) -> bool:
        """False: trouble is only logged, which `tocsin doctor` should complain about."""
        return self._http is not None or self._mail is not None

    async def run(self, stop: asyncio.Event) -> None:
        """Looks every `EVERY_S` until `stop` is set; what it is doing then is broken off."""
        stopped, beat = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(self._beat())
        try:
            while not stop.is_set():
                await asyncio.wait({stopped, beat}, return_when=asyncio.FIRST_COMPLETED)
                if beat.done():
                    beat.result()
                    beat = asyncio.ensure_future(self._beat())
        finally:
            stopped.cancel()
            beat.cancel()
            await asyncio.wait({stopped, beat})

    async def _beat(self) -> None:
        await self.check()
        await clock.pause(EVERY_S)

    def unreachable(self, ladders: int = 1) -> None:
        """The tick tells: for so many ladders not even the last resort could be reached. They are tried every 60 s."""
        if ladders > 0:
            self._unreachable.append((self._elapsed(), ladders))

    async def check(self) -> None:
        """One look, and what it gives to say. Raises nothing that a broken database or network causes."""
        look = await self._look()
        if self._news(look):
            await clock.pause(self._confirm_s)
            look = await self._look()
        self.seen = Seen(look, self._elapsed(), self._clock)
        watch_metrics.second_path_looked()
        decision = watch.decide(look, self._state, self._elapsed())
        after = dict(decision.state)
        for word in decision.words:
            if not await self.tell(word):
                self._keep(after, word.reason)
        self._state = after
        for reason, overdue in watch.found(look).items():
            if overdue is not None:
                watch_metrics.second_path_active(reason, overdue.late > 0)

    async def tell(self, word: Word) -> bool:
        """Sends one message by every configured way. True when it need not be tried again: one way took it, or none is
        configured and the log is all there is."""
        say = log.info if word.clear else log.error
        say("second_path", reason=word.reason, text=watch.title(word))
        sent = await asyncio.gather(self._post(word), self._write(word))
        if any(sent):
            watch_metrics.second_path_fired("all_clear" if word.clear else word.reason)
        return any(sent) or not self.configured

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
        if self._mail is not None:
            await self._mail.close()
        await self._engine.dispose()

    def _news(self, look: Look) -> bool:
        """Lateness that has not been told yet."""
        late = {"ladder_overdue": look.ladders, "notification_overdue": look.notifications}
        standing = {reason for reason, s in self._state.items() if s.cleared_at is None}
        return any(overdue is not None and overdue.late and reason not in standing for reason, overdue in late.items())

    def _keep(self, after: dict[Reason, Standing], reason: Reason) -> None:
        """The word was not sent: everything is as before, and the next look says it again."""
        if (before := self._state.get(reason)) is None:
            del after[reason]
        else:
            after[reason] = before

    async def _look(self) -> Look:
        try:
            async with asyncio.timeout(_LOOK_WITHIN_S), self._engine.connect() as conn:
                now = await clock.read(conn)
                ladders, notifications = await overdue_store.overdue(conn)
        except _UNREADABLE as e:
            return await self._unreadable(e)
        self._read_at = self._elapsed()
        self._clock = (now, self._read_at)
        watch_metrics.database_readable(True)
        metrics.oldest_overdue("ladder", ladders.oldest_s)
        metrics.oldest_overdue("notification", notifications.oldest_s)
        return Look(ladders=ladders, notifications=notifications, unreachable=self._recently_unreachable())

    async def _unreadable(self, error: BaseException) -> Look:
        """A connection that failed once is not used again."""
        since = self._elapsed() - self._read_at
        log.warning("database_unreadable", error=type(error).__name__, for_s=round(since))
        watch_metrics.database_readable(False)
        await self._engine.dispose()
        return Look(unreadable_s=since, unreachable=self._recently_unreachable())

    def _recently_unreachable(self) -> Overdue:
        at = self._elapsed()
        while self._unreachable and at - self._unreachable[0][0] > watch.UNREACHABLE_LASTS_S:
            self._unreachable.popleft()
        if not self._unreachable:
            return Overdue()
        return Overdue(sum(count for _, count in self._unreachable), at - self._unreachable[0][0])

    async def _post(self, word: Word) -> bool:
        if self._http is None:
            return False
        body = dumps(watch.document(word, self._process)).encode()
        try:
            answer = await self._http.request(
                "POST", self._url, body=body, headers={"Content-Type": "application/json"}
            )
        except (Blocked, Unreachable) as e:
            return _failed("url", str(e))
        return True if 200 <= answer.status < 300 else _failed("url", f"answered {answer.status}")

    async def _write(self, word: Word) -> bool:
        if self._mail is None:
            return False
        taken = False
        for to in self._to:
            message = Message(
                notification_id=f"second-path-{uuid4()}",
                attempt=1,
                purpose="notice",
                to=to,
                at=localtime().astimezone(UTC),  # the host's clock: the database's may be out of reach
                subject=watch.title(word),
                text=watch.text(word, self._process),
                loud=not word.clear,
            )
            try:
                await self._mail.send(message)
                taken = True
            except SendFailed as e:
                _failed("mail", str(e))
        return taken


def _failed(way: Literal["url", "mail"], why: str) -> bool:
    watch_metrics.second_path_failed(way)
    log.error("second_path_failed", way=way, because=why)
    return False


def _mail(settings: Settings) -> tuple[MailChannel | None, list[str]]:
    """The mail channel with the watchdog's settings, and to whom. It writes as the usual sender, else as the first
    recipient."""
    to = [address.strip() for address in settings.watchdog_to.split(",") if address.strip()]
    if bool(settings.watchdog_smtp_url) != bool(to):
        raise Invalid("TOCSIN_WATCHDOG_SMTP_URL and TOCSIN_WATCHDOG_TO belong together")
    if not to:
        return None, []
    own = replace(settings, smtp_url=settings.watchdog_smtp_url, mail_from=settings.mail_from or to[0])
    channel = MailChannel(own)
    return channel, [channel.normalise(address) for address in to]
