"""The two gateways that docs/providers.md describes, against a real server: what is asked, and what answers mean."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from app.channels import registry
from app.channels.channel import CallProgress, DeliveryReport, Message, Price, SendFailed, Told
from app.channels.gateway import GatewayChannel, gateways_of
from app.channels.gateway_callbacks import check, document_of, inbound_of, status_of
from app.channels.gateway_reading import parse
from app.channels.several import Several
from app.cli import checks
from app.dev.gateway import KEY, TOKEN, Gateway
from app.errors import Forbidden, Invalid
from app.settings import Settings

DOCS = Path(__file__).parents[2] / "docs" / "providers.md"
TEXTBIRD, NORTHLINE, _ORDER = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ANA = "+4915112345001"
HOOK = "hook-secret-51"


def page(to: str = ANA, **changed: Any) -> Message:
    given = {"notification_id": "n-1", "attempt": 1, "purpose": "page", "to": to, "at": NOW, "subject": "P1",
             "text": 'P1 Checkout: "disk" {secret.key} & 100%', "token": "t" * 22, "replies": ("Reply a",)}  # fmt: skip
    return Message(**given | changed)


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TEXTBIRD_KEY", KEY), ("TEXTBIRD_HOOK_SECRET", HOOK), ("NORTHLINE_TOKEN", TOKEN)):
        monkeypatch.setenv(name, value)


def settings_for(gateway: Gateway, text: str, **more: Any) -> Settings:
    here = text.replace("https://rest.textbird.example", gateway.url).replace(
        "https://api.northline.example", gateway.url
    )
    return Settings(data_dir=Path("/nonexistent"), public_url="https://t.example", gateways=here, **more)


@pytest.fixture
async def textbird(gateway: Gateway) -> AsyncIterator[GatewayChannel]:
    channels = registry.channels(settings_for(gateway, TEXTBIRD))
    yield _of(channels["sms"], "textbird")
    await channels["sms"].close()


@pytest.fixture
async def northline(gateway: Gateway) -> AsyncIterator[dict[str, GatewayChannel]]:
    channels = registry.channels(settings_for(gateway, NORTHLINE))
    yield {kind: _of(channels[kind], name) for kind, name in (("sms", "northline"), ("voice", "northline-calls"))}
    for channel in channels.values():
        await channel.close()


def _of(channel: Any, name: str) -> GatewayChannel:
    assert isinstance(channel, Several)
    return gateways_of(channel.providers)[name]


async def test_a_form_is_posted_and_its_answer_read(gateway: Gateway, textbird: GatewayChannel) -> None:
    sent = await textbird.send(page())
    assert (sent.provider, sent.provider_id, sent.status) == ("textbird", "m-1", "accepted")
    (taken,) = gateway.taken
    assert (taken.to, taken.ttl, taken.reference) == (ANA, "600", "n-1-1")
    assert taken.text.startswith('P1 Checkout: "disk" {secret.key} & 100%')
    assert "Reply a" in taken.text, "it is described to receive texts"
    assert taken.callback == "https://t.example/v1/gateways/textbird/status/" + "t" * 22
    (request,) = gateway.requests
    assert request.headers["content-type"].startswith("application/x-www-form-urlencoded")


async def test_json_is_posted_and_its_answer_read(gateway: Gateway, northline: dict[str, GatewayChannel]) -> None:
    sent = await northline["sms"].send(page())
    assert (sent.provider, sent.provider_id) == ("northline", "m-1")
    (request,) = gateway.requests
    (one,) = json.loads(request.body)["messages"]
    assert one["ttl_seconds"] == 600
    assert "Reply a" not in one["body"], "nobody would hear the answer"
    assert request.headers["idempotency-key"] == "n-1-1"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (202, {"permanent": True, "broken_address": True, "configuration": False}),
        (305, {"permanent": True, "opted_out": True}),
        (500, {"permanent": True, "configuration": True, "broken_address": False}),
        (901, {"permanent": False, "maybe_sent": False}),
        (777, {"permanent": False, "maybe_sent": False}),
        (20429, {"permanent": False, "maybe_sent": False, "retry_after_s": 7.0}),
        (20500, {"permanent": False, "maybe_sent": True}),
    ],
)
async def test_errors_are_what_the_description_says(
    gateway: Gateway, textbird: GatewayChannel, code: int, expected: dict[str, Any]
) -> None:
    gateway.troubles.refuses(code, retry_after_s=7)
    with pytest.raises(SendFailed) as failed:
        await textbird.send(page())
    assert {name: getattr(failed.value, name) for name in expected} == expected
    assert failed.value.code == str(code)


async def test_words_are_for_people_and_secrets_are_struck_out(gateway: Gateway, northline: dict[str, Any]) -> None:
    gateway.troubles.refuses(777)
    with pytest.raises(SendFailed, match="northline answered 422: as you wished"):
        await northline["sms"].send(page())
    northline["sms"].secrets["token"] = "wrong-token-0815"
    with pytest.raises(SendFailed) as failed:
        await northline["sms"].send(page())
    assert failed.value.configuration
    assert str(failed.value) == "northline answered 401: Bearer ***"


@pytest.mark.parametrize("trouble", ["resets", "breaks"])
@pytest.mark.parametrize("stored", [True, False])
async def test_what_is_not_clear_is_asked_about(
    gateway: Gateway, northline: dict[str, Any], trouble: str, stored: bool
) -> None:
    getattr(gateway.troubles, trouble)(stored=stored)
    with pytest.raises(SendFailed) as failed:
        await northline["sms"].send(page())
    assert failed.value.maybe_sent
    found = await northline["sms"].find(page(), NOW)
    assert (found.provider_id if found else None) == ("m-1" if stored else None)


async def test_who_cannot_tell_says_nothing(textbird: GatewayChannel) -> None:
    assert await textbird.find(page(), NOW) is None


async def test_a_gateway_that_nobody_answers_at_has_not_sent(gateway: Gateway, textbird: GatewayChannel) -> None:
    await gateway.stop()
    with pytest.raises(SendFailed) as failed:
        await textbird.send(page())
    assert (failed.value.code, failed.value.maybe_sent) == ("unreachable", False)


async def test_status_and_price_are_told_when_asked(
    gateway: Gateway, textbird: GatewayChannel, northline: dict[str, GatewayChannel]
) -> None:
    sent = await textbird.send(page())
    told = await textbird.ask(sent.provider_id)
    assert told.report == DeliveryReport("textbird", "m-1", "sent")
    assert told.price is None
    gateway.taken[0].said, gateway.taken[0].price = "NOTDELIVERED", "0.075"
    told = await textbird.ask(sent.provider_id)
    assert isinstance(told.report, DeliveryReport)
    assert (told.report.status, told.price) == ("undelivered", Price(Decimal("0.075"), "EUR"))
    assert told.report.fault is not None
    gateway.taken[0].said = "delivered"
    told = await northline["sms"].ask("m-1")
    assert (told.report, told.price) == (
        DeliveryReport("northline", "m-1", "delivered"), Price(Decimal("0.075"), "GBP"),
    )  # fmt: skip
    gateway.taken[0].said = "a new word"
    assert (await northline["sms"].ask("m-1")).report is None
    with pytest.raises(SendFailed):
        await northline["sms"].ask("m-9")


async def test_a_call_reads_out_and_a_key_comes_back(gateway: Gateway, northline: dict[str, GatewayChannel]) -> None:
    calls = northline["voice"]
    sent = await calls.send(page())
    assert gateway.taken[0].text.endswith("Press 4 to acknowledge, 6 to escalate.")
    told = status_of(calls, document_of({}, b'{"call": {"state": "answered", "key": "4"}}'))
    assert told == ("", Told(CallProgress("northline-calls", "", "in-progress", "4")))
    assert sent.provider_id == "m-1"


def test_callbacks_are_signed(textbird: GatewayChannel) -> None:
    body = b"status=EXPIRED"
    described = parse(textbird._settings.gateways).gateways[0]
    assert described.status_callback is not None
    assert described.inbound is not None
    right = hmac.new(HOOK.encode(), body, "sha256").hexdigest()
    check(textbird, described.status_callback.signed, {"x-signature": right}, {}, body)
    check(textbird, described.inbound.signed, {}, {"token": HOOK}, body)
    for given in ("", "x", right[:-1], right[::-1], "ä"):
        with pytest.raises(Forbidden):
            check(textbird, described.status_callback.signed, {"x-signature": given}, {}, body)
    with pytest.raises(Forbidden):
        check(textbird, described.status_callback.signed, {"x-signature": right}, {}, body + b"!")
    with pytest.raises(Forbidden):
        check(textbird, described.inbound.signed, {}, {}, body)
    both = structs.replace(described.inbound.signed, secret="key", former="hook")
    for token in (KEY, HOOK):
        check(textbird, both, {}, {"token": token}, body)
    with pytest.raises(Forbidden):
        check(textbird, both, {}, {"token": "another"}, body)
    form = {"content-type": "application/x-www-form-urlencoded"}
    name, told = status_of(textbird, document_of(form, body))
    assert isinstance(told.report, DeliveryReport)
    assert (name, told.report.status, told.price) == ("", "undelivered", None)
    inbound = inbound_of(textbird, document_of(form, b"id=7&sender=4915112345001&text=a%2042"))
    assert (inbound.provider_id, inbound.address, inbound.body) == ("textbird:7", ANA, "a 42")
    for bad in (b"id=7&text=a", b"sender=4915112345001&text=a", b"id=7&sender=x", b"\xff\x00"):
        with pytest.raises(Invalid):
            inbound_of(textbird, document_of(form, bad))


async def test_the_doctor_asks_who_can_be_asked(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_for(gateway, NORTHLINE)
    found = {f.check: f async for f in checks.of_channels(settings)}
    assert (found["text message by northline"].state, found["text message by northline"].detail) == (
        "ok", "northline answers",
    )  # fmt: skip
    assert "no probe" in found["phone call by northline-calls"].detail
    monkeypatch.setenv("NORTHLINE_TOKEN", "wrong-token-0815")
    found = {f.check: f async for f in checks.of_channels(settings)}
    assert found["text message by northline"].state == "problem"
    assert "0815" not in str(found)
    monkeypatch.delenv("NORTHLINE_TOKEN")
    with pytest.raises(Invalid, match="secret token: the environment has no NORTHLINE_TOKEN"):
        registry.channels(settings)


async def test_both_providers_of_a_channel_stand_in_their_order(gateway: Gateway) -> None:
    twilio = {"twilio_account_sid": "AC1", "twilio_auth_token": "x", "twilio_from": "+15005550006"}
    order = 'order: {sms: [twilio, textbird]}\nprefixes: {sms: {"+49": [textbird, twilio], "+4930": [textbird]}}\n'
    settings = settings_for(gateway, TEXTBIRD.replace("order:\n  sms: [textbird]\n", order), **twilio)
    channels = registry.channels(settings)
    sms = channels["sms"]
    assert isinstance(sms, Several)
    assert [sms.ways(n) for n in ("+15005550006", ANA, "+493012345678")] == [
        ("twilio", "textbird"), ("textbird", "twilio"), ("textbird",),
    ]  # fmt: skip
    assert [sms.health_prefix(n) for n in ("+15005550006", ANA, "+493012345678")] == ["+1", "+49", "+4930"]
    for channel in channels.values():
        await channel.close()
    with pytest.raises(Invalid, match=r"order\.sms: twilio is in no order"):
        registry.channels(replace(settings, gateways=settings_for(gateway, TEXTBIRD).gateways))
