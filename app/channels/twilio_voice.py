"""Phone calls by Twilio, with its own SDK over our HTTP client.

Twilio asks us what to say when somebody picks up, so that it is true then; and tells us how the call went. Nothing of
that means that anybody was reached: a voicemail picks up, too. Only a key does (behaviour.md 8), so its detection of
answering machines stays off: it costs seconds and money, and errs.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from twilio.rest import Client
from twilio.rest.api import Api

from app.channels import sms, voice
from app.channels.channel import CallProgress, Message, SendFailed, Sent, Told
from app.channels.hosts import HostPolicy
from app.channels.http import Http
from app.channels.twilio_sms import TIMEOUT_S, UNREADABLE, SdkTransport, price_of, sent_as
from app.errors import Invalid
from app.settings import Settings

EVENTS: Final = ["initiated", "ringing", "answered", "completed"]
LASTS_AT_MOST_S: Final = 180
"""Three times the longest speech: a voicemail that records is hung up on."""


class VoiceChannel:
    """One Twilio account. Raises Invalid when it is not configured."""

    tells_price = True

    def __init__(self, settings: Settings) -> None:
        self.capability = voice.capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Phone calls need {', '.join(self.capability.missing)}")
        self._settings = settings
        base_url = settings.twilio_base_url or sms.BASE_URL
        self._http = Http(HostPolicy.of(settings, base_url), timeout_s=TIMEOUT_S)
        account, token = settings.twilio_account_sid, settings.twilio_auth_token
        self._calls = Api(Client(account, token, http_client=SdkTransport(self._http, base_url))).account.calls

    def normalise(self, address: str) -> str:
        return sms.normalise(address)

    async def send(self, message: Message) -> Sent:
        """Places the call. What was written and not answered clearly fails with `maybe_sent`."""
        if not message.token:
            raise SendFailed("a call needs an address at which it asks what to say", permanent=True, code="token")
        s = self._settings
        ours = f"{s.public_url}/v1/twilio/voice/{message.token}"
        try:
            created = await self._calls.create_async(
                message.to,
                voice.caller(s),
                url=ours,
                status_callback=f"{ours}/status",
                status_callback_event=EVENTS,
                timeout=s.voice_ring_s,
                time_limit=LASTS_AT_MOST_S,
            )
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer", maybe_sent=True) from e
        return sent_as(created)

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """The call to this number, if there is just one since then.

        A call does not say what it is about: where there are several, nobody can tell, and it is made once more.
        """
        try:
            newest = list(await self._calls.page_async(to=message.to, page_size=20))
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer") from e
        began = since.replace(microsecond=0)
        found = [c for c in newest if c.date_created and c.date_created.astimezone(UTC) >= began]
        return sent_as(found[0]) if len(found) == 1 else None

    async def ask(self, provider_id: str) -> Told:
        """How the call went, as its callbacks would have said, and its price once Twilio has reckoned it."""
        try:
            record = await self._calls(provider_id).fetch_async()
            progress = CallProgress(sms.PROVIDER, provider_id, str(record.status or ""))
            return Told(progress, price_of(record))
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer") from e

    async def close(self) -> None:
        await self._http.close()
