"""What a text message asks for, and which incident it is about."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.channels import sms
from app.channels.channel import Message
from app.channels.gsm7 import size
from app.escalation.answering import Standing
from app.notifications import reply_texts, texts
from app.notifications.meaning import Candidate, meant, next_codes
from app.notifications.replies import ACTING, UNKNOWN, Said, masked, parse

NOW = datetime(2026, 11, 23, 2, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("a", Said("acknowledge")),
        ("3a", Said("acknowledge", 3)),
        (" 3 A. ", Said("acknowledge", 3)),
        ("ACK", Said("acknowledge")),
        ("Acknowledge!", Said("acknowledge")),
        ("12a 15", Said("acknowledge", 12, 15)),
        ("12a15", Said("acknowledge", 12, 15)),
        ("a 15 min", Said("acknowledge", None, 15)),
        ("aa", Said("acknowledge_all")),
        ("3aa", Said("acknowledge_all", 3)),
        ("a all", Said("acknowledge", every=True)),
        ("a 1 3", Said("acknowledge", codes=(1, 3))),
        ("c 2", Said("resolve", codes=(2,))),
        ("C 2, 4 and 5.", Said("resolve", codes=(2, 4, 5))),
        ("s 60 1", Said("snooze", None, 60, (1,))),
        ("s 60 all", Said("snooze", None, 60, every=True)),
        ("a #41 #42", Said("acknowledge", codes=(41, 42))),
        ("e", Said("escalate")),
        ("99e", Said("escalate", 99)),
        ("c", Said("resolve")),
        ("3 resolve", Said("resolve", 3)),
        ("3cc", Said("resolve_anyway", 3)),
        ("n", Said("not_actionable")),
        ("r", Said("runbook")),
        ("s 10", Said("snooze", None, 10)),
        ("3s 1h", Said("snooze", 3, 60)),
        ("3s 2 hours", Said("snooze", 3, 120)),
        ("3a 1 hour", Said("acknowledge", 3, 60)),
        ("s 90m", Said("snooze", None, 90)),
        ("s 2h 1 3", Said("snooze", None, 120, (1, 3))),
        ("s 8h all", Said("snooze", None, 480, every=True)),
        ("3s10m", Said("snooze", 3, 10)),
        ("s", Said("snooze")),
        ("?", Said("why")),
        ("3?", Said("why", 3)),
        ("Why me?", Said("why")),
        ("Help", Said("help")),
        ("STOP", Said("stop")),
        ("unsubscribe", Said("stop")),
        ("Start", Said("start")),
        ("yes", Said("start")),
        ("３Ａ", Said("acknowledge", 3)),  # an Asian keyboard
    ],
)
def test_commands(body: str, said: Said) -> None:
    assert parse(body) == said


@pytest.mark.parametrize(
    "body",
    [
        "", " ", "ok", "thanks", "3", "42", "hello", "no", "on my way", "e 5", "r 2", "a b", "3a 4a", "-1a",
        "1000a", "a I am driving", "Acknowledge that I hate this", "stop it", "I am out of office until Monday.",
        "a" * 1000, "\0", "3á", "Liked “P1 #12 HighErrorRate”", "٣a" * 2,
    ],
)  # fmt: skip
def test_what_is_no_command(body: str) -> None:
    assert parse(body) == UNKNOWN


def test_what_twilio_took_for_an_opt_out_is_one() -> None:
    assert parse("arrêt", "STOP") == Said("stop")
    assert parse("3a", "START") == Said("start")
    assert parse("aide", "HELP") == Said("help")
    assert parse("3a", "") == Said("acknowledge", 3)


@given(st.text(max_size=200) | st.text("aecnrs?0123456789 .", max_size=12))
@example("a" * 10_000)
def test_nothing_raises_and_prose_never_acts(body: str) -> None:
    said = parse(body)
    if said.verb in ACTING:
        words = r"[0-9]{0,3} ?(a|aa|e|c|cc|n|s|ack|acknowledged?|escalate|resolved?|snooze|(a|ack) all|not actionable)"
        plain = " ".join(unicodedata.normalize("NFKC", body).casefold().split()).strip("#\"' .!,;:")
        assert re.fullmatch(rf"{words}( ?[0-9]{{1,5}}( ?m(in(utes)?)?)?)?", plain)


def incident(code: int, state: str = "triggered", service: int = 1, user: int = 1, **more: object) -> Candidate:
    made = Candidate(
        code, user, f"user{user}", f"User {user}", 10 + user, UUID(int=code), UUID(int=1000 + code), 100 + code,
        "HighErrorRate", 2, state, service, f"service{service}",
    )  # fmt: skip
    return replace(made, **more)


def codes(said: Said, *candidates: Candidate) -> list[int] | str:
    found = meant(said, candidates)
    return [c.code for c in found.these] if found.these else found.why


A = Said("acknowledge")


def test_a_code_means_what_it_was_given_for() -> None:
    assert codes(replace(A, code=2), incident(1), incident(2)) == [2]
    assert codes(replace(A, code=3), incident(1), incident(2)) == "no_such_code"
    assert codes(replace(A, code=2), incident(2, "resolved")) == [2]


def test_without_a_code_the_only_one_is_meant_or_it_is_asked() -> None:
    assert codes(A) == "nothing"
    assert codes(A, incident(1)) == [1]
    assert codes(A, incident(1), incident(2)) == "which"
    assert codes(A, incident(1, "acknowledged"), incident(2)) == [2]
    assert codes(Said("resolve"), incident(1, "acknowledged"), incident(2)) == "which"
    assert codes(A, incident(1, "acknowledged"), incident(2, "acknowledged")) == "which"
    assert codes(A, incident(1, "resolved"), incident(2)) == [2]
    assert codes(A, incident(1, "resolved")) == [1]
    assert codes(A, incident(1, "resolved"), incident(2, "resolved")) == "nothing"


def test_one_phone_of_two_people_is_not_asked_about_the_same_incident() -> None:
    shared = incident(2, user=2, incident_id=UUID(int=1))
    assert codes(A, incident(1), shared) == [1]


def test_all_of_a_service() -> None:
    aa = Said("acknowledge_all")
    assert codes(aa, incident(1), incident(2)) == [1, 2]
    assert codes(aa, incident(1), incident(2, service=2)) == "which"
    assert codes(replace(aa, code=2), incident(1), incident(2, service=2), incident(3, service=2)) == [2, 3]
    assert codes(replace(aa, code=2), incident(2), incident(3, "acknowledged"), incident(4, user=2)) == [2]
    assert codes(replace(aa, code=2), incident(2, "acknowledged")) == [2]


def test_a_number_behind_a_that_is_a_code_is_asked_about() -> None:
    assert codes(replace(A, minutes=2), incident(1), incident(2)) == "minutes_or_code"
    assert codes(replace(A, minutes=15), incident(1)) == [1]
    assert codes(replace(A, code=1, minutes=2), incident(1), incident(2)) == [1]
    assert codes(replace(A, minutes=2), incident(1), incident(2, "resolved")) == [1]


def test_codes_go_round() -> None:
    assert next_codes(0, set(), 3) == [1, 2, 3]
    assert next_codes(5, {6, 7}, 2) == [8, 9]
    assert next_codes(98, {1}, 3) == [99, 2, 3]
    assert next_codes(99, set(range(1, 60)), 2) == [100, 101]  # two digits are getting scarce
    assert next_codes(1, set(range(1, 1000)), 2) == []


@given(st.integers(0, 999), st.sets(st.integers(1, 999), max_size=300), st.integers(1, 50))
def test_no_code_means_two_things(last: int, taken: set[int], wanted: int) -> None:
    new = next_codes(last, taken, wanted)
    assert len(new) == len(set(new)) == wanted
    assert not set(new) & taken
    assert all(1 <= code <= 999 for code in new)


def test_numbers_in_a_log_are_masked() -> None:
    assert masked("+491701234567") == "+49*****567"
    assert masked("12345") == "*****"


# -- what goes out: our own words are GSM-7, and short


ABOUT = texts.About(12, "HighErrorRate", 1, "Checkout", NOW, 3, "", 0, code=99)
LONG = replace(ABOUT, title="Something with a very long title that goes on and on " * 4)
LINK = "https://tocsin.example.org/l/0123456789abcdefghijkl"


def message(words: texts.Words, to: str = "+491701234567", link: str = LINK) -> Message:
    return Message(
        notification_id="1", attempt=1, purpose="page", to=to, at=NOW, subject=words.subject, text=words.text,
        link=link, asides=words.asides, replies=words.replies,
    )  # fmt: skip


def page(about: texts.About) -> texts.Words:
    return texts.page(about, {"why": "a member of primary"}, "UTC", NOW, repeated=False)


def test_a_page_says_how_to_answer_and_costs_no_segment_more() -> None:
    body = sms.body_of(message(page(ABOUT)))
    assert body.splitlines()[1:] == ["Reply 99a to acknowledge", LINK]
    assert size(body).segments == 1
    cut = sms.body_of(message(page(LONG)))
    assert cut.splitlines()[1:] == ["Reply 99a", LINK]  # the longer form would cost words of the title
    assert size(cut).segments == 2


def test_the_longer_hint_costs_neither_segment_nor_word() -> None:
    for length in range(1, 260):
        about = replace(ABOUT, title="x" * length, firing=1)
        body, short = (
            sms.body_of(message(page(about))),
            sms.body_of(message(replace(page(about), replies=("Reply 99a",)))),
        )
        assert size(body).segments == size(short).segments
        assert body.splitlines()[0] == short.splitlines()[0]


def test_countries_without_links_or_answers() -> None:
    china = sms.body_of(message(page(ABOUT), "+8613812345678"))
    india = sms.body_of(message(page(ABOUT), "+919812345678"))
    assert LINK not in china
    assert "Reply" not in china
    assert LINK in india
    assert "Reply" not in india
    assert not sms.carries_links("+8613812345678")
    assert sms.replies_reach_us("+8490") is False
    assert sms.replies_reach_us("+49") is True


def test_a_number_that_wants_no_links_gets_none_of_any_kind_and_keeps_its_code() -> None:
    about = replace(ABOUT, title="Look at https://wiki.example.org/x?y=1, then www.example.org")
    own = replace(message(page(about)), links=False)
    assert sms.body_of(own).splitlines() == [
        "P1 #12 Look at (link left out), then (link left out) +2 more (Checkout)", "Reply 99a to acknowledge",
    ]  # fmt: skip
    china = replace(message(page(about), "+8613812345678"), links=True)
    assert "(link left out), then (link left out)" in sms.body_of(china)
    assert "https://wiki.example.org/x?y=1, then www." in sms.body_of(replace(own, links=True))
    several = replace(message(texts.several([about, ABOUT])), links=False)
    assert "://" not in sms.body_of(several)
    assert "Reply 99a" in sms.body_of(several)
    one_way = replace(message(page(about), "+919812345678"), links=False)
    assert sms.body_of(one_way) == "P1 #12 Look at (link left out), then (link left out) +2 more (Checkout)"


def test_what_asks_for_its_link_asks_otherwise_where_there_is_none() -> None:
    drilled = texts.drill(ABOUT, {}, repeated=False)
    assert drilled.text.endswith("Please acknowledge")
    assert drilled.replies[0] == "Reply 99a to acknowledge"
    assert texts.drill(replace(ABOUT, code=None), {}, repeated=False).text.endswith("Please open and acknowledge")
    asked = {"text": "You are on call for Primary.", "handshake": 1}
    assert texts.notice(asked, links=False).text.endswith("Primary. Please confirm it on the screen On call.")
    assert texts.notice(asked).text == "You are on call for Primary."
    assert reply_texts.runbook(seen(), links=False) == [
        "The runbook of #12 is a link, and this number gets none: it is on the incident's screen."
    ]
    assert reply_texts.runbook(seen(runbook_url=""), links=False) == ["There is no runbook for #12."]


def test_without_a_link_a_page_still_says_how_to_answer() -> None:
    assert sms.body_of(message(page(ABOUT), link="")).endswith("\nReply 99a to acknowledge")


def seen(**more: object) -> Standing:
    given = {
        "id": UUID(int=1), "number": 12, "title": "HighErrorRate", "state": "acknowledged", "epoch": 1, "priority": 1,
        "firing": 2, "opened_at": NOW, "reopened": 0, "acknowledged_at": NOW, "acknowledged_by_id": 1, "holder": "Ana",
        "wakes_at": NOW + timedelta(minutes=30), "wakes_because": "expires", "resolved_at": None, "resolved_by": None,
        "resolver": "", "service": "Checkout", "runbook_url": "https://wiki.example.org/x", "runbook_text": "",
        "note": "", "round": 1, "step": 0, "next_step_at": NOW + timedelta(minutes=5), "time_zone": "Europe/Berlin",
    }  # fmt: skip
    return Standing(**(given | more))


def built_in() -> list[str]:
    """Every text of ours that may go out by SMS, with ordinary names."""
    two = [ABOUT, replace(ABOUT, number=13, service="Search", code=98)]
    said = [incident(1), incident(2)]
    words = [
        page(ABOUT),
        page(replace(ABOUT, code=None)),
        texts.several(two),
        texts.update_is_due(ABOUT, "UTC", repeated=True),
        texts.for_information(ABOUT, {}, "triggered", "UTC", repeated=False),
        texts.verification({"code": "123456"}),
    ]
    answers = [
        reply_texts.taken(seen(), 1, NOW),
        reply_texts.taken(seen(), 2, NOW),
        reply_texts.taken(seen(state="triggered", missing=("Ben",), acknowledged_by_id=None), 1, NOW),
        reply_texts.standing(seen(state="resolved", resolved_at=NOW, resolver="Ben"), 1, NOW),
        reply_texts.standing(seen(state="triggered", acknowledged_by_id=None), 1, NOW),
        reply_texts.taken_all([seen(), seen(number=13)], 1, NOW),
        reply_texts.still_firing(seen(), 99, 2),
        reply_texts.escalated(seen()),
        reply_texts.escalated(seen(loudness="quiet", priority=5)),
        reply_texts.why(seen(), "a member of primary", 1, NOW),
        reply_texts.needs_minutes(Said("snooze", 3), 10080),
        reply_texts.help_text([], asked=True),
        reply_texts.help_text(said[:1], asked=True),
        reply_texts.help_text(said[:1], asked=False),
        reply_texts.ask(meant(Said("acknowledge"), said), Said("acknowledge")),
        reply_texts.ask(meant(Said("acknowledge", 9), said), Said("acknowledge", 9)),
        reply_texts.ask(meant(Said("acknowledge", None, 2), said), Said("acknowledge", None, 2)),
        reply_texts.ask(meant(Said("acknowledge"), []), Said("acknowledge")),
        *reply_texts.runbook(seen(runbook_text="Turn it off and on again. " * 60), links=True),
        *reply_texts.runbook(seen(runbook_text="", runbook_url=""), links=True),
        *reply_texts.runbook(seen(runbook_text=""), links=False),
        reply_texts.only_a_drill(seen()),
    ]
    return [sms.body_of(message(w, link="")) for w in words] + answers


@pytest.mark.parametrize("text", built_in())
def test_our_own_texts_are_gsm7_and_fit_two_segments(text: str) -> None:
    assert size(text).encoding == "gsm7"
    assert size(text).segments <= 2
    assert "  " not in text
    assert parse(text) == UNKNOWN, "what we say is never taken for a command when a machine sends it back"


MANY = [seen(number=n, acknowledged_by_id=None) for n in range(101, 141)]
CODES = list(range(1, 41))


@pytest.mark.parametrize("title", ["Trouble", "Certificate of the shop in Reykjavik ends soon"])
def test_an_answer_about_many_names_as_many_as_fit_and_how_many_more(title: str) -> None:
    over = [replace(s, state="resolved") for s in MANY[:20]]
    night = [replace(incident(n, title=title), code=n) for n in CODES]
    answers = [
        reply_texts.resolved_all(MANY, CODES),
        reply_texts.resolved_all([*over, *MANY[20:]], CODES),
        reply_texts.ask(meant(Said("why"), night), Said("why")),
        reply_texts.ask(meant(Said("escalate", 99), night), Said("escalate", 99)),
        reply_texts.help_text(night, asked=False),
        reply_texts.taken_all([replace(s, holder=title, acknowledged_by_id=9) for s in MANY], 1, NOW),
    ]
    for text in answers:
        assert size(text).segments <= 2, text
        assert re.search(r" and \d+ more|And \d+ more", text), text
    assert answers[0].startswith("Not resolved, alerts still fire: #101 (1cc), #102 (2cc), ")
    assert answers[0].endswith(" more. Reply what is in brackets to resolve it anyway; it comes back if that goes on.")
    assert answers[1].startswith("Resolved: #101, #102, ")
    few = reply_texts.resolved_all([over[0], MANY[1], MANY[2]], [1, 2, 3])
    assert few.startswith("Resolved: #101. Not resolved, alerts still fire: #102 (2cc), #103 (3cc). Reply ")


def test_who_escalates_what_is_quiet_is_told_that_it_may_wait() -> None:
    assert reply_texts.escalated(seen()).startswith("The next step of #12 is paged now: P1 ")
    assert "may wait for a morning" in reply_texts.escalated(seen(loudness="quiet"))


def test_which_one_is_asked_with_the_minutes_that_were_given() -> None:
    both = [incident(1), incident(2)]
    snooze, promise = Said("snooze", minutes=60), Said("acknowledge", minutes=15)
    assert reply_texts.ask(meant(snooze, both), snooze).startswith("Which one? 1s 60 ")
    assert reply_texts.ask(meant(promise, both), promise).startswith("Which one? 1a 15 ")
    assert reply_texts.ask(meant(Said("escalate"), both), Said("escalate")).startswith("Which one? 1e ")


def test_a_runbook_comes_in_three_parts_at_most_and_ends_with_its_link() -> None:
    parts = reply_texts.runbook(seen(runbook_text="word " * 300), links=True)
    assert [p[:5] for p in parts[:3]] == [f"({n}/{len(parts)})" for n in (1, 2, 3)]
    assert parts[-1].endswith("https://wiki.example.org/x")
    assert len(parts) <= 4
    assert reply_texts.runbook(seen(runbook_text="Call Bob."), links=False) == ["Call Bob."]
    cyrillic = reply_texts.runbook(seen(runbook_text="слово " * 100), links=False)
    assert all(size(p).segments <= 2 for p in cyrillic)


def test_what_was_acknowledged_and_what_not_is_told_in_short() -> None:
    mine = [seen(number=n, service=f"s{n % 2}") for n in range(1, 26)]
    others = [seen(number=n, acknowledged_by_id=2, holder="Ben") for n in range(30, 40)]
    told = reply_texts.taken_all([*mine, *others], 1, NOW)
    assert told.startswith("You have #1, #2, ")
    assert "#20 and 5 more. Ben has #30 since " in told
    assert told.endswith("And 4 more that you do not have.")
    assert (
        reply_texts.taken_all([seen(number=1, service="Checkout"), seen(number=2, service="Checkout")], 1, NOW)
        == "You have #1, #2 (Checkout)."
    )
