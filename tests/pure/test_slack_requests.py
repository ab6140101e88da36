"""What Slack sends: its signature, and what is in an interaction."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import pytest

from app.channels.slack_requests import Pressed, pressed, verify
from app.errors import Invalid

# The example of docs.slack.dev, "Verifying requests from Slack".
SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
AT = "1531420618"
BODY = (
    b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V"
    b"&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text="
    b"&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
    b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
)
SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
NOW = datetime.fromtimestamp(int(AT), UTC)


def test_the_signature_of_slacks_own_example() -> None:
    assert verify(SECRET, AT, SIGNATURE, BODY, NOW)
    assert verify(SECRET, AT, SIGNATURE, BODY, NOW + timedelta(seconds=300))


@pytest.mark.parametrize(
    ("secret", "at", "signature", "body", "late_s"),
    [
        ("another", AT, SIGNATURE, BODY, 0),
        ("", AT, SIGNATURE, BODY, 0),
        (SECRET, "1531420619", SIGNATURE, BODY, 0),
        (SECRET, AT, SIGNATURE.replace("a2", "a3"), BODY, 0),
        (SECRET, AT, SIGNATURE.removeprefix("v0="), BODY, 0),
        (SECRET, AT, "", BODY, 0),
        (SECRET, AT, "v0=ä", BODY, 0),
        (SECRET, AT, SIGNATURE, BODY + b"&more=1", 0),
        (SECRET, AT, SIGNATURE, BODY, 301),
        (SECRET, AT, SIGNATURE, BODY, -301),
        (SECRET, "", SIGNATURE, BODY, 0),
        (SECRET, "1531420618.0", SIGNATURE, BODY, 0),
        (SECRET, "9" * 400, SIGNATURE, BODY, 0),
    ],
)
def test_what_is_not_slacks(secret: str, at: str, signature: str, body: bytes, late_s: int) -> None:
    assert not verify(secret, at, signature, body, NOW + timedelta(seconds=late_s))


def body_of(**changed: object) -> bytes:
    action = {"type": "button", "action_id": "resolve", "value": "v"}
    told = {"type": "block_actions", "user": {"id": "U1", "name": "ana"}, "actions": [action]} | changed
    return urlencode({"payload": json.dumps(told)}).encode()


def test_a_button_that_was_pressed() -> None:
    assert pressed(body_of()) == Pressed("U1", "resolve", "v")
    assert pressed(body_of(actions=[{"type": "button", "action_id": "resolve"}])) == Pressed("U1", "resolve", "")


@pytest.mark.parametrize("changed", [{"type": "view_submission"}, {"actions": []}, {"actions": [{"action_id": "x"}]}])
def test_other_interactions_are_none_of_our_buttons(changed: dict[str, object]) -> None:
    assert pressed(body_of(**changed)) is None


@pytest.mark.parametrize(
    "body", [b"", b"payload=", b"payload=[]", b"payload=%7B%7D", b"\xff\xfe", body_of(user="U1"), body_of(actions=1)]
)
def test_what_is_no_interaction(body: bytes) -> None:
    with pytest.raises(Invalid, match="no interaction") as refused:
        pressed(body)
    assert refused.value.errors[0]["field"] == "payload"
