"""⑩ What a channel gets to send: the message of one attempt, with its link and its buttons, and the rows about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.links import Links
from app.channels.channel import Button, Channel, Message, Updatable
from app.directory.contacts import PUSHES
from app.escalation.webhooks import label
from app.notifications import chat_store, rendering, store
from app.notifications.chat_updates import Press, presses
from app.notifications.claiming import Parcel
from app.notifications.failover import Undelivered
from app.notifications.ways import Way
from app.notifications.webhook_messages import Called
from app.notifications.wording import Wording

LINK_LASTS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt, claimed: its rows are written, the message is ready."""

    attempt_id: UUID
    carries: Sequence[Undelivered]
    """The notifications that the message carries; the attempt is the first one's."""
    message: Message
    tries: int
    claimed_at: datetime
    due_at: datetime
    repeated: bool
    way: Way
    linked: bool = True
    """It carries a link that acts for its reader."""
    shows: str = ""
    """How its incident stands, as the message says; for those that follow it."""
    digest: bool = False
    """It is the message about a night."""

    @property
    def lost(self) -> Undelivered:
        return self.carries[0]


class Jobs:
    """Makes them of what was claimed."""

    def __init__(self, channels: Mapping[str, Channel], links: Links, public_url: str) -> None:
        self._channels = channels
        self._links = links
        self._public_url = public_url

    async def called(self, conn: AsyncConnection, parcels: Sequence[Parcel]) -> Called:
        """The requests of webhooks among them."""
        return await Called.read(conn, [p[0] for p in parcels], self._links, self._public_url)

    def of(
        self, parcel: Parcel, attempt_id: UUID, tries: int, now: datetime, wording: Wording, way: Way, calls: Called
    ) -> Job:
        """`tries`: which attempt of the parcel's first notification this is."""
        row = parcel[0]
        words = wording.words(parcel, now)
        alone = len(parcel) == 1 and row.incident_id is not None
        called = row.webhook_id is not None
        message = Message(
            notification_id=str(row.id),
            attempt=tries,
            purpose=row.purpose,
            to=self._webhook_address(row) if called else row.address,
            at=now,
            subject=words.subject,
            text=words.text,
            text_long=words.text_long,
            facts=words.facts,
            brief=words.brief,
            asides=words.asides,
            replies=rendering.replies(parcel, words.replies),
            link=self._link(row, attempt_id),
            link_label=words.link_label,
            links=row.links,
            button=self._button(parcel, attempt_id),
            presses=self._presses(parcel, attempt_id),
            sealed=row.sealed_address or b"",
            thread=f"incident-{row.number}" if alone else row.content.get("thread", ""),
            loud=any(r.loudness == "loud" for r in parcel),
            token=self._links.callback_token(attempt_id),
            reply_token=self._links.mail_token("reply", attempt_id) if rendering.is_answered(row) else "",
            bounce_token=self._links.mail_token("bounce", attempt_id) if row.channel == "mail" else "",
            in_reply_to=row.content.get("in_reply_to", ""),
            request=calls.request(row),
            signing_keys=self._signing_keys(row, now),
        )
        carries = [Undelivered.of(r, r.id) for r in parcel]
        repeated = any(r.repeated for r in parcel)
        shows = chat_store.stand(row) if message.presses and alone else ""
        linked, digest = rendering.has_answer(row), rendering.is_digest(parcel)
        return Job(attempt_id, carries, message, tries, now, row.due_at, repeated, way, linked, shows, digest)

    async def write(self, conn: AsyncConnection, now: datetime, jobs: Sequence[Job]) -> None:
        """The rows of new attempts, and of their links."""
        if not jobs:
            return
        hashes = [self._links.hash(j.message.token) for j in jobs]
        attempts = {
            "now": now,
            "id": [j.attempt_id for j in jobs],
            "notification_id": [j.lost.id for j in jobs],
            "number": [j.tries for j in jobs],
            "callback_hash": hashes,
            "provider": [j.way.provider for j in jobs],
            "prefix": [j.way.prefix for j in jobs],
        }
        await conn.execute(store.INSERT_ATTEMPTS, attempts)
        linked = [j for j in jobs if j.linked]
        if linked:
            links = {
                "expires_at": now + LINK_LASTS,
                "token_hash": [self._links.hash(self._links.token(j.attempt_id)) for j in linked],
                "incident_id": [j.lost.incident_id for j in linked],
                "user_id": [j.lost.user_id for j in linked],
                "notification_id": [j.lost.id for j in linked],
            }
            await conn.execute(store.INSERT_LINKS, links)

    def _webhook_address(self, row: Any) -> str:
        """Empty, which the channel refuses: it was sealed under another secret key, or the webhook was removed while
        another worker sent this."""
        if row.sealed_address is None:
            return ""
        return self._links.unsealed(label(row.webhook_id), bytes(row.sealed_address)) or ""

    def _signing_keys(self, row: Any, now: datetime) -> list[bytes]:
        """None for a person, nor for a webhook that was removed."""
        if row.generation is None:
            return []
        return self._links.webhook_keys(row.webhook_id, row.generation, row.former_until, now)

    def _link(self, row: Any, attempt_id: UUID) -> str:
        """The screen that acts for its reader; the incident's own, which asks for a login, where there is nothing to
        answer."""
        if rendering.has_answer(row):
            return f"{self._public_url}/l/{self._links.token(attempt_id)}"
        if (handshake := row.content.get("handshake")) is not None:
            return f"{self._public_url}/h/{self._links.handshake(handshake, row.user_id)}"
        return f"{self._public_url}/incidents/{row.number}" if row.incident_id else ""

    def _presses(self, parcel: Parcel, attempt_id: UUID) -> tuple[Press, ...]:
        """Buttons that come back to us, where the channel has them."""
        row, actions = parcel[0], rendering.actions(parcel)
        if not rendering.has_answer(row) or not isinstance(self._channels[row.channel], Updatable):
            return ()
        return presses(self._links, attempt_id, *actions)

    def _button(self, parcel: Parcel, attempt_id: UUID) -> Button | None:
        """That of a notification on a phone."""
        actions = rendering.actions(parcel) if parcel[0].channel in PUSHES and rendering.has_answer(parcel[0]) else ()
        if not actions:
            return None
        form = self._links.acknowledges(self._links.token(attempt_id), actions[0])
        return Button(actions[0].replace("_", " ").capitalize(), form)
