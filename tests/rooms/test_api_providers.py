"""Described gateways at our doors; how providers fare and what messages cost, over the API."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import pytest_asyncio
from databases import TestServer
from whole import Whole, shared

from app.access.links import Links
from app.db import ids

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOOK = "hook-secret-51"
DESCRIBED = """
gateways:
  - name: bird
    channel: sms
    secrets: {hook: {env: BIRD_HOOK}}
    send: {url: "https://bird.example/sms", form: {to: "{to}", text: "{text}"}}
    taken: {id: id}
    code: code
    errors: [{code: [44], broken: true, words: "there is no such number"}]
    status_callback:
      signed: {secret: hook, header: X-Signature, hmac: sha256, prefix: "sha256="}
      report:
        {word: state, id: id, words: {ok: delivered, lost: undelivered}, price: cost.amount, currency: cost.currency}
    inbound:
      signed: {secret: hook, query: token}
      id: id
      from: sender
      text: text
  - {name: mute, channel: sms, send: {url: "https://mute.example/", json: {to: "{to}", text: "{text}"}}, taken: {}}
order: {sms: [bird, mute]}
prefixes: {sms: {"+44": [mute]}}
"""
NUMBER = "+491701234567"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BIRD_HOOK", HOOK)
        async with shared(server, tmp_path_factory.mktemp("tocsin"), gateways=DESCRIBED) as running:
            yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(lasting: Whole) -> Whole:
    await lasting.clear()
    await lasting.execute("TRUNCATE replies, reply_codes, contact_methods, provider_health CASCADE")
    await lasting.execute(
        "INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)"
        f" SELECT id, 'sms', '{NUMBER}', tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = 'ana'"
    )
    return lasting


async def sent(house: Whole, at: datetime, token: str, **known: Any) -> None:
    """A notice that the gateway took, at `at`."""
    named = {"provider_id": f"m-{token}", "price": None, "currency": None, "status": "accepted"} | known
    notification = ids.new(at)
    await house.execute(
        "INSERT INTO notifications (id, key, purpose, loudness, state, user_id, contact_method_id, channel, address,"
        " content, created_at, due_at, tries) SELECT :id, :key, 'notice', 'loud', 'sent', u.id, m.id, 'sms', m.address,"
        " '{}', :at, :at, 1 FROM users u JOIN contact_methods m ON m.user_id = u.id WHERE u.key = 'ana'",
        id=notification, key=str(notification), at=at,
    )  # fmt: skip
    await house.execute(
        "INSERT INTO attempts (id, notification_id, number, callback_hash, started_at, provider, prefix, provider_id,"
        " status, price, currency) VALUES (:id, :of, 1, :hash, :at, 'bird', '+49', :provider_id, :status, :price,"
        " :currency)",
        id=ids.new(at), of=notification, hash=Links.hash(token), at=at, **named,
    )  # fmt: skip


def signed(body: bytes) -> dict[str, str]:
    return {"X-Signature": f"sha256={hmac.new(HOOK.encode(), body, 'sha256').hexdigest()}"}


async def told(house: Whole, path: str, body: bytes, **headers: str) -> httpx.Response:
    return await house.http.post(f"/v1/gateways/{path}", content=body, headers=headers or signed(body))


async def get(house: Whole, path: str, person: str = "ana") -> httpx.Response:
    return await house.http.get(path, headers=house.as_person(person))


NOW = datetime.now(UTC)


@pytest.mark.parametrize("path", ["bird/status/t1", "bird/status"])
async def test_a_callback_is_the_end_of_a_message(house: Whole, path: str) -> None:
    await sent(house, NOW, "t1")
    await sent(house, NOW, "t2")
    assert (await told(house, path, b'{"id": "m-t1", "state": "ok"}')).status_code == 204
    rows = await house.rows("SELECT n.state, a.status FROM attempts a JOIN notifications n ON n.id = a.notification_id"
                            " ORDER BY a.provider_id")  # fmt: skip
    assert [tuple(r) for r in rows] == [("delivered", "delivered"), ("sent", "accepted")]
    (health,) = await house.rows("SELECT outcomes FROM provider_health WHERE provider = 'bird' AND prefix = '+49'")
    assert health.outcomes == "d"


async def test_a_callback_may_tell_the_price_also_after_the_end_and_the_first_one_stays(house: Whole) -> None:
    await sent(house, NOW, "t1")
    await sent(house, NOW, "t2")
    for body in (
        b'{"id": "m-t1", "state": "ok"}',
        b'{"id": "m-t1", "state": "ok", "cost": {"amount": "1e200000", "currency": "EUR"}}',
        b'{"id": "m-t1", "state": "a new word", "cost": {"amount": -0.075, "currency": "eur"}}',
        b'{"id": "m-t1", "state": "ok", "cost": {"amount": "9", "currency": "GBP"}}',
        b'{"id": "m-9", "state": "ok", "cost": {"amount": "9", "currency": "GBP"}}',
    ):
        assert (await told(house, "bird/status", body)).status_code == 204
    rows = await house.rows("SELECT provider_id, status, price, currency FROM attempts ORDER BY provider_id")
    assert [tuple(r) for r in rows] == [
        ("m-t1", "delivered", Decimal("0.075"), "EUR"), ("m-t2", "accepted", None, None),
    ]  # fmt: skip


async def test_bad_news_is_put_into_words_and_breaks_what_is_broken(house: Whole) -> None:
    await sent(house, NOW, "t1")
    assert (await told(house, "bird/status/t1", b'{"id": "m-t1", "state": "lost", "code": 44}')).status_code == 204
    (attempt,) = await house.rows("SELECT status, code, error FROM attempts")
    assert tuple(attempt) == ("undelivered", "44", "there is no such number (bird 44)")
    (method,) = await house.rows("SELECT broken_because FROM contact_methods")
    assert "there is no such number" in method.broken_because


async def test_who_does_not_sign_is_not_listened_to(house: Whole) -> None:
    await sent(house, NOW, "t1")
    body = b'{"id": "m-t1", "state": "ok"}'
    wrong: list[dict[str, str]] = [{"X-Signature": ""}, {"X-Signature": "sha256=0"}, signed(body + b" "), {"X": "y"}]
    for headers in wrong:
        answer = await told(house, "bird/status/t1", body, **headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "wrong_signature")
    for path in ("nobody/status/t1", "mute/status/t1", "mute/inbound", "twilio/status"):
        assert (await told(house, path, body)).status_code == 404
    assert (await told(house, "bird/status/t1", b"{}")).status_code == 422
    for harmless in (b'{"id": "m-t1", "state": "new word"}', b'{"id": "m-9", "state": "ok"}'):
        assert (await told(house, "bird/status", harmless)).status_code == 204
    (attempt,) = await house.rows("SELECT status FROM attempts")
    assert attempt.status == "accepted"


async def test_a_text_that_comes_in_is_answered_once(house: Whole) -> None:
    body = urlencode({"id": "i-1", "sender": NUMBER.removeprefix("+"), "text": "a"}).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await told(house, "bird/inbound?token=wrong", body, **form)).status_code == 403
    for _ in range(2):
        assert (await told(house, f"bird/inbound?token={HOOK}", body, **form)).status_code == 204
    answers = await house.rows("SELECT content ->> 'text' AS said FROM notifications")
    assert [r.said for r in answers] == ["Nothing is open for you."]


async def test_providers_are_listed_with_how_they_fare(house: Whole) -> None:
    await house.execute(
        "INSERT INTO provider_health (channel, provider, prefix, outcomes, over_until, over_since, fault, pauses, code,"
        " because, changed_at) VALUES ('sms', 'bird', '+49', 'dff', tocsin_now() + interval '30 s', tocsin_now(),"
        " 'taking', 1, 'unreachable', 'no answer', tocsin_now())"
    )
    listed = (await get(house, "/api/v1/providers")).json()["items"]
    assert [(p["channel"], p["provider"], p["positions"]) for p in listed] == [
        ("sms", "bird", {"": 1}), ("sms", "mute", {"": 2, "+44": 1}),
    ]  # fmt: skip
    (prefix,) = listed[0]["health"]
    assert (prefix["prefix"], prefix["state"], prefix["code"], prefix["outcomes"]) == (
        "+49", "passed over", "unreachable", "dff",
    )  # fmt: skip
    assert listed[1]["health"] == []


async def test_costs_are_told_where_they_are_known(house: Whole) -> None:
    month, last = datetime(2026, 11, 3, tzinfo=UTC), datetime(2026, 10, 31, 23, 59, tzinfo=UTC)
    await sent(house, month, "t1", price="0.0750", currency="EUR", status="delivered")
    await sent(house, month + timedelta(days=27, hours=23), "t2", price="0.0250", currency="EUR")
    await sent(house, month + timedelta(minutes=1), "t3")
    await sent(house, last, "t4", price="9", currency="EUR")
    costs = (await get(house, "/api/v1/costs?month=2026-11", "cara")).json()
    fields = ("team", "provider", "messages", "priced", "total", "currency")
    assert [tuple(item[f] for f in fields) for item in costs["items"]] == [
        (None, "bird", 2, 2, "0.1000", "EUR"), (None, "bird", 1, 0, None, None),
    ]  # fmt: skip
    answer = await get(house, "/api/v1/costs/messages.csv?month=2026-11", "cara")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = answer.text.splitlines()
    assert len(lines) == 4
    assert lines[1] == "2026-11-03T00:00:00Z,,,,ana,notice,sms,bird,m-t1,delivered,0.0750,EUR,"
    assert lines[2].endswith(",accepted,,,")
    for bad in ("2026-13", "2026", "x", "0001-01", "9999-12"):
        refused = await get(house, f"/api/v1/costs?month={bad}", "cara")
        assert refused.status_code == 422, bad
        [error] = refused.json()["errors"]
        assert (error["field"], error["message"][:5]) == ("month", "give " if bad != "0001-01" else "nothi"), bad
