"""No secret appears in a log line, wherever it hides. Logs are written to a string here, not to a mocked logger."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from app import logs

KEY = "dGhpc0lzQVJvdXRpbmc1S2V5MQ"
LINK = "0123456789abcdefABCDEF"
API_KEY = "tocsin_" + "k3Y" * 14 + "x"
PASSWORD = "correct horse battery"
TOKEN = "q8sX-0dkZ_p2LmN7vB4tR1"

NAMES = [
    "password",
    "new_password",
    "authorization",
    "Authorization",
    "cookie",
    "set-cookie",
    "token",
    "link_token",
    "secret",
    "client_secret",
    "routing_key",
    "api_key",
    "x-api-key",
    "secret_key",
    "credentials",
]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged at `info` and above; logging is as it was before when the test ends."""
    yield from _configured(io.StringIO())


@pytest.fixture
def terminal() -> Iterator[io.StringIO]:
    yield from _configured(Terminal())


def _configured(stream: io.StringIO) -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs._QUIET}
    logs.configure("info", stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = before
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


SECRETIVE = [
    (f"POST /v1/intake/{KEY}/alertmanager", KEY),
    (f"POST /v1/intake/{KEY}", KEY),
    (f"/v1/intake/{KEY}/api/v2/alerts?x=1", KEY),
    ("/v1/intake/shortkey1/grafana", "shortkey1"),
    (f"https://tocsin.example.org/l/{LINK}", LINK),
    ("/l/abc", "abc"),
    ("https://tocsin.example.org/password/abc?x=1", "abc"),
    (f"/v1/twilio/status/{TOKEN}", TOKEN),
    (f"/invitation/{TOKEN}", TOKEN),
    (f"/login?next=/&code={TOKEN}", TOKEN),
    (f"Authorization: Bearer {API_KEY}", API_KEY),
    (f"authorization: basic {KEY}==", KEY),
    (f"GenieKey {KEY}", KEY),
    (f"Token token={KEY}", KEY),
    (f"the key {API_KEY} is wrong", API_KEY),
    ("postgresql://tocsin:s3cret@db/tocsin", "s3cret"),
    ("smtp://u:p@ss@mail.example.org:587", "ss@mail"),
    ("postgresql+asyncpg://t:s3cret@/t?host=/run", "s3cret"),
    ("password=hunter2", "hunter2"),
    ("{'password': 'hunter 2', 'a': 1}", "hunter 2"),
    (f'{{"password": "{PASSWORD}"}}', "battery"),
    ("TOCSIN_SECRET_KEY=abcdefgh", "abcdefgh"),
    ("auth_token: abcdefgh", "abcdefgh"),
    ("Cookie: tocsin_session=abcdefgh; a=b", "abcdefgh"),
    ("SMS to +4915123456789 failed", "23456"),
    ("SMS to +49 151 234 567 89 failed", "234 567"),
    ("?To=%2B4915123456789", "23456"),
    (f"IntegrityError [SQL: INSERT] [parameters: ('{TOKEN}', '{PASSWORD}')]", PASSWORD),
]


@pytest.mark.parametrize(("text", "secret"), SECRETIVE, ids=[text[:40] for text, _ in SECRETIVE])
def test_a_secret_in_a_text_is_hidden(text: str, secret: str, written: io.StringIO) -> None:
    log = structlog.get_logger()
    log.info(text)
    log.info("named", field=text, nested={"list": [text], "deep": {"er": (text,)}})
    logging.getLogger("some.library").warning("it says %s", text)
    assert secret not in written.getvalue()
    assert len(_lines(written)) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_under_a_secrets_name_is_hidden_whole(name: str, written: io.StringIO) -> None:
    structlog.get_logger().info("named", **{name: "plain word"}, headers={name: ["plain word"]})
    assert "plain" not in written.getvalue()


def test_a_traceback_is_redacted_and_shows_no_local_variables(written: io.StringIO) -> None:
    _fail_with_secrets()
    [line] = _lines(written)
    assert "ValueError" in line["exception"]
    assert "_fail_with_secrets" in line["exception"]
    assert KEY not in written.getvalue()
    assert "local only" not in written.getvalue()


def test_on_a_terminal_nothing_more_is_shown(terminal: io.StringIO) -> None:
    _fail_with_secrets()
    structlog.get_logger().info("named", password="plain word", path=f"/l/{LINK}")
    shown = terminal.getvalue()
    assert "ValueError" in shown
    assert not any(secret in shown for secret in (KEY, LINK, "plain word", "local only"))
    with pytest.raises(json.JSONDecodeError):
        json.loads(shown.splitlines()[0])


def _fail_with_secrets() -> None:
    held = "local" + " only"
    try:
        raise ValueError(f"cannot POST https://example.org/v1/intake/{KEY}/generic")
    except ValueError:
        structlog.get_logger().exception("request_failed", length=len(held))


@pytest.mark.parametrize(
    "text",
    [
        "/v1/intake/grafana",
        "/v1/intake/alertmanager?x=1",
        "/api/v1/incidents/42",
        "/api/v1/receipts/0199f2b4-7c1e-7000-8000-0123456789ab",
        "/api/v1/services/checkout-production-eu-west-1",
        "https://api.twilio.com/Messages/SM0123456789abcdef0123456789abcdef.json",
        "HighErrorRate5xxOnCheckoutService",
        "2026-11-22T13:00:00+01:00",
        "between 2026-11-22T13:00:00+10:00 and 14:00",
        "step 2 of round 1: paging Ana",
        "dedup_key=0123456789abcdef",
        "mail.example.org:587",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert logs.redact(text) == text


def test_a_phone_number_can_still_be_recognised() -> None:
    assert logs.redact("SMS to +4915123456789") == "SMS to +49…89"


def test_a_line_has_its_ids_its_level_and_its_instant(written: io.StringIO) -> None:
    log = structlog.get_logger()
    with logs.about(receipt="r-1", incident=None), logs.about(incident=42):
        log.warning("opened", priority=1)
        logging.getLogger("uvicorn.error").info("inside")
    log.info("outside")
    ours, theirs, outside = _lines(written)
    at = ours.pop("at")
    assert at.endswith("Z")
    assert ours == {"event": "opened", "level": "warning", "priority": 1, "receipt": "r-1", "incident": "42"}
    assert (theirs["receipt"], theirs["logger"], theirs["event"]) == ("r-1", "uvicorn.error", "inside")
    assert "receipt" not in outside


def test_levels_and_noise(written: io.StringIO) -> None:
    structlog.get_logger().debug("too fine")
    logging.getLogger("uvicorn.access").info(f"GET /l/{LINK} 200")
    logging.getLogger("httpx").info("HTTP Request: GET https://example.org")
    assert written.getvalue() == ""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert "old" in written.getvalue()
    with pytest.raises(ValueError, match="TOCSIN_LOG_LEVEL"):
        logs.configure("loud")


def test_what_apprise_sends_with_never_writes_an_address(written: io.StringIO) -> None:
    logs.configure("debug", written)
    library = logging.getLogger("urllib3.connectionpool")
    library.debug('https://api.telegram.org "POST /bot123:token/sendMessage HTTP/1.1" 200 2')
    library.warning("Failed to parse headers (url=https://api.telegram.org/bot123:token/sendMessage)")
    assert written.getvalue() == ""


def test_configuring_twice_writes_once(written: io.StringIO) -> None:
    logs.configure("info", written)
    logging.getLogger("some.library").warning("once")
    assert len(_lines(written)) == 1


def test_bytes_are_only_counted_and_long_values_cut(written: io.StringIO) -> None:
    structlog.get_logger().info("got", body=b"secret bytes", text="word " * 10_000)
    [line] = _lines(written)
    assert line["body"] == "[12 bytes]"
    assert len(line["text"]) <= 20_001


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", min_size=22, max_size=64))
def test_no_token_of_a_link_survives(token: str) -> None:
    assert token not in logs.redact(f"GET /l/{token} and https://t.example.org/l/{token}?x=1, again /l/{token}")


@given(st.text(max_size=300))
def test_any_text_can_be_redacted_and_a_second_time_changes_nothing(text: str) -> None:
    once = logs.redact(text)
    assert logs.redact(once) == once
