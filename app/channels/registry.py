"""The channels of this installation: which exist, which are configured."""

from __future__ import annotations

from app.channels import mail, sms, voice
from app.channels.channel import Capability, Channel
from app.channels.several import EVERY_PREFIX, Several
from app.settings import Settings


def channels(settings: Settings) -> dict[str, Channel]:
    """The configured channels by name, each with connections of its own: make them once, `close` them at the end.

    Raises Invalid, naming the setting, when one is configured wrongly.
    """
    found: list[Channel] = []
    phones: dict[str, dict[str, Channel]] = {"sms": {}, "voice": {}}
    if sms.capability(settings).configured:
        from app.channels.twilio_sms import SmsChannel  # noqa: PLC0415  # its SDK takes a fifth of a second

        phones["sms"][sms.PROVIDER] = SmsChannel(settings)
    if voice.capability(settings).configured:
        from app.channels.twilio_voice import VoiceChannel  # noqa: PLC0415  # as above

        phones["voice"][sms.PROVIDER] = VoiceChannel(settings)
    for capability in (sms.capability(settings), voice.capability(settings)):
        if providers := phones[capability.channel]:
            found.append(Several(capability, providers, {EVERY_PREFIX: list(providers)}))
    if mail.capability(settings).configured:
        found.append(mail.MailChannel(settings))
    return {channel.capability.channel: channel for channel in found}


def capabilities(settings: Settings) -> list[Capability]:
    """All channels of this version, configured or not, in the order in which forms offer them."""
    return [sms.capability(settings), voice.capability(settings), mail.capability(settings)]
