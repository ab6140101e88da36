"""What a channel is: it takes one ready message for one address and says what became of it.

A channel writes no row, decides no retry and renders no sentence about an incident; `notifications` does. It knows one
provider, turns that provider's answers into `Sent` or `SendFailed`, and knows which failures are worth a second try.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Final, Literal, Protocol, runtime_checkable

from app.channels.webhook_request import Ready

Purpose = Literal["page", "nudge", "update", "notice", "verification", "digest", "drill"]
"""Why a notification is sent (words.md)."""

Status = Literal[
    "accepted",
    "scheduled",
    "queued",
    "sending",
    "initiated",
    "ringing",
    "sent",
    "in-progress",
    "partially_delivered",
    "delivered",
    "undelivered",
    "busy",
    "no-answer",
    "failed",
    "canceled",
    "read",
]
"""How far an attempt has come, in the order of `RANK`."""

RANK: Final[dict[Status, int]] = {
    "accepted": 10,
    "scheduled": 10,
    "queued": 20,
    "sending": 30,
    "initiated": 30,
    "ringing": 40,
    "sent": 40,
    "in-progress": 45,
    "partially_delivered": 45,
    "delivered": 50,
    "undelivered": 50,
    "busy": 50,
    "no-answer": 50,
    "failed": 50,
    "canceled": 50,
    "read": 60,
}
"""Status only moves forward (behaviour.md 8): a report whose rank is not above the stored one changes nothing.
Callbacks come twice and out of order; `sent` may be the last word, where a carrier gives no delivery receipts."""

FINAL_RANK: Final = 50
"""From here on nothing but `read` is news."""

UNDONE: Final[frozenset[Status]] = frozenset({"undelivered", "failed", "canceled", "busy", "no-answer"})
"""Final statuses that mean nobody got the message."""


def supersedes(new: Status, old: Status) -> bool:
    """True when a report of `new` may replace `old`; what was not delivered cannot have been read."""
    return RANK[new] > RANK[old] and old not in UNDONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What a channel can do and what a form for its addresses says."""

    channel: str
    label: str
    address_label: str
    address_hint: str
    input_type: Literal["tel", "email", "url", "text"]
    can_reply: bool
    """A person can answer on the channel itself, so a reply code makes sense."""
    can_tell_delivery: bool
    """The provider reports later that a message arrived. That one did not, others may tell as well."""
    missing: tuple[str, ...] = ()
    """Names of the settings this channel lacks."""
    typed: bool = True
    """People can type its addresses; else a program makes them."""
    extra: bool = False
    """An installation without it lacks nothing."""

    @property
    def configured(self) -> bool:
        return not self.missing


@dataclass(frozen=True, slots=True)
class Button:
    """What a message can do by itself: post this form to its link, which is then pressed as on the link's screen."""

    label: str
    form: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One notification, rendered, for one normalised address. Each channel takes the form it can carry."""

    notification_id: str
    attempt: int
    """Counts the tries of this notification from 1; part of the Message-ID of a mail."""
    purpose: Purpose
    to: str
    at: datetime
    """The instant of the claim, aware; the Date of a mail."""
    subject: str
    """One line, the same for every message of a thread, or mail programs break the thread."""
    text: str
    """The short form, without the link, for SMS; shortened to fit."""
    text_long: str = ""
    """The long form, plain text with newlines, for mail; empty: the short form."""
    facts: tuple[tuple[str, str], ...] = ()
    """(label, value) pairs shown as a table in mails: service, priority, since when."""
    replies: tuple[str, ...] = ()
    """How to answer on the channel itself, the longest form first; the last one is always there, others where they cost
    nothing."""
    brief: str = ""
    """The lines below the title of a notification on a phone; empty: made of the facts."""
    asides: tuple[str, ...] = ()
    """What is good to know too, the longest form first, for SMS: one of them where it costs no segment more."""
    link: str = ""
    """The signed link of this attempt, where there is something to open; whether a text carries it, `links` and the
    country of its number say."""
    link_label: str = "Open"
    links: bool = True
    """False where the contact method wants no links at all, so that none in the text goes out either."""
    button: Button | None = None
    """Acknowledges from within the message, where it is about one incident that its reader may acknowledge."""
    presses: tuple[tuple[str, str, str], ...] = field(default=(), repr=False)
    """(label, action, signed value) of the buttons in a chat; the value comes back when one is pressed."""
    standing: str = ""
    """How it stands by now, where a message is updated in place."""
    sealed: bytes = field(default=b"", repr=False)
    """The address itself, where `to` only names it (secret_addresses.py)."""
    thread: str = ""
    """What ties messages together, e.g. `incident-42`; empty: stands alone."""
    loud: bool = False
    token: str = ""
    """Names this attempt in the provider's callbacks: `{public_url}/v1/twilio/status/{token}`; empty: no callbacks."""
    reply_token: str = ""
    """What the address has in it to which a mail is answered; empty: this message is not to be answered."""
    bounce_token: str = ""
    """The same for the address that bounces of a mail go to."""
    in_reply_to: str = ""
    """The Message-ID of the mail that this one answers, with its angle brackets."""
    request: Ready | None = field(default=None, repr=False)
    """The message for programs: what a webhook is asked."""
    signing_keys: Sequence[bytes] = field(default=(), repr=False)
    """What a request to a webhook is signed with, newest first."""
    valid_for_s: int = 600
    """Undelivered after so many seconds, the provider is to give up: the next step has taken over by then."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the message. `provider_id` is its name there."""

    provider: str
    provider_id: str
    status: Status


