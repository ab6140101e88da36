"""A message that does not arrive: the next contact method now, then the next person now."""

from __future__ import annotations

import asyncio

import pytest
from town import Town, minutes, seconds

from app import clock
from app.channels.channel import DeliveryReport, SendFailed
from app.db.engine import transaction
from app.notifications.reports import report_delivery

WAITING = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_an_invalid_number_is_marked_broken_and_its_owner_told_by_mail(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(30)])
    town.exchange.troubles.refuses(21211, to=ana.number)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.expects_mail("contact method of yours is broken")
    (method,) = await town.rows("SELECT broken_at, broken_because FROM contact_methods WHERE channel = 'sms' "
                                "AND user_id = :ana", ana=ana.user_id)  # fmt: skip
    assert method.broken_at == town.now
    assert "21211" in method.broken_because
    await town.wait(minutes(20))  # neither her second text nor the next step
    town.nothing_else_arrived()


async def test_a_mail_that_was_planned_for_later_is_brought_forward(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    rules = [("loud", seconds(0), "sms"), ("loud", minutes(10), "mail")]
    await town.build.notification_rules(ana, rules)
    await town.service("checkout", policy=[ana, minutes(30)])
    town.exchange.troubles.refuses(21614, to=ana.number)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.expects_mail("contact method of yours is broken")


async def test_a_method_that_no_rule_names_is_better_than_none(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(30)])
    town.exchange.troubles.refuses(21211, to=ana.number)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.expects_mail("contact method of yours is broken")


async def test_whoever_has_no_other_method_is_passed_over_now(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    town.exchange.troubles.refuses(21211, to=ana.number)
    await town.alertmanager.fires("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    assert any(line.startswith("The SMS to Ana failed") for line in await town.story())


async def test_temporary_errors_are_tried_three_times_within_45_seconds(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    town.exchange.troubles.refuses(20429, to=ana.number, times=2)
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(seconds(45))
    await ana.phone.expects_sms("HighErrorRate")
    assert len([r for r in town.exchange.requests if r.method == "POST"]) == 3


async def test_after_three_tries_it_is_somebody_elses_turn(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    town.exchange.troubles.refuses(20429, to=ana.number, times=3)
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(seconds(45))
    await ben.phone.expects_sms("HighErrorRate")
    (method,) = await town.rows("SELECT broken_at FROM contact_methods WHERE user_id = :ana", ana=ana.user_id)
    assert method.broken_at is None
    await town.wait(minutes(5))
    await ana.phone.expects_sms("HighErrorRate")  # her second text was planned, and Twilio takes it by now
    await ben.phone.expects_sms("HighErrorRate")


async def test_two_that_fail_at_the_same_instant_are_both_seen(town: Town) -> None:
    """Each in a transaction of its own: one waits for the other, and sees that its hope is gone too."""
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="sms")
    await town.service("checkout", policy=[(ana, ben), minutes(30), dan, minutes(30)])
    ana.phone.reach = ben.phone.reach = "off"
    await town.alertmanager.fires("HighErrorRate")
    one, other = [bytes(r.callback_hash) for r in await town.rows("SELECT callback_hash FROM attempts")]
    report = DeliveryReport("twilio", "SM1", "undelivered", SendFailed("unreachable", code="30003"))

    async def fails(callback: bytes) -> None:
        async with transaction(town.engine) as (conn, now):
            await report_delivery(conn, now, callback, report, ["sms"])

    async with transaction(town.engine) as (conn, now):
        await report_delivery(conn, now, one, report, ["sms"])
        second = asyncio.create_task(fails(other))
        while not second.done() and not await town.rows(WAITING):
            await clock.pause(0.01)
    await second
    await town.settle()
    await dan.phone.expects_sms("HighErrorRate")


@pytest.mark.parametrize("code", [30003, 30005])
async def test_a_late_undelivered_fails_over_at_once(town: Town, code: int) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    ana.phone.reach = "off"
    await town.alertmanager.fires("HighErrorRate")
    town.nothing_else_arrived()
    await town.wait(seconds(40))
    (text,) = town.exchange.texts
    await town.exchange.report(text, "undelivered", code)
    await town.settle()
    await ben.phone.expects_sms("HighErrorRate")
    (method,) = await town.rows("SELECT broken_at FROM contact_methods WHERE user_id = :ana", ana=ana.user_id)
    assert (method.broken_at is not None) == (code == 30005)  # 30003 is a phone that is off, 30005 does not exist
    if code == 30003:
        ana.phone.reach = "on"
        await town.wait(minutes(5.5))
        await ana.phone.expects_sms("HighErrorRate")
        await ben.phone.expects_sms("HighErrorRate")


async def test_callbacks_that_come_twice_or_backwards_change_nothing(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(4), ben])
    town.exchange.callbacks_come = "backwards"
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    town.exchange.callbacks_come = "twice"
    await town.wait(minutes(4))
    await ben.phone.expects_sms("HighErrorRate")
    states = await town.rows(
        "SELECT n.state, a.status FROM notifications n JOIN attempts a ON a.notification_id = n.id"
    )
    assert [tuple(s) for s in states] == [("delivered", "delivered")] * 2
    assert {c.status for c in town.exchange.hooks.made} == {204}


async def test_an_internal_error_after_the_message_was_stored_sends_nothing_twice(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    town.exchange.troubles.breaks(stored=True, to=ana.number)
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(seconds(60))
    await ana.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()


async def test_when_nothing_at_all_can_be_sent_the_last_resort_is_tried_every_minute(town: Town) -> None:
    cara = town.residents["Cara"]
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    watchdog = await town.watchdog()
    town.exchange.troubles.refuses(20500, times=None)
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(minutes(4))
    await watchdog.looks()
    assert b"reached nobody" in watchdog.posted[0].body
    town.exchange.troubles.heals()
    await town.wait(seconds(110))
    await cara.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()  # the second text of an earlier round is part of it


async def test_a_phone_that_its_owner_removed_gets_nothing_any_more(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", minutes(5), "sms")])
    await town.build.notification_rules(ben, [("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(minutes(2))
    for channel in ("sms", "mail"):
        await ana.asks("DELETE", f"/api/v1/users/ana/contact-methods/{ana.methods[channel]}")
    await town.wait(minutes(3))
    await ben.expects_mail("HighErrorRate")


async def test_a_permanent_refusal_of_a_mail_goes_to_the_phone(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(600)])
    town.mailbox.refuses("550 5.1.1 No such user", to=ana.address)
    await town.alertmanager.fires("DiskFilling", severity="warning")  # quiet: a mail alone was planned
    await ana.phone.expects_sms("DiskFilling")
    await ana.phone.expects_sms("Your mail address on Tocsin does not work any more")


async def test_a_mail_server_that_is_busy_is_asked_again(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    town.mailbox.refuses("451 4.7.1 Try later", to=ana.address, times=2)
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(seconds(45))
    await ana.expects_mail("HighErrorRate")
