"""Slack: a page as a direct message of an app, with buttons, and updated in place (docs/chat.md).

An address is the member id of a person (`U012AB3CD`). One app in one workspace: its bot token writes, its signing
secret shows that a button was pressed in Slack. Methods, answers and errors are those of docs.slack.dev (Web API,
`chat.postMessage`, `chat.update`, `auth.test`; Block Kit).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from app.channels.channel import Capability, Message, SendFailed, Sent
from app.channels.headline import cut
from app.channels.hosts import HostPolicy
from app.channels.http import Answer, Blocked, Http, Unreachable
from app.errors import Invalid
from app.settings import Settings

PROVIDER: Final = "slack"
BASE_URL: Final = "https://slack.com"
TIMEOUT_S: Final = 10
_MEMBER: Final = re.compile(r"[UW][A-Z0-9]{2,30}", re.ASCII)
_SECTION: Final = 2900
"""Characters of a section; Slack takes 3000."""
_OURS: Final = frozenset(
    {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "no_permission",
     "missing_scope", "not_allowed_token_type", "access_denied", "org_login_required", "ekm_access_denied",
     "team_access_not_granted", "messages_tab_disabled"}
)  # fmt: skip
"""Every other message fails the same way until an operator acts."""
_NOBODY: Final = frozenset(
    {"channel_not_found", "user_not_found", "user_disabled", "is_archived", "cannot_dm_bot", "user_not_visible"}
)
_LATER: Final = frozenset(
    {"ratelimited", "rate_limited", "fatal_error", "internal_error", "service_unavailable", "request_timeout",
     "team_added_to_org"}
)  # fmt: skip
_PERHAPS: Final = frozenset({"fatal_error", "internal_error", "request_timeout"})
"""Slack: some of it may have been done before the error."""


def capability(settings: Settings) -> Capability:
    given = {
        "TOCSIN_SLACK_TOKEN": settings.slack_token,
        "TOCSIN_SLACK_SIGNING_SECRET": settings.slack_signing_secret,
    }
    return Capability(
        channel="slack",
        label="Slack",
        address_label="Member ID",
        address_hint="U012AB3CD: in Slack, your profile, More, Copy member ID",
        input_type="text",
        can_reply=False,
        can_tell_delivery=False,
        extra=True,
        missing=tuple(name for name, value in given.items() if not value),
    )


class SlackChannel:
    """The app of the settings. Raises Invalid when there is none."""

    def __init__(self, settings: Settings) -> None:
        self.capability = capability(settings)
        if not self.capability.configured:
            raise Invalid(f"Slack needs {', '.join(self.capability.missing)}")
        self._base_url = (settings.slack_base_url or BASE_URL).rstrip("/")
        self._headers = {
            "Authorization": f"Bearer {settings.slack_token}",
            "Content-Type": "application/json; charset=utf-8",
        }
        self._http = Http(HostPolicy.of(settings, self._base_url), timeout_s=TIMEOUT_S)

    def normalise(self, address: str) -> str:
        """`<@U012AB3CD>`, as Slack writes a mention, is taken too."""
        member = address.strip().removeprefix("<@").removesuffix(">").upper()
        if not _MEMBER.fullmatch(member):
            raise Invalid("A member ID of Slack looks like U012AB3CD: your profile, More, Copy member ID")
        return member

    async def send(self, message: Message) -> Sent:
        """As a direct message of the app. Its name there is `<conversation>:<ts>`."""
        told = await self._call("chat.postMessage", document(message) | {"channel": message.to})
        return Sent(PROVIDER, f"{told.get('channel', '')}:{told.get('ts', '')}", "sent")

    async def find(self, message: Message, since: datetime) -> Sent | None:
        """Nobody can be asked: that would need the right to read people's direct messages."""
        return None

    async def update(self, provider_id: str, message: Message) -> None:
        """Replaces a message that was sent. Raises `SendFailed`."""
        conversation, _, ts = provider_id.partition(":")
        await self._call("chat.update", document(message) | {"channel": conversation, "ts": ts})

    async def probe(self) -> str:
        """Whose token it is, for people. Raises `SendFailed`."""
        told = await self._call("auth.test", {})
        return f"Slack answers: {told.get('user', 'the app')} in the workspace {told.get('team', '')}"

    async def _call(self, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
        url = f"{self._base_url}/api/{method}"
        try:
            answer = await self._http.request("POST", url, body=msgspec.json.encode(body), headers=self._headers)
        except Blocked as e:
            raise SendFailed(str(e), permanent=True, code="blocked", configuration=True) from e
        except Unreachable as e:
            raise SendFailed(f"Slack: {e}", code="unreachable", maybe_sent=e.written) from e
        return _read(answer)

    async def close(self) -> None:
        await self._http.close()


def document(message: Message) -> dict[str, Any]:
    """What is written, without where: a text for the notification of a phone, and blocks for who opens it."""
    short = message.text if message.thread else message.text_long or message.text
    head = cut(_escaped(short), _SECTION)
    facts = "\n".join(f"{_escaped(label)}: {_escaped(value)}" for label, value in message.facts if value)
    said = [f"*{head}*" if message.thread else head, facts, _escaped(message.standing)]
    blocks = [_section(cut(part, _SECTION)) for part in said if part]
    if message.link:
        blocks.append(_section(f"<{message.link}|{_escaped(message.link_label)}>"))
    if message.presses:
        blocks.append({"type": "actions", "elements": [_button(*press) for press in message.presses]})
    text = cut(_escaped(" ".join(filter(None, (short, message.standing)))), _SECTION)
    return {"text": text, "blocks": blocks, "unfurl_links": False, "unfurl_media": False}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _button(label: str, action: str, value: str) -> dict[str, Any]:
    told = {"type": "button", "text": {"type": "plain_text", "text": label}, "action_id": action, "value": value}
    return told | ({"style": "primary"} if action.startswith("acknowledge") else {})


def _escaped(text: str) -> str:
    """What is in an alert mentions nobody and is no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _read(answer: Answer) -> dict[str, Any]:
    after = answer.headers.get("retry-after", "")
    wait_s = float(after) if after.isascii() and after.isdigit() else None
    if answer.status == 429:
        raise SendFailed("Slack asks us to wait: ratelimited", code="ratelimited", retry_after_s=wait_s)
    if answer.status != 200:
        said = f"Slack answered {answer.status}"
        if answer.status >= 500:
            raise SendFailed(said, code=str(answer.status), maybe_sent=True)
        raise SendFailed(said, permanent=True, code=str(answer.status), configuration=True)
    try:
        told = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.MsgspecError as e:
        raise SendFailed("Slack answered with what is no JSON object", code="answer", maybe_sent=True) from e
    if told.get("ok") is True:
        return told
    raise _refused(str(told.get("error") or "no error named"), wait_s)


def _refused(error: str, wait_s: float | None) -> SendFailed:
    said = f"Slack refused it: {error}"
    if error in _LATER:
        return SendFailed(said, code=error, retry_after_s=wait_s, maybe_sent=error in _PERHAPS)
    return SendFailed(said, permanent=True, code=error, configuration=error in _OURS, broken_address=error in _NOBODY)
