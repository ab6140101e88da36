"""ntfy (https://ntfy.sh, or a server of one's own): an app that shows what is published to a topic.

An address is `https://<server>/<topic>`. Whoever knows the topic can read it, so it is a secret (secret_addresses.py),
and only servers that the operator named are written to. Messages are published as JSON (docs.ntfy.sh/publish).
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.headline import headline
from app.channels.hosts import HostPolicy
from app.channels.http import Answer, Blocked, Http, Unreachable
from app.channels.secret_addresses import NAME, Keeper, Sealing
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "ntfy"
TIMEOUT_S: Final = 10
_TOPIC: Final = re.compile(r"[-_A-Za-z0-9]{1,64}", re.ASCII)
_TEMPORARY: Final = frozenset({408, 425, 429})
LOUD: Final = 5
QUIET: Final = 3
"""ntfy's priorities: 5 rings and vibrates until it is seen, 3 is the default."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that may be written to; `authorization` is what it wants to hear, empty: nothing."""

    origin: str
    authorization: str = field(default="", repr=False)


def servers(settings: Settings) -> dict[str, Server]:
    """By origin. Raises Invalid that names the setting, never its value: it may hold tokens.

    `https://ntfy.sh`, `https://tk_...@ntfy.example.org` with an access token, `https://user:password@...`.
    """
    found = (_server(url) for url in settings.ntfy_servers)
    return {server.origin: server for server in found}


def _server(url: str) -> Server:
    wrong = "TOCSIN_NTFY_SERVERS takes addresses like https://ntfy.sh or https://tk_token@ntfy.example.org, with commas"
    try:
        parts = urlsplit(url)
        origin = _origin(url)
    except ValueError as e:
        raise Invalid(wrong) from e
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path not in ("", "/") or parts.query:
        raise Invalid(wrong)
    user, password = unquote(parts.username or ""), parts.password
    if password is not None:
        basic = b64encode(f"{user}:{unquote(password)}".encode()).decode()
        return Server(origin, f"Basic {basic}")
    return Server(origin, f"Bearer {user}" if user else "")


