"""A telephone exchange: a stateful stand-in for Twilio's messages and calls on a real socket.

It checks requests as Twilio does, moves statuses on, signs its callbacks, and misbehaves when told to. Facts from
Twilio's documentation; shapes from its OpenAPI description. It lives in the running loop and talks sockets only.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

from app.dev import calls, texts, wire
from app.dev.hooks import Hooks
from app.dev.phone import Phone
from app.dev.switchboard import Switchboard
from app.dev.texts import API, STATUS_OF_CODE, Refused, Text
from app.dev.troubles import Trouble, Troubles

AUTH_TOKEN: Final = "town"


class PhoneExchange:
    """`start`, point TOCSIN_TWILIO_BASE_URL at `url`, and make phones with `phone`.

    `clock` dates messages; `reroute` maps prefixes of callback addresses to where they are really served; `inbound_url`
    is where texts from phones are posted; `log` gets one line for every text that arrives at a phone.
    """

    def __init__(
        self,
        *,
        account_sid: str = "AC" + "0123456789abcdef" * 2,
        auth_token: str = AUTH_TOKEN,
        numbers: tuple[str, ...] = ("+15005550006",),
        services: tuple[str, ...] = ("MG" + "0123456789abcdef" * 2,),
        inbound_url: str = "",
        reroute: Mapping[str, str] | None = None,
        log: Callable[[str], None] = lambda line: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.account_sid, self.auth_token = account_sid, auth_token
        self.numbers, self.services = numbers, services
        self.inbound_url = inbound_url
        self.hooks = Hooks(auth_token, dict(reroute or {}))
        self.texts: list[Text] = []
        self.requests: list[wire.Request] = []
        self.callbacks_come: Literal["once", "twice", "backwards", "never"] = "once"
        self.phones: dict[str, Phone] = {}
        self.troubles = Troubles()
        self._log, self._clock = log, clock
        self.switchboard = Switchboard(account_sid, self.hooks, self.phone, log, clock)
        self._server = wire.Server(self._answer)
        self._deliveries: set[asyncio.Task[None]] = set()

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        await self._server.start(host, port)
        self.url = f"http://{host}:{self._server.port}"

    async def stop(self) -> None:
        for task in list(self._deliveries):
            task.cancel()
        await asyncio.gather(*self._deliveries, return_exceptions=True)
        await self._server.stop()

    def phone(self, number: str, owner: str = "") -> Phone:
        """The phone with this number; every number that was ever texted has one."""
        return self.phones.setdefault(number, Phone(number, owner, self._inbound))

    def unexpected(self) -> dict[str, list[str]]:
        """Texts that arrived and nobody waited for, by number."""
        left = {
            number: [t.body for t in phone.inbox.unexpected()] + [str(c) for c in phone.calls.unexpected()]
            for number, phone in self.phones.items()
        }
        return {number: bodies for number, bodies in left.items() if bodies}

    # -- the API

    async def _answer(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        try:
            self._authenticate(request)
            if request.path == f"{API}/{self.account_sid}/Messages.json":
                if request.method == "POST":
                    return await self._create(request.form)
                return _json(200, texts.listing(self.account_sid, self.texts, request.query))
            if request.path.startswith(f"{API}/{self.account_sid}/Calls"):
                return await self._call(request)
            for text in self.texts:
                if request.path == f"{API}/{self.account_sid}/Messages/{text.sid}.json" and request.method == "GET":
                    return _json(200, texts.resource(self.account_sid, text))
            raise Refused(20404, f"The requested resource {request.path} was not found")
        except Refused as e:
            return _error(e.code, e.message, STATUS_OF_CODE.get(e.code, 400))

    async def _call(self, request: wire.Request) -> wire.Answer:
        if request.method == "POST" and request.path.endswith("/Calls.json"):
            trouble = self.troubles.of(request.form.get("To", ""))
            if trouble is not None and not trouble.stored:
                return await self._misbehave(trouble)
            call = self.switchboard.place(request, self.numbers)
            self._later(self.switchboard.ring(call, lost=trouble is not None and trouble.kind == "lose"))
            return await self._answered(trouble, _json(201, calls.resource(self.account_sid, call)))
        return _json(200, self.switchboard.answer(request))

    def _authenticate(self, request: wire.Request) -> None:
        expected = base64.b64encode(f"{self.account_sid}:{self.auth_token}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {expected}":
            raise Refused(20003, "Authenticate")

    async def _create(self, form: dict[str, str]) -> wire.Answer:
        texts.check(form, self.numbers, self.services)
        if self._sender(form) in self.phone(form["To"]).stopped:
            raise Refused(21610, "Attempt to send to unsubscribed recipient")
        trouble = self.troubles.of(form["To"])
        if trouble is not None and not trouble.stored:
            return await self._misbehave(trouble)
        text = self._store(form)
        answer = _json(201, texts.resource(self.account_sid, text))
        self._later(self._deliver(text, trouble.code if trouble and trouble.kind == "lose" else None))
        return await self._answered(trouble, answer)

    async def _answered(self, trouble: Trouble | None, answer: wire.Answer) -> wire.Answer:
        """What was taken is answered so, if at all."""
        if trouble is None or trouble.kind == "lose":
            return answer
        if trouble.kind == "slow":
            await asyncio.sleep(trouble.seconds)
            return answer
        return await self._misbehave(trouble)

    async def _misbehave(self, trouble: Trouble) -> wire.Answer:
        if trouble.kind == "reset":
            raise wire.Reset
        if trouble.kind == "hang":
            await asyncio.Event().wait()  # until `stop`
        status = STATUS_OF_CODE.get(trouble.code, 400)
        return _error(trouble.code, "As you wished.", status, trouble.retry_after_s)

    def _sender(self, form: Mapping[str, str]) -> str:
        return form.get("From") or self.numbers[0]

    def _store(self, form: Mapping[str, str]) -> Text:
        service, now = form.get("MessagingServiceSid"), self._clock()
        text = Text(
            sid=f"SM{secrets.token_hex(16)}",
            to=form["To"],
            sender=self._sender(form),
            body=form["Body"],
            status="accepted" if service else "queued",
            created=now,
            updated=now,
            service=service,
            callback=form.get("StatusCallback", ""),
            validity_s=int(form.get("ValidityPeriod", 36000)),
        )
        self.texts.append(text)
        return text

    # -- on the way to the phone

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._deliveries.add(task)
        task.add_done_callback(self._deliveries.discard)

    async def _deliver(self, text: Text, lost: int | None) -> None:
        phone = self.phone(text.to)
        stages = ["queued"] if text.status == "accepted" else []
        stages += ["sending", "sent"]
        if lost:
            stages.append("undelivered")
        elif phone.reach == "on":
            stages.append("delivered")
        held: list[dict[str, str]] = []
        for status in stages:
            if status == "sent" and not lost and phone.reach != "off":
                self._ring(phone, text)
            self._move(text, status, lost if status == "undelivered" else None)
            if self.callbacks_come == "backwards":
                held.insert(0, texts.report(self.account_sid, text))
            else:
                await self._call_back(text, texts.report(self.account_sid, text))
        for fields in held:
            await self._call_back(text, fields)

    def _ring(self, phone: Phone, text: Text) -> None:
        self._log(f"SMS to {phone.owner or phone.number}: {text.body}")
        phone.inbox.arrived(text)

    def _move(self, text: Text, status: str, code: int | None) -> None:
        text.status, text.error, text.updated = status, code, self._clock()
        text.sent = text.sent or (text.updated if status == "sent" else None)

    async def switch_on(self, number: str) -> None:
        """A phone that was off is on again and gets what waited for it."""
        phone = self.phone(number)
        phone.reach = "on"
        for text in self.texts:
            if text.to == number and text.status == "sent" and text not in phone.inbox.items:
                self._ring(phone, text)
                await self.report(text, "delivered")

    async def settled(self) -> None:
        """Waits until every message has reached its last status and every callback was made."""
        while self._deliveries:
            await asyncio.gather(*self._deliveries)

    async def report(self, text: Text, status: str, code: int | None = None) -> None:
        """Moves a message on and says so: the late `undelivered`, the phone that was switched on again."""
        self._move(text, status, code)
        await self._call_back(text, texts.report(self.account_sid, text))

    async def _call_back(self, text: Text, fields: dict[str, str]) -> None:
        if self.callbacks_come != "never" and texts.callback_is_usable(text.callback):
            for _ in range(2 if self.callbacks_come == "twice" else 1):
                await self.hooks.call(text.callback, fields)

    async def _inbound(self, phone: Phone, body: str, times: int) -> str:
        """Posts what a phone says to `inbound_url`, `times` over; the TwiML that was answered last."""
        last = phone.inbox.items[-1] if phone.inbox.items else None
        number, sid = last.sender if last else self.numbers[0], f"SM{secrets.token_hex(16)}"
        fields = {"MessageSid": sid, "SmsSid": sid, "SmsMessageSid": sid, "SmsStatus": "received", "Body": body}
        fields |= {"AccountSid": self.account_sid, "ApiVersion": "2010-04-01", "From": phone.number, "To": number}
        fields |= {"NumMedia": "0", "NumSegments": "1"}
        if last and last.service:
            fields["MessagingServiceSid"] = last.service
        now = self._clock()
        self.texts.append(Text(sid, number, phone.number, body, "received", now, now, sent=now, inbound=True))
        answer = None
        for _ in range(times):
            answer = await self.hooks.call(self.inbound_url, fields)
        return answer.body.decode() if answer else ""


def _json(status: int, document: object) -> wire.Answer:
    return wire.Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})


def _error(code: int, message: str, status: int, retry_after_s: int | None = None) -> wire.Answer:
    more = f"https://www.twilio.com/docs/errors/{code}"
    answer = _json(status, {"code": code, "message": message, "more_info": more, "status": status})
    if retry_after_s is None:
        return answer
    return wire.Answer(status, answer.body, {**answer.headers, "Retry-After": str(retry_after_s)})
