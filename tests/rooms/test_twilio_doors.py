"""Texts and calls by Twilio's own requests, as its signature vectors and documentation have them, at our doors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from bodies import body_of
from databases import TestServer
from twilio.request_validator import RequestValidator
from whole import Whole, shared

from app.access.links import Links

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "12345"
FORMER = "67890"
PUBLIC = "https://pager.example.org"
VECTORS = json.loads((Path(__file__).parents[1] / "payloads/twilio/signatures.json").read_text())["vectors"]
FORM = {
    "MessageSid": "SM" + "1" * 32, "SmsSid": "SM" + "1" * 32, "SmsMessageSid": "SM" + "1" * 32, "SmsStatus": "received",
    "AccountSid": "AC" + "0" * 32, "From": "+491701234567", "To": "+15005550006", "Body": " A ", "NumMedia": "0",
    "NumSegments": "1", "ApiVersion": "2010-04-01", "FromCity": "",
}  # fmt: skip
EMPTY = '<?xml version="1.0" encoding="UTF-8"?>\n<Response />'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = {
        "public_url": PUBLIC, "twilio_auth_token": TOKEN, "twilio_account_sid": "AC" + "0" * 32,
        "twilio_from": "+15005550006", "twilio_auth_token_former": FORMER,
    }  # fmt: skip
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(lasting: Whole) -> Whole:
    await lasting.clear()
    await lasting.execute("TRUNCATE replies, reply_codes, contact_methods CASCADE")
    return lasting


async def post(house: Whole, path: str, form: dict[str, str], signature: str | None = None) -> httpx.Response:
    signed = signature if signature is not None else RequestValidator(TOKEN).compute_signature(PUBLIC + path, form)
    headers = {"X-Twilio-Signature": signed, "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    return await house.http.post(path, content=urlencode(form), headers=headers)


async def anas_phone(house: Whole, channel: str = "sms", *, verified: bool = True) -> None:
    await house.execute(
        "INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)"
        " SELECT id, :channel, '+491701234567', CASE WHEN :verified THEN tocsin_now() END, tocsin_now(), tocsin_now()"
        " FROM users WHERE key = 'ana'",
        channel=channel, verified=verified,
    )  # fmt: skip


async def answers(house: Whole) -> list[str]:
    rows = await house.rows("SELECT content ->> 'text' AS said FROM notifications WHERE purpose = 'notice' ORDER BY id")
    return [r.said for r in rows]


async def test_a_signed_text_is_answered_by_twiml_without_a_message(house: Whole) -> None:
    await anas_phone(house)
    answer = await post(house, "/v1/twilio/sms", FORM)
    assert (answer.status_code, answer.text) == (200, EMPTY)
    assert answer.headers["content-type"].startswith("text/xml")
    assert await answers(house) == ["Nothing is open for you."]
    again = await post(house, "/v1/twilio/sms", FORM)
    assert again.status_code == 200
    assert len(await answers(house)) == 1


@pytest.mark.parametrize(("token", "status"), [(TOKEN, 200), (FORMER, 200), ("another", 403)])
async def test_while_tokens_are_exchanged_both_sign(house: Whole, token: str, status: int) -> None:
    """Twilio signs with the primary token until the secondary one is promoted, and from then on with that."""
    await anas_phone(house)
    signature = RequestValidator(token).compute_signature(f"{PUBLIC}/v1/twilio/sms", FORM)
    assert (await post(house, "/v1/twilio/sms", FORM, signature)).status_code == status
    assert len(await answers(house)) == (status == 200)


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["kind"] == "twilio" and isinstance(v.get("params"), dict)],
                         ids=lambda v: v["name"])  # fmt: skip
async def test_the_published_vectors_sign_their_own_address_only(house: Whole, vector: dict[str, Any]) -> None:
    """Each is right for the address it was made for, which is not ours: a signature cannot be carried over."""
    await anas_phone(house)
    answer = await post(house, "/v1/twilio/sms", vector["params"], vector["signature"])
    assert (answer.status_code, answer.json()["code"]) == (403, "wrong_signature")


@pytest.mark.parametrize("vector", [v for v in VECTORS if v["name"].startswith("inbound")], ids=lambda v: v["name"])
async def test_bodies_of_the_vectors_arrive_as_they_were_signed(house: Whole, vector: dict[str, Any]) -> None:
    await anas_phone(house)
    form = FORM | vector["params"] | {"From": FORM["From"]}
    assert (await post(house, "/v1/twilio/sms", form)).status_code == 200
    (said,) = await answers(house)
    assert said.startswith("Nothing is open for you. Reply to a page")


@pytest.mark.parametrize("signature", ["", "x", "A" * 1000])
async def test_without_a_signature_nobody_is_listened_to(house: Whole, signature: str) -> None:
    await anas_phone(house)
    for path in ("/v1/twilio/sms", "/v1/twilio/voice/x", "/v1/twilio/voice/x/key", "/v1/twilio/voice/x/status"):
        assert (await post(house, path, FORM | {"CallSid": "CA1"}, signature)).status_code == 403
    assert await house.rows("SELECT * FROM replies") == []


@pytest.mark.parametrize(
    "change",
    [
        {"MessageSid": "", "SmsSid": ""},
        {"MessageSid": "SM\0"},
        {"From": ""},
        {"From": "+49 170"},
        {"From": "+" + "1" * 99},
    ],
)
async def test_what_is_no_text_message_is_refused(house: Whole, change: dict[str, str]) -> None:
    answer = await post(house, "/v1/twilio/sms", FORM | change)
    assert answer.status_code == 422, answer.text


async def test_who_is_not_known_or_not_verified_gets_nothing(house: Whole) -> None:
    await anas_phone(house, verified=False)
    for number in ("+491701234567", "+15558675310", "whatsapp:+491701234567", "12345"):
        assert (await post(house, "/v1/twilio/sms", FORM | {"From": number, "Body": "STOP"})).text == EMPTY
    assert await answers(house) == []
    assert await house.rows("SELECT * FROM replies") == []
    assert await house.one("SELECT broken_at FROM contact_methods") is None


async def test_a_body_of_any_size_and_kind_does_no_harm(house: Whole) -> None:
    await anas_phone(house)
    for n, body in enumerate(["", "\0", "a" * 1600, "𝕒𝕔𝕜" * 100, "'; DROP TABLE users; --", "{{7*7}}"]):
        form = FORM | {"MessageSid": f"SM{n:032}", "Body": body}
        assert (await post(house, "/v1/twilio/sms", form)).status_code == 200
    assert len(await answers(house)) == 3  # help, three times an hour


async def test_advanced_opt_out_says_what_it_took_a_word_for(house: Whole) -> None:
    await anas_phone(house)
    await post(house, "/v1/twilio/sms", FORM | {"Body": "Basta", "OptOutType": "STOP"})
    assert await house.one("SELECT opted_out_at FROM contact_methods") is not None
    await post(house, "/v1/twilio/sms", FORM | {"MessageSid": "SM2", "Body": "Dai", "OptOutType": "START"})
    assert await house.one("SELECT broken_at FROM contact_methods") is None


CALL = {"CallSid": "CA" + "1" * 32, "AccountSid": "AC" + "0" * 32, "From": "+15005550006", "To": "+491701234567",
        "CallStatus": "in-progress", "Direction": "outbound-api", "ApiVersion": "2010-04-01"}  # fmt: skip


async def ringing(house: Whole, token: str) -> None:
    """A call to Ana about an open incident, placed now."""
    await anas_phone(house, "voice")
    await post_alert(house)
    await house.execute(
        "INSERT INTO notifications (id, key, purpose, loudness, state, user_id, contact_method_id, channel, address,"
        " incident_id, content, created_at, due_at, tries) SELECT gen_random_uuid(), 'k', 'page', 'loud', 'sent', u.id,"
        " m.id, 'voice', m.address, i.id, '{}', tocsin_now(), tocsin_now(), 1"
        " FROM users u JOIN contact_methods m ON m.user_id = u.id, incidents i WHERE u.key = 'ana'"
    )
    await house.execute(
        "INSERT INTO attempts (id, notification_id, number, callback_hash, started_at)"
        " SELECT gen_random_uuid(), id, 1, :hash, tocsin_now() FROM notifications WHERE key = 'k'",
        hash=Links.hash(token),
    )


async def post_alert(house: Whole) -> None:
    answer = await house.post("alertmanager", body_of("alertmanager"))
    assert answer.status_code == 202


async def state(house: Whole) -> str:
    return str(await house.one("SELECT state FROM incidents"))


async def test_a_call_says_what_it_is_about_and_a_key_answers_it(house: Whole) -> None:
    await ringing(house, "token-1")
    asked = await post(house, "/v1/twilio/voice/token-1", CALL)
    assert asked.status_code == 200
    assert asked.headers["content-type"].startswith("text/xml")
    assert f'action="{PUBLIC}/v1/twilio/voice/token-1/key"' in asked.text
    assert "Press 4 to acknowledge" in asked.text
    assert await state(house) == "triggered"
    told = await post(house, "/v1/twilio/voice/token-1/key", CALL | {"Digits": "4", "msg": "Gather End"})
    assert "You have incident" in told.text
    assert await state(house) == "acknowledged"
    ended = await post(house, "/v1/twilio/voice/token-1/status", CALL | {"CallStatus": "completed"})
    assert ended.status_code == 204
    assert await house.one("SELECT status FROM attempts") == "read"
    assert await house.one("SELECT channel FROM acknowledgements") == "voice"


async def test_a_key_that_is_handed_over_again_acts_once(house: Whole) -> None:
    await ringing(house, "token-2")
    for _ in range(3):
        await post(house, "/v1/twilio/voice/token-2/key", CALL | {"Digits": "6"})
    escalated = await house.rows("SELECT * FROM timeline_entries WHERE kind = 'escalated_by_hand'")
    assert len(escalated) == 1


async def test_nine_asks_before_it_resolves(house: Whole) -> None:
    await ringing(house, "token-3")
    asked = await post(house, "/v1/twilio/voice/token-3/key", CALL | {"Digits": "9"})
    assert "Press 9 again" in asked.text
    assert await state(house) == "triggered"
    await post(house, "/v1/twilio/voice/token-3/key?sure=1", CALL | {"Digits": "9"})
    assert await state(house) == "resolved"


async def test_a_machine_is_hung_up_on(house: Whole) -> None:
    await ringing(house, "token-4")
    said = await post(house, "/v1/twilio/voice/token-4", CALL | {"AnsweredBy": "machine_start"})
    assert "<Say" not in said.text
    assert "<Hangup" in said.text


async def test_a_tone_of_a_machine_is_no_key_and_the_next_method_follows(house: Whole) -> None:
    await ringing(house, "token-8")
    machine = CALL | {"AnsweredBy": "machine_end_beep"}
    told = await post(house, "/v1/twilio/voice/token-8/key", machine | {"Digits": "4"})
    assert "<Hangup" in told.text
    assert await state(house) == "triggered"
    await post(house, "/v1/twilio/voice/token-8/status", machine | {"CallStatus": "completed"})
    assert await house.one("SELECT because FROM notifications WHERE key = 'k'") == "an answering machine picked up"


async def test_a_key_that_is_told_after_the_end_of_its_call_counts(house: Whole) -> None:
    await ringing(house, "token-9")
    await post(house, "/v1/twilio/voice/token-9/status", CALL | {"CallStatus": "completed"})
    assert await house.one("SELECT state FROM notifications WHERE key = 'k'") == "undelivered"
    await post(house, "/v1/twilio/voice/token-9/key", CALL | {"Digits": "4"})
    assert await state(house) == "acknowledged"


@pytest.mark.parametrize("path", ["", "/key", "/status"])
async def test_a_call_that_is_not_ours_or_long_over_is_nothing(house: Whole, path: str) -> None:
    await ringing(house, "token-5")
    other = await post(house, f"/v1/twilio/voice/token-6{path}", CALL | {"Digits": "4", "CallStatus": "completed"})
    assert other.status_code in (200, 204)
    await house.execute("UPDATE attempts SET started_at = started_at - interval '2 hours'")
    late = await post(house, f"/v1/twilio/voice/token-5{path}", CALL | {"Digits": "4", "CallStatus": "ringing"})
    assert "Gather" not in late.text
    assert await state(house) == "triggered"
    wrong = await post(house, f"/v1/twilio/voice/token-5{path}", CALL | {"CallSid": "'"})
    assert wrong.status_code == 422


async def test_somebody_who_left_is_not_listened_to(house: Whole) -> None:
    await ringing(house, "token-7")
    await house.execute("UPDATE users SET active = false WHERE key = 'ana'")
    await post(house, "/v1/twilio/voice/token-7/key", CALL | {"Digits": "4"})
    await house.execute("UPDATE users SET active = true WHERE key = 'ana'")
    assert await state(house) == "triggered"
