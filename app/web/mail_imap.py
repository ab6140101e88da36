"""⑪ A mailbox elsewhere that is looked at every 20 seconds: an errand of the worker, for who has no other door.

Any number of workers may look: a mail acts once, by its Message-ID.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from app import clock
from app.channels import imap
from app.channels.imap import ImapFailed, Mailbox
from app.web.mail_intake import LARGEST, MailIntake

EVERY_S: Final = 20.0

log = structlog.get_logger()


class ImapDoor:
    """`poll_due` whenever there is time for it."""

    def __init__(self, box: Mailbox, intake: MailIntake) -> None:
        self._box = box
        self._intake = intake
        self._next = 0.0

    async def poll_due(self) -> None:
        """Looks if it is time to. A mailbox that cannot be asked is logged, and asked again later."""
        if clock.elapsed() < self._next:
            return
        self._next = clock.elapsed() + EVERY_S
        try:
            await self.poll()
        except ImapFailed as e:
            log.warning("mailbox_not_read", error=str(e))

    async def poll(self) -> int:
        """Acts on what is new, and then marks it as seen. Returns how many mails. Raises `ImapFailed`, and what a
        database raises: what was not acted on is read again."""
        mails = await asyncio.to_thread(imap.unseen, self._box, LARGEST)
        done: list[str] = []
        try:
            for uid, raw in mails:
                became = await self._intake.take(raw) if raw else "too_large"
                done.append(uid)
                log.info("mail_taken", became=became)
        finally:
            if done:
                await asyncio.to_thread(imap.mark_seen, self._box, done)
        return len(done)
