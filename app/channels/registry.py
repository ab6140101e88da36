"""The channels of this installation: which exist, which are configured."""

from __future__ import annotations

from dataclasses import replace

from app.channels import gateway_reading, mail, ntfy, push, slack, sms, voice
from app.channels.channel import Capability, Channel
from app.channels.gateway_description import Gateways
from app.channels.secret_addresses import Sealing
from app.channels.several import Several
from app.errors import Invalid
from app.settings import Settings


def channels(settings: Settings, sealing: Sealing | None = None) -> dict[str, Channel]:
    """The configured channels by name, each with connections of its own: make them once, `close` them at the end.
    Without `sealing` there are none whose addresses are secrets.

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
    described = gateway_reading.read(settings)
    for capability in _phones(settings, described):
        kind = capability.channel
        for gateway in described.of(kind):
            from app.channels.gateway import GatewayChannel  # noqa: PLC0415  # only where there are some

            phones[kind][gateway.name] = GatewayChannel(settings, gateway, capability)
        if providers := phones[kind]:
            for mistake in gateway_reading.order_mistakes(described, kind, list(providers)):
                raise Invalid(f"{gateway_reading.SETTING}: {mistake}")
            found.append(Several(capability, providers, described.orders(kind, list(providers))))
    if mail.capability(settings).configured:
        found.append(mail.MailChannel(settings))
    if sealing is not None and push.capability(settings).configured:
        found.append(push.PushChannel(settings, sealing))
    if sealing is not None and ntfy.capability(settings).configured:
        found.append(ntfy.NtfyChannel(settings, sealing))
    if slack.capability(settings).configured:
        found.append(slack.SlackChannel(settings))
    return {channel.capability.channel: channel for channel in found}


def capabilities(settings: Settings) -> list[Capability]:
    """All channels of this version, configured or not, in the order in which forms offer them. Raises Invalid for a
    wrong description of gateways."""
    others = [of.capability(settings) for of in (mail, push, ntfy, slack)]
    return [*_phones(settings, gateway_reading.read(settings)), *others]


def _phones(settings: Settings, described: Gateways) -> list[Capability]:
    """A described gateway is a provider as good as Twilio."""
    by_twilio = (sms.capability(settings), voice.capability(settings))
    return [replace(c, missing=()) if described.of(c.channel) else c for c in by_twilio]
