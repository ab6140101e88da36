"""The channels of this installation: which exist, which are configured."""

from __future__ import annotations

from app.channels import mail, ntfy, push, sms, voice
from app.channels.channel import Capability, Channel
from app.channels.secret_addresses import Sealing
from app.settings import Settings


def channels(settings: Settings, sealing: Sealing | None = None) -> dict[str, Channel]:
    """The configured channels by name, each with connections of its own: make them once, `close` them at the end.
    Without `sealing` there are none whose addresses are secrets.

    Raises Invalid, naming the setting, when one is configured wrongly.
    """
    found: list[Channel] = []
    if sms.capability(settings).configured:
        from app.channels.twilio_sms import SmsChannel  # noqa: PLC0415  # its SDK takes a fifth of a second

        found.append(SmsChannel(settings))
    if voice.capability(settings).configured:
        from app.channels.twilio_voice import VoiceChannel  # noqa: PLC0415  # as above

        found.append(VoiceChannel(settings))
    if mail.capability(settings).configured:
        found.append(mail.MailChannel(settings))
    if sealing is not None and push.capability(settings).configured:
        found.append(push.PushChannel(settings, sealing))
    if sealing is not None and ntfy.capability(settings).configured:
        found.append(ntfy.NtfyChannel(settings, sealing))
    return {channel.capability.channel: channel for channel in found}


def capabilities(settings: Settings) -> list[Capability]:
    """All channels of this version, configured or not, in the order in which forms offer them."""
    return [of.capability(settings) for of in (sms, voice, mail, push, ntfy)]
