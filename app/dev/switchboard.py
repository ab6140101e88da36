"""The exchange's calls: a phone rings, somebody or something picks up, listens to our TwiML and presses keys.

TwiML is played as Twilio plays it: verbs in their order; a <Gather> that gets a key posts it to its action and goes on
with what is answered, without one it goes on behind it. Source: Twilio, "TwiML for Programmable Voice".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs
from xml.etree import ElementTree as ET

from app.dev import calls, wire
from app.dev.calls import Call
from app.dev.hooks import Hooks
from app.dev.texts import Refused

DOCUMENTS_AT_MOST: Final = 20
"""So many are played in a call: a loop ends, as a call does."""
_NOBODY: Final = {"no": "no-answer", "busy": "busy"}


class Switchboard:
    """`phone` finds a phone by its number; `log` gets a line for every call that is picked up."""

    def __init__(
        self,
        account_sid: str,
        hooks: Hooks,
        phone: Callable[[str], Any],
        log: Callable[[str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self.calls: list[Call] = []
        self.calls_back = True
        """False: nothing is said of how calls went, unless it is asked."""
        self._account, self._hooks, self._phone, self._log, self._clock = account_sid, hooks, phone, log, clock

    def place(self, request: wire.Request, numbers: tuple[str, ...]) -> Call:
        """The call of a request that asks for one. Raises `Refused`."""
        form = parse_qs(request.body.decode(), keep_blank_values=True)
        calls.check(form, numbers)
        one = {name: values[0] for name, values in form.items()}
        now = self._clock()
        call = Call(
            sid=f"CA{secrets.token_hex(16)}",
            to=one["To"],
            sender=one["From"],
            url=one["Url"],
            callback=one.get("StatusCallback", ""),
            events=frozenset(form.get("StatusCallbackEvent", ["completed"])),
            ring_s=int(one.get("Timeout", 60)),
            created=now,
            updated=now,
        )
        self.calls.append(call)
        return call

    def answer(self, request: wire.Request) -> dict[str, Any]:
        """The list of calls, or one of them. Raises `Refused` for one that there is not."""
        if request.path.endswith("/Calls.json"):
            return calls.listing(self._account, self.calls, request.query)
        for call in self.calls:
            if request.path.endswith(f"/Calls/{call.sid}.json"):
                return calls.resource(self._account, call)
        raise Refused(20404, f"The requested resource {request.path} was not found")

    async def ring(self, call: Call, *, lost: bool = False) -> None:
        """The whole call, to its end. `lost`: it reaches no phone."""
        phone = self._phone(call.to)
        await self._move(call, "initiated", "initiated")
        if lost:
            await self._move(call, "failed", "completed")
            return
        await self._move(call, "ringing", "ringing")
        ends = _NOBODY.get(phone.picks_up)
        if ends is None:
            await self._move(call, "in-progress", "answered")
            await self._listen(call, phone)
        phone.calls.arrived(call)
        self._log(f"Call to {phone.owner or phone.number}: {' '.join(call.heard) or ends}")
        await self._move(call, ends or "completed", "completed")

    async def _move(self, call: Call, status: str, event: str) -> None:
        call.status, call.updated = status, self._clock()
        if event in call.events and call.callback and self.calls_back:
            fields = self._fields(call) | {
                "CallbackSource": "call-progress-events",
                "SequenceNumber": str(call.sequence),
            }
            call.sequence += 1
            await self._hooks.call(call.callback, fields)

    def _fields(self, call: Call) -> dict[str, str]:
        return {
            "AccountSid": self._account,
            "ApiVersion": "2010-04-01",
            "CallSid": call.sid,
            "CallStatus": call.status,
            "Called": call.to,
            "Caller": call.sender,
            "Direction": "outbound-api",
            "From": call.sender,
            "To": call.to,
        }

    async def _listen(self, call: Call, phone: Any) -> None:
        keys = list(phone.keys) if phone.picks_up == "somebody" else []
        target, fields = call.url, self._fields(call)
        for _ in range(DOCUMENTS_AT_MOST):
            answer = await self._hooks.call(target, fields)
            document = self._read(call, answer)
            if document is None:
                return
            gather = self._play(call, document, waits=bool(keys))
            if gather is None:
                return
            key = keys.pop(0)
            call.pressed += key
            target = gather.get("action", target)
            fields = self._fields(call) | {"Digits": key, "FinishedOnKey": "", "msg": "Gather End"}

    def _read(self, call: Call, answer: wire.Answer | None) -> ET.Element | None:
        """None where Twilio would say that an application error has occurred."""
        if answer is None or answer.status != 200:
            call.complaints.append(f"11200: {answer.status if answer else 'no answer'}")
            return None
        if not answer.headers.get("content-type", "").startswith(("text/xml", "application/xml")):
            call.complaints.append("12300: wrong content type")
            return None
        try:
            document = ET.fromstring(answer.body)  # noqa: S314  # what we answered ourselves
        except ET.ParseError as e:
            call.complaints.append(f"12100: {e}")
            return None
        return document

    def _play(self, call: Call, document: ET.Element, *, waits: bool) -> ET.Element | None:
        """Says what there is to say; the <Gather> in which a key is pressed, if one is."""
        for verb in document:
            match verb.tag:
                case "Say":
                    call.heard.append(verb.text or "")
                case "Pause":
                    continue
                case "Gather":
                    call.heard += [said.text or "" for said in verb.iter("Say")]
                    if waits:
                        return verb
                case "Hangup":
                    return None
                case _:
                    call.complaints.append(f"12200: {verb.tag}")
        return None
