"""The ntfy channel against a server of it on a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import settings as told
from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.channels import ntfy, probes, registry
from app.channels.channel import Button, Message, SendFailed
from app.channels.ntfy import NtfyChannel
from app.dev.ntfy_server import NtfyServer
from app.errors import Invalid
from app.settings import Settings

SEALING = AddressSealing(Secrets(b"s" * 40))
NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
PAGE = Message(
    notification_id="n-1", attempt=1, purpose="page", to="", at=NOW, subject="[Checkout] Incident 42: Höhe",
    text="P1 #42 Höhe (Checkout)", link="https://pager.example.org/l/abc", thread="incident-42", loud=True,
    facts=(("Service", "Checkout"), ("Why you", "you are on call")),
    button=Button("Acknowledge", {"action": "acknowledge", "view": "v", "signature": "s"}),
)  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[NtfyServer]:
    server = NtfyServer(clock=lambda: NOW.timestamp())
    await server.start()
    yield server
    await server.stop()


def of(server: NtfyServer, tmp_path: Path, token: str = "") -> NtfyChannel:
    url = server.url.replace("://", f"://{token}@") if token else server.url
    return NtfyChannel(Settings(data_dir=tmp_path, ntfy_servers=("https://ntfy.sh", url)), SEALING)


@pytest.fixture
async def channel(server: NtfyServer, tmp_path: Path) -> AsyncIterator[NtfyChannel]:
    channel = of(server, tmp_path)
    yield channel
    await channel.close()


def addressed(channel: NtfyChannel, url: str, message: Message = PAGE) -> Message:
    return replace(message, to=channel.normalise(url), sealed=channel.seal(url))


async def test_a_loud_page_rings_and_can_be_acknowledged_by_its_button(
    server: NtfyServer, channel: NtfyChannel
) -> None:
    sent = await channel.send(addressed(channel, f"{server.url}/ana-4711"))
    message = await server.topic("ana-4711").expects("P1 #42 Höhe")
    assert (sent.provider, sent.provider_id, sent.status) == ("ntfy", message.id, "sent")
    assert (message.priority, message.tags, message.click) == (5, ("rotating_light",), PAGE.link)
    assert message.message == "Why you: you are on call"
    assert message.actions == (
        {
            "action": "http",
            "label": "Acknowledge",
            "url": PAGE.link,
            "method": "POST",
            "headers": {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
            "body": "action=acknowledge&view=v&signature=s",
            "clear": True,
        },
    )
    assert "authorization" not in server.requests[0].headers


async def test_a_quiet_message_does_not_ring(server: NtfyServer, channel: NtfyChannel) -> None:
    quiet = replace(PAGE, loud=False, button=None, link="", thread="", purpose="verification", text="Your code is 1")
    await channel.send(addressed(channel, f"{server.url}/ana", quiet))
    message = await server.topic("ana").expects("Your code is 1")
    assert (message.priority, message.click, message.actions) == (3, "", ())


async def test_a_server_hears_its_own_token_only(server: NtfyServer, tmp_path: Path) -> None:
    server.tokens = ("tk_right",)
    right, wrong, without = of(server, tmp_path, "tk_right"), of(server, tmp_path, "tk_wrong"), of(server, tmp_path)
    await right.send(addressed(right, f"{server.url}/ana"))
    assert server.requests[-1].headers["authorization"] == "Bearer tk_right"
    for channel, operators in ((wrong, True), (without, False)):
        with pytest.raises(SendFailed) as failed:
            await channel.send(addressed(channel, f"{server.url}/ana"))
        e = failed.value
        assert (e.permanent, e.configuration, e.broken_address, e.code) == (True, operators, not operators, "403")
        assert "tk_" not in str(e)
    for channel in (right, wrong, without):
        await channel.close()


@pytest.mark.parametrize(
    ("status", "permanent", "after"),
    [(400, True, None), (413, True, None), (429, False, 9.0), (500, False, None), (507, False, None)],
)
async def test_what_an_answer_of_an_ntfy_server_means(
    server: NtfyServer, channel: NtfyChannel, status: int, permanent: bool, after: float | None
) -> None:
    server.answers(status, **({"Retry-After": "9"} if after else {}))
    with pytest.raises(SendFailed) as failed:
        await channel.send(addressed(channel, f"{server.url}/ana"))
    e = failed.value
    assert (e.permanent, e.code, e.retry_after_s, e.broken_address) == (permanent, str(status), after, False)


@pytest.mark.parametrize("taken", [True, False])
async def test_a_message_that_may_have_been_taken_is_asked_for(
    server: NtfyServer, channel: NtfyChannel, taken: bool
) -> None:
    message = addressed(channel, f"{server.url}/ana")
    if taken:
        server.resets_after_it_took_one()
        with pytest.raises(SendFailed) as failed:
            await channel.send(message)
        assert failed.value.maybe_sent
    found = await channel.find(message, NOW)
    assert (found.provider_id if found else None) == (server.topic("ana").items[0].id if taken else None)
    assert await channel.find(replace(message, link="https://pager.example.org/l/another"), NOW) is None
    assert await channel.find(replace(message, purpose="update"), NOW) is None, "its link is not its own"
    assert await channel.find(message, NOW + timedelta(minutes=1)) is None
    server.answers(403)
    assert await channel.find(message, NOW) is None, "a token may be allowed to write only"


async def test_a_server_that_is_away_is_tried_again(server: NtfyServer, channel: NtfyChannel) -> None:
    message = addressed(channel, f"{server.url}/ana")
    await server.stop()
    with pytest.raises(SendFailed) as failed:
        await channel.send(message)
    assert (failed.value.permanent, failed.value.maybe_sent, failed.value.code) == (False, False, "unreachable")


async def test_only_servers_that_an_admin_named_are_written_to(server: NtfyServer, tmp_path: Path) -> None:
    before = of(server, tmp_path)
    after = NtfyChannel(Settings(data_dir=tmp_path, ntfy_servers=("https://ntfy.sh",)), SEALING)
    with pytest.raises(Invalid, match=r"https://ntfy\.sh$"):
        after.normalise(f"{server.url}/ana")
    with pytest.raises(SendFailed) as failed:  # it was allowed when the contact method was added
        await after.send(addressed(before, f"{server.url}/ana"))
    assert (failed.value.permanent, failed.value.configuration) == (True, True)
    assert server.requests == []
    for channel in (before, after):
        await channel.close()


def test_a_topic_is_known_by_a_name_that_does_not_hold_it(channel: NtfyChannel) -> None:
    name = channel.normalise(" https://NTFY.sh:443/my-secret/ ")
    assert name.startswith("ntfy.sh #")
    assert "my-secret" not in name
    assert channel.normalise("https://ntfy.sh/my-secret") == name == channel.normalise(name)
    assert channel.normalise("https://ntfy.sh/my-secret2") != name
    assert b"my-secret" not in channel.seal("https://ntfy.sh/my-secret")
    with pytest.raises(Invalid, match="only names a topic"):
        channel.seal(name)


@pytest.mark.parametrize(
    "wrong",
    ["", "ana", "https://ntfy.sh", "https://ntfy.sh/", "https://ntfy.sh/a/b", "https://ntfy.sh/a b", "ftp://ntfy.sh/a",
     "https://ntfy.sh/a?up=1", "https://ntfy.sh/ä", "https://ntfy.sh:x/a", "https://ntfy.sh/" + "a" * 65,
     "http://ntfy.sh/a"],
)  # fmt: skip
def test_what_is_no_topic(channel: NtfyChannel, wrong: str) -> None:
    with pytest.raises(Invalid):
        channel.normalise(wrong)


def test_servers_as_settings_name_them(tmp_path: Path) -> None:
    read = told.read(
        {"TOCSIN_NTFY_SERVERS": "https://ntfy.sh, https://tk_a@ntfy.example.org:8443/,https://u:p%40@n.org"}
    )
    found = ntfy.servers(read)
    assert {origin: s.authorization for origin, s in found.items()} == {
        "https://ntfy.sh": "",
        "https://ntfy.example.org:8443": "Bearer tk_a",
        "https://n.org": "Basic dTpwQA==",
    }
    assert "tk_a" not in repr(read)
    assert "tk_a" not in repr(found)
    for wrong in ("ntfy.sh", "ftp://ntfy.sh", "https://ntfy.sh/topic", "https://tk_a@", "https://ntfy.sh:x"):
        with pytest.raises(Invalid, match="TOCSIN_NTFY_SERVERS") as refused:
            NtfyChannel(Settings(data_dir=tmp_path, ntfy_servers=(wrong,)), SEALING)
        assert "tk_a@" not in json.dumps(refused.value.message)


async def test_the_doctor_asks_every_server(server: NtfyServer, tmp_path: Path) -> None:
    server.tokens = ("tk_right",)
    for token, wrong in (("tk_right", ""), ("tk_wrong", "does not take our token")):
        url = server.url.replace("://", f"://{token}@")
        given = Settings(data_dir=tmp_path, ntfy_servers=(url,))
        if wrong:
            with pytest.raises(SendFailed, match=wrong) as failed:
                await probes.probes("ntfy", given)[""]()
            assert token not in str(failed.value)
        else:
            assert await probes.probes("ntfy", given)[""]() == f"{server.url} answers"
    server.answers(503)
    with pytest.raises(SendFailed, match="answered with 503"):
        await probes.probes("ntfy", given)[""]()
    await server.stop()
    with pytest.raises(SendFailed, match="cannot be reached"):
        await probes.probes("ntfy", given)[""]()


def test_the_registry_has_ntfy_where_a_server_is_named(tmp_path: Path) -> None:
    nothing = Settings(data_dir=tmp_path)
    assert ntfy.capability(nothing).missing == ("TOCSIN_NTFY_SERVERS",)
    assert registry.channels(nothing, SEALING) == {}
    with pytest.raises(Invalid, match="TOCSIN_NTFY_SERVERS"):
        NtfyChannel(nothing, SEALING)
