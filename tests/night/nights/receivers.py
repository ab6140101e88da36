"""Receivers of webhooks without sockets: a channel of one worker, with the troubles of the night."""

from __future__ import annotations

import json
from random import Random
from typing import Any
from uuid import UUID

from app.channels.channel import Capability, Message, SendFailed, Sent
from nights.evidence import Heard
from nights.lines import Line, seconds
from nights.outside import Outside
from nights.script import Hook


class Receivers(Line):
    """All receivers as one worker calls them."""

    def __init__(self, worker: int, outside: Outside, hooks: tuple[Hook, ...]) -> None:
        super().__init__("webhook", worker, outside, {hook.address: hook.key for hook in hooks})
        self.capability = Capability(
            channel="webhook", label="Webhook", address_label="Address", address_hint="", input_type="url",
            can_reply=False, can_tell_delivery=False,
        )  # fmt: skip

    async def send(self, message: Message) -> Sent:
        outside = self._outside
        heard = self._heard(message)
        chance = outside.night.chance("webhook", heard.hook, outside.nth("webhook", heard.hook))
        outside.evidence.heard.append(heard)
        if outside.doomed_calls.get(self._worker) == "claimed":
            await self._dies()
        trouble = outside.trouble("webhook", heard.hook)
        await outside.until(self._worker, outside.now + seconds(_latency(trouble, chance)))
        heard.at = outside.now
        return await self._takes(heard, _refusal(trouble, chance), chance)

    async def _takes(self, heard: Heard, refused: SendFailed | None, chance: Random) -> Sent:
        heard.taken = refused is None or (refused.maybe_sent and chance.random() < 0.6)
        if heard.taken and self._outside.doomed_calls.get(self._worker) == "sent":
            await self._dies()
        if refused is not None:
            heard.told = "unknown" if refused.maybe_sent else "final" if refused.permanent else "failed"
            raise refused
        heard.told = "sent"
        return Sent("webhook", str(heard.id), "delivered")

    def _heard(self, message: Message) -> Heard:
        assert message.request is not None
        body: dict[str, Any] = json.loads(message.request.body)
        now, key = self._outside.now, self._people[message.to]
        return Heard(key, UUID(message.notification_id), body["incident"]["number"], message.request.body,
                     body["type"], "step" in body, now, now)  # fmt: skip

    async def _dies(self) -> None:
        self._outside.doomed_calls.pop(self._worker, None)
        self._outside.dying.add(self._worker)
        await self._outside.for_ever(self._worker)


def _latency(trouble: str, chance: Random) -> float:
    if trouble == "slow":
        return chance.uniform(2, 9.5)
    return 10.0 if trouble == "hangs" else chance.uniform(0.02, 0.8)


def _refusal(trouble: str, chance: Random) -> SendFailed | None:
    """In the words of `channels.webhook`: it takes time-outs (10 s), answers of 5xx and 429 for temporary."""
    match trouble:
        case "down":
            return SendFailed("the webhook: it cannot be reached", code="unreachable")
        case "hangs":
            return SendFailed("the webhook: no answer in time", code="unreachable", maybe_sent=True)
        case "limits":
            asked = chance.choice((None, 3.0, 90.0))
            return SendFailed("the webhook answered 429", code="429", retry_after_s=asked)
        case "broken":
            return SendFailed("the webhook answered 503", code="503")
        case "refuses":
            return SendFailed("the webhook answered 400", permanent=True, code="400")
    return None
