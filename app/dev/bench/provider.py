"""A telephone provider that takes every message at once and remembers when it came: Twilio's `Messages.json`, and
nothing of what the exchange of the tests can do beyond that."""

from __future__ import annotations

import asyncio
import json
import re
from time import perf_counter
from typing import Any, Final

from app.dev import wire

ACCOUNT: Final = "AC" + "0" * 32
TOKEN: Final = "bench"
HANGS: Final = "/hangs"
HUNG_UP: Final = "+49"
"""Numbers that only the provider that hangs may carry."""
NAME: Final = re.compile(r"BenchPage\d+")


class Provider:
    """`arrived`: when each named page was asked for, on perf_counter's clock; more than once is a duplicate."""

    def __init__(self) -> None:
        self.arrived: dict[str, list[float]] = {}
        self.messages = 0
        self.asked: list[tuple[float, str]] = []
        """When each message was asked for, and for which number."""
        self._waiting: dict[str, asyncio.Event] = {}
        self._server = wire.Server(self._answer)
        self.hanging = 0
        """Messages that the other provider, the one that hangs, keeps waiting now."""
        self._lets_go = asyncio.Event()

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def environment(self) -> dict[str, str]:
        """Settings that make `tocsin serve` send here."""
        return {
            "TOCSIN_TWILIO_ACCOUNT_SID": ACCOUNT,
            "TOCSIN_TWILIO_AUTH_TOKEN": TOKEN,
            "TOCSIN_TWILIO_FROM": "+15005550006",
            "TOCSIN_TWILIO_BASE_URL": f"http://127.0.0.1:{self._server.port}",
            "TOCSIN_GATEWAYS": json.dumps(self._that_hangs()),
        }

    def _that_hangs(self) -> dict[str, Any]:
        """A gateway that carries the numbers of one country and answers nobody."""
        url = f"http://127.0.0.1:{self._server.port}{HANGS}"
        send = {"url": url, "form": {"to": "{to}", "text": "{text}"}}
        gateway = {"name": "hangs", "channel": "sms", "send": send, "taken": {}, "timeout_s": 15}
        return {"gateways": [gateway], "order": {"sms": ["twilio"]}, "prefixes": {"sms": {HUNG_UP: ["hangs"]}}}

    def lets_go(self) -> None:
        """What hangs is refused, and whatever comes."""
        self._lets_go.set()

    async def comes(self, name: str, within_s: float) -> float | None:
        """When the page named so came; None: it did not."""
        event = self._waiting.setdefault(name, asyncio.Event())
        if name not in self.arrived:
            try:
                async with asyncio.timeout(within_s):
                    await event.wait()
            except TimeoutError:
                return None
        return self.arrived[name][0]

    async def _answer(self, request: wire.Request) -> wire.Answer:
        now = perf_counter()
        if request.path == HANGS:
            self.hanging += 1
            await self._lets_go.wait()
            return wire.Answer(422)
        if request.method != "POST" or not request.path.endswith("/Messages.json"):
            return wire.Answer(200, b'{"messages":[]}', {"Content-Type": "application/json"})
        form = request.form
        self.messages += 1
        self.asked.append((now, form["To"]))
        if found := NAME.search(form["Body"]):
            self.arrived.setdefault(found[0], []).append(now)
            if (event := self._waiting.pop(found[0], None)) is not None:
                event.set()
        made = {"sid": f"SM{self.messages:032x}", "status": "queued", "to": form["To"], "body": form["Body"]}
        return wire.Answer(201, json.dumps(made).encode(), {"Content-Type": "application/json"})
