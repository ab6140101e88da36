"""The exchange is as awkward as Twilio is, or the stories told with it prove nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from twilio.request_validator import RequestValidator

from app.dev import wire
from app.dev.exchange import PhoneExchange

ANA = "+491701234567"
PUBLIC = "https://pager.example.org"


@dataclass
class Service:
    """Our side of Twilio's callbacks: believes only what is signed over the public address."""

    token: str
    answer: wire.Answer = field(default_factory=lambda: wire.Answer(204))
    got: list[dict[str, str]] = field(default_factory=list)

    async def handle(self, request: wire.Request) -> wire.Answer:
        signature = request.headers["x-twilio-signature"]
        assert RequestValidator(self.token).validate(PUBLIC + request.target, request.form, signature)
        assert len(request.headers["i-twilio-idempotency-token"]) == 32
        self.got.append(request.form)
        return self.answer

    @property
    def statuses(self) -> list[str]:
        return [form["MessageStatus"] for form in self.got]


@dataclass
class Town:
    exchange: PhoneExchange
    service: Service
    client: httpx.AsyncClient
    log: list[str]

    async def create(self, **fields: str) -> httpx.Response:
        form = {
            "To": ANA,
            "From": self.exchange.numbers[0],
            "Body": "hello",
            "StatusCallback": f"{PUBLIC}/v1/twilio/status/t1",
            **{name: value for name, value in fields.items() if value},
        }
        form = {name: value for name, value in form.items() if fields.get(name, value)}
        return await self.client.post("/Messages.json", data=form)


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    log: list[str] = []
    exchange = PhoneExchange(log=log.append, clock=lambda: datetime(2026, 11, 22, 2, 14, tzinfo=UTC))
    await exchange.start()
    service = Service(exchange.auth_token)
    ours = wire.Server(service.handle)
    await ours.start("127.0.0.1", 0)
    exchange.hooks.reroute[PUBLIC] = f"http://127.0.0.1:{ours.port}"
    exchange.inbound_url = f"{PUBLIC}/v1/twilio/sms"
    client = httpx.AsyncClient(
        base_url=f"{exchange.url}/2010-04-01/Accounts/{exchange.account_sid}",
        auth=(exchange.account_sid, exchange.auth_token),
        trust_env=False,
        timeout=2,
    )
    yield Town(exchange, service, client, log)
    await client.aclose()
    await exchange.stop()
    await ours.stop()


async def test_a_message_moves_on_and_tells_so(town: Town) -> None:
    created = await town.create()
    assert created.status_code == 201
    assert created.json()["status"] == "queued"
    assert created.json()["date_sent"] is None
    text = await town.exchange.phone(ANA).expects_sms("hel", "lo")
    await town.exchange.settled()
    assert town.service.statuses == ["sending", "sent", "delivered"]
    assert {form["MessageSid"] for form in town.service.got} == {text.sid}
    assert town.service.got[-1]["RawDlrDoneDate"] == "2611220214"
    assert [callback.status for callback in town.exchange.hooks.made] == [204] * 3
    read = (await town.client.get(f"/Messages/{text.sid}.json")).json()
    assert (read["status"], read["date_sent"]) == ("delivered", "Sun, 22 Nov 2026 02:14:00 +0000")
    assert town.log == [f"SMS to {ANA}: hello"]
    assert town.exchange.unexpected() == {}


async def test_by_a_messaging_service_it_is_accepted_first(town: Town) -> None:
    created = await town.create(From="", MessagingServiceSid=town.exchange.services[0])
    assert created.json()["status"] == "accepted"
    await town.exchange.settled()
    assert town.service.statuses == ["queued", "sending", "sent", "delivered"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"To": ""}, 21604),
        ({"To": "0170 1234567"}, 21211),
        ({"From": ""}, 21603),
        ({"From": "+15550000000"}, 21606),
        ({"From": "", "MessagingServiceSid": "MG1"}, 21705),
        ({"Body": ""}, 21619),
        ({"Body": "x" * 1601}, 21617),
    ],
)
async def test_what_twilio_refuses(town: Town, fields: dict[str, str], code: int) -> None:
    refused = await town.create(**fields)
    assert (refused.status_code, refused.json()["code"]) == (400, code)
    assert town.exchange.texts == []


