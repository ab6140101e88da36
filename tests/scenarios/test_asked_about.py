"""Callbacks that never come: the provider is asked what became of a message, and what it says counts as they would."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from town import Resident, Town, hours, minutes, seconds


async def attempts(town: Town, who: Resident) -> list[Any]:
    return await town.rows(
        "SELECT n.state, n.because, a.* FROM attempts a JOIN notifications n ON n.id = a.notification_id"
        " WHERE n.user_id = :id ORDER BY a.id",
        id=who.user_id,
    )


def asked(town: Town) -> list[str]:
    return [r.path for r in town.exchange.requests if r.method == "GET"]


@pytest.fixture
def silent(town: Town) -> Town:
    town.exchange.callbacks_come = "never"
    town.exchange.switchboard.calls_back = False
    return town


async def test_what_was_delivered_is_found_out(silent: Town) -> None:
    (ana,) = await silent.people("Ana")
    await silent.service("checkout", policy=[ana, minutes(60)])
    await silent.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await silent.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    (before,) = await attempts(silent, ana)
    assert (before.state, before.provider, before.prefix) == ("sent", "twilio", "+49")
    await silent.wait(minutes(2))
    assert asked(silent) == []
    await silent.wait(minutes(1))
    (after,) = await attempts(silent, ana)
    assert (after.state, after.status, after.asks) == ("delivered", "delivered", 1)
    assert "The SMS to Ana was delivered" in " ".join(await silent.story())


async def test_bad_news_moves_on_as_a_callback_does(silent: Town) -> None:
    ana, ben = await silent.people("Ana", "Ben")
    await silent.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    await silent.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    silent.exchange.troubles.loses(30005, to=ana.number)
    await silent.alertmanager.fires("HighErrorRate")
    silent.nothing_else_arrived()
    await silent.wait(minutes(3))
    await ben.phone.expects_sms("HighErrorRate")
    (lost,) = [a for a in await attempts(silent, ana) if a.state == "undelivered"]
    assert (lost.code, lost.error) == ("30005", "this number is unknown or no longer in use (Twilio 30005)")
    (method,) = await silent.rows("SELECT broken_at FROM contact_methods WHERE user_id = :id", id=ana.user_id)
    assert method.broken_at is not None


async def test_a_call_that_nobody_answered_is_found_out(silent: Town) -> None:
    ana, ben = await silent.people("Ana", "Ben", each_with="voice")
    await silent.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    for one in (ana, ben):
        await silent.build.notification_rules(one, [("loud", seconds(0), "voice")])
    ben.phone.will_press("4")
    await silent.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_call()
    await silent.wait(seconds(80))
    silent.nothing_else_arrived()
    await silent.wait(seconds(10))
    await ben.phone.expects_call("You have incident 1")
    (missed,) = await attempts(silent, ana)
    assert (missed.state, missed.because) == ("undelivered", "nobody picked up")


async def test_two_workers_ask_once_and_ever_more_rarely(silent: Town) -> None:
    await silent.another_worker()
    (ana,) = await silent.people("Ana")
    await silent.service("checkout", policy=[ana, minutes(600)])
    await silent.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    ana.phone.reach = "off"  # it stays `sent`
    await silent.alertmanager.fires("HighErrorRate")
    for wait in range(1, 41):
        await silent.wait(minutes(1))
        assert len(asked(silent)) == sum(wait >= at for at in (3, 9, 21)), wait
    (waits,) = await attempts(silent, ana)
    assert (waits.state, waits.status) == ("sent", "sent")
    await silent.execute("UPDATE ladders SET next_step_at = NULL")
    for _ in range(26):
        await silent.wait(minutes(30))
    assert len(asked(silent)) < 12
    for _ in range(80):
        await silent.wait(hours(1))
    assert len(asked(silent)) < 20
    (given_up,) = await attempts(silent, ana)
    assert given_up.ask_at is None


async def test_a_price_is_asked_for_until_it_is_told(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(4))
    (delivered,) = await attempts(town, ana)
    assert (delivered.state, delivered.price, delivered.asks) == ("delivered", None, 1)
    town.exchange.texts[0].price = "-0.07500"
    await town.wait(minutes(6))
    (priced,) = await attempts(town, ana)
    assert (priced.price, priced.currency, priced.ask_at) == (Decimal("0.07500"), "USD", None)
    many = len(asked(town))
    await town.wait(minutes(120))
    assert len(asked(town)) == many


async def test_a_provider_that_cannot_be_asked_is_asked_again(silent: Town) -> None:
    (ana,) = await silent.people("Ana")
    await silent.service("checkout", policy=[ana, minutes(600)])
    await silent.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await silent.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    texts, silent.exchange.texts = silent.exchange.texts, []  # 404
    await silent.wait(minutes(3))
    assert len(asked(silent)) == 1
    silent.exchange.texts = texts
    await silent.wait(minutes(6))
    (after,) = await attempts(silent, ana)
    assert (after.state, after.asks) == ("delivered", 2)
