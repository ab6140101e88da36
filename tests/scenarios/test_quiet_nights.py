"""The quiet pages of a night as one message in the morning, with one answer for all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import Resident, Town, hours, minutes, seconds

THREE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
STATES = (
    "SELECT state, because, channel, carried_by_id FROM notifications WHERE purpose = 'page' ORDER BY created_at, id"
)


async def asks_for_digests(who: Resident, at: str | None = "09:00") -> None:
    await who.asks("PUT", "/api/v1/users/me", {"name": who.name, "time_zone": None, "digest_at": at})


async def a_night(town: Town, ana: Resident, *names: str, at: str = "09:00") -> None:
    """Three o'clock: each of these is quiet."""
    await town.service("checkout", policy=[ana, minutes(60)])
    await asks_for_digests(ana, at)
    for name in names:
        await town.alertmanager.fires(name, severity="info")
    assert {i.loudness for i in await town.incidents()} <= {"quiet"}


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_a_night_by_text_with_one_answer(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.build.notification_rules(ana, [("quiet", seconds(0), "sms")])
    await a_night(town, ana, "Disk", "Certificate", "Queue", "Backup")
    waiting = await town.rows(STATES)
    assert {(w.state, w.because) for w in waiting} == {("pending", "waits for the digest of 2026-11-24 at 09:00")}
    await town.alertmanager.resolves("Queue")
    await town.wait_until(NINE - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    text = await ana.phone.expects_sms("Quiet last night: 3 incidents wait for you", "Disk", "Certificate", "Backup")
    assert "Reply a all" in text.body
    assert "Queue" not in text.body
    town.nothing_else_arrived()
    await ana.replies("a all")
    await ana.phone.expects_sms("You have #1, #2, #4 (Checkout).")
    assert [i.state for i in await town.incidents()].count("acknowledged") == 3
    first = next(i for i in await town.incidents() if i.number == 1)
    assert "Acknowledged by Ana by SMS" in await town.story(first)
    await town.wait_until(NINE + hours(23))
    town.nothing_else_arrived()  # nothing waits, so nothing goes out


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_a_night_by_mail_with_some_numbers(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await a_night(town, ana, "Disk", "Certificate", "Queue", "Backup")
    await town.alertmanager.resolves("Queue")
    await town.wait_until(NINE)
    mail = await ana.expects_mail(
        "Quiet last night: 3 incidents wait for you", "Disk", "since Tue 03:00", "Resolved meanwhile", "#3",
        "a all in the first line acknowledges all of them, a 1 2 these",
    )  # fmt: skip
    town.nothing_else_arrived()
    screen = await ana.follows_link()
    assert "3 incidents, 3 of them unanswered" in screen.words
    await ana.answers_mail(mail, "a 1 9")
    await ana.expects_mail("The mail that you answered was not about #9")
    assert {i.state for i in await town.incidents()} == {"triggered", "resolved"}
    await ana.answers_mail(mail, "a 1 4")
    await ana.expects_mail("You have #1, #4 (Checkout).")
    await ana.answers_mail(mail, "s 60 2")
    await ana.expects_mail("You have #2 until 10:00, then it pages again")
    await ana.answers_mail(mail, "c all")
    await ana.expects_mail("Not resolved, alerts still fire: #1 (1cc), #2 (2cc), #4 (4cc). Reply")
    assert [i.state for i in await town.incidents()] == ["acknowledged", "acknowledged", "resolved", "acknowledged"]


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_nothing_goes_out_when_nothing_waits(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await a_night(town, ana, "Disk", "Certificate")
    await town.alertmanager.resolves("Disk")
    await ben.acknowledges(2)
    await town.wait_until(NINE + hours(1))
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_whoever_did_not_ask_gets_each_at_once_and_so_does_who_turns_it_off(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await a_night(town, ana, "Disk")
    await town.service("search", policy=[ben, minutes(60)])
    await town.alertmanager.fires("Slow", service="search", severity="info")
    await ben.expects_mail("Slow")
    await asks_for_digests(ana, None)
    await town.alertmanager.fires("Certificate", severity="info")
    await ana.expects_mail("Certificate")
    await town.wait_until(NINE)
    await ana.expects_mail("Quiet last night: 1 incident waits for you", "Disk")  # what waited is not lost
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_by_day_a_quiet_page_goes_out_at_once_and_a_raise_pages_loudly_by_night(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await a_night(town, ana, "Disk")
    await ana.sets_priority(1, 1, "the whole shop")
    await ana.expects_mail("Disk")
    await ana.resolves(confirmed=True)
    await town.alertmanager.resolves("Disk")
    await town.wait_until(NINE)
    town.nothing_else_arrived()  # it was paged as a P1, and not once more in the digest
    await town.alertmanager.fires("Noon", severity="info")
    await ana.expects_mail("Noon")


@pytest.mark.parametrize("town", [{"at": THREE, "workers": 2}], indirect=True)
async def test_two_workers_send_one_message(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.storms_above(10_000)
    await a_night(town, ana)
    await asks_for_digests(ben)
    await town.service("search", policy=[ben, minutes(60)])
    for service in ("checkout", "search"):
        sender = town.alertmanager
        alerts = [sender.alert(f"T{n}", sender.labels(f"T{n}", service, "info", {})) for n in range(150)]
        await sender.post(service, sender.body(*alerts))
    await town.wait_until(NINE)
    for person in (ana, ben):
        await person.expects_mail("Quiet last night: 150 incidents wait for you", "130 more")
    town.nothing_else_arrived()
    assert len(await town.rows("SELECT 1 FROM attempts")) == 2


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_a_number_of_an_old_digest_never_means_a_new_incident(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate")
    await town.wait_until(NINE)
    await ana.phone.expects_sms("2 incidents wait", "1: P", "2: P")
    await ana.replies("a all")
    await ana.phone.expects_sms("You have #1, #2")
    await town.alertmanager.resolves("Disk")
    await town.alertmanager.resolves("Certificate")
    await town.wait_until(NINE + hours(18))
    await town.alertmanager.fires("Queue", severity="info")
    await town.wait_until(NINE + hours(24))
    await ana.phone.expects_sms("1 incident waits", "3: P", "Queue")
    await ana.replies("c 2")
    await ana.phone.expects_sms("2 is no code of this number. Open: 3 P5 #3 Queue")
    await ana.replies("a 3")  # a digest says so: no promise of three minutes
    await ana.phone.expects_sms("You have #3: P5 Queue")


@pytest.mark.parametrize("town", [{"at": datetime(2026, 10, 25, 0, 10, tzinfo=UTC)}], indirect=True)
@pytest.mark.parametrize("at", ["09:00", "02:30"])
async def test_the_night_that_has_an_hour_twice(town: Town, at: str) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await a_night(town, ana, "Disk", at=at)  # 02:10 CEST
    due = {"09:00": datetime(2026, 10, 25, 8, 0, tzinfo=UTC), "02:30": datetime(2026, 10, 25, 0, 30, tzinfo=UTC)}[at]
    await town.alertmanager.fires("Certificate", severity="info")
    await town.wait_until(due)
    await ana.expects_mail("2 incidents wait for you", "Disk", "Certificate")
    await town.wait_until(datetime(2026, 10, 25, 8, 0, tzinfo=UTC))  # the clocks showed 02:30 once more
    town.nothing_else_arrived()
    mornings = {c["digest"] for (c,) in await town.rows("SELECT content FROM notifications WHERE purpose = 'page'")}
    assert mornings == {"2026-10-25"}


@pytest.mark.parametrize("town", [{"at": datetime(2026, 3, 29, 0, 30, tzinfo=UTC)}], indirect=True)
async def test_the_morning_that_comes_an_hour_early(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await a_night(town, ana, "Disk", "Certificate")  # 01:30 CET, half an hour before the clocks go forward
    due = datetime(2026, 3, 29, 7, 0, tzinfo=UTC)  # 09:00 CEST
    await town.wait_until(due - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ana.expects_mail("2 incidents wait for you", "since Sun 01:30")
    await town.wait(hours(1))
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"at": THREE - hours(5)}], indirect=True)
async def test_the_ladder_counts_from_the_morning(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await asks_for_digests(ana)
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("Disk", severity="info")  # 22:00; eight hours later Ana still knows nothing of it
    await town.wait_until(NINE)
    await ana.expects_mail("Quiet last night", "Disk")
    await town.wait_until(NINE + hours(8) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ben.expects_mail("Disk")
