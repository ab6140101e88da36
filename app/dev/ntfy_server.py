"""An ntfy server with phones that follow its topics: publishing as JSON, polling, access tokens, and the button that a
phone presses by itself. Facts from docs.ntfy.sh (publish, subscribe/api). For development only."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlsplit

from app.dev import wire
from app.dev.http import Client, Reply
from app.dev.inbox import Inbox

TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}")
MOST_BYTES: Final = 4096
MOST_ACTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Published:
    """A message as a phone shows it."""

    id: str
    at: int
    topic: str
    title: str
    message: str
    priority: int
    tags: tuple[str, ...]
    click: str
    actions: tuple[Mapping[str, Any], ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.title}\n{self.message}\n{self.click}"

    def as_json(self) -> dict[str, Any]:
        told = {"id": self.id, "time": self.at, "event": "message", "topic": self.topic, "title": self.title,
                "message": self.message, "priority": self.priority, "tags": list(self.tags), "click": self.click,
                "actions": list(self.actions)}  # fmt: skip
        return {name: value for name, value in told.items() if value}


class NtfyServer:
    """`tokens` may publish everywhere; without any, everybody may. `reroute` maps prefixes of the addresses in buttons
    to where they are really served."""

    def __init__(
        self,
        *,
        tokens: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.tokens = tokens
        self.reroute: dict[str, str] = {}
        self.requests: list[wire.Request] = []
        self._clock = clock
        self._planned: list[wire.Answer | None] = []
        self._topics: dict[str, Inbox[Published]] = {}
        self._server = wire.Server(self._answer)

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        await self._server.stop()

    def topic(self, name: str) -> Inbox[Published]:
        """What a phone that follows this topic shows."""
        return self._topics.setdefault(name, Inbox(name, str))

    def answers(self, status: int, *, times: int = 1, **headers: str) -> None:
        """Refuses the next requests so."""
        body = json.dumps({"code": status * 100 + 1, "http": status, "error": "planned"}).encode()
        self._planned += [wire.Answer(status, body, headers)] * times

    def resets_after_it_took_one(self) -> None:
        """Takes the next message, and resets the connection instead of answering."""
        self._planned.append(None)

    async def press(self, message: Published, label: str) -> Reply:
        """What the phone does when somebody taps this button. Raises AssertionError when there is none."""
        action = next((a for a in message.actions if a["label"] == label and a["action"] == "http"), None)
        assert action is not None, f"no button {label!r} on {message}"
        prefix = next((p for p in self.reroute if action["url"].startswith(p)), "")
        target = self.reroute.get(prefix, "") + action["url"][len(prefix) :]
        parts = urlsplit(target)
        phone = Client(f"{parts.scheme}://{parts.netloc}", {"User-Agent": "ntfy"})
        body = str(action.get("body", "")).encode()
        return await phone.request(action.get("method", "POST"), parts.path, body, action.get("headers", {}))

    async def _answer(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        planned = self._planned.pop(0) if self._planned else wire.Answer(0)
        if planned is not None and planned.status:
            return planned
        if request.method == "GET" and request.path == "/v1/health":
            return wire.Answer(200, b'{"healthy":true}')
        if self.tokens and request.headers.get("authorization", "") not in {f"Bearer {t}" for t in self.tokens}:
            return _refused(403, 40301, "forbidden")
        if request.method == "POST" and request.path == "/":
            answer = self._publish(request)
            if planned is None:
                raise wire.Reset
            return answer
        if request.method == "GET" and request.path == "/v1/account":
            return wire.Answer(200, b'{"username":"tocsin","role":"user"}')
        topic = request.path.removeprefix("/").removesuffix("/json")
        if request.method == "GET" and request.path.endswith("/json") and request.query.get("poll") == "1":
            since = int(request.query.get("since", "0"))
            kept = [m.as_json() for m in self.topic(topic).items if m.at >= since]
            return wire.Answer(200, b"".join(json.dumps(m).encode() + b"\n" for m in kept))
        return _refused(404, 40401, "page not found")

    def _publish(self, request: wire.Request) -> wire.Answer:
        try:
            told = json.loads(request.body)
            topic, actions = told["topic"], tuple(told.get("actions", ()))
            message = Published(
                token_urlsafe(9), int(self._clock()), topic, told.get("title", ""), told.get("message") or "triggered",
                told.get("priority", 3), tuple(told.get("tags", ())), told.get("click", ""), actions,
            )  # fmt: skip
        except (ValueError, KeyError, TypeError):
            return _refused(400, 40024, "invalid request: request body must be valid JSON")
        if not TOPIC.fullmatch(topic):
            return _refused(400, 40009, "invalid request: topic invalid")
        if message.priority not in range(1, 6):
            return _refused(400, 40007, "invalid priority parameter")
        if len(actions) > MOST_ACTIONS or any(
            urlsplit(a.get("url", "")).scheme not in ("http", "https") for a in actions
        ):
            return _refused(400, 40018, "invalid request: actions invalid")
        if len(message.message.encode()) > MOST_BYTES:
            return _refused(413, 41301, "attachment too large")
        self.topic(topic).arrived(message)
        return wire.Answer(200, json.dumps(message.as_json()).encode(), {"Content-Type": "application/json"})


def _refused(status: int, code: int, error: str) -> wire.Answer:
    return wire.Answer(status, json.dumps({"code": code, "http": status, "error": error}).encode())
