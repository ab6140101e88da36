"""What a page says: in a text at a glance, in a mail each fact once."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address

from app.channels.channel import Message
from app.channels.letter import letter
from app.incidents.recurrence import Earlier, Recurrence
from app.notifications import texts
from app.notifications.texts import About, for_information, page, update_is_due

NOW = datetime(2026, 11, 22, 1, 14, tzinfo=UTC)
ABOUT = About(
    number=42,
    title="A quarter of all payments fail",
    priority=1,
    service="Checkout",
    opened_at=NOW,
    firing=2,
    runbook_url="https://wiki.example.org/checkout",
    reopened=0,
)
LINK = "https://tocsin.example.org/l/x"


def test_a_mail_says_what_it_is_about_and_each_fact_once() -> None:
    words = page(ABOUT, {"why": "named in the policy"}, "Europe/Berlin", NOW, repeated=False)
    message = Message(
        notification_id="1",
        attempt=1,
        purpose="page",
        to="ana@example.org",
        at=NOW,
        subject=words.subject,
        text=words.text,
        text_long=words.text_long,
        facts=words.facts,
        link=LINK,
        link_label=words.link_label,
    )
    mail = letter(message, Address("Tocsin", "tocsin", "example.org"))
    plain, rich = (str(mail.get_body((kind,)).get_content()) for kind in ("plain", "html"))  # type: ignore[union-attr]  # both are there
    assert plain.splitlines()[0] == "P1 incident 42: A quarter of all payments fail"
    for fact in ("Priority", "Why you", "Runbook", "named in the policy", "Sun 22 Nov 02:14 CET"):
        assert (plain.count(fact), rich.count(fact)) == (1, 1), fact
    assert plain.index("Runbook") < plain.index(LINK)


def test_a_mail_says_how_often_it_came_back_and_what_helped() -> None:
    over = NOW - timedelta(days=3)
    last = Earlier(41, over - timedelta(minutes=14), over, "disk full", "rotating the logs")
    words = page(replace(ABOUT, recurrence=Recurrence(3, last)), {}, "Europe/Berlin", NOW, repeated=False)
    known = "3rd time in 30 days; last time, 3 days ago: disk full, fixed by rotating the logs, took 14 min"
    assert dict(words.facts)["Happened before"] == known
    assert words.asides[0] == known


def test_the_first_time_says_nothing_about_others() -> None:
    words = page(ABOUT, {}, "Europe/Berlin", NOW, repeated=False)
    assert "Happened before" not in dict(words.facts)
    assert words.asides == ()


def test_a_text_says_the_priority_first_and_how_much_more_there_is() -> None:
    words = page(ABOUT, {}, "Europe/Berlin", NOW, repeated=True)
    assert words.text == "P1 #42 (repeat) A quarter of all payments fail +1 more (Checkout)"


def test_what_is_for_information_asks_for_nothing() -> None:
    words = for_information(ABOUT, {"why": "named in the policy"}, "acknowledged", "Europe/Berlin", repeated=False)
    assert words.text == ("For your information: P1 #42 A quarter of all payments fail (Checkout), it is acknowledged")
    assert "You need not do anything" in words.text_long
    assert "cknowledge" not in words.link_label
    assert "nobody has it yet" in for_information(ABOUT, {}, "triggered", "UTC", repeated=True).text


def test_a_reminder_says_that_an_update_is_due() -> None:
    words = update_is_due(ABOUT, "Europe/Berlin", repeated=True)
    assert words.text == "P1 #42 (repeat): an update is due on A quarter of all payments fail (Checkout)"


def test_what_is_about_no_incident_says_as_well_that_it_may_have_been_sent() -> None:
    code = texts.verification({"code": "123456"}, repeated=True)
    assert code.text == code.text_long
    assert code.text == "(repeat) Your Tocsin verification code is 123456. It is valid for 15 minutes."
    told = texts.notice({"text": "The storm is over.", "text_long": "It is over:\nat last."}, repeated=True)
    assert (told.text, told.text_long) == ("(repeat) The storm is over.", "(repeat) It is over:\nat last.")
    assert texts.notice({"text": "The storm is over."}, repeated=True).text_long == "(repeat) The storm is over."
    assert texts.notice({"text": "The storm is over."}).text == "The storm is over."