async def test_no_account_no_service(town: Town) -> None:
    wrong = base64.b64encode(b"AC1:x").decode()
    for headers in ({}, {"Authorization": f"Basic {wrong}"}):
        answer = await httpx.AsyncClient(trust_env=False).post(
            f"{town.client.base_url}Messages.json", headers=headers, data={"To": ANA}
        )
        assert (answer.status_code, answer.json()["code"]) == (401, 20003)
    assert (await town.client.get("/Messages/SM0.json")).json()["code"] == 20404


async def test_lists_by_recipient_and_day_in_pages(town: Town) -> None:
    for number in range(3):
        await town.create(Body=f"m{number}")
    await town.create(To="+491709999999")
    await town.exchange.settled()

    async def bodies(**query: Any) -> list[str]:
        answer = (await town.client.get("/Messages.json", params={"To": ANA, **query})).json()
        return [message["body"] for message in answer["messages"]]

    assert await bodies() == ["m2", "m1", "m0"]
    assert await bodies(**{"DateSent>": "2026-11-22"}) == ["m2", "m1", "m0"]
    assert await bodies(DateSent="2026-11-21") == []
    assert await bodies(**{"DateSent<": "2026-11-21"}) == []
    assert await bodies(**{"DateSent>": "2026-11-22T02:15:00Z"}) == []
    first = (await town.client.get("/Messages.json", params={"To": ANA, "PageSize": 2})).json()
    assert [m["body"] for m in first["messages"]] == ["m2", "m1"]
    second = (await town.client.get(town.exchange.url + first["next_page_uri"])).json()
    assert [m["body"] for m in second["messages"]] == ["m0"]
    assert second["next_page_uri"] is None


async def test_a_phone_that_is_off_gets_it_later(town: Town) -> None:
    phone = town.exchange.phone(ANA, "Ana")
    phone.reach = "off"
    await town.create()
    await town.exchange.settled()
    assert town.service.statuses[-1] == "sent"
    assert phone.inbox.items == []
    await town.exchange.switch_on(ANA)
    await phone.expects_sms("hello")
    assert town.service.statuses[-1] == "delivered"
    assert town.log == ["SMS to Ana: hello"]


async def test_a_carrier_without_receipts_stops_at_sent(town: Town) -> None:
    town.exchange.phone(ANA).reach = "no receipts"
    await town.create()
    await town.exchange.phone(ANA).expects_sms("hello")
    await town.exchange.settled()
    assert town.service.statuses == ["sending", "sent"]


async def test_undelivered_at_once_and_late(town: Town) -> None:
    town.exchange.troubles.loses(30003, to=ANA)
    await town.create()
    await town.exchange.settled()
    assert town.service.statuses == ["sending", "sent", "undelivered"]
    assert town.service.got[-1]["ErrorCode"] == "30003"
    assert town.exchange.phone(ANA).inbox.items == []
    await town.create()
    await town.exchange.settled()
    await town.exchange.report(town.exchange.texts[1], "undelivered", 30005)
    assert town.service.got[-1]["ErrorCode"] == "30005"


async def test_callbacks_twice_and_backwards(town: Town) -> None:
    town.exchange.callbacks_come = "twice"
    await town.create()
    await town.exchange.settled()
    assert town.service.statuses == ["sending", "sending", "sent", "sent", "delivered", "delivered"]
    town.service.got.clear()
    town.exchange.callbacks_come = "backwards"
    await town.create()
    await town.exchange.settled()
    assert town.service.statuses == ["delivered", "sent", "sending"]


