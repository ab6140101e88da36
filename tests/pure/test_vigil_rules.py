"""What the watch over Tocsin itself decides: reports of a peer, patience, canaries, what a heartbeat says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.notifications.watch import Look, Overdue, Seen
from app.settings import read as read_settings
from app.vigil import canary_rules, patience, report, standing
from app.vigil.beacon import failing
from app.vigil.canary_rules import Flight
from app.vigil.report import FINE, Finding
from app.vigil.standing import Process

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SECRETS = {"TOCSIN_PEER_TOKEN": "p" * 32, "TOCSIN_VIGIL_SERVICE": "pager"}


def seconds(n: float) -> timedelta:
    return timedelta(seconds=n)


def said(**members: Any) -> bytes:
    fine = {
        "version": "1", "database_readable": True, "unreadable_s": 0, "unreachable": 0, "clock": NOW.isoformat(),
        "ladders": {"late": 0, "oldest_s": 0}, "notifications": {"late": 0, "oldest_s": 0}, "tick_s": 1, "looked_s": 9,
    }  # fmt: skip
    return json.dumps(fine | members).encode()


@pytest.mark.parametrize(
    ("members", "kind", "words"),
    [
        ({}, "", ""),
        ({"ladders": {"late": 3, "oldest_s": 250}}, "late", "3 ladders overdue, the oldest by 4 min 10 s"),
        ({"notifications": {"late": 1, "oldest_s": 61}}, "late", "1 notification overdue"),
        ({"ladders": {"late": 0, "oldest_s": 55}}, "", ""),
        ({"unreachable": 2}, "late", "last resort"),
        ({"database_readable": False, "unreadable_s": 20, "ladders": None}, "", ""),
        ({"database_readable": False, "unreadable_s": 75, "ladders": None}, "database", "1 min 15 s"),
        ({"tick_s": 95}, "stuck", "has not ticked for 1 min 35 s"),
        ({"tick_s": None}, "", ""),
        ({"looked_s": 600}, "stuck", "10 min"),
        ({"clock": (NOW - timedelta(minutes=4)).isoformat()}, "clock", "4 min behind ours"),
        ({"clock": None}, "", ""),
    ],
)
def test_a_report_is_put_into_words(members: dict[str, Any], kind: str, words: str) -> None:
    found = report.read(200, said(**members), NOW)
    assert found.kind == kind
    assert words in found.words


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"<html>", b"\xff\xfe", b"[" * 16_000, said(unreachable=-1),
        said(unreachable=10**12),
        said(ladders={"late": 1, "oldest_s": 1e300}), said(version="x" * 101), said(clock="2026-11-23T06:00:00"),
        said(clock="never"), said(unreadable_s=True), said(tick_s="1"), said(version="y" * 99, more="z" * 20_000),
        said().replace(b'"unreadable_s": 0', b'"unreadable_s": NaN'),
    ],
)  # fmt: skip
def test_a_peer_that_talks_nonsense_is_not_believed(body: bytes) -> None:
    assert report.read(200, body, NOW).kind == "nonsense"


@given(st.binary(max_size=300))
def test_no_body_is_an_error(body: bytes) -> None:
    assert len(report.read(200, body, NOW).words) < 200


@pytest.mark.parametrize(("status", "kind"), [(401, "refused"), (403, "refused"), (404, "refused"), (503, "silent")])
def test_answers_without_a_report(status: int, kind: str) -> None:
    assert report.read(status, b"secret words", NOW).kind == kind


def asked(*looks: tuple[float, Finding]) -> list[str]:
    """What is held wrong after each look; (seconds since the first, what was found)."""
    state: dict[str, Any] = {}
    held = []
    for at, finding in looks:
        judged = patience.judge(state, finding, NOW + seconds(at))
        state = json.loads(json.dumps(judged.state))
        held.append(judged.wrong)
    return held


SILENT = report.silent("no answer in time")
LATE = Finding("late", "is late")


def test_silence_is_waited_for_a_minute_and_over_after_a_calm_one() -> None:
    silence = [(t, SILENT) for t in (0, 15, 30, 45, 60)]
    calm = [(t, FINE) for t in (75, 90, 105, 120, 135)]
    assert asked(*silence, *calm) == ["", "", "", "", "silent", "silent", "silent", "silent", "silent", ""]


def test_one_answer_in_between_begins_the_count_anew() -> None:
    assert set(asked((0, SILENT), (15, SILENT), (30, FINE), (45, SILENT), (60, SILENT), (75, SILENT))) == {""}


def test_what_a_peer_says_of_itself_needs_two_looks() -> None:
    assert asked((0, LATE), (14, LATE)) == ["", "late"]


def test_whoever_was_down_itself_counts_anew_and_forgets_nothing() -> None:
    assert asked((0, SILENT), (15, SILENT), (7200, SILENT)) == ["", "", ""]
    found = asked(*[(t, SILENT) for t in (0, 15, 30, 45, 60)], (7200, FINE), (7215, FINE))
    assert found[-2:] == ["silent", "silent"]


def test_a_peer_that_dies_while_it_is_late_is_told_anew() -> None:
    looks = [(0, LATE), (15, LATE), *[(t, SILENT) for t in (30, 45, 60, 75, 90)]]
    assert asked(*looks)[1:] == ["late", "late", "late", "late", "late", "silent"]


def flown(**members: Any) -> Flight:
    fine = {
        "channel": "sms", "provider": "twilio", "made_at": NOW, "state": "delivered", "because": "",
        "accepted_at": NOW + seconds(1), "finished_at": NOW + seconds(4), "tells": True,
    }  # fmt: skip
    return Flight(**fine | members)


@pytest.mark.parametrize(
    ("flight", "after_s", "over", "wrong"),
    [
        (flown(), 10, True, ""),
        (flown(finished_at=NOW + seconds(840)), 850, True, "late"),
        (flown(state="sent", finished_at=NOW + seconds(1)), 60, False, None),
        (flown(state="sent", finished_at=NOW + seconds(1)), 301, False, "missing"),
        (flown(state="sent", finished_at=NOW + seconds(1), tells=False), 10, True, ""),
        (flown(state="pending", accepted_at=None, finished_at=None, provider=""), 301, False, "missing"),
        (flown(state="undelivered", because="unreachable"), 30, True, "lost"),
        (flown(state="sent"), 3400, True, "lost"),
    ],
)
def test_canaries_are_judged(flight: Flight, after_s: float, over: bool, wrong: str | None) -> None:
    verdict = canary_rules.judge(flight, NOW + seconds(after_s), seconds(300))
    assert (verdict.over, verdict.wrong) == (over, wrong)


def test_a_late_canary_says_how_late() -> None:
    verdict = canary_rules.judge(flown(finished_at=NOW + seconds(840)), NOW + seconds(850), seconds(300))
    assert verdict.words == "Provider twilio for sms took 14 min for a canary"


def process(look: Look | None = None, *, ago: float = 1.0, up: float = 500.0, tick: float | None = 1.0) -> Process:
    seen = None if look is None else Seen(look, 1000.0 - ago, (NOW, 1000.0 - ago))
    return Process(seen, 1000.0, up, True, tick)


CALM = Look(ladders=Overdue(), notifications=Overdue())


@pytest.mark.parametrize(
    ("now", "wrong"),
    [
        (process(CALM), []),
        (process(None, up=5, tick=None), None),
        (process(CALM, up=5, tick=None), None),
        (process(Look(unreadable_s=30)), None),
        (process(Look(unreadable_s=60)), ["unreadable"]),
        (process(Look(ladders=Overdue(2, 90), notifications=Overdue())), ["not escalating"]),
        (process(Look(ladders=Overdue(0, 59), notifications=Overdue())), []),
        (process(CALM, tick=31), ["has not ticked for 31 s"]),
        (process(CALM, up=90, tick=None), ["has not ticked since"]),
        (process(CALM, ago=90), ["nobody has looked"]),
        (process(None, up=90), ["nobody has looked"]),
    ],
)
def test_what_the_outgoing_heartbeat_says(now: Process, wrong: list[str] | None) -> None:
    found = standing.wrong(now)
    assert (found is None) == (wrong is None)
    assert len(found or []) == len(wrong or [])
    for words, part in zip(found or [], wrong or [], strict=True):
        assert part in words.replace("cannot read its database", "unreadable").replace("has not been", "unreadable")


def test_what_a_peer_is_told_is_what_it_can_read() -> None:
    document = standing.document(process(Look(ladders=Overdue(2, 90), notifications=Overdue())), "1.0")
    body = json.dumps(document, default=lambda at: at.isoformat()).encode()
    assert report.read(200, body, NOW).kind == "late"


@pytest.mark.parametrize(
    ("url", "to"),
    [
        ("https://hc.example.org/ping/u-u-i-d", "https://hc.example.org/ping/u-u-i-d/fail"),
        ("https://hc.example.org/ping/key/slug/?create=1", "https://hc.example.org/ping/key/slug/fail?create=1"),
    ],
)
def test_trouble_is_told_below_the_address(url: str, to: str) -> None:
    assert failing(url) == to


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"TOCSIN_HEARTBEAT_URL": "hc.example.org/s3cr3t"}, "TOCSIN_HEARTBEAT_URL"),
        ({"TOCSIN_HEARTBEAT_URL": "https://hc.example.org:s3cr3t/"}, "TOCSIN_HEARTBEAT_URL"),
        ({"TOCSIN_HEARTBEAT_EVERY": "5"}, "TOCSIN_HEARTBEAT_EVERY"),
        ({"TOCSIN_HEARTBEAT_STYLE": "smoke"}, "TOCSIN_HEARTBEAT_STYLE"),
        ({"TOCSIN_PEER_URL": "https://b.example.org"}, "TOCSIN_PEER_TOKEN"),
        ({"TOCSIN_PEER_URL": "b.example.org", **SECRETS}, "TOCSIN_PEER_URL"),
        ({"TOCSIN_PEER_TOKEN": "s3cr3t"}, "TOCSIN_PEER_TOKEN"),
        ({"TOCSIN_CANARY_USER": "canary"}, "TOCSIN_VIGIL_SERVICE"),
        ({"TOCSIN_CANARY_WITHIN": "1"}, "TOCSIN_CANARY_WITHIN"),
        ({"TOCSIN_PAPER_TO": "a@example.org"}, "TOCSIN_SMTP_URL"),
    ],
)
def test_half_a_configuration_is_refused_without_showing_it(given: dict[str, str], names: str) -> None:
    with pytest.raises(Invalid, match=names) as refused:
        read_settings({"HOME": "/", **given})
    assert "s3cr3t" not in str(refused.value)