@dataclass(eq=False)
class SendFailed(Exception):
    """The provider did not take the message, could not be asked, or later said that it was not delivered.

    The message is for people and names the provider's code. A permanent failure goes to the next contact method now, a
    temporary one is tried again (behaviour.md 8).
    """

    message: str
    permanent: bool = False
    code: str = ""
    """The provider's own code, e.g. `21211` or `550 5.1.1`; ours are words, e.g. `timeout`."""
    retry_after_s: float | None = None
    """How long the provider asks us to wait."""
    maybe_sent: bool = False
    """The request was written and not answered clearly: `find` first, or the message may go out twice."""
    broken_address: bool = False
    """No message will ever reach this address: the contact method is to be marked broken, its owner told."""
    opted_out: bool = False
    """The owner of the address stopped it (STOP); only the owner can undo that (START)."""
    configuration: bool = False
    """Operators must act: every other message on this channel will fail the same way."""

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a provider says later about a message it took. `fault` is set for a status in `UNDONE`."""

    provider: str
    provider_id: str
    status: Status
    fault: SendFailed | None = None

    @property
    def rank(self) -> int:
        return RANK[self.status]

    @property
    def final(self) -> bool:
        return self.rank >= FINAL_RANK


@dataclass(frozen=True, slots=True)
class CallProgress:
    """What a provider says about a call while it lasts. `status` is the provider's word."""

    provider: str
    provider_id: str
    status: str
    digits: str = ""
    """The key that was pressed."""
    machine: bool = False
    """The provider holds whoever picked up for an answering machine or a fax."""
    sip: str = ""
    """The code with which a call that failed ended, RFC 3261."""


CURRENCY: Final = re.compile(r"[A-Z]{3}", re.ASCII)
_NO_PRICE: Final = Decimal(10**9)
"""No message costs so much, in no currency."""
_DIGITS: Final = 15
"""So many are kept after the point: more are a float's noise."""


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider takes for a message; never negative. `currency`: ISO 4217, as the provider says it."""

    amount: Decimal
    currency: str

    @classmethod
    def told(cls, amount: str, currency: str) -> Price | None:
        """As a provider wrote it; some write what they take as a negative number. None: no number, none that a message
        can cost, or no code of a currency."""
        try:
            known = Decimal(amount).copy_abs()
        except InvalidOperation:
            return None
        code = currency.strip().upper()
        if not known.is_finite() or known >= _NO_PRICE or not CURRENCY.fullmatch(code):
            return None
        exact = round(known, _DIGITS)
        return cls(known if known == exact else exact.normalize(), code)


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider answers when it is asked about a message or a call that it took. None: it does not say."""

    report: DeliveryReport | CallProgress | None
    price: Price | None = None


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message that came in. `opt_out`: STOP, START or HELP where the provider has taken it for that itself."""

    provider_id: str
    address: str
    """The number that it came from, in E.164."""
    body: str
    opt_out: str = ""


class Channel(Protocol):
    """A means to reach somebody."""

    @property
    def capability(self) -> Capability: ...

    def normalise(self, address: str) -> str:
        """The one way to write this address. Raises `errors.Invalid`."""
        ...

    async def send(self, message: Message) -> Sent:
        """Hands the message to the provider, within 30 s. Raises `SendFailed` and nothing else."""
        ...

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Asks the provider whether it has this message already, taken at or after `since`.

        None: it has not, or this provider cannot tell. Raises `SendFailed` when it cannot be asked now.
        """
        ...

    async def close(self) -> None:
        """Gives up connections that are kept open."""
        ...


@runtime_checkable
class Updatable(Protocol):
    """A channel whose messages can be replaced after they were sent, and have buttons that come back to us."""

    async def update(self, provider_id: str, message: Message) -> None:
        """Raises `SendFailed`."""
        ...


@runtime_checkable
class Askable(Protocol):
    """A provider that can be asked later about what it took."""

    tells_price: bool
    """It may say what a message cost, sooner or later."""

    async def ask(self, provider_id: str) -> Told:
        """What became of it, and what it cost. Raises `SendFailed` when the provider cannot be asked now."""
        ...
