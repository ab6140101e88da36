"""What happens to an incident, and to whoever it waits for, while its page waits for the morning."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import Resident, Town, hours, minutes, seconds

from app.channels.gsm7 import size

THREE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # Tuesday, 03:00 in Berlin
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
BECAUSE = "waits for the digest of 2026-11-24 at 09:00"
at_three = pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)


async def asks_for_digests(who: Resident, at: str | None = "09:00", zone: str | None = None) -> None:
    await who.asks("PUT", "/api/v1/users/me", {"name": who.name, "time_zone": zone, "digest_at": at})


@at_three
async def test_a_page_that_waits_is_shown_with_its_reason(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("Disk", severity="info")
    (waiting,) = (await ana.asks("GET", "/api/v1/incidents/1/notifications"))["items"]
    assert (waiting["state"], waiting["because"]) == ("pending", BECAUSE)
    assert datetime.fromisoformat(waiting["due_at"]) == NINE


@at_three
async def test_each_of_a_step_has_a_morning_of_their_own(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await asks_for_digests(ana)
    await asks_for_digests(ben, "07:30", "America/New_York")  # 13:30 in Berlin
    await town.service("checkout", policy=[[ana, ben], minutes(10), dan])
    await town.alertmanager.fires("Disk", severity="info")
    await town.wait_until(NINE)
    await ana.expects_mail("Quiet last night: 1 incident waits for you")
    town.nothing_else_arrived()
    his = NINE + hours(4.5)
    await town.wait_until(his)
    await ben.expects_mail("Quiet last night: 1 incident waits for you", "since Mon 21:00")
    await town.wait_until(his + hours(8) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await dan.expects_mail("Disk")


@at_three
async def test_support_hours_that_begin_before_the_morning_page_at_once(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await asks_for_digests(ana)
    office = {"time_zone": "Europe/Berlin", "spans": [{"days": ["tue"], "from": "08:00", "to": "17:00"}]}
    await town.service("checkout", policy=[ana, minutes(600)], support_hours=office)
    await town.alertmanager.fires("Slow", severity="error")
    (incident,) = await town.incidents()
    assert (incident.priority, incident.loudness) == (3, "quiet")
    await town.wait_until(NINE - hours(1) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ana.expects_mail("Slow")
    await town.wait_until(NINE + minutes(5))
    town.nothing_else_arrived()  # nothing of it is left for the digest


@at_three
async def test_a_p1_waits_for_no_morning(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)], criticality=1)
    await town.alertmanager.fires("Down", severity="critical")
    assert (await town.incident()).priority == 1
    await ana.phone.expects_sms("P1", "Down")


@at_three
async def test_a_digest_that_was_moved_still_says_all_of_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("Disk", severity="info")
    await asks_for_digests(ana, "08:00")
    await town.alertmanager.fires("Queue", severity="info")
    await town.wait_until(NINE - hours(1))
    await ana.phone.expects_sms("1 incident waits", "Queue")
    await town.wait(hours(1))
    await ana.phone.expects_sms("1 incident waits", "Disk")
    await ana.replies("a all")  # of one night, though in two messages
    await ana.phone.expects_sms("You have #1, #2 (Checkout).")


@at_three
async def test_what_is_paged_since_is_not_answered_by_all_of_the_night(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.service("search", policy=[ana, minutes(600)], criticality=1)
    await town.alertmanager.fires("Disk", severity="info")
    await town.wait_until(NINE)
    await ana.phone.expects_sms("1 incident waits", "Disk")
    await town.alertmanager.fires("Down", service="search", severity="critical")
    await ana.phone.expects_sms("P1", "Down")
    await ana.replies("a all")
    await ana.phone.expects_sms("Which one?", "Down", "Disk")
    await ana.replies("2a")
    await ana.phone.expects_sms("You have #2")
    await ana.replies("a all")
    await ana.phone.expects_sms("You have", "#1")
    town.nothing_else_arrived()


@at_three
async def test_a_digest_longer_than_a_text_is_answered_by_numbers_and_by_all(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await asks_for_digests(ana)
    await town.build.storms_above(10_000)
    await town.service("checkout", policy=[ana, minutes(600)])
    sender = town.alertmanager
    names = [f"Rather-long-name-of-an-alert-{n}" for n in range(1, 31)]
    await sender.send("checkout", sender.body(
        *(sender.alert(name, sender.labels(name, "checkout", "info", {})) for name in names)
    ))  # fmt: skip
    await town.wait_until(NINE)
    text = await ana.phone.expects_sms("Quiet last night: 30 incidents wait for you", "1: P5", "Reply a all")
    assert size(text.body).segments <= 2
    await ana.replies("a 1 30")  # every one of them has its number, also one that did not fit
    await ana.phone.expects_sms("You have #")
    assert [i.state for i in await town.incidents()].count("acknowledged") == 2
    await town.clock.stop_at(NINE + hours(25))
    await ana.replies("a all")  # a day later, and before anybody else is asked
    assert {i.state for i in await town.incidents()} == {"acknowledged"}
    await ana.phone.expects_sms("You have #")


@at_three
async def test_what_was_merged_is_told_once_and_did_not_resolve_itself(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    for name in ("Disk", "Inodes", "Queue"):
        await town.alertmanager.fires(name, severity="info")
    await ana.asks("POST", "/api/v1/incidents/2/merge", {"into": 1, "reason": "the same disk"})
    await town.alertmanager.resolves("Queue")
    await town.wait_until(NINE)
    mail = await ana.expects_mail("Quiet last night: 1 incident waits for you", "Disk", "Resolved meanwhile", "#3")
    assert "#2" not in mail.text


@at_three
async def test_what_a_person_escalates_stays_quiet_and_what_they_raise_does_not(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await asks_for_digests(ben)
    await town.service("checkout", policy=[ana, minutes(60), ben])
    await town.alertmanager.fires("Disk", severity="info")
    await ana.expects_mail("Disk")
    await ana.escalates()
    town.nothing_else_arrived()
    ((because,),) = await town.rows("SELECT because FROM notifications WHERE state = 'pending'")
    assert because == BECAUSE
    await ana.sets_priority(1, 1, "it is worse than it looked")
    await ana.expects_mail("Disk")


@at_three
async def test_an_incident_that_pages_anew_in_the_night_is_told_once(town: Town) -> None:
    """Reopened, and given back: two epochs, and one line in the morning."""
    (ana,) = await town.people("Ana", each_with="mail")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("Disk", severity="info")
    await town.alertmanager.resolves("Disk")
    await town.wait(minutes(7))
    await town.alertmanager.fires("Disk", severity="info")
    await town.wait_until(NINE)
    mail = await ana.expects_mail("Quiet last night: 1 incident waits for you", "fired 2 times")
    assert "Resolved meanwhile" not in mail.text
    town.nothing_else_arrived()
