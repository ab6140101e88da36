"""A Slack workspace with people in it: it keeps direct messages of one app, checks its token and its blocks, and
presses buttons as Slack does, signed. Facts from docs.slack.dev (Web API, Block Kit, interactivity, verifying
requests). For development only."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_hex, token_urlsafe
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from app.dev import wire
from app.dev.http import Client, Reply
from app.dev.inbox import Inbox

MOST_SECTION: Final = 3000
MOST_VALUE: Final = 2000
MOST_LABEL: Final = 75


@dataclass
class Said:
    """A message as Slack shows it; `update` changes it in place."""

    ts: str
    channel: str
    member: str
    text: str
    blocks: list[dict[str, Any]] = field(default_factory=list)
    updates: int = 0

    def __str__(self) -> str:
        shown = [b["text"]["text"] for b in self.blocks if b["type"] == "section"]
        return "\n".join([self.text, *shown])

    @property
    def buttons(self) -> dict[str, dict[str, Any]]:
        """By label."""
        elements = [e for b in self.blocks if b["type"] == "actions" for e in b["elements"]]
        return {e["text"]["text"]: e for e in elements}


class SlackServer:
    """`url` takes the place of https://slack.com; `interactions_url` is what the app's page at Slack names."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.token = f"xoxb-{token_urlsafe(12)}"
        self.secret = token_hex(16)
        self.interactions_url = ""
        self.requests: list[wire.Request] = []
        self.members: set[str] = set()
        self.messages: dict[tuple[str, str], Said] = {}
        self._inboxes: dict[str, Inbox[Said]] = {}
        self._updated: dict[str, Inbox[str]] = {}
        self._clock = clock
        self._planned: list[wire.Answer | None] = []
        self._server = wire.Server(self._answer)

    async def start(self) -> None:
        await self._server.start("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"

    async def stop(self) -> None:
        await self._server.stop()

    def member(self, member: str) -> Inbox[Said]:
        """Somebody of the workspace, and what the app wrote to them."""
        self.members.add(member)
        return self._inboxes.setdefault(member, Inbox(member, str))

    def updated(self, member: str) -> Inbox[str]:
        """What messages to this person said after each update."""
        return self._updated.setdefault(member, Inbox(f"{member}'s updates", str))

    def refuses(self, error: str, *, status: int = 200, times: int = 1, **headers: str) -> None:
        """Answers the next requests so."""
        body = json.dumps({"ok": False, "error": error}).encode()
        self._planned += [wire.Answer(status, body, headers)] * times

    def resets_after_it_took_one(self) -> None:
        """Takes the next message, and resets the connection instead of answering."""
        self._planned.append(None)

    async def press(
        self, message: Said, label: str, *, by: str = "", secret: str = "", late_s: int = 0, value: str = ""
    ) -> Reply:
        """What Slack sends when somebody presses this button. Raises AssertionError when there is none."""
        button = message.buttons.get(label)
        assert button is not None, f"no button {label!r} on {message}, but {sorted(message.buttons)}"
        action = {"type": "button", "action_id": button["action_id"], "value": value or button["value"]}
        payload = {
            "type": "block_actions", "user": {"id": by or message.member}, "channel": {"id": message.channel},
            "container": {"type": "message", "message_ts": message.ts, "channel_id": message.channel},
            "trigger_id": f"{message.ts}.{self._clock()}", "actions": [action],
        }  # fmt: skip
        return await self.sends(urlencode({"payload": json.dumps(payload)}).encode(), secret=secret, late_s=late_s)

    async def sends(self, body: bytes, *, secret: str = "", late_s: int = 0) -> Reply:
        """A signed request to the app."""
        timestamp = str(int(self._clock()) - late_s)
        signed = hmac.new((secret or self.secret).encode(), f"v0:{timestamp}:".encode() + body, sha256).hexdigest()
        parts = urlsplit(self.interactions_url)
        headers = {
            "Content-Type": "application/x-www-form-urlencoded", "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={signed}",
        }  # fmt: skip
        slack = Client(f"{parts.scheme}://{parts.netloc}", {"User-Agent": "Slackbot 1.0"})
        return await slack.request("POST", parts.path, body, headers)

    async def _answer(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        planned = self._planned.pop(0) if self._planned else wire.Answer(0)
        if planned is not None and planned.status:
            return planned
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _told({"ok": False, "error": "invalid_auth"})
        methods = {"/api/chat.postMessage": self._post, "/api/chat.update": self._update, "/api/auth.test": _who}
        method = methods.get(request.path)
        if request.method != "POST" or method is None:
            return _told({"ok": False, "error": "unknown_method"})
        told = method(json.loads(request.body))
        if planned is None:
            raise wire.Reset
        return _told(told)

    def _post(self, given: Mapping[str, Any]) -> dict[str, Any]:
        member = str(given.get("channel", ""))
        if member not in self.members:
            return {"ok": False, "error": "channel_not_found"}
        if (wrong := _mistake(given)) is not None:
            return {"ok": False, "error": wrong}
        ts = f"{int(self._clock())}.{len(self.messages) + 1:06d}"
        said = Said(ts, f"D{member[1:]}", member, given["text"], list(given.get("blocks", ())))
        self.messages[said.channel, ts] = said
        self.member(member).arrived(said)
        return {"ok": True, "channel": said.channel, "ts": ts}

    def _update(self, given: Mapping[str, Any]) -> dict[str, Any]:
        said = self.messages.get((str(given.get("channel")), str(given.get("ts"))))
        if said is None:
            return {"ok": False, "error": "message_not_found"}
        if (wrong := _mistake(given)) is not None:
            return {"ok": False, "error": wrong}
        said.text, said.blocks, said.updates = given["text"], list(given.get("blocks", ())), said.updates + 1
        self.updated(said.member).arrived(str(said))
        return {"ok": True, "channel": said.channel, "ts": said.ts, "text": said.text}


def _who(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"ok": True, "team": "Example", "user": "tocsin", "team_id": "T1", "user_id": "UTOCSIN"}


def _mistake(given: Mapping[str, Any]) -> str | None:
    blocks = given.get("blocks", ())
    if not given.get("text") and not blocks:
        return "no_text"
    sections = [b["text"]["text"] for b in blocks if b["type"] == "section"]
    buttons = [e for b in blocks if b["type"] == "actions" for e in b["elements"]]
    ids = [b["action_id"] for b in buttons]
    wrong = (
        len(blocks) > 50
        or any(not 0 < len(s) <= MOST_SECTION for s in sections)
        or any(len(b["value"]) > MOST_VALUE or len(b["text"]["text"]) > MOST_LABEL for b in buttons)
        or len(ids) != len(set(ids))
    )
    return "invalid_blocks" if wrong else None


def _told(document: Mapping[str, Any]) -> wire.Answer:
    return wire.Answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})
