"""The exchange's calls to the service: status callbacks and texts from phones, signed as Twilio signs them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

from twilio.request_validator import RequestValidator

from app.dev import wire


@dataclass(frozen=True, slots=True)
class Callback:
    """A callback that was made: what we were told, what we answered (0: nothing) and how long that took."""

    url: str
    form: Mapping[str, str]
    status: int
    took_s: float


class Hooks:
    """Calls back, and keeps what was said. `reroute` maps prefixes of addresses to where they are really served."""

    def __init__(self, auth_token: str, reroute: dict[str, str]) -> None:
        self.reroute = reroute
        self.made: list[Callback] = []
        self._validator = RequestValidator(auth_token)

    async def call(self, url: str, form: Mapping[str, str]) -> wire.Answer | None:
        """Signed over the address that Twilio was told, and tried twice when nobody answers (its default)."""
        headers = {
            "X-Twilio-Signature": self._validator.compute_signature(url, form),
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
        }
        prefix = next((p for p in self.reroute if url.startswith(p)), "")
        target = self.reroute.get(prefix, "") + url[len(prefix) :]
        began = monotonic()
        for _ in range(2):
            try:
                answer = await wire.post(target, form, headers)
            except OSError:
                continue
            self.made.append(Callback(url, form, answer.status, monotonic() - began))
            return answer
        self.made.append(Callback(url, form, 0, monotonic() - began))
        return None