async def test_an_unusable_callback_address_does_not_stop_the_message(town: Town) -> None:
    assert (await town.create(StatusCallback="http://our_host/x")).status_code == 201
    await town.exchange.phone(ANA).expects_sms("hello")
    await town.exchange.settled()
    assert town.exchange.hooks.made == []


async def test_a_service_that_does_not_listen_is_tried_twice_and_noted(town: Town) -> None:
    town.exchange.hooks.reroute[PUBLIC] = "http://127.0.0.1:9"
    await town.create()
    await town.exchange.settled()
    assert [callback.status for callback in town.exchange.hooks.made] == [0, 0, 0]


async def test_replies_are_signed_and_answered(town: Town) -> None:
    body = b"<?xml version='1.0'?><Response><Message>Acknowledged #42 &amp; thanks</Message></Response>"
    town.service.answer = wire.Answer(200, body, {"Content-Type": "text/xml"})
    await town.create()
    phone = town.exchange.phone(ANA)
    await phone.expects_sms("hello")
    assert await phone.replies("Ack 42 ✓ ") == ["Acknowledged #42 & thanks"]
    told = town.service.got[-1]
    assert (told["From"], told["To"], told["Body"]) == (ANA, town.exchange.numbers[0], "Ack 42 ✓ ")
    assert told["SmsStatus"] == "received"


async def test_stop_is_obeyed_until_start(town: Town) -> None:
    await town.create()
    phone = town.exchange.phone(ANA)
    await phone.expects_sms("hello")
    await phone.replies("stop ")
    assert (await town.create()).json()["code"] == 21610
    await phone.replies("START")
    assert (await town.create()).status_code == 201


async def test_troubles_befall_whom_they_are_meant_for_and_pass(town: Town) -> None:
    town.exchange.troubles.refuses(21211, to=ANA)
    assert (await town.create(To="+491709999999")).status_code == 201
    assert (await town.create()).json()["code"] == 21211
    assert (await town.create()).status_code == 201
    town.exchange.troubles.refuses(20429, times=None, retry_after_s=3)
    for _ in range(3):
        busy = await town.create()
        assert (busy.status_code, busy.headers["retry-after"]) == (429, "3")
    town.exchange.troubles.heals()
    assert (await town.create()).status_code == 201


@pytest.mark.parametrize("stored", [True, False])
async def test_no_answer_and_reset(town: Town, stored: bool) -> None:
    town.exchange.troubles.hangs(stored=stored)
    with pytest.raises(httpx.ReadTimeout):
        await town.create()
    town.exchange.troubles.resets(stored=stored)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        await town.create()
    town.exchange.troubles.breaks(stored=stored)
    assert (await town.create()).status_code == 500
    await town.exchange.settled()
    assert len(town.exchange.phone(ANA).inbox.items) == (3 if stored else 0)


async def test_expecting_in_vain_tells_what_came_instead(town: Town) -> None:
    await town.create(Body="something else https://pager.example.org/a/b")
    phone = town.exchange.phone(ANA, "Ana")
    await town.exchange.settled()
    with pytest.raises(AssertionError, match=r"no message with 'HighErrorRate' within 0 s, but .*something else"):
        await phone.expects_sms("HighErrorRate", within_s=0)
    assert town.exchange.unexpected() == {ANA: ["something else https://pager.example.org/a/b"]}
    assert phone.last_link == "https://pager.example.org/a/b"
    await phone.expects_sms("something")
    with pytest.raises(AssertionError, match="but nothing"):
        await phone.expects_sms("something", within_s=0)


async def test_every_request_is_kept(town: Town) -> None:
    await town.create()
    await town.client.get("/Messages.json")
    assert [request.method for request in town.exchange.requests] == ["POST", "GET"]
    assert town.exchange.requests[0].form["Body"] == "hello"
    assert json.loads((await town.client.get("/Messages.json")).text)["page"] == 0
