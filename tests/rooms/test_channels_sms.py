"""Text messages: our channel and Twilio's SDK against the exchange, over real sockets."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jsonschema_rs
import pytest

from app.channels import registry, sms, twilio_callbacks, twilio_faults
from app.channels.channel import RANK, UNDONE, Message, SendFailed, supersedes
from app.channels.gsm7 import size
from app.channels.twilio_sms import SmsChannel
from app.dev import texts
from app.dev.exchange import PhoneExchange
from app.errors import Invalid
from app.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
VECTORS = json.loads((ROOT / "tests/payloads/twilio/signatures.json").read_text())["vectors"]
CONTRACT = ROOT.parent / "shared/contracts/twilio/twilio-api-v2010-messages-calls.json"
ANA = "+491701234567"
NOW = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)
PAGE = Message(
    notification_id="0193-1",
    attempt=1,
    purpose="page",
    to=ANA,
    at=NOW,
    subject="P1 checkout",
    text="P1 checkout: HighErrorRate – p99 > 2 s",
    link="https://pager.example.org/a/0123456789abcdefghijkl",
    token="tok-1",
    valid_for_s=60,
)


@pytest.fixture
async def exchange() -> AsyncIterator[PhoneExchange]:
    exchange = PhoneExchange(reroute={"https://pager.example.org": "http://127.0.0.1:9"})  # nobody listens to callbacks
    await exchange.start()
    yield exchange
    await exchange.stop()


def settings_for(exchange: PhoneExchange, **changes: Any) -> Settings:
    return Settings(
        **{
            "data_dir": Path("unused"),
            "public_url": "https://pager.example.org",
            "twilio_account_sid": exchange.account_sid,
            "twilio_auth_token": exchange.auth_token,
            "twilio_from": exchange.numbers[0],
            "twilio_base_url": exchange.url,
            **changes,
        }
    )


@pytest.fixture
async def channel(exchange: PhoneExchange) -> AsyncIterator[SmsChannel]:
    channel = SmsChannel(settings_for(exchange))
    yield channel
    await channel.close()


def shorten(channel: SmsChannel, seconds: float) -> None:
    """A time-out that a test can wait for."""
    channel._http._timeout_s = seconds


async def test_a_page_reaches_the_phone(exchange: PhoneExchange, channel: SmsChannel) -> None:
    sent = await channel.send(PAGE)
    text = await exchange.phone(ANA).expects_sms("HighErrorRate")
    assert text.body == f"P1 checkout: HighErrorRate - p99 > 2 s\n{PAGE.link}"
    assert size(text.body).encoding == "gsm7"
    assert (sent.provider, sent.provider_id, sent.status) == ("twilio", text.sid, "queued")
    assert text.callback == "https://pager.example.org/v1/twilio/status/tok-1"
    assert text.validity_s == 300
    assert text.sender == exchange.numbers[0]
    assert exchange.phone(ANA).last_link == PAGE.link


async def test_a_messaging_service_takes_the_place_of_the_sender(exchange: PhoneExchange) -> None:
    channel = SmsChannel(settings_for(exchange, twilio_messaging_service_sid=exchange.services[0]))
    sent = await channel.send(replace(PAGE, token="", valid_for_s=9999))
    text = await exchange.phone(ANA).expects_sms()
    assert sent.status == "accepted"
    assert (text.service, text.callback, text.validity_s) == (exchange.services[0], "", 600)
    await channel.close()


async def test_no_link_to_countries_whose_carriers_refuse_them(exchange: PhoneExchange, channel: SmsChannel) -> None:
    await channel.send(replace(PAGE, to="+8613812345678"))
    assert PAGE.link not in (await exchange.phone("+8613812345678").expects_sms()).body
    assert not sms.replies_reach_us("+8613812345678")
    assert sms.replies_reach_us(ANA)


@pytest.mark.parametrize(
    ("code", "permanent", "broken", "opted_out", "operators"),
    [
        (21211, True, True, False, False),
        (21614, True, True, False, False),
        (21610, True, True, True, False),
        (21612, True, False, False, False),
        (20003, True, False, False, True),
        (21408, True, False, False, True),
        (63038, True, False, False, True),
        (20429, False, False, False, False),
        (29999, True, False, False, False),
    ],
)
async def test_refusals_say_what_to_do(
    exchange: PhoneExchange, channel: SmsChannel, code: int, permanent: bool, broken: bool, opted_out: bool,
    operators: bool,
) -> None:  # fmt: skip
    exchange.troubles.refuses(code)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    e = failed.value
    assert (e.permanent, e.broken_address, e.opted_out, e.configuration) == (permanent, broken, opted_out, operators)
    assert e.code == str(code)
    assert not e.maybe_sent
    assert exchange.texts == []


async def test_busy_tells_how_long_to_wait(exchange: PhoneExchange, channel: SmsChannel) -> None:
    exchange.troubles.refuses(20429, retry_after_s=7)
    with pytest.raises(SendFailed, match="busy") as failed:
        await channel.send(PAGE)
    assert failed.value.retry_after_s == 7
    assert (await channel.send(PAGE)).status == "queued"


@pytest.mark.parametrize("stored", [True, False])
async def test_an_internal_error_may_have_sent(exchange: PhoneExchange, channel: SmsChannel, stored: bool) -> None:
    exchange.troubles.breaks(stored=stored)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    assert failed.value.maybe_sent
    assert not failed.value.permanent
    assert (await channel.find(PAGE, datetime.now(UTC)) is not None) is stored


@pytest.mark.parametrize("stored", [True, False])
async def test_no_answer_may_have_sent_and_the_exchange_can_be_asked(
    exchange: PhoneExchange, channel: SmsChannel, stored: bool
) -> None:
    shorten(channel, 1)
    exchange.troubles.hangs(stored=stored)
    with pytest.raises(SendFailed, match="no answer") as failed:
        await channel.send(PAGE)
    assert failed.value.maybe_sent
    assert not failed.value.permanent
    found = await channel.find(PAGE, datetime.now(UTC))
    assert (found.provider_id if found else None) == (exchange.texts[0].sid if stored else None)


async def test_a_reset_connection_may_have_sent(exchange: PhoneExchange, channel: SmsChannel) -> None:
    exchange.troubles.resets(stored=True)
    with pytest.raises(SendFailed) as failed:
        await channel.send(PAGE)
    assert failed.value.maybe_sent


async def test_nobody_listening_has_not_sent() -> None:
    exchange = PhoneExchange()
    await exchange.start()
    await exchange.stop()
    channel = SmsChannel(settings_for(exchange))
    with pytest.raises(SendFailed, match="cannot be reached") as failed:
        await channel.send(PAGE)
    assert not failed.value.maybe_sent
    assert not failed.value.permanent
    await channel.close()


async def test_find_knows_its_link_and_wants_the_same_number_and_no_old_message(
    exchange: PhoneExchange, channel: SmsChannel
) -> None:
    sent = await channel.send(PAGE)
    now = datetime.now(UTC)
    found = await channel.find(PAGE, now)
    assert found is not None
    assert found.provider_id == sent.provider_id
    reworded = await channel.find(replace(PAGE, text="the title has changed since"), now)
    assert reworded is not None
    assert reworded.provider_id == sent.provider_id
    assert await channel.find(replace(PAGE, link=PAGE.link[:-1] + "x"), now) is None
    assert await channel.find(replace(PAGE, link="", text="another"), now) is None
    assert await channel.find(replace(PAGE, to="+491701234568"), now) is None
    assert await channel.find(PAGE, now + timedelta(minutes=2)) is None
    exchange.texts[0].body = f"Sent from your Twilio trial account - {exchange.texts[0].body}"
    assert await channel.find(PAGE, now) is not None


async def test_find_sees_a_message_that_still_waits(exchange: PhoneExchange, channel: SmsChannel) -> None:
    await channel.send(PAGE)
    await exchange.settled()
    exchange.texts[0].status, exchange.texts[0].sent = "queued", None
    found = await channel.find(PAGE, datetime.now(UTC))
    assert found is not None
    assert found.status == "queued"


async def test_the_wrong_token_is_for_the_operators(exchange: PhoneExchange) -> None:
    channel = SmsChannel(settings_for(exchange, twilio_auth_token="wrong"))
    with pytest.raises(SendFailed, match="refused our account") as failed:
        await channel.send(PAGE)
    assert failed.value.configuration
    await channel.close()


async def test_our_environment_does_not_steer_the_sdk(exchange: PhoneExchange, monkeypatch: Any) -> None:
    monkeypatch.setenv("TWILIO_EDGE", "sydney")
    monkeypatch.setenv("TWILIO_REGION", "au1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    channel = SmsChannel(settings_for(exchange))
    assert (await channel.send(PAGE)).provider_id
    await channel.close()


async def test_many_at_once_do_not_wait_for_each_other(exchange: PhoneExchange, channel: SmsChannel) -> None:
    exchange.troubles.dawdles(1, times=10)
    began = time.monotonic()
    await asyncio.gather(*(channel.send(replace(PAGE, to=f"+4917012345{i:02d}")) for i in range(10)))
    assert time.monotonic() - began < 9, "one after the other takes ten"


@pytest.mark.parametrize(
    ("typed", "number"),
    [("+49 170 1234567", ANA), ("0049 (170) 123-4567", ANA), (" +1 555 867 5310 ", "+15558675310")],
)
def test_numbers_have_one_form(typed: str, number: str) -> None:
    assert sms.normalise(typed) == number
    assert sms.normalise(number) == number


@pytest.mark.parametrize("typed", ["", "0170 1234567", "+49", "+49170123456789012345", "ana", "+1 555 867 5310 ext 7"])
def test_what_is_no_number(typed: str) -> None:
    with pytest.raises(Invalid):
        sms.normalise(typed)


@pytest.mark.parametrize("vector", VECTORS, ids=[v["name"] for v in VECTORS])
def test_signatures(vector: dict[str, Any]) -> None:
    url = vector.get("url_seen_by_server", vector["url_signed"])
    parts = urlsplit(url)
    behind = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    settings = Settings(
        data_dir=Path("unused"), public_url=f"{parts.scheme}://{parts.netloc}", twilio_auth_token=vector["token"]
    )
    fields = vector.get("raw_body") or vector.get("params_multi") or vector.get("params") or {}

    def verify(settings: Settings, signature: str) -> bool:
        header = vector.get("settings_header", "")
        return twilio_callbacks.verify_signature(settings, behind, fields, signature, header)

    assert verify(settings, vector["signature"]) is vector.get("sdk_validates", True)
    assert not verify(settings, vector["signature"].swapcase())
    assert not verify(settings, "")
    assert not verify(replace(settings, twilio_auth_token=""), vector["signature"])
    assert not verify(replace(settings, twilio_auth_token="other"), vector["signature"])


def test_signature_of_a_server_behind_a_tls_proxy_is_over_the_public_address() -> None:
    vector = next(v for v in VECTORS if "TLS proxy" in v["name"])
    settings = Settings(data_dir=Path("unused"), public_url="https://pager.example.org", twilio_auth_token="12345")
    assert twilio_callbacks.verify_signature(settings, "/twilio/sms", vector["params"], vector["signature"])


def test_a_body_without_a_signed_hash_is_not_believed() -> None:
    vector = next(v for v in VECTORS if v["name"].startswith("no params"))
    settings = Settings(data_dir=Path("unused"), public_url="https://pager.example.org", twilio_auth_token="12345")
    assert not twilio_callbacks.verify_signature(settings, "/twilio/voice?alert=7", '{"x": 1}', vector["signature"])


def test_reports() -> None:
    report = twilio_callbacks.status_of({"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30005"})
    assert report is not None
    assert report.fault is not None
    assert (report.provider_id, report.final, report.fault.broken_address) == ("SM1", True, True)
    assert "30005" in report.fault.message
    delivered = twilio_callbacks.status_of({"SmsSid": ["SM1"], "SmsStatus": ["delivered"]})
    assert delivered is not None
    assert delivered.fault is None
    sent = twilio_callbacks.status_of({"MessageSid": "SM1", "MessageStatus": "sent"})
    assert sent is not None
    assert not sent.final
    assert twilio_callbacks.status_of({"MessageSid": "SM1", "MessageStatus": "teleported"}) is None
    unknown = twilio_callbacks.status_of({"MessageSid": "SM1", "MessageStatus": "failed", "ErrorCode": "x"})
    assert unknown is not None
    assert unknown.fault is not None
    assert not unknown.fault.permanent
    with pytest.raises(Invalid):
        twilio_callbacks.status_of({"MessageStatus": "sent"})


def test_status_only_moves_forward() -> None:
    assert supersedes("delivered", "sent")
    assert supersedes("read", "delivered")
    assert not supersedes("sent", "delivered")
    assert not supersedes("sent", "sent")
    assert not supersedes("undelivered", "delivered")
    assert not supersedes("delivered", "undelivered")
    assert not any(supersedes(status, undone) for status in RANK for undone in UNDONE)


async def test_the_registry_offers_what_is_configured(exchange: PhoneExchange) -> None:
    nothing = Settings(data_dir=Path("unused"))
    assert registry.channels(nothing) == {}
    assert [(c.channel, c.configured) for c in registry.capabilities(nothing)] == [
        ("sms", False),
        ("voice", False),
        ("mail", False),
        ("push", False),
        ("ntfy", False),
        ("slack", False),
        ("apprise", False),
    ]
    assert "TOCSIN_TWILIO_AUTH_TOKEN" in registry.capabilities(nothing)[0].missing
    both = registry.channels(
        settings_for(exchange, smtp_url="smtp://127.0.0.1:25", mail_from="Tocsin <pager@example.org>")
    )
    assert sorted(both) == ["mail", "sms", "voice"]
    for channel in both.values():
        await channel.close()


# -- against Twilio's published description


@pytest.fixture(scope="module")
def contract() -> dict[str, Any]:
    if not CONTRACT.exists():
        pytest.skip(f"Twilio's OpenAPI description is not at {CONTRACT.relative_to(ROOT.parent)} beside the repository")
    return json.loads(CONTRACT.read_text())  # type: ignore[no-any-return]  # a JSON document


def conforms(contract: dict[str, Any], schema: dict[str, Any], value: Any, *, formats: bool = True) -> None:
    strict = {**schema, "components": contract["components"], "additionalProperties": False}
    jsonschema_rs.Draft4Validator(_plain_json_schema(strict), validate_formats=formats).validate(value)


def _plain_json_schema(node: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says type null."""
    if isinstance(node, list):
        return [_plain_json_schema(n) for n in node]
    if not isinstance(node, dict):
        return node
    plain = {k: _plain_json_schema(v) for k, v in node.items() if k not in ("example", "examples", "description")}
    if plain.pop("nullable", False) and isinstance(plain.get("type"), str):
        plain["type"] = [plain["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    return plain


async def test_our_requests_are_as_twilio_describes_them(
    exchange: PhoneExchange, channel: SmsChannel, contract: dict[str, Any]
) -> None:
    await channel.send(PAGE)
    await channel.find(PAGE, NOW)
    path = contract["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]
    create, listing = exchange.requests
    account = path["post"]["parameters"][0]["schema"]["pattern"]
    assert re.fullmatch(r"/2010-04-01/Accounts/([^/]+)/Messages\.json", create.path)
    assert re.match(account, create.path.split("/")[3])
    assert create.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert create.headers["accept"] == "application/json"
    assert create.headers["user-agent"].startswith("twilio-python/")
    schema = path["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    form: dict[str, Any] = dict(create.form)
    assert all(len(values) == 1 for values in parse_qs(create.body.decode(), strict_parsing=True).values())
    form["ValidityPeriod"] = int(form["ValidityPeriod"])
    conforms(contract, schema, form)
    known = {p["name"]: p["schema"] for p in path["get"]["parameters"] if p["in"] == "query"}
    assert set(listing.query) <= set(known)
    assert 1 <= int(listing.query["PageSize"]) <= known["PageSize"]["maximum"]


async def test_the_exchange_answers_as_twilio_describes_it(
    exchange: PhoneExchange, channel: SmsChannel, contract: dict[str, Any]
) -> None:
    await channel.send(PAGE)
    await exchange.settled()
    message = contract["components"]["schemas"]["api.v2010.account.message"]
    path = contract["paths"]["/2010-04-01/Accounts/{AccountSid}/Messages.json"]
    page = path["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    conforms(contract, message, texts.resource(exchange.account_sid, exchange.texts[0]))
    # its own examples have relative references where the schema says `uri`
    conforms(contract, page, texts.listing(exchange.account_sid, exchange.texts, {}), formats=False)


def test_every_code_is_put_into_words() -> None:
    for code in twilio_faults._CODES:
        e = twilio_faults.of_delivery(code)
        assert str(code) in str(e)
        assert not (e.broken_address and not e.permanent)
        assert not (e.broken_address and e.configuration)
