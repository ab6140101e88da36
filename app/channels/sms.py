"""Text messages: what they can do, what they hold, where they go. Who sends them is in `twilio_sms`."""

from __future__ import annotations

from typing import Final

import phonenumbers

from app.channels import countries, text_links
from app.channels.channel import RANK, Capability, Message, Status
from app.channels.gsm7 import fit_sms, size
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "twilio"
BASE_URL: Final = "https://api.twilio.com"


def capability(settings: Settings) -> Capability:
    """What text messages can do with these settings."""
    sender = settings.twilio_from or settings.twilio_messaging_service_sid
    wanted = {
        "TOCSIN_TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "TOCSIN_TWILIO_AUTH_TOKEN": settings.twilio_auth_token,
        "TOCSIN_TWILIO_FROM or TOCSIN_TWILIO_MESSAGING_SERVICE_SID": sender,
    }
    return Capability(
        channel="sms",
        label="Text message",
        address_label="Mobile number",
        address_hint="With country code, e.g. +44 7700 900123",
        input_type="tel",
        can_reply=True,
        can_tell_delivery=True,
        missing=tuple(name for name, value in wanted.items() if not value),
    )


def normalise(address: str) -> str:
    """The number in E.164. Only its shape is checked; whether it can be reached, the provider knows. Raises Invalid."""
    text = address.strip()
    text = f"+{text[2:]}" if text.startswith("00") else text
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException as e:
        raise Invalid("A mobile number starts with + and the country code, e.g. +44 7700 900123") from e
    if not phonenumbers.is_possible_number(number) or number.extension:
        raise Invalid("This number is too long, too short or has an extension; give it like +44 7700 900123")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def body_of(message: Message) -> str:
    """What the phone will show: the short text, how to reply, and the link, in two segments at most, as far as the
    number and its country allow either. Where they allow no link, none that an alert or a person wrote goes out either.
    Asides only beside a link: a message without one is found again by its text, which must not depend on when it is
    asked for."""
    linked = message.links and carries_links(message.to)
    said = message.text if linked else text_links.left_out(message.text)
    wanted = linked and bool(message.link) and message.link not in message.text
    link = message.link if wanted else ""
    hints = message.replies if replies_reach_us(message.to) else ()
    tails = ["\n".join(filter(None, (hint, link))) for hint in hints] or [link]
    asides = message.asides if wanted else ()
    shortest = fit_sms(said, tails[-1], asides=asides)
    longer = ((tail, fit_sms(said, tail, asides=asides)) for tail in tails[:-1])
    return next((body for tail, body in longer if _as_cheap(body, tail, shortest, tails[-1])), shortest)


def _as_cheap(longer: str, tail: str, shortest: str, short_tail: str) -> bool:
    """Whether the longer tail costs neither a segment nor a word of what is said before it."""
    says_as_much = len(longer) - len(tail) == len(shortest) - len(short_tail)
    return says_as_much and size(longer).segments <= size(shortest).segments


def carries_links(address: str) -> bool:
    """False where carriers refuse messages with links."""
    return countries.of(address).links


def replies_reach_us(address: str) -> bool:
    """False where carriers do not carry answers, so that a reply code would mislead."""
    return countries.of(address).replies


def answerable(address: str, *, links: bool) -> bool:
    """Whether something can be done from a text to this number: by its link, or by an answer. `links`: its owner wants
    some."""
    return replies_reach_us(address) or (links and carries_links(address))


def status_named(word: str) -> Status | None:
    """Twilio's word for a status, when it is one of ours; a new word of theirs is None."""
    return next((status for status in RANK if status == word), None)
