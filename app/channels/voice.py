"""Phone calls: what they can do, whom they reach. Who makes them is in `twilio_voice`, what is said in `twiml`."""

from __future__ import annotations

from app.channels.channel import Capability
from app.settings import Settings


def caller(settings: Settings) -> str:
    """The number that calls; empty without one. A sender that is a word can text, but not call."""
    number = settings.twilio_voice_from or settings.twilio_from
    return number if number.startswith("+") else ""


def capability(settings: Settings) -> Capability:
    """What calls can do with these settings."""
    wanted = {
        "TOCSIN_TWILIO_ACCOUNT_SID": settings.twilio_account_sid,
        "TOCSIN_TWILIO_AUTH_TOKEN": settings.twilio_auth_token,
        "TOCSIN_TWILIO_FROM or TOCSIN_TWILIO_VOICE_FROM": caller(settings),
    }
    return Capability(
        channel="voice",
        label="Phone call",
        address_label="Phone number",
        address_hint="With country code, e.g. +44 7700 900123; a landline will do",
        input_type="tel",
        can_reply=True,
        can_tell_delivery=True,
        missing=tuple(name for name, value in wanted.items() if not value),
    )
