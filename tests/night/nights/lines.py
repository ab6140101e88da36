"""Providers without sockets: a channel of one worker, with the troubles of the night."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from app.channels import sms
from app.channels.channel import Capability, Message, SendFailed, Sent
from nights.evidence import Letter
from nights.outside import Outside

PROVIDERS = {"sms": "twilio", "voice": "twilio", "mail": "smtp"}
FIRST_STATUS = {"sms": "queued", "voice": "queued", "mail": "delivered"}


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class Line:
    """One channel as one worker has it. `people`: who has an address, by address."""

    def __init__(self, channel: str, worker: int, outside: Outside, people: dict[str, str]) -> None:
        self._channel = channel
        self._worker = worker
        self._outside = outside
        self._people = people
        self.capability = Capability(
            channel=channel, label=channel, address_label="Address", address_hint="", input_type="text",
            can_reply=channel != "mail", can_tell_delivery=channel != "mail",
        )  # fmt: skip

    def normalise(self, address: str) -> str:
        return address

    async def close(self) -> None:
        return

    async def send(self, message: Message) -> Sent:
        outside = self._outside
        person = self._people[message.to]
        chance = outside.night.chance(self._channel, message.to, outside.nth(self._channel, message.to))
        letter = Letter(
            UUID(message.notification_id), message.attempt, self._channel, message.to, person, message.purpose,
            message.loud, message.subject, message.text, message.link, message.replies, message.token, outside.now,
            outside.now, unfindable=self._channel == "mail", shown=self._shown(message),
        )  # fmt: skip
        outside.evidence.letters.append(letter)
        if outside.doomed.get(self._worker) == "claimed":
            await self._die()
        trouble = outside.trouble(self._channel, person)
        await outside.until(self._worker, outside.now + seconds(_latency(trouble, chance)))
        letter.at = outside.now
        return await self._answer(letter, trouble, chance)

    def _shown(self, message: Message) -> str:
        """As the real channel would have it."""
        if self._channel == "sms":
            return sms.body_of(message)
        facts = "\n".join(f"{label}: {value}" for label, value in message.facts)
        return "\n".join((message.subject, message.text_long or message.text, facts, message.link, *message.replies))

    async def _die(self) -> None:
        self._outside.dying.add(self._worker)
        self._outside.doomed.pop(self._worker, None)
        await self._outside.for_ever(self._worker)

    async def _answer(self, letter: Letter, trouble: str, chance: Random) -> Sent:
        refused = _refusal(trouble, chance)
        if refused is not None and not (refused.maybe_sent and chance.random() < 0.5):
            letter.told = "unknown" if refused.maybe_sent else "failed"
            raise refused
        self._take(letter, trouble, chance)
        if self._outside.doomed.get(self._worker) == "sent":
            await self._die()
        if refused is not None:
            letter.told = "unknown"
            raise refused
        letter.told = "sent"
        return self._sent(letter)

    def _take(self, letter: Letter, trouble: str, chance: Random) -> None:
        outside = self._outside
        letter.taken = True
        letter.provider_id = f"{letter.channel}-{letter.person}-{chance.getrandbits(32):08x}"
        outside.taken[letter.token] = letter

        async def arrives() -> None:
            await outside.arrived(letter)

        if trouble != "lies":
            outside.plan(letter.at + seconds(chance.uniform(0.5, 5)), arrives)
        if letter.channel == "sms":
            self._will_report(letter, trouble, chance)

    def _will_report(self, letter: Letter, trouble: str, chance: Random) -> None:
        """Callbacks of a text: usually that it was delivered."""
        told = ["sent"] if trouble == "lies" else ["delivered"]
        if trouble == "mute":
            told = []
        elif trouble == "backwards":
            told = ["delivered", "sent", "queued"]
        elif trouble == "twice":
            told = ["sent", "delivered", "sent", "delivered"]
        elif chance.random() < 0.06:
            told = ["sent", "undelivered"]
        at = letter.at
        for status in told:
            at += seconds(chance.uniform(0.2, 6))

            async def reports(status: str = status) -> None:
                await self._outside.reports(letter, status, "30008" if status == "undelivered" else "")

            self._outside.plan(at, reports)

    def _sent(self, letter: Letter) -> Sent:
        return Sent(PROVIDERS[letter.channel], letter.provider_id, FIRST_STATUS[letter.channel])  # type: ignore[arg-type]

    async def find(self, message: Message, since: datetime) -> Sent | None:
        if self._channel == "mail":
            return None
        if self._outside.trouble(self._channel, self._people[message.to]) == "down":
            raise SendFailed("the provider cannot be reached", code="connect")
        letter = self._outside.taken.get(message.token)
        return None if letter is None else self._sent(letter)


def _latency(trouble: str, chance: Random) -> float:
    if trouble == "slow":
        return chance.uniform(5, 25)
    return 28 + chance.random() if trouble == "hangs" else chance.uniform(0.05, 0.6)


def _refusal(trouble: str, chance: Random) -> SendFailed | None:
    match trouble:
        case "down":
            return SendFailed("the provider cannot be reached", code="connect")
        case "limits":
            return SendFailed("too many requests", code="20429", retry_after_s=chance.choice((None, 3.0, 60.0)))
        case "hangs":
            return SendFailed("no answer in time", code="timeout", maybe_sent=True)
        case "refuses":
            return SendFailed("the carrier blocks our messages", code="30004", permanent=True)
        case "broken":
            return SendFailed("this is not a valid address", code="21211", permanent=True, broken_address=True)
    return None
