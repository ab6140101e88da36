"""The push channel against a push service on a real socket, which decrypts as the browser would, and knows us by our
key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.channels import registry
from app.channels.channel import Button, Message, SendFailed
from app.channels.push import PushChannel
from app.channels.secret_addresses import NAME
from app.dev.push_service import Device, PushService
from app.errors import Invalid
from app.settings import Settings

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)
SEALING = AddressSealing(Secrets(b"s" * 40))
PAGE = Message(
    notification_id="n-1", attempt=1, purpose="page", to="", at=NOW, subject="[Checkout] Incident 42: High error rate",
    text="P1 #42 High error rate (Checkout)", link="https://pager.example.org/l/abc", thread="incident-42", loud=True,
    facts=(("Service", "Checkout"), ("Priority", "P1")), button=Button("Acknowledge", {"action": "acknowledge"}),
)  # fmt: skip


def settings_for(tmp_path: Path, **given: object) -> Settings:
    told = {"public_url": "https://pager.example.org", "allow_private_networks": True} | given
    return Settings(data_dir=tmp_path, **told)  # type: ignore[arg-type]  # the members of settings


@pytest.fixture
async def service() -> AsyncIterator[PushService]:
    service = PushService(clock=lambda: NOW)
    await service.start()
    yield service
    await service.stop()


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[PushChannel]:
    channel = PushChannel(settings_for(tmp_path), SEALING)
    yield channel
    await channel.close()


def addressed(channel: PushChannel, device: Device, message: Message = PAGE) -> Message:
    return replace(message, to=channel.normalise(device.subscription), sealed=channel.seal(device.subscription))


async def test_a_page_arrives_at_the_browser_and_nobody_between_can_read_it(
    service: PushService, channel: PushChannel
) -> None:
    device = service.subscribe("Ana's phone", channel.server_key)
    sent = await channel.send(addressed(channel, device))
    assert (sent.provider, sent.provider_id, sent.status) == ("web push", "n-1", "sent")
    push = await device.inbox.expects("P1 #42 High error rate")
    assert push.data["button"]["form"] == {"action": "acknowledge"}
    assert (push.ttl_s, push.urgency, push.topic) == (600, "high", "incident-42")
    assert push.claims["sub"] == "https://pager.example.org"
    [request] = service.requests
    assert b"High error" not in request.body


async def test_what_is_quiet_may_wait_and_stands_alone(service: PushService, channel: PushChannel) -> None:
    device = service.subscribe("Ana's phone", channel.server_key)
    await channel.send(addressed(channel, device, replace(PAGE, loud=False, thread="", button=None)))
    push = await device.inbox.expects()
    assert (push.urgency, push.topic, push.ttl_s) == ("normal", "", 86_400)
    assert "topic" not in service.requests[0].headers


async def test_what_only_informs_never_takes_the_place_of_a_page(service: PushService, channel: PushChannel) -> None:
    device = service.subscribe("Ana's phone", channel.server_key)
    await channel.send(addressed(channel, device))
    await channel.send(addressed(channel, device, replace(PAGE, purpose="update", button=None)))
    page, update = await device.inbox.expects(), await device.inbox.expects()
    assert [(p.topic, p.data["tag"]) for p in (page, update)] == [
        ("incident-42", "incident-42"),
        ("incident-42-update", "incident-42-update"),
    ]


@pytest.mark.parametrize(
    ("status", "permanent", "broken", "operators"),
    [
        (404, True, True, False),
        (410, True, True, False),
        (413, True, False, False),
        (400, True, False, False),
        (401, True, False, True),
        (403, True, False, True),
        (429, False, False, False),
        (500, False, False, False),
        (503, False, False, False),
    ],
)
async def test_what_an_answer_of_a_push_service_means(
    service: PushService, channel: PushChannel, status: int, permanent: bool, broken: bool, operators: bool
) -> None:
    service.answers(status, **({"Retry-After": "7"} if not permanent else {}))
    with pytest.raises(SendFailed) as failed:
        await channel.send(addressed(channel, service.subscribe("Ana's phone")))
    e = failed.value
    assert (e.permanent, e.broken_address, e.configuration, e.code) == (permanent, broken, operators, str(status))
    assert e.retry_after_s == (None if permanent else 7.0)


async def test_a_device_that_is_gone(service: PushService, channel: PushChannel) -> None:
    device = service.subscribe("Ana's phone")
    device.gone = True
    with pytest.raises(SendFailed, match="not subscribed any more") as failed:
        await channel.send(addressed(channel, device))
    assert (failed.value.code, failed.value.broken_address) == ("410", True)


async def test_a_subscription_for_another_installation_is_refused_by_its_service(
    service: PushService, channel: PushChannel, tmp_path: Path
) -> None:
    other = PushChannel(settings_for(tmp_path), AddressSealing(Secrets(b"o" * 40)))
    device = service.subscribe("Ana's phone", other.server_key)
    await other.close()
    with pytest.raises(SendFailed) as failed:
        await channel.send(addressed(channel, device))
    assert (failed.value.code, failed.value.configuration) == ("403", True)
    assert device.inbox.items == []


async def test_an_address_that_another_key_sealed_is_broken(
    service: PushService, channel: PushChannel, tmp_path: Path
) -> None:
    other = PushChannel(settings_for(tmp_path), AddressSealing(Secrets(b"o" * 40)))
    message = addressed(other, service.subscribe("Ana's phone"))
    await other.close()
    for lost in (message, replace(message, sealed=b""), replace(message, to="push.example.net #00000000")):
        with pytest.raises(SendFailed, match="TOCSIN_SECRET_KEY") as failed:
            await channel.send(lost)
        assert (failed.value.permanent, failed.value.broken_address) == (True, True)
    assert service.requests == []


async def test_the_inner_network_is_out_of_reach_of_subscriptions(tmp_path: Path, service: PushService) -> None:
    careful = PushChannel(settings_for(tmp_path, allow_private_networks=False), SEALING)
    device = service.subscribe("Ana's phone")
    with pytest.raises(Invalid, match="https"):
        careful.normalise(device.subscription)
    inner = device.subscription.replace("http://127.0.0.1", "https://127.0.0.1")
    with pytest.raises(SendFailed, match="private network") as failed:
        await careful.send(replace(PAGE, to=careful.normalise(inner), sealed=careful.seal(inner)))
    await careful.close()
    assert (failed.value.permanent, failed.value.configuration) == (True, True)
    assert service.requests == []


async def test_a_service_that_is_away_is_tried_again(service: PushService, channel: PushChannel) -> None:
    message = addressed(channel, service.subscribe("Ana's phone"))
    await service.stop()
    with pytest.raises(SendFailed) as failed:
        await channel.send(message)
    assert (failed.value.permanent, failed.value.maybe_sent, failed.value.code) == (False, False, "unreachable")
    assert await channel.find(message, NOW) is None


def test_a_subscription_is_known_by_a_name_that_tells_nothing(service: PushService, channel: PushChannel) -> None:
    device = service.subscribe("Ana's phone")
    name = channel.normalise(device.subscription)
    assert NAME.fullmatch(name)
    assert name.startswith(service.url.removeprefix("http://"))
    assert channel.normalise(name) == name
    written_otherwise = json.dumps(json.loads(device.subscription) | {"expirationTime": 5}, indent=2)
    assert channel.normalise(written_otherwise) == name
    assert channel.normalise(service.subscribe("another").subscription) != name
    assert device.endpoint.rpartition("/")[2].encode() not in channel.seal(device.subscription)
    with pytest.raises(Invalid, match="in its own browser"):
        channel.seal(name)


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "hello",
        "{}",
        "[1]",
        '{"endpoint": "https://push.example.net/x"}',
        '{"endpoint": "https://push.example.net/x", "keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "https://push.example.net/x", "keys": {"p256dh": "é", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "ftp://push.example.net/x", "keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "https://a:b@push.example.net/x", "keys": {"p256dh": "AA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
        '{"endpoint": "https://push.example.net:x/x", "keys": {"p256dh": "AAAA", "auth": "AAAAAAAAAAAAAAAAAAAAAA"}}',
    ],
)
def test_what_is_no_subscription(channel: PushChannel, wrong: str) -> None:
    with pytest.raises(Invalid):
        channel.normalise(wrong)


async def test_the_registry_has_push_where_browsers_trust_our_address(tmp_path: Path) -> None:
    for url, there in (
        ("https://pager.example.org", True),
        ("http://localhost:8080", True),
        ("http://10.0.0.7", False),
    ):
        given = settings_for(tmp_path, public_url=url)
        found = registry.channels(given, SEALING)
        assert ("push" in found) == there
        for channel in found.values():
            await channel.close()
    assert "push" not in registry.channels(given), "without the secrets of the installation there is none"
    with pytest.raises(Invalid, match="TOCSIN_PUBLIC_URL"):
        PushChannel(given, SEALING)
