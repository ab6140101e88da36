"""Webhooks are told of what happens to incidents: claimed in one transaction, sent in none, recorded in another.

Beside the tick and with room of its own, so that no page waits for it. A worker that dies in between leaves a row whose
lease ends; then it is sent once more, with the same `webhook-id`: at least once, and receivers are told so.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.access.links import Links
from app.channels.channel import Channel, Message, SendFailed
from app.db.engine import on_commit, transaction
from app.escalation.webhooks import label, not_told
from app.incidents import store as incident_store
from app.incidents.timeline import Entry
from app.notifications import calling_store, webhook_messages
from app.notifications.webhook_messages import Requests

ROOM: Final = 5
"""In flight to one webhook: one that hangs holds up its own only."""
LEASE: Final = timedelta(seconds=60)
"""Longer than a webhook may take to answer."""
_S, _M, _H = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
TRY_AGAIN_AFTER: Final = (5 * _S, 20 * _S, _M, 5 * _M, 30 * _M, 2 * _H, 5 * _H, 10 * _H)
"""Temporary errors: nine tries within 18 hours; then it is given up."""
TRIES: Final = len(TRY_AGAIN_AFTER) + 1
"""A claim is a try, however it ends: what kills its worker every time is given up, too."""
DIED: Final = "the worker of its ninth try ended before it wrote down what came of it"

log = structlog.get_logger()


class Calling:
    """One per worker; any number of workers at once. `freed` is told when there is more to do at once."""

    def __init__(
        self,
        engine: AsyncEngine,
        webhooks: Channel | None,
        links: Links,
        public_url: str,
        freed: Callable[[], None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._webhooks = webhooks
        self._links = links
        self._public_url = public_url
        self._freed = freed
        self._tasks: dict[asyncio.Task[None], int] = {}

    async def send_due(self) -> int:
        """Claims what is due, and starts to send it. Returns how much it claimed."""
        if self._webhooks is None:
            return 0
        async with transaction(self._engine) as (conn, now):
            found = await calling_store.claim(conn, now, ROOM, Counter(self._tasks.values()))
            calls = [c for c in found if c.tries < TRIES]
            messages = await self._messages(conn, now, calls) if calls else []
            for call in found:
                if call.tries >= TRIES:
                    await give_up(conn, now, call, DIED, "died", tried=0)
        for call, message in zip(calls, messages, strict=True):
            self._start(self._webhooks, call, message)
        if len(calls) < len(found):
            self._freed()  # the next of its incident may go
        return len(found)

    async def settle(self) -> None:
        """Waits for everything in flight."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    @property
    def in_flight(self) -> int:
        return len(self._tasks)

    async def _messages(self, conn: AsyncConnection, now: datetime, calls: Sequence[Any]) -> list[Message]:
        fresh = {c.incident_id for c in calls if c.facts is None}
        known = await webhook_messages.facts(conn, fresh, self._public_url)
        facts = [c.facts or known[c.incident_id] for c in calls]
        await calling_store.claimed(conn, now + LEASE, calls, facts)
        requests = await Requests.read(conn, {c.webhook_id for c in calls}, self._links)
        return [self._message(c, f, requests, now) for c, f in zip(calls, facts, strict=True)]

    def _message(self, call: Any, facts: dict[str, Any], requests: Requests, now: datetime) -> Message:
        message_id = str(call.entry_id)
        body = webhook_messages.happened(call.happening, call.at, call.because, facts)
        return Message(
            notification_id=message_id,
            attempt=call.tries + 1,
            purpose="update",
            to=self._address(call),
            at=now,
            subject="",
            text="",
            request=requests.ready(call.webhook_id, message_id, body),
            signing_keys=self._links.webhook_keys(call.webhook_id, call.generation, call.former_until, now),
        )

    def _address(self, call: Any) -> str:
        """Empty, which the channel refuses: nobody gave one yet, or it was sealed under another secret key."""
        if call.sealed_address is None:
            return ""
        return self._links.unsealed(label(call.webhook_id), bytes(call.sealed_address)) or ""

    def _start(self, webhooks: Channel, call: Any, message: Message) -> None:
        task = asyncio.create_task(self._send(webhooks, call, message))
        self._tasks[task] = call.webhook_id
        task.add_done_callback(self._ended)

    def _ended(self, finished: asyncio.Task[None]) -> None:
        del self._tasks[finished]
        self._freed()  # the next of its incident, or of its webhook, may go
        if not finished.cancelled() and (error := finished.exception()) is not None:
            # The row stays in `sending`; after its lease a worker sends it once more.
            log.warning("webhook_call_not_recorded", error=repr(error))

    async def _send(self, webhooks: Channel, call: Any, message: Message) -> None:
        try:
            await webhooks.send(message)
        except SendFailed as failed:
            await self._failed(call, failed)
        else:
            async with transaction(self._engine) as (conn, now):
                await calling_store.ended(conn, now, call, "delivered")
            metrics.webhook_called("delivered")

    async def _failed(self, call: Any, failed: SendFailed) -> None:
        """Tried again later, or given up where everybody can see it. What only waits for somebody to put the webhook
        right, who gives its address or a secret, say, is tried again as what may pass by itself."""
        final = (failed.permanent and not failed.configuration) or call.tries + 1 >= TRIES
        async with transaction(self._engine) as (conn, now):
            if final:
                await give_up(conn, now, call, str(failed), failed.code)
            else:
                await calling_store.later(conn, now + wait(call.tries, failed), call, str(failed))
                on_commit(conn, partial(_counted, call, failed.code, given_up=False))


async def give_up(conn: AsyncConnection, now: datetime, call: Any, because: str, code: str, *, tried: int = 1) -> None:
    """Unless another worker took it over meanwhile. `code`: of `because`, for logs; `tried`: how often since it was
    claimed."""
    if await calling_store.ended(conn, now, call, "failed", because, tried=tried):
        said = not_told(call.name, call.happening, because)
        await incident_store.write_timeline(conn, [Entry(call.incident_id, "not_told", data=said)], now)
        on_commit(conn, partial(_counted, call, code, given_up=True))


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    """Forgets what ended long ago, and gives up what was to be told to a webhook that was deleted in that moment."""
    untold = [
        Entry(c.incident_id, "not_told", data=not_told("deleted just then", c.happening, "both happened at once"))
        for c in await calling_store.sweep(conn, now)
    ]
    await incident_store.write_timeline(conn, untold, now)


def _counted(call: Any, code: str, *, given_up: bool) -> None:
    metrics.webhook_called("given_up" if given_up else "tried_again")
    log.warning("webhook_call_failed", code=code, given_up=given_up, webhook=call.webhook_id)


def wait(tries: int, failed: SendFailed) -> timedelta:
    """After so many tries before this one; longer where the other side asks for it, up to an hour."""
    asked = timedelta(seconds=min(failed.retry_after_s or 0.0, 3600.0))
    return max(TRY_AGAIN_AFTER[tries], asked)
