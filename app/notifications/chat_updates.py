"""⑩ Messages in chats follow their incident: who has it since when, that it is resolved. Beside the tick, so that no
page waits; a row says what a message shows, so it survives a restart, and a claim keeps two workers apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.access.links import Links
from app.channels.channel import Channel, Message, SendFailed, Updatable
from app.db.engine import transaction
from app.escalation import answering
from app.escalation.answering import Standing
from app.incidents import storm_store
from app.notifications import acting, chat_store, reading, reply_texts, store
from app.notifications.texts import Words
from app.notifications.wording import Wording

AT_ONCE: Final = 10
LEASE: Final = timedelta(seconds=150)
"""Longer than so many updates may take, one after the other."""
TRIES: Final = 8
_LONGEST: Final = timedelta(minutes=5)

Press = tuple[str, str, str]

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Change:
    """One message that is to say something else. `over`: and nothing more after that."""

    attempt_id: UUID
    channel: str
    provider_id: str
    message: Message
    shows: str
    tries: int
    over: bool


def presses(links: Links, attempt_id: UUID, *actions: str) -> tuple[Press, ...]:
    """The buttons of an attempt's message."""
    return tuple((a.replace("_", " ").capitalize(), a, links.press(attempt_id, a)) for a in actions)


def offered(seen: Standing, reader_id: int, *, asks: bool, reminder: bool) -> tuple[str, ...]:
    """What its reader may do from within the message. What somebody else has is theirs."""
    if not seen.is_open:
        return ()
    if seen.drill:
        return ("acknowledge",)
    resolve = "resolve_anyway" if asks else "resolve"
    if seen.state == "triggered":
        return "acknowledge", "escalate", resolve
    if seen.acknowledged_by_id != reader_id:
        return ()
    return ("acknowledge", "escalate", resolve) if reminder else ("escalate", resolve)


class ChatUpdates:
    """One per worker; any number of workers at once."""

    def __init__(self, engine: AsyncEngine, channels: Mapping[str, Channel], links: Links, public_url: str) -> None:
        self._engine = engine
        self.channels = {name: c for name, c in channels.items() if isinstance(c, Updatable)}
        self._links = links
        self._public_url = public_url

    async def follow(self) -> None:
        """Updates whatever is due."""
        while await self.update_due() == AT_ONCE:
            pass

    async def update_due(self) -> int:
        """Updates what says something else than how it stands, a few at a time. Returns how many it claimed."""
        async with transaction(self._engine) as (conn, now):
            claimed = await chat_store.claim(conn, now, LEASE, AT_ONCE)
            changes = await self._changes(conn, now, claimed) if claimed else []
        for n, change in enumerate(changes):
            try:
                await self.channels[change.channel].update(change.provider_id, change.message)
            except SendFailed as failed:
                if await self._failed(change, failed, changes[n + 1 :]):
                    break
            else:
                async with transaction(self._engine) as (conn, now):
                    if change.over:
                        await chat_store.forget(conn, change.attempt_id)
                    else:
                        await chat_store.shown(conn, now, change.attempt_id, change.shows)
        return len(claimed)

    async def _failed(self, change: Change, failed: SendFailed, waiting: Sequence[Change]) -> bool:
        """Tried again later, a few times. True: nobody is to write now, nor what is `waiting`."""
        metrics.provider_error(change.channel, failed.code)
        log.warning("chat_update_failed", channel=change.channel, code=failed.code, attempt=str(change.attempt_id))
        async with transaction(self._engine) as (conn, now):
            if change.tries >= TRIES or (failed.permanent and not failed.configuration):
                await chat_store.forget(conn, change.attempt_id)
                return False
            asked = timedelta(seconds=failed.retry_after_s or 0)
            await chat_store.later(conn, change.attempt_id, now + max(asked, wait(change.tries)))
            if failed.retry_after_s is not None:
                for other in waiting:
                    await chat_store.later(conn, other.attempt_id, now + asked)
                await chat_store.all_later(conn, now + asked)
        return failed.retry_after_s is not None

    async def _changes(self, conn: AsyncConnection, now: datetime, claimed: Sequence[Any]) -> list[Change]:
        named = {"ids": [c.notification_id for c in claimed], "now": now}
        rows = {r.id: r for r in await conn.execute(store.DETAILS, named)}
        wording = await Wording.of(conn, now, [[r] for r in rows.values()])
        changes = []
        for c in claimed:
            row = rows[c.notification_id]
            seen = await answering.standing(conn, row.incident_id, row.user_id)
            if seen is None or row.channel not in self.channels:
                await chat_store.forget(conn, c.attempt_id)
                continue
            message = await self._of_several(conn, c, row, now) or self._message(c, row, seen, wording, now)
            over = not seen.is_open or not message.thread
            changes.append(Change(c.attempt_id, row.channel, c.provider_id, message, c.shows, c.tries, over=over))
        return changes

    async def _of_several(self, conn: AsyncConnection, claimed: Any, row: Any, now: datetime) -> Message | None:
        """A message about several incidents, once its button for all was pressed: what its reader has of them and what
        not. It says so once, and follows none of them. None: it is about one."""
        carried = [one.notification_id for one in await reading.carried(conn, row.id)]
        if len(carried) < 2:
            return None
        rows = (await conn.execute(store.DETAILS, {"ids": carried, "now": now})).all()
        parcel = sorted(rows, key=lambda r: (r.id != row.id, r.priority, r.number))
        wording = await Wording.of(conn, now, [parcel], await storm_store.running(conn))
        words = wording.words(parcel, now)
        told = await acting.told_of(conn, now, [r.incident_id for r in parcel], row.user_id)
        said = self._said(claimed, row, words, now)
        return replace(said, text_long=words.text_long, link_label=words.link_label, standing=claimed.told or told)

    def _said(self, claimed: Any, row: Any, words: Words, now: datetime) -> Message:
        """What it said when it was sent, without what may be done and how it stands."""
        return Message(
            notification_id=str(row.id),
            attempt=row.tries,
            purpose=row.purpose,
            to=row.address,
            at=now,
            subject=words.subject,
            text=words.text,
            facts=words.facts,
            link=f"{self._public_url}/l/{self._links.token(claimed.attempt_id)}",
        )

    def _message(self, claimed: Any, row: Any, seen: Standing, wording: Wording, now: datetime) -> Message:
        words, paging = wording.words([row], now), row.purpose in ("page", "drill")
        actions = offered(seen, row.user_id, asks=claimed.asks, reminder="expires_at" in row.content)
        return replace(
            self._said(claimed, row, words, now),
            text=words.text if paging else f"P{seen.priority} #{seen.number} {seen.title} ({seen.service})",
            facts=words.facts if paging else (),
            presses=presses(self._links, claimed.attempt_id, *actions),
            standing=" ".join(filter(None, (reply_texts.standing(seen, row.user_id, now), claimed.told))),
            thread=f"incident-{row.number}",
        )


def wait(tries: int) -> timedelta:
    """Two seconds, then twice as long each time."""
    return min(timedelta(seconds=2**tries), _LONGEST)
