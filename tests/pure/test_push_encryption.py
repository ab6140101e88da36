"""Web push on the wire, held against the examples of RFC 8291 and RFC 8292."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from app.channels.channel import Button, Message
from app.channels.push_encryption import (
    MOST_BYTES,
    MOST_PLAIN,
    Subscription,
    authorization,
    b64,
    encrypt,
    is_point,
    key_of,
    public_bytes,
    unb64,
)
from app.channels.push_payload import payload
from app.dev.push_service import PushService, verified

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)

# RFC 8291, section 5 and appendix A
PLAIN = b"When I grow up, I want to be a watermelon"
SENDER_PRIVATE = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
RECEIVER_PUBLIC = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH = "BTBZMqHH6r4Tts7J_aSIgg"
SALT = "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)

# RFC 8292, section 2.4
TOKEN = (
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6"
    "Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSS"
    "HzvoD1oA"
)
TOKEN_KEY = "BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs"


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(unb64(text), "big"), ec.SECP256R1())


def test_the_example_of_rfc_8291() -> None:
    to = Subscription("https://push.example.net/x", unb64(RECEIVER_PUBLIC), unb64(AUTH))
    assert b64(encrypt(PLAIN, to, salt=unb64(SALT), own_key=private(SENDER_PRIVATE))) == BODY


def test_the_example_of_rfc_8292() -> None:
    claims = {"aud": "https://push.example.net", "exp": 1453523768, "sub": "mailto:push@example.com"}
    assert verified(TOKEN, TOKEN_KEY) == claims
    assert verified(TOKEN.replace("i3CY", "i3CZ"), TOKEN_KEY) is None
    at = datetime.fromtimestamp(1453523768 - 12 * 3600, UTC)
    key = key_of(bytes(range(32)))
    scheme, _, parts = authorization("https://push.example.net", "mailto:push@example.com", at, key).partition(" ")
    token, own = (part.split("=", 1)[1] for part in parts.split(", "))
    assert scheme == "vapid"
    assert token.rpartition(".")[0] == TOKEN.rpartition(".")[0]  # what is signed is the same, byte by byte
    assert own == b64(public_bytes(key))
    assert verified(token, own) == claims


@given(st.binary(max_size=MOST_PLAIN))
@settings(max_examples=30, deadline=None)
def test_what_is_encrypted_can_be_decrypted_by_the_browser_alone(plain: bytes) -> None:
    service = PushService()
    service.url = "https://push.example.net"
    device, other = service.subscribe("a"), service.subscribe("b")
    body = encrypt(plain, Subscription(device.endpoint, device.public_key, device.auth))
    assert len(body) <= MOST_BYTES
    assert device.decrypt(body) == plain
    assert encrypt(plain, Subscription(device.endpoint, device.public_key, device.auth)) != body
    with pytest.raises(InvalidTag):
        other.decrypt(body)


def test_more_than_fits_is_refused() -> None:
    to = Subscription("https://push.example.net/x", unb64(RECEIVER_PUBLIC), unb64(AUTH))
    assert len(encrypt(b"x" * MOST_PLAIN, to)) == MOST_BYTES
    with pytest.raises(ValueError, match="too many"):
        encrypt(b"x" * (MOST_PLAIN + 1), to)


def test_keys_that_are_none() -> None:
    assert is_point(unb64(RECEIVER_PUBLIC))
    assert not is_point(b"\x04" + bytes(64))
    assert not is_point(b"")
    for wrong in ("a+b", "a/b", "é", "a b"):
        with pytest.raises(ValueError, match="base64url"):
            unb64(wrong)


def test_a_key_of_a_seed_is_always_the_same_and_of_the_curve() -> None:
    for seed in (bytes(32), b"\xff" * 32, bytes(range(32))):
        assert public_bytes(key_of(seed)) == public_bytes(key_of(seed))
    assert public_bytes(key_of(bytes(32))) != public_bytes(key_of(bytes(range(32))))


PAGE = Message(
    notification_id="n-1", attempt=1, purpose="page", to="", at=NOW, subject="[Checkout] Incident 42: High error rate",
    text="P1 #42 High error rate (Checkout)", link="https://pager.example.org/l/abc", thread="incident-42", loud=True,
    facts=(("Service", "Checkout"), ("Priority", "P1"), ("Since", "Mon 03:10"), ("Why you", "you are on call")),
    button=Button("Acknowledge", {"action": "acknowledge", "view": "v", "signature": "s"}), token="tok",
)  # fmt: skip


def test_what_the_service_worker_is_told_of_a_page() -> None:
    assert json.loads(payload(PAGE)) == {
        "title": "P1 #42 High error rate (Checkout)",
        "body": "Since: Mon 03:10\nWhy you: you are on call",
        "tag": "incident-42",
        "purpose": "page",
        "loud": True,
        "at": int(NOW.timestamp() * 1000),
        "link": "https://pager.example.org/l/abc",
        "number": "42",
        "service": "Checkout",
        "priority": "P1",
        "shown": "/v1/push/shown/tok",
        "button": {"label": "Acknowledge", "form": {"action": "acknowledge", "view": "v", "signature": "s"}},
    }


def test_what_the_service_worker_is_told_of_a_code() -> None:
    code = Message(
        notification_id="n-2", attempt=1, purpose="verification", to="", at=NOW,
        subject="Your Tocsin verification code",
        text="Your Tocsin verification code is 123456. It is valid for 15 minutes.",
    )  # fmt: skip
    told = json.loads(payload(code))
    assert (told["title"], told["tag"], told["link"]) == ("Your Tocsin verification code", "n-2", "/account")
    assert "123456" in told["body"]
    assert {"button", "shown", "number"}.isdisjoint(told)


@given(st.text(max_size=400), st.text(max_size=1000), st.text(max_size=400))
@settings(deadline=None)
def test_whatever_senders_wrote_fits(title: str, why: str, service: str) -> None:
    told = Message(
        notification_id="n", attempt=1, purpose="page", to="", at=NOW, subject="s", text=title, thread="incident-1",
        facts=(("Since", why), ("Why you", why), ("Service", service)), link=PAGE.link, button=PAGE.button,
    )  # fmt: skip
    written = payload(told)
    assert len(written) <= MOST_PLAIN
    assert json.loads(written)["button"]
