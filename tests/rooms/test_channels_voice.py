"""Phone calls: our channel and Twilio's SDK against the exchange, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from test_channels_sms import CONTRACT, PAGE, ROOT, conforms, settings_for

from app import settings as told
from app.channels import registry, voice
from app.channels.channel import SendFailed
from app.channels.twilio_voice import VoiceChannel
from app.dev import calls
from app.dev.exchange import PhoneExchange
from app.errors import Invalid

ANA = "+491701234567"
NOW = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)


@pytest.fixture
async def exchange() -> AsyncIterator[PhoneExchange]:
    exchange = PhoneExchange(reroute={"https://pager.example.org": "http://127.0.0.1:9"})  # nobody listens to callbacks
    await exchange.start()
    yield exchange
    await exchange.stop()


@pytest.fixture
async def channel(exchange: PhoneExchange) -> AsyncIterator[VoiceChannel]:
    channel = VoiceChannel(settings_for(exchange))
    yield channel
    await channel.close()


async def test_a_call_is_placed(exchange: PhoneExchange, channel: VoiceChannel) -> None:
    sent = await channel.send(PAGE)
    call = await exchange.phone(ANA).expects_call()
    assert (sent.provider, sent.provider_id, sent.status) == ("twilio", call.sid, "queued")
    assert call.url == "https://pager.example.org/v1/twilio/voice/tok-1"
    assert call.callback == "https://pager.example.org/v1/twilio/voice/tok-1/status"
    assert call.events == {"initiated", "ringing", "answered", "completed"}
    assert (call.ring_s, call.sender) == (20, exchange.numbers[0])


async def test_another_number_may_call_and_ring_for_another_time(exchange: PhoneExchange) -> None:
    exchange.numbers = (*exchange.numbers, "+15005550007")
    channel = VoiceChannel(settings_for(exchange, twilio_voice_from="+15005550007", voice_ring_s=15))
    await channel.send(PAGE)
    call = await exchange.phone(ANA).expects_call()
    assert (call.sender, call.ring_s) == ("+15005550007", 15)
    await channel.close()


@pytest.mark.parametrize(
    ("code", "permanent", "broken", "operators"),
    [
        (21214, True, True, False),
        (21217, True, True, False),
        (21210, True, False, True),
        (21215, True, False, True),
        (21216, True, False, True),
        (20003, True, False, True),
        (20429, False, False, False),
    ],
)
async def test_refusals_say_what_to_do(
    exchange: PhoneExchange, channel: VoiceChannel, code: int, permanent: bool, broken: bool, operators: bool
) -> None:
    exchange.troubles.refuses(code)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    e = failed.value
    assert (e.permanent, e.broken_address, e.configuration, e.code) == (permanent, broken, operators, str(code))
    assert exchange.switchboard.calls == []


@pytest.mark.parametrize("stored", [True, False])
async def test_a_call_that_may_have_been_placed_is_asked_for(
    exchange: PhoneExchange, channel: VoiceChannel, stored: bool
) -> None:
    began = datetime.now(UTC)
    exchange.troubles.breaks(stored=stored)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    assert failed.value.maybe_sent
    found = await channel.find(PAGE, began)
    assert (found.provider_id if found else None) == (exchange.switchboard.calls[0].sid if stored else None)
    assert await channel.find(PAGE, began + timedelta(minutes=1)) is None


@pytest.mark.parametrize("lost", [True, False])
async def test_a_call_that_is_lost_or_late_was_taken(
    exchange: PhoneExchange, channel: VoiceChannel, lost: bool
) -> None:
    if lost:
        exchange.troubles.loses(30008)
    else:
        exchange.troubles.dawdles(0.05)
    sent = await channel.send(PAGE)
    await exchange.settled()
    [call] = exchange.switchboard.calls
    assert sent.provider_id == call.sid
    assert (call.status, call in exchange.phone(call.to).calls.items) == (
        ("failed", False) if lost else ("no-answer", True)
    )


async def test_two_calls_to_one_number_cannot_be_told_apart(exchange: PhoneExchange, channel: VoiceChannel) -> None:
    began = datetime.now(UTC)
    await channel.send(PAGE)
    await channel.send(PAGE)
    assert await channel.find(PAGE, began) is None


async def test_what_can_never_work_is_said_so(exchange: PhoneExchange, channel: VoiceChannel) -> None:
    with pytest.raises(SendFailed) as failed:
        await channel.send(replace(PAGE, token=""))
    assert failed.value.permanent
    with pytest.raises(Invalid, match="VOICE_FROM"):
        VoiceChannel(settings_for(exchange, twilio_from="TOCSIN"))
    assert channel.normalise(" +49 30 901820 ") == "+4930901820"


async def test_the_registry_has_calls_where_a_number_can_call(exchange: PhoneExchange) -> None:
    given = settings_for(exchange, twilio_from="", twilio_messaging_service_sid=exchange.services[0])
    found = registry.channels(given)
    assert sorted(found) == ["sms"]
    assert voice.capability(given).missing == ("TOCSIN_TWILIO_FROM or TOCSIN_TWILIO_VOICE_FROM",)
    for channel in found.values():
        await channel.close()


@pytest.mark.parametrize("seconds", ["4", "121", "x", "2.5", "-1"])
def test_a_phone_that_rings_for_no_sensible_time_is_refused(seconds: str) -> None:
    with pytest.raises(Invalid, match="TOCSIN_VOICE_RING_S"):
        told.read({"TOCSIN_VOICE_RING_S": seconds})
    assert told.read({"TOCSIN_VOICE_RING_S": "25"}).voice_ring_s == 25


# -- against Twilio's published description


async def test_our_requests_and_the_exchange_are_as_twilio_describes_them(
    exchange: PhoneExchange, channel: VoiceChannel, contract: dict[str, Any]
) -> None:
    await channel.send(PAGE)
    await channel.find(PAGE, NOW)
    create, listing = exchange.requests
    path = contract["paths"]["/2010-04-01/Accounts/{AccountSid}/Calls.json"]
    schema = path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    form: dict[str, Any] = {}
    for name, values in parse_qs(create.body.decode(), strict_parsing=True).items():
        kind = schema["properties"][name]["type"]
        form[name] = values if kind == "array" else int(values[0]) if kind == "integer" else values[0]
    conforms(contract, schema, form)
    assert set(form) >= set(schema.get("required", ()))
    known = {p["name"]: p["schema"] for p in path["get"]["parameters"] if p["in"] == "query"}
    assert set(listing.query) <= set(known)
    await exchange.settled()
    one = contract["components"]["schemas"]["api.v2010.account.call"]
    page = path["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    # its own examples have formats of dates and currencies that JSON Schema does not know
    conforms(contract, one, calls.resource(exchange.account_sid, exchange.switchboard.calls[0]), formats=False)
    conforms(contract, page, calls.listing(exchange.account_sid, exchange.switchboard.calls, {}), formats=False)


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    import json

    if not CONTRACT.exists():
        pytest.skip(f"Twilio's OpenAPI description is not at {CONTRACT.relative_to(ROOT.parent)} beside the repository")
    return dict(json.loads(CONTRACT.read_text()))
