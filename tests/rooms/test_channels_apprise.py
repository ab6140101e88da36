"""Apprise: its addresses are secrets of an allowed kind, and what it sends arrives at a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.channels import apprise, registry
from app.channels.channel import Message, SendFailed
from app.cli import checks
from app.dev import wire
from app.directory import contact_methods
from app.errors import Invalid
from app.settings import Settings

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
there = pytest.mark.skipif(not apprise.installed(), reason="the extra is not installed: pip install 'tocsin[apprise]'")


def sealing(path: Path) -> AddressSealing:
    return AddressSealing(Secrets.load(Settings(data_dir=path)))


class Service:
    """What is behind an Apprise URL."""

    def __init__(self) -> None:
        self.answer = wire.Answer(200)
        self.requests: list[wire.Request] = []
        self.server = wire.Server(self.take)

    async def take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        return self.answer


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    await service.server.start("127.0.0.1", 0)
    yield service
    await service.server.stop()


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[apprise.AppriseChannel]:
    settings = Settings(data_dir=tmp_path, apprise=True, apprise_schemes=("json", "tgram"))
    channel = apprise.AppriseChannel(settings, sealing(tmp_path))
    yield channel
    await channel.close()


def message(channel: apprise.AppriseChannel, address: str) -> Message:
    return Message(
        notification_id="n-1", attempt=1, purpose="page", to=channel.normalise(address), at=NOW, subject="",
        text="P1 #42 HighErrorRate", link="https://tocsin.example.org/l/x", sealed=channel.seal(address),
    )  # fmt: skip


@there
async def test_a_message_arrives_with_its_link(service: Service, channel: apprise.AppriseChannel) -> None:
    sent = await channel.send(message(channel, f"json://127.0.0.1:{service.server.port}/hook"))
    assert (sent.provider, sent.status) == ("apprise", "sent")
    [request] = service.requests
    body = json.loads(request.body)
    said = f"{body['title']} {body['message']}"
    assert "HighErrorRate" in said
    assert "https://tocsin.example.org/l/x" in said


@there
@pytest.mark.parametrize(
    ("answer", "code", "permanent", "broken"),
    [
        (wire.Answer(500), "500", False, False),
        (wire.Answer(429), "429", False, False),
        (wire.Answer(400), "400", True, False),
        (wire.Answer(404), "404", True, True),
        (wire.Answer(401), "401", True, True),
        (wire.Answer(302, headers={"Location": "http://127.0.0.1:1/"}), "302", True, False),
    ],
)
async def test_what_failures_mean(
    service: Service, channel: apprise.AppriseChannel, answer: wire.Answer, code: str, permanent: bool, broken: bool
) -> None:
    service.answer = answer
    with pytest.raises(SendFailed) as failed:
        await channel.send(message(channel, f"json://127.0.0.1:{service.server.port}/hush"))
    found = failed.value
    assert (found.code, found.permanent, found.broken_address) == (code, permanent, broken)
    assert "hush" not in str(found)
    assert len(service.requests) == 1, "redirects are not followed"


@there
async def test_nobody_there_is_temporary_and_nonsense_is_not(
    service: Service, channel: apprise.AppriseChannel, tmp_path: Path
) -> None:
    port = service.server.port
    await service.server.stop()
    with pytest.raises(SendFailed) as away:
        await channel.send(message(channel, f"json://127.0.0.1:{port}/"))
    kept_before = replace(
        message(channel, "tgram://123:hush/42"),
        to=channel.normalise("tgram://x"),
        sealed=sealing(tmp_path).seal(f"apprise/{channel.normalise('tgram://x')}", "tgram://x"),
    )
    with pytest.raises(SendFailed) as nonsense:
        await channel.send(kept_before)
    assert (away.value.code, away.value.permanent) == ("unreachable", False)
    assert (nonsense.value.code, nonsense.value.permanent, nonsense.value.broken_address) == ("address", True, True)


@there
def test_what_is_allowed_by_default_names_no_host_and_no_file() -> None:
    from apprise.manager_plugins import NotificationManager  # the extra may not be there

    kinds = NotificationManager()
    for scheme in apprise.SAFE:
        described = " ".join(kinds[scheme].templates)
        assert not any(f"{{{part}" in described for part in ("host", "port", "keyfile", "path", "file")), scheme


@there
def test_an_address_is_named_by_its_kind_and_a_hash(tmp_path: Path) -> None:
    channel = apprise.AppriseChannel(Settings(data_dir=tmp_path, apprise=True), sealing(tmp_path))
    name = channel.normalise(" tgram://123:hush/42 ")
    assert name.startswith("tgram #")
    assert channel.normalise(name) == name
    with pytest.raises(Invalid, match="Give all of it"):
        channel.seal(name)
    for address, words in (
        ("json://10.0.0.1/", "json:// is not among TOCSIN_APPRISE_SCHEMES"),
        ("syslog://", "looks like"),
        ("file:///etc/passwd", "file:// is not among"),
        ("hush", "looks like"),
    ):
        with pytest.raises(Invalid, match=words):
            channel.normalise(address)


@there
@pytest.mark.parametrize("address", ["tgram://hush", "json://:hush@"])
def test_what_apprise_does_not_understand_is_refused_when_it_is_given(
    channel: apprise.AppriseChannel, address: str
) -> None:
    with pytest.raises(Invalid, match="does not understand this address") as refused:
        contact_methods.kept({"apprise": channel}, "apprise", address)
    assert [e["field"] for e in refused.value.errors] == ["address"]
    assert "hush" not in f"{refused.value} {refused.value.errors}"


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    off = Settings(data_dir=tmp_path)
    assert apprise.capability(off).missing == ("TOCSIN_APPRISE",)
    assert "apprise" not in registry.channels(off, sealing(tmp_path))
    on = Settings(data_dir=tmp_path, apprise=True)
    expected = () if apprise.installed() else ("the extra: pip install 'tocsin[apprise]'",)
    assert apprise.capability(on).missing == expected
    assert ("apprise" in registry.channels(on, sealing(tmp_path))) == apprise.installed()
    if not apprise.installed():
        with pytest.raises(Invalid, match="Apprise needs the extra: pip install"):
            apprise.AppriseChannel(on, sealing(tmp_path))
    with pytest.raises(Invalid, match="it needs TOCSIN_APPRISE=true and the extra: pip install"):
        contact_methods.normalised({}, "apprise", "tgram://123:hush/42")


async def test_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    said = [f async for f in checks.of_channels(Settings(data_dir=tmp_path, apprise=True)) if f.check == "apprise"]
    assert len(said) == 1
    wanted = "addresses may begin with" if apprise.installed() else "pip install 'tocsin[apprise]'"
    assert wanted in f"{said[0].detail} {said[0].advice}"
    off = [f async for f in checks.of_channels(Settings(data_dir=tmp_path)) if f.check == "apprise"]
    assert off == [], "who does not want it lacks nothing"
