"""The Slack channel against a workspace on a real socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app import settings as told
from app.channels import probes, registry, slack
from app.channels.channel import Message, SendFailed
from app.channels.slack import SlackChannel
from app.dev.slack_server import SlackServer
from app.errors import Invalid
from app.settings import Settings

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
ANA = "U012AB3CD"
PAGE = Message(
    notification_id="n-1", attempt=1, purpose="page", to=ANA, at=NOW, subject="[Checkout] Incident 42: Höhe",
    text="P1 #42 Höhe <!channel> & more (Checkout)", link="https://pager.example.org/l/abc", thread="incident-42",
    loud=True, facts=(("Service", "Checkout"), ("Why you", "you are on call")),
    presses=(("Acknowledge", "acknowledge", "v1"), ("Resolve", "resolve", "v2")),
)  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[SlackServer]:
    server = SlackServer(clock=NOW.timestamp)
    await server.start()
    yield server
    await server.stop()


def given(server: SlackServer, tmp_path: Path, token: str = "") -> Settings:
    return Settings(data_dir=tmp_path, slack_token=token or server.token, slack_signing_secret=server.secret,
                    slack_base_url=server.url)  # fmt: skip


@pytest.fixture
async def channel(server: SlackServer, tmp_path: Path) -> AsyncIterator[SlackChannel]:
    channel = SlackChannel(given(server, tmp_path))
    yield channel
    await channel.close()


async def test_a_page_is_a_direct_message_with_buttons_and_mentions_nobody(
    server: SlackServer, channel: SlackChannel
) -> None:
    inbox = server.member(ANA)
    sent = await channel.send(PAGE)
    (said,) = inbox.items
    assert (sent.provider, sent.provider_id, sent.status) == ("slack", f"{said.channel}:{said.ts}", "sent")
    assert said.text == "P1 #42 Höhe &lt;!channel&gt; &amp; more (Checkout)"
    shown = str(said)
    assert "Service: Checkout\nWhy you: you are on call" in shown
    assert "<https://pager.example.org/l/abc|Open>" in shown
    assert "<!channel>" not in shown
    assert {label: (b["action_id"], b["value"]) for label, b in said.buttons.items()} == {
        "Acknowledge": ("acknowledge", "v1"), "Resolve": ("resolve", "v2")
    }  # fmt: skip


async def test_a_message_is_replaced_in_place(server: SlackServer, channel: SlackChannel) -> None:
    inbox = server.member(ANA)
    sent = await channel.send(PAGE)
    await channel.update(sent.provider_id, replace(PAGE, standing="Ana has #42 since 02:14.", presses=()))
    (said,) = inbox.items
    assert (said.updates, said.buttons) == (1, {})
    assert "Ana has #42 since 02:14." in said.text
    with pytest.raises(SendFailed, match="message_not_found") as refused:
        await channel.update("D1:1.2", PAGE)
    assert refused.value.permanent


async def test_the_longest_texts_fit_what_slack_takes(server: SlackServer, channel: SlackChannel) -> None:
    inbox = server.member(ANA)
    long = "&<" * 5000
    await channel.send(replace(PAGE, text=long, facts=(("Why you", long),), standing=long))
    assert len(inbox.items) == 1


@pytest.mark.parametrize(
    ("error", "permanent", "configuration", "broken", "perhaps"),
    [
        ("invalid_auth", True, True, False, False),
        ("account_inactive", True, True, False, False),
        ("missing_scope", True, True, False, False),
        ("channel_not_found", True, False, True, False),
        ("user_not_found", True, False, True, False),
        ("invalid_blocks", True, False, False, False),
        ("ratelimited", False, False, False, False),
        ("service_unavailable", False, False, False, False),
        ("fatal_error", False, False, False, True),
    ],
)
async def test_what_an_error_of_slack_means(
    server: SlackServer, channel: SlackChannel, error: str, permanent: bool, configuration: bool, broken: bool,
    perhaps: bool,
) -> None:  # fmt: skip
    server.refuses(error)
    with pytest.raises(SendFailed, match=error) as refused:
        await channel.send(PAGE)
    failed = refused.value
    assert failed.code == error
    assert (failed.permanent, failed.configuration, failed.broken_address, failed.maybe_sent) == (
        permanent, configuration, broken, perhaps
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "permanent", "after", "perhaps"),
    [(429, False, 30.0, False), (503, False, None, True), (404, True, None, False)],
)  # fmt: skip
async def test_what_a_status_of_slack_means(
    server: SlackServer, channel: SlackChannel, status: int, permanent: bool, after: float | None, perhaps: bool
) -> None:
    server.refuses("ratelimited", status=status, **({"Retry-After": "30"} if after else {}))
    with pytest.raises(SendFailed) as refused:
        await channel.send(PAGE)
    failed = refused.value
    assert (failed.permanent, failed.retry_after_s, failed.maybe_sent) == (permanent, after, perhaps)


async def test_a_connection_that_broke_after_the_request_may_have_sent_it(
    server: SlackServer, channel: SlackChannel
) -> None:
    server.member(ANA)
    server.resets_after_it_took_one()
    with pytest.raises(SendFailed) as refused:
        await channel.send(PAGE)
    assert (refused.value.permanent, refused.value.maybe_sent) == (False, True)
    assert await channel.find(PAGE, NOW) is None, "nobody can be asked"
    await server.stop()
    with pytest.raises(SendFailed) as away:
        await channel.send(PAGE)
    assert (away.value.permanent, away.value.code) == (False, "unreachable")
    await server.start()


def test_a_member_id_is_written_in_one_way(channel: SlackChannel) -> None:
    assert channel.normalise(" <@u012ab3cd> ") == channel.normalise(ANA) == ANA
    for wrong in ("", "ana", "@ana", "C012AB3CD", "U12 34", "U01-2", "U"):
        with pytest.raises(Invalid, match="U012AB3CD"):
            channel.normalise(wrong)


async def test_the_doctor_asks_whose_token_it_is(server: SlackServer, tmp_path: Path) -> None:
    assert "Example" in await probes.probes("slack", given(server, tmp_path))[""]()
    with pytest.raises(SendFailed, match="invalid_auth") as refused:
        await probes.probes("slack", given(server, tmp_path, "xoxb-another"))[""]()
    assert refused.value.configuration


def test_the_registry_has_slack_where_both_secrets_are_set(server: SlackServer, tmp_path: Path) -> None:
    assert "slack" in registry.channels(given(server, tmp_path))
    nothing = Settings(data_dir=tmp_path)
    assert slack.capability(nothing).missing == ("TOCSIN_SLACK_TOKEN", "TOCSIN_SLACK_SIGNING_SECRET")
    assert "slack" not in registry.channels(nothing)
    with pytest.raises(Invalid, match="belong together"):
        told.read({"TOCSIN_SLACK_TOKEN": "xoxb-1"})
