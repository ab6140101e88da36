"""Text messages by Twilio, with its own SDK over our HTTP client.

Imported when it is configured: the SDK takes a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from twilio.base.exceptions import TwilioException
from twilio.http import AsyncHttpClient
from twilio.http.response import Response
from twilio.rest import Client
from twilio.rest.api import Api

from app.channels import twilio_faults
from app.channels.channel import UNDONE, DeliveryReport, Message, Price, SendFailed, Sent, Told
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.channels.sms import BASE_URL, PROVIDER, body_of, capability, normalise, status_named
from app.errors import Invalid
from app.settings import Settings

VALIDITY_S: Final = (300, 600)
"""A page that arrives later than 5 to 10 minutes misleads; Twilio's own default is 10 hours."""
_CLOCKS_DIFFER: Final = timedelta(minutes=1)
TIMEOUT_S: Final = 15
UNREADABLE: Final = (TwilioException, ValueError, TypeError, AttributeError, KeyError)
"""What the SDK raises on an answer that is not what it expects."""


class SmsChannel:
    """One Twilio account. Raises Invalid when it is not configured."""

    tells_price = True

    def __init__(self, settings: Settings) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Text messages need {', '.join(self.capability.missing)}")
        self._settings = settings
        base_url = settings.twilio_base_url or BASE_URL
        self._http = Http(HostPolicy.of(settings, base_url), timeout_s=TIMEOUT_S)
        client = Client(
            settings.twilio_account_sid,
            settings.twilio_auth_token,
            http_client=SdkTransport(self._http, base_url),
        )
        self._messages = Api(client).account.messages

    def normalise(self, address: str) -> str:
        return normalise(address)

    async def send(self, message: Message) -> Sent:
        """Creates the message. What was written and not answered clearly fails with `maybe_sent`."""
        s = self._settings
        shortest, longest = VALIDITY_S
        fields: dict[str, Any] = {
            "body": body_of(message),
            "validity_period": min(max(message.valid_for_s, shortest), longest),
        }
        if s.twilio_messaging_service_sid:
            fields["messaging_service_sid"] = s.twilio_messaging_service_sid
        else:
            fields["from_"] = s.twilio_from
        if message.token:
            fields["status_callback"] = f"{s.public_url}/v1/twilio/status/{message.token}"
        try:
            created = await self._messages.create_async(message.to, **fields)
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer", maybe_sent=True) from e
        return sent_as(created)

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Looks for a message to this number with this link, else with this text, among its newest.

        The link is the attempt's own, while the words around it may have changed since (more alerts joined). By the
        instant of creation, not by Twilio's filter DateSent: a message that still waits has not been sent.
        """
        body = body_of(message)
        link = message.link if message.link and message.link in body else ""
        try:
            newest = await self._messages.page_async(to=message.to, page_size=100)
            records = list(newest)
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer") from e
        for record in records:
            # a trial account puts a sentence of its own and a dash before the text
            text = record.body or ""
            same = link in text if link else text == body or text.endswith(f" - {body}")
            if same and record.date_created and record.date_created.astimezone(UTC) >= since - _CLOCKS_DIFFER:
                return sent_as(record)
        return None

    async def ask(self, provider_id: str) -> Told:
        """Its status and error code, and its price once Twilio has reckoned it, some time after the delivery."""
        try:
            record = await self._messages(provider_id).fetch_async()
            return Told(_report(record), price_of(record))
        except UNREADABLE as e:
            raise SendFailed(f"Twilio's answer cannot be read: {e}", code="answer") from e

    async def close(self) -> None:
        await self._http.close()


def _report(record: Any) -> DeliveryReport | None:
    status = status_named(str(record.status or ""))
    if status is None:
        return None
    code = record.error_code
    fault = twilio_faults.of_delivery(int(code) if code is not None else None) if status in UNDONE else None
    return DeliveryReport(PROVIDER, str(record.sid), status, fault)


def price_of(record: Any) -> Price | None:
    """None while Twilio has not reckoned it."""
    return Price.told(str(record.price), str(record.price_unit))


def sent_as(record: Any) -> Sent:
    """What the SDK read from an answer. Raises SendFailed for one without a name of what was made."""
    if not record.sid:
        raise SendFailed("Twilio's answer names nothing that was made", code="answer", maybe_sent=True)
    return Sent(PROVIDER, record.sid, status_named(str(record.status or "")) or "accepted")


class SdkTransport(AsyncHttpClient):  # type: ignore[misc]  # the SDK carries no types
    """The SDK's requests over our client, at a base URL: its own asynchronous client has none (and no time-out).

    Scheme and host of the SDK's addresses are dropped, so TWILIO_EDGE and TWILIO_REGION of the environment do nothing.
    Answers other than 2xx become `SendFailed` here, because the SDK's exception loses Retry-After.
    """

    def __init__(self, http: Http, base_url: str) -> None:
        super().__init__(None, True, None)
        self._http = http
        self._base_url = base_url.rstrip("/")

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Any:
        """Called by the SDK. Time-outs and redirects are our client's affair."""
        parts = urlsplit(uri)
        url = self._base_url + parts.path + (f"?{parts.query}" if parts.query else "")
        writes = method.upper() == "POST"
        try:
            answer = await self._http.request(method, url, params=params, form=data, headers=headers, auth=auth)
        except Blocked as e:
            raise SendFailed(f"Twilio: {e}", permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            words = f"Twilio cannot be reached: {e}"
            raise SendFailed(words, code="unreachable", maybe_sent=writes and e.written) from e
        text = answer.body.decode("utf-8", "replace")
        if not 200 <= answer.status < 300:
            failure = _refused(answer.status, answer.headers, text)
            failure.maybe_sent = failure.maybe_sent and writes
            raise failure
        return Response(answer.status, text, answer.headers)


class _Error(msgspec.Struct):
    code: int | None = None
    message: str = ""


def _refused(status: int, headers: Mapping[str, str], text: str) -> SendFailed:
    try:
        error = msgspec.json.decode(text, type=_Error)
    except (msgspec.DecodeError, msgspec.ValidationError):
        error = _Error()
    wait = headers.get("retry-after", "")
    return twilio_faults.of_answer(status, error.code, error.message, float(wait) if wait.isdigit() else None)
