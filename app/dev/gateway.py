"""A gateway for texts and calls, in the two styles that docs/providers.md describes, on a real socket.

It takes messages as a form (`/sms`) or as JSON (`/v2/messages`, `/v2/calls`), tells what became of them when it is
asked, and misbehaves as the telephone exchange does. It calls back only when it is told to.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs

from app.dev import wire
from app.dev.troubles import Trouble, Troubles

KEY: Final = "textbird-key-7b1f"
TOKEN: Final = "northline-token-99d2"


@dataclass(slots=True)
class Taken:
    """A message that the gateway took. `said`: what it tells of it, in its own words."""

    id: str
    to: str
    text: str
    reference: str
    callback: str
    ttl: Any = None
    said: str = ""
    price: str | None = None


class Gateway:
    """`arrives` is told of every text that reaches its phone."""

    def __init__(self, arrives: Callable[[Taken], None] = lambda taken: None) -> None:
        self.taken: list[Taken] = []
        self.requests: list[wire.Request] = []
        self.troubles = Troubles()
        self.delivers = True
        """False: it takes messages and keeps them."""
        self._arrives = arrives
        self._server = wire.Server(self._answer)

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        await self._server.stop()

    async def _answer(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        if request.path == "/sms" or request.path.startswith("/status/"):
            return await self._textbird(request)
        return await self._northline(request)

    # -- a form, codes, a key in a header

    async def _textbird(self, request: wire.Request) -> wire.Answer:
        if request.headers.get("x-api-key") != KEY:
            said = f"wrong key {request.headers.get('x-api-key')}"
            return _json(200, {"success": "900", "messages": [{"error_text": said}]})
        if request.method == "GET":
            taken = self._named(request.path.rpartition("/")[2])
            if taken is None:
                return _json(404, {"success": "700"})
            return _json(200, {"report": {"status": taken.said or "BUFFERED", "price": taken.price}})
        form = request.form
        if (trouble := self.troubles.of(f"+{form['to']}")) is not None and not trouble.stored:
            refused = {"success": str(trouble.code), "messages": [{"error_text": "as you wished"}]}
            return await self._misbehave(trouble, refused)
        taken = self._take(
            f"+{form['to']}", form["text"], form["foreign_id"], form["dlr_url"], form["ttl"], "TRANSMITTED"
        )
        answer = _json(200, {"success": "100", "messages": [{"id": taken.id, "error": None}]})
        return answer if trouble is None else await self._misbehave(trouble, {"success": "999"})

    # -- JSON, a bearer token

    async def _northline(self, request: wire.Request) -> wire.Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return _json(401, {"error": {"code": "UNAUTHORISED", "detail": request.headers.get("authorization")}})
        if request.method == "GET":
            return self._look_up(request)
        body = json.loads(request.body)
        one = body["messages"][0] if request.path == "/v2/messages" else body
        if (trouble := self.troubles.of(one["destination"])) is not None and not trouble.stored:
            return await self._misbehave(trouble, {"error": {"code": str(trouble.code), "detail": "as you wished"}})
        text, callback = one.get("body", one.get("say", "")), one.get("callback", "")
        reference = one.get("client_reference", "")
        taken = self._take(one["destination"], text, reference, callback, one.get("ttl_seconds"), "sent")
        if trouble is not None:
            return await self._misbehave(trouble, {"error": {"code": "INTERNAL", "detail": ""}})
        if request.path == "/v2/calls":
            return _json(201, {"call": {"id": taken.id}})
        return _json(202, {"messages": [{"id": taken.id}]})

    def _look_up(self, request: wire.Request) -> wire.Answer:
        if request.path == "/v2/account":
            return _json(200, {"balance": "7.00"})
        if request.path == "/v2/messages":
            (reference,) = parse_qs(request.target.partition("?")[2])["client_reference"]
            return _json(200, {"messages": [{"id": t.id} for t in self.taken if t.reference == reference]})
        taken = self._named(request.path.rpartition("/")[2])
        if taken is None:
            return _json(404, {"error": {"code": "NOT_FOUND", "detail": "no such message"}})
        cost = {"amount": taken.price, "currency": "gbp"} if taken.price else None
        return _json(200, {"state": taken.said, "cost": cost})

    # -- both

    def _take(self, to: str, text: str, reference: str, callback: str, ttl: Any, said: str) -> Taken:
        taken = Taken(f"m-{len(self.taken) + 1}", to, text, reference, callback, ttl)
        self.taken.append(taken)
        if self.delivers:
            taken.said = said
            self._arrives(taken)
        return taken

    def _named(self, name: str) -> Taken | None:
        return next((t for t in self.taken if t.id == name), None)

    async def _misbehave(self, trouble: Trouble, refusal: object) -> wire.Answer:
        if trouble.kind == "reset":
            raise wire.Reset
        if trouble.kind == "hang":
            await asyncio.Event().wait()  # until `stop`
        status = {20429: 429, 20500: 500}.get(trouble.code, 200 if "success" in str(refusal) else 422)
        headers = {} if trouble.retry_after_s is None else {"Retry-After": str(trouble.retry_after_s)}
        return wire.Answer(status, json.dumps(refusal).encode(), headers)


def _json(status: int, document: object) -> wire.Answer:
    return wire.Answer(status, json.dumps(document).encode(), {"Content-Type": "application/json"})
