"""⑪ Mail that comes in, whichever door it came through: read apart from the loop, then done in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.links import Links
from app.channels import letter, mail_reading, signed_addresses
from app.db.engine import transaction
from app.notifications import mail_answers
from app.settings import Settings

LARGEST: Final = 5 * 1024 * 1024
"""Bytes of a mail."""


@dataclass(frozen=True, slots=True)
class MailIntake:
    """`channels`: the names of those configured. `wake` is called after what makes something due."""

    engine: AsyncEngine
    settings: Settings
    links: Links
    channels: Collection[str]
    wake: Callable[[], None]

    def knows(self, address: str) -> bool:
        """Whether this is one of our addresses, with a token that we made. Asks no database."""
        token = signed_addresses.token_in(self.settings, [address])
        return bool(token) and self.links.read_mail_token(token) is not None

    async def take(self, raw: bytes, recipients: Sequence[str] = (), envelope_from: str | None = None) -> str:
        """Does once what the mail asks for. `recipients` of its envelope, where there is one; else its headers tell.
        Returns in one word what became of it. Raises what a database raises: it is to be handed over again then."""
        own = letter.sender(self.settings.mail_from).addr_spec if self.settings.mail_from else ""
        mail = await asyncio.to_thread(
            mail_reading.read,
            raw,
            own=own,
            envelope_from=envelope_from,
            authserv_id=self.settings.mail_in_authserv_id,
        )
        token = signed_addresses.token_in(self.settings, [a for a in recipients or mail.recipients if self.knows(a)])
        rules = mail_answers.Rules(self.links, must_authenticate=bool(self.settings.mail_in_authserv_id))
        async with transaction(self.engine) as (conn, now):
            became = await mail_answers.receive(conn, now, rules, token, mail, self.channels)
        self.wake()
        return became
