"""Any HTTP gateway for texts or calls, as an operator described it (docs/providers.md).

What it answers becomes `Sent` or `SendFailed` by the description alone. Secrets are put in where they are named, and
struck out of whatever the gateway says about its errors.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote

import msgspec

from app.channels import sms
from app.channels.channel import (
    CURRENCY,
    RANK,
    UNDONE,
    CallProgress,
    Capability,
    DeliveryReport,
    Message,
    Price,
    SendFailed,
    Sent,
    Told,
)
from app.channels.gateway_description import Gateway, Mistake, Report, Request
from app.channels.gateway_reading import secrets_of
from app.channels.gateway_values import Document, Values, fill, fill_all
from app.channels.hosts import HostPolicy
from app.channels.http import Answer, Blocked, Http, Unreachable
from app.settings import Settings

_OURS: Final = (401, 403, 404, 405, 407)
_TEMPORARY: Final = (408, 425, 429)
_SAID_AT_MOST: Final = 200
_KEYS: Final = " Press 4 to acknowledge, 6 to escalate."


class GatewayChannel:
    """One gateway. Raises Invalid for a secret that is not there."""

    def __init__(self, settings: Settings, gateway: Gateway, capability: Capability) -> None:
        self.capability = capability
        self.gateway = gateway
        self.tells_price = gateway.status is not None and bool(gateway.status.report.price)
        self.secrets = secrets_of(gateway)
        self._settings = settings
        asked = (gateway.status, gateway.find)
        requests = [gateway.send, gateway.probe, *(one.request for one in asked if one)]
        policy = HostPolicy.of(settings, *(r.url for r in requests if r))
        self._http = Http(policy, timeout_s=gateway.timeout_s)

    def normalise(self, address: str) -> str:
        return sms.normalise(address)

    async def send(self, message: Message) -> Sent:
        """Hands it over. What was written and not answered clearly fails with `maybe_sent`."""
        g = self.gateway
        answer = await self._ask(g.send, self._values(message), writes=True)
        document = Document(answer.body)
        good = answer.status in g.taken.status if g.taken.status else 200 <= answer.status < 300
        if not good or not document.holds(g.taken.when):
            raise self._refused(answer, document, good=good)
        name = document.read(g.taken.id)
        if g.taken.id and not name:
            raise SendFailed(f"{g.name}'s answer names nothing that was taken", code="answer", maybe_sent=True)
        return Sent(g.name, name or self._reference(message), "accepted")

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """By our reference, where the description says how; None where it does not."""
        found = self.gateway.find
        if found is None:
            return None
        answer = await self._ask(found.request, self._values(message), writes=False)
        if answer.status == 404:
            return None
        document = Document(answer.body)
        if not 200 <= answer.status < 300:
            raise self._refused(answer, document, good=False)
        name = document.read(found.id)
        return Sent(self.gateway.name, name, "accepted") if name else None

    async def ask(self, provider_id: str) -> Told:
        """What became of it, and what it cost, where the description says how to ask."""
        query = self.gateway.status
        if query is None:
            return Told(None)
        answer = await self._ask(query.request, {"id": provider_id}, writes=False)
        document = Document(answer.body)
        if not 200 <= answer.status < 300:
            raise self._refused(answer, document, good=False)
        return self.told_by(query.report, document, provider_id)

    async def probe(self) -> str:
        """For `tocsin doctor`. Raises `SendFailed`."""
        if self.gateway.probe is None:
            return "described, its secrets are there; it has no probe to be asked by"
        answer = await self._ask(self.gateway.probe, {}, writes=False)
        if not 200 <= answer.status < 300:
            raise self._refused(answer, Document(answer.body), good=False)
        return f"{self.gateway.name} answers"

    async def close(self) -> None:
        await self._http.close()

    def told_by(self, report: Report, document: Document, provider_id: str) -> Told:
        """What a document says became of a message, and what it cost."""
        currency = report.currency if CURRENCY.fullmatch(report.currency) else document.read(report.currency)
        price = Price.told(document.read(report.price), currency)
        return Told(self._report_of(report, document, provider_id), price)

    def _report_of(self, report: Report, document: Document, provider_id: str) -> DeliveryReport | CallProgress | None:
        """What a document says about a message; None for a status that the description does not name."""
        name, digits = self.gateway.name, document.read(report.digits)
        word = report.words.get(document.read(report.word), "")
        if self.gateway.channel == "voice":
            return CallProgress(name, provider_id, word, digits) if word or digits else None
        status = next((s for s in RANK if s == word), None)
        if status is None:
            return None
        fault = self._fault(document, None, "the message was not delivered") if status in UNDONE else None
        return DeliveryReport(name, provider_id, status, fault)

    def _reference(self, message: Message) -> str:
        return f"{message.notification_id}-{message.attempt}"

    def _values(self, message: Message) -> Values:
        g, url = self.gateway, self._settings.public_url
        answerable = g.inbound is not None
        text = sms.body_of(message if answerable else replace(message, replies=()))
        if g.channel == "voice":
            has_keys = g.status_callback is not None and bool(g.status_callback.report.digits)
            text = message.text + (_KEYS if has_keys and message.purpose == "page" else "")
        return {
            "to": message.to,
            "to_digits": message.to.removeprefix("+"),
            "text": text,
            "reference": self._reference(message),
            "valid_for_s": str(message.valid_for_s),
            "callback_url": f"{url}/v1/gateways/{g.name}/status/{message.token}" if message.token else "",
        }

    async def _ask(self, request: Request, values: Values, *, writes: bool) -> Answer:
        known = {**values, **{f"secret.{name}": secret for name, secret in self.secrets.items()}}
        headers = {name: _one_line(fill(value, known)) for name, value in request.headers.items()}
        body = None
        if request.json is not None:
            body = msgspec.json.encode(fill_all(request.json, known))
            headers = {"Content-Type": "application/json"} | headers
        basic = request.basic and (fill(request.basic.user, known), fill(request.basic.password, known))
        if basic:
            headers["Authorization"] = f"Basic {b64encode(':'.join(basic).encode()).decode()}"
        try:
            return await self._http.request(
                request.method,
                fill(request.url, known, lambda value: quote(value, safe="")),
                params=fill_all(request.query, known) or None,
                form=None if request.form is None else {n: fill(v, known) for n, v in request.form.items()},
                body=body,
                headers=headers,
            )
        except Blocked as e:
            raise SendFailed(f"{self.gateway.name}: {e}", permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            words = self._struck(f"{self.gateway.name} cannot be reached: {e}")
            raise SendFailed(words, code="unreachable", maybe_sent=writes and e.written) from e

    def _refused(self, answer: Answer, document: Document, *, good: bool) -> SendFailed:
        """`good`: the status was one of success, and the document says that it was none."""
        status, wait = answer.status, answer.headers.get("retry-after", "")
        failed = self._fault(document, None if good else status, f"{self.gateway.name} answered {status}")
        failed.code = failed.code or str(status)
        failed.retry_after_s = float(wait) if wait.isascii() and wait.isdigit() else None
        return failed

    def _fault(self, document: Document, status: int | None, otherwise: str) -> SendFailed:
        code = document.read(self.gateway.code)[:50]
        said = self._struck(document.read(self.gateway.says))[:_SAID_AT_MOST]
        words = f"{otherwise}{f': {said}' if said else ''}"
        for mistake in self.gateway.errors:
            if _is_meant(mistake, code, status, document):
                known = f" ({self.gateway.name}{f' {code}' if code else ''})"
                return SendFailed(
                    f"{mistake.words}{known}" if mistake.words else words,
                    permanent=mistake.permanent or mistake.broken or mistake.opted_out or mistake.configuration,
                    code=code,
                    broken_address=mistake.broken or mistake.opted_out,
                    opted_out=mistake.opted_out,
                    configuration=mistake.configuration,
                    maybe_sent=status is not None and status >= 500 and not mistake.not_sent,
                )
        if status is None or status in _TEMPORARY:
            return SendFailed(words, code=code)
        if status >= 500:
            return SendFailed(words, code=code, maybe_sent=True)
        return SendFailed(words, permanent=True, code=code, configuration=status in _OURS or status < 400)

    def _struck(self, words: str) -> str:
        """Without our secrets, whatever a gateway repeats of a request."""
        for secret in self.secrets.values():
            words = words.replace(secret, "***")
        return " ".join(words.split())


def _is_meant(mistake: Mistake, code: str, status: int | None, document: Document) -> bool:
    by_code = not mistake.code or code in {str(c) for c in mistake.code}
    by_status = not mistake.status or status in mistake.status
    return by_code and by_status and document.holds(mistake.when)


def _one_line(value: str) -> str:
    return " ".join(value.splitlines())


def gateways_of(providers: Mapping[str, Any]) -> dict[str, GatewayChannel]:
    """Those of the providers that are described gateways, by name."""
    return {name: p for name, p in providers.items() if isinstance(p, GatewayChannel)}
