"""A telephone at the exchange: its inbox, its owner's answers, and whether it can be reached."""

from __future__ import annotations

import html
import re
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from app.dev.calls import Call
from app.dev.inbox import WITHIN_S, Inbox
from app.dev.texts import Text

STOP_WORDS: Final = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
"""Words Twilio itself acts on."""
_MESSAGE: Final = re.compile(r"<Message[^>]*>(.*?)</Message>", re.DOTALL)

Reach = Literal["on", "off", "no receipts"]
PicksUp = Literal["no", "busy", "somebody", "machine"]


class Phone:
    """One number. Made by `PhoneExchange.phone`."""

    def __init__(self, number: str, owner: str, say: Callable[[Phone, str, int], Awaitable[str]]) -> None:
        self.number = number
        self.owner = owner
        self.reach: Reach = "on"
        """`off`: texts wait as `sent`; `no receipts`: they arrive, and `sent` stays the last word."""
        self.stopped: set[str] = set()
        """Our numbers to which its owner replied STOP."""
        self.inbox: Inbox[Text] = Inbox(f"{owner or 'the phone'} ({number})", lambda text: text.body)
        self.picks_up: PicksUp = "no"
        """What happens when it rings: nothing, it is engaged, its owner picks up, or a voicemail does."""
        self.keys = ""
        """What the owner presses, one key each time one is asked for; then listens to the end."""
        self.calls: Inbox[Call] = Inbox(f"{owner or 'the phone'} ({number})", lambda call: " ".join(call.heard))
        self._say = say

    def will_press(self, keys: str) -> None:
        """From now on the owner picks up and presses these keys, one a call until it asks again."""
        self.picks_up, self.keys = "somebody", keys

    async def expects_call(self, *parts: str, within_s: float = WITHIN_S) -> Call:
        """Waits for a call in which all these parts were said; a phone that nobody picked up heard nothing."""
        return await self.calls.expects(*parts, within_s=within_s)

    async def expects_sms(self, *parts: str, within_s: float = WITHIN_S) -> Text:
        """Waits for a text with all these parts in it. Raises AssertionError when there is none in time."""
        return await self.inbox.expects(*parts, within_s=within_s)

    async def replies(self, body: str, *, times: int = 1) -> list[str]:
        """Texts our number, as Twilio would tell us about it, `times` so often; the texts that we answered at once.

        Twilio acts on stop and start words by itself and passes them on all the same.
        """
        words = body.strip().upper()
        number = self.inbox.items[-1].sender if self.inbox.items else ""
        if words in STOP_WORDS:
            self.stopped.add(number)
        elif words in START_WORDS:
            self.stopped.discard(number)
        answer = await self._say(self, body, times)
        return [html.unescape(text).strip() for text in _MESSAGE.findall(answer)]

    @property
    def last_link(self) -> str:
        return self.inbox.last_link