def _origin(url: str) -> str:
    """Raises ValueError for a port that is none."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    default = {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port and parts.port != default else "")


def capability(settings: Settings) -> Capability:
    return Capability(
        channel="ntfy",
        label="ntfy",
        address_label="Topic",
        address_hint="https://ntfy.example.org/topic; whoever knows it can read it",
        input_type="url",
        can_reply=False,
        can_tell_delivery=False,
        extra=True,
        missing=() if settings.ntfy_servers else ("TOCSIN_NTFY_SERVERS",),
    )


class NtfyChannel:
    """The servers of the settings. Raises Invalid when there are none, or they are written wrongly."""

    def __init__(self, settings: Settings, sealing: Sealing) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"ntfy needs {', '.join(self.capability.missing)}")
        self._servers = servers(settings)
        self._keeper = Keeper("ntfy", sealing)
        self._http = Http(HostPolicy.of(settings, *self._servers), timeout_s=TIMEOUT_S)

    def normalise(self, address: str) -> str:
        """The name of a topic: the server is shown, the topic is not."""
        address = address.strip()
        if NAME.fullmatch(address):
            return address
        server, topic = self._read(address)
        return self._keeper.name(urlsplit(server.origin).netloc, f"{server.origin}/{topic}")

    def seal(self, address: str) -> bytes:
        """Raises `Invalid`, also for a name: nobody can tell the topic from it."""
        if NAME.fullmatch(address.strip()):
            raise Invalid("This only names a topic. Give its whole address, on My account or over the API")
        server, topic = self._read(address.strip())
        return self._keeper.seal(self.normalise(address), f"{server.origin}/{topic}")

    def _read(self, address: str) -> tuple[Server, str]:
        try:
            parts = urlsplit(address)
            origin = _origin(address)
        except ValueError as e:
            raise Invalid("An ntfy topic looks like https://ntfy.example.org/topic") from e
        topic = parts.path.strip("/")
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
            raise Invalid("An ntfy topic looks like https://ntfy.example.org/topic")
        if not _TOPIC.fullmatch(topic):
            raise Invalid("The topic has 1 to 64 letters, digits, - and _")
        if origin not in self._servers:
            known = ", ".join(self._servers)
            raise Invalid(f"This server is not among TOCSIN_NTFY_SERVERS; an admin allowed: {known}")
        return self._servers[origin], topic

    async def send(self, message: Message) -> Sent:
        """Publishes; the server keeps it for phones that are away."""
        server, topic = self._open(message)
        body = msgspec.json.encode(document(message, topic))
        answer = await self._ask("POST", f"{server.origin}/", server, body)
        if answer.status != 200:
            raise _refused(answer, with_token=bool(server.authorization))
        return Sent(PROVIDER, _id(answer.body), "sent")

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Looks for the link among what the server keeps of the topic: that of a page belongs to one attempt alone."""
        if not message.link or message.purpose not in ("page", "drill"):
            return None
        server, topic = self._open(message)
        url = f"{server.origin}/{topic}/json?poll=1&since={int(since.timestamp()) - 1}"
        answer = await self._ask("GET", url, server)
        if answer.status != 200:  # a token may be allowed to write only
            return None
        kept = (line for line in _lines(answer.body) if line.get("click") == message.link)
        return next((Sent(PROVIDER, str(line.get("id", "")), "sent") for line in kept), None)

    def _open(self, message: Message) -> tuple[Server, str]:
        try:
            return self._read(self._keeper.open(message))
        except Invalid as e:
            raise SendFailed(e.message, permanent=True, code="server", configuration=True) from e

    async def _ask(self, method: str, url: str, server: Server, body: bytes | None = None) -> Answer:
        headers = {"Authorization": server.authorization} if server.authorization else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        try:
            return await self._http.request(method, url, body=body, headers=headers)
        except Blocked as e:
            raise SendFailed(str(e), permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            raise SendFailed(f"the ntfy server: {e}", code="unreachable", maybe_sent=e.written) from e

    async def close(self) -> None:
        await self._http.close()


def document(message: Message, topic: str) -> dict[str, Any]:
    """What is published. The button is pressed by the phone itself: a POST of its form to the link."""
    title, body = headline(message)
    told: dict[str, Any] = {
        "topic": topic,
        "title": title,
        "message": body or title,
        "priority": LOUD if message.loud else QUIET,
        "tags": ["rotating_light"] if message.loud else ["bell"],
    }
    if message.link:
        told["click"] = message.link
    if message.link and message.button is not None:
        told["actions"] = [_action(message.button.label, message.link, message.button.form)]
    return told


def _action(label: str, url: str, form: Mapping[str, str]) -> dict[str, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return {"action": "http", "label": label, "url": url, "method": "POST", "headers": headers,
            "body": urlencode(form), "clear": True}  # fmt: skip


def _id(body: bytes) -> str:
    return str(next((line.get("id", "") for line in _lines(body)), ""))


def _lines(body: bytes) -> Iterator[dict[str, Any]]:
    """The messages in an answer, one a line."""
    for line in body.splitlines():
        try:
            yield msgspec.json.decode(line, type=dict[str, Any])
        except msgspec.DecodeError:
            continue


def _refused(answer: Answer, *, with_token: bool) -> SendFailed:
    """401 and 403: with a token of ours the setting is wrong; without one the topic is not for everybody."""
    status = answer.status
    said = f"the ntfy server answered {status}"
    if status >= 500 or status in _TEMPORARY:
        after = answer.headers.get("retry-after", "")
        return SendFailed(said, code=str(status), retry_after_s=float(after) if after.isdigit() else None)
    if status in (401, 403):
        return SendFailed(f"{said}: it does not let us publish there", permanent=True, code=str(status),
                          configuration=with_token, broken_address=not with_token)  # fmt: skip
    return SendFailed(said, permanent=True, code=str(status), broken_address=status == 404)
