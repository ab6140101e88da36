"""A receiver of webhooks on a real socket, for nights of real processes: it takes what it is told, or fails a while."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from app import clock
from app.dev import wire
from nights.evidence import Evidence, Heard

Failing = Literal["", "down", "broken", "refuses", "slow", "forgets"]


class RealReceiver:
    """`failing`: `down` resets connections, `broken` answers 503, `refuses` 400, `slow` late, `forgets` takes and then
    resets. What it hears becomes evidence; whether a worker got its answer it cannot know."""

    def __init__(self, key: str, evidence: Evidence, clock: Callable[[], datetime]) -> None:
        self.key = key
        self.failing: Failing = ""
        self._evidence = evidence
        self._clock = clock
        self._server = wire.Server(self._answer)

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)

    async def stop(self) -> None:
        await self._server.stop()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.port}/hooks/{self.key}"

    async def _answer(self, request: wire.Request) -> wire.Answer:
        failing = self.failing
        if failing == "down":
            raise wire.Reset
        body: dict[str, Any] = json.loads(request.body)
        now = self._clock()
        heard = Heard(self.key, UUID(request.headers["webhook-id"]), body["incident"]["number"], request.body,
                      body["type"], "step" in body, now, now, told="unknown")  # fmt: skip
        self._evidence.heard.append(heard)
        if failing in ("broken", "refuses"):
            return wire.Answer(503 if failing == "broken" else 400)
        if failing == "slow":
            await clock.pause(0.5)
        heard.taken = True
        if failing == "forgets":
            raise wire.Reset
        return wire.Answer(204)
