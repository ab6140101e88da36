"""What is said in a call, and the TwiML around it."""

from __future__ import annotations

from types import SimpleNamespace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.channels import twiml
from app.channels.channel import RANK, UNDONE, CallProgress
from app.notifications import speech
from app.notifications.calls import outcome_of

ACTION = "https://pager.example.org/v1/twilio/voice/x/key"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("HighErrorRate", "High Error Rate"),
        ("HTTPErrors on web-01", "HTTP Errors on web 01"),
        ("p99 > 2s & CPU at 95%", "p99 above 2s and CPU at 95 percent"),
        ("disk_full /var/lib", "disk full var lib"),
        ("order 1234567 lost", "order 1 2 3 4 5 6 7 lost"),
        ("see https://grafana.example.org/d/abc?x=1 now", "see a link now"),
        ("<Say>boo</Say>\x00\x1b[31m", "below Say above boo below Say above 31m"),
        ("Störung in Köln", "Störung in Köln"),
    ],
)
def test_what_a_sender_wrote_is_made_readable(written: str, said: str) -> None:
    assert speech.readable(written) == said


def test_long_titles_are_cut_at_a_blank() -> None:
    said = speech.readable("word " * 100)
    assert len(said) <= 160
    assert said.endswith("word")
    assert len(speech.readable("x" * 1000)) == 160


def incident(number: int, **more: object) -> SimpleNamespace:
    made = {"number": number, "title": "HighErrorRate", "priority": 1, "service": "Checkout", "state": "triggered"}
    return SimpleNamespace(**made | {"holder": None} | more)


def test_one_and_several() -> None:
    one = speech.page([incident(12)])
    assert one.startswith("Tocsin calls. Priority 1 on Checkout: High Error Rate. Incident 12. Press 4 to acknowledge")
    several = speech.page([incident(n) for n in range(1, 6)])
    assert "Tocsin calls about 5 incidents." in several
    assert "And 2 more." in several
    assert "9 to resolve" not in several
    assert speech.number(12345) == "1 2 3 4 5"
    assert "Ana has it" in speech.over([incident(1, state="acknowledged", holder="Ana")])
    assert "it is over" in speech.over([incident(1, state="resolved")])
    told = {"text": "You are on call."}
    assert speech.message("notice", told, again=True) == "Tocsin tries again. You are on call."
    assert speech.page([incident(12)], again=True).startswith("Tocsin tries again. Priority")
    assert speech.page([incident(1), incident(2)], again=True).startswith("Tocsin tries again about 2 incidents.")
    assert speech.information(incident(12), again=True).startswith("Tocsin tries again for your information. ")
    assert speech.message("verification", {"code": "012345"}) == "Your Tocsin verification code is 0, 1, 2, 3, 4, 5."


@given(st.text(max_size=300))
def test_twiml_is_well_formed_whatever_a_sender_wrote(title: str) -> None:
    document = twiml.ask(speech.page([incident(1, title=title, service=title)]), ACTION)
    response = ET.fromstring(document)
    assert [verb.tag for verb in response] == ["Pause", "Gather", "Gather", "Gather", "Say", "Hangup"]
    (said,) = response[1]
    assert said.tag == "Say"
    assert len(said) == 0
    assert len(said.text or "") <= 4096
    raw = ET.fromstring(twiml.say(title, times=2))
    assert [verb.tag for verb in raw] == ["Pause", "Say", "Pause", "Say", "Hangup"]


def test_a_gather_posts_one_key_to_us() -> None:
    gather = ET.fromstring(twiml.ask("x", f"{ACTION}?sure=1&y=2"))[1]
    told = {name: gather.get(name) for name in ("action", "method", "numDigits", "input")}
    assert told == {"action": f"{ACTION}?sure=1&y=2", "method": "POST", "numDigits": "1", "input": "dtmf"}


@pytest.mark.parametrize(
    ("status", "asks", "machine", "is_status", "code"),
    [
        ("queued", True, False, "queued", None),
        ("initiated", True, False, "initiated", None),
        ("ringing", True, False, "ringing", None),
        ("in-progress", True, False, "in-progress", None),
        ("completed", True, False, "undelivered", "no-key"),
        ("completed", True, True, "undelivered", "machine"),
        ("completed", False, False, "delivered", None),
        ("completed", False, True, "undelivered", "machine"),
        ("busy", True, False, "busy", "busy"),
        ("no-answer", False, False, "no-answer", "no-answer"),
        ("canceled", True, False, "canceled", "canceled"),
        ("failed", True, False, "failed", "503"),
    ],
)
def test_how_a_call_ends(status: str, asks: bool, machine: bool, is_status: str, code: str | None) -> None:
    report = outcome_of(CallProgress("twilio", "CA1", status, machine=machine, sip="503"), asks=asks)
    assert report is not None
    assert report.status == is_status
    assert (report.fault.code if report.fault else None) == code
    assert (report.fault is not None) == (is_status in UNDONE)
    assert report.fault is None or not report.fault.broken_address


def test_a_status_that_we_do_not_know_is_none() -> None:
    assert outcome_of(CallProgress("twilio", "CA1", "teleported"), asks=True) is None
    assert RANK["ringing"] < RANK["in-progress"] < RANK["busy"] < RANK["read"]
