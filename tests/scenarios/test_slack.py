"""Paged in Slack: acknowledged by a button, and the message says who has it, whoever was faster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from slack_town import SlackTown, slack_town
from town import minutes, seconds

from app.db.engine import transaction
from app.notifications import chat_store
from app.notifications.chat_updates import LEASE


@pytest.fixture
async def there(database_url: str, tmp_path: Path) -> AsyncIterator[SlackTown]:
    async with slack_town(database_url, tmp_path, workers=2) as there:
        yield there


async def test_a_button_acknowledges_and_the_message_says_so(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben", "sms")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    page = await hers.expects("HighErrorRate")
    assert sorted(page.buttons) == ["Acknowledge", "Escalate", "Resolve"]
    assert "Why you: " in str(page)
    await there.settle()
    assert page.updates == 0, "it says how it stands"

    answer = await there.press(page, "Acknowledge")
    assert (answer.status, answer.body) == (200, b"")
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ana")
    assert f"You have #{incident.number} since " in str(page)
    assert sorted(page.buttons) == ["Escalate", "Resolve"]
    told = await town.rows("SELECT data ->> 'via' FROM timeline_entries WHERE kind = 'acknowledged'")
    assert [tuple(t) for t in told] == [("slack",)]
    await town.wait(minutes(20))
    there.nothing_else(hers)


async def test_somebody_was_faster_and_the_message_says_who(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben", "sms")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[[ana, ben], minutes(10)])
    await town.alertmanager.fires("HighErrorRate")
    page, _ = await hers.expects("HighErrorRate"), await ben.phone.expects_sms("HighErrorRate")
    await ben.acknowledges()
    await there.settle()
    incident = await town.incident()
    assert f"Ben has #{incident.number} since " in str(page)
    assert (page.updates, page.buttons) == (1, {})
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(10))
    await there.settle()
    assert f"#{incident.number} was resolved" in str(page)
    assert page.updates == 2
    assert await town.rows("SELECT 1 FROM chat_messages") == [], "it changes no more"
    await there.settle()
    assert page.updates == 2


async def test_resolving_asks_while_alerts_still_fire(there: SlackTown) -> None:
    town = there.town
    ana = await there.person("Ana")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page = await hers.expects("HighErrorRate")
    await there.press(page, "Resolve")
    assert (await town.incident()).state == "triggered"
    assert "It is not resolved: 1 alert still fires." in str(page)
    await there.press(page, "Resolve anyway")
    assert (await town.incident()).state == "resolved"
    assert "was resolved by Ana" in str(page)
    assert page.buttons == {}


async def test_escalating_pages_the_next_person_once_however_often_the_request_comes(there: SlackTown) -> None:
    town = there.town
    ana, ben, dan = await there.person("Ana"), await there.person("Ben", "sms"), await there.person("Dan", "sms")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[ana, minutes(10), ben, minutes(10), dan])
    await town.alertmanager.fires("HighErrorRate")
    page = await hers.expects("HighErrorRate")
    await asyncio.gather(*(there.slack.press(page, "Escalate") for _ in range(3)))  # one trigger, sent three times
    await there.settle()
    await ben.phone.expects_sms("HighErrorRate")
    assert "is paged now" in str(page)
    town.nothing_else_arrived()


async def test_what_is_not_slacks_or_not_theirs_does_nothing(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben")
    hers, his = await there.joins(ana), await there.joins(ben)
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page, other = await hers.expects("HighErrorRate"), await his.expects("HighErrorRate")
    wrong = {
        "wrong_signature": [{"secret": "another"}, {"late_s": 301}, {"late_s": -301}],
        "not_yours": [{"by": there.member_of(ben)}, {"by": "U0NOBODY"}],
        "wrong_button": [
            {"value": "x"},
            {"value": other.buttons["Resolve"]["value"]},
            {"value": page.buttons["Acknowledge"]["value"][:-1] + "g"},
        ],
    }
    for code, ways in wrong.items():
        for how in ways:
            answer = await there.slack.press(page, "Acknowledge", **how)
            assert (answer.status, answer.json()["code"]) == (403, code), how
    assert (await there.slack.sends(b"payload=1")).status == 422
    assert (await there.slack.sends(b"payload=" + b"x" * 300_000)).status == 413
    assert (await town.incident()).state == "triggered"
    await ana.asks("DELETE", f"/api/v1/users/ana/contact-methods/{ana.methods['slack']}")
    answer = await there.slack.press(page, "Acknowledge")
    assert (answer.status, answer.json()["code"]) == (403, "not_yours")
    assert (await town.incident()).state == "triggered"


async def test_a_message_of_yesterday_does_nothing_and_says_so(there: SlackTown) -> None:
    town = there.town
    ana = await there.person("Ana")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[ana, minutes(60 * 48)])
    await town.alertmanager.fires("HighErrorRate")
    page = await hers.expects("HighErrorRate")
    await town.clock.stop_at(town.now + minutes(60 * 24))
    await there.slack.press(page, "Acknowledge")
    assert (await town.incident()).state == "triggered"
    for process in town.workers:
        assert process.worker is not None
        await process.worker.chat.update_due()
    assert "more than a day old" in str(page)


async def test_an_update_that_slack_puts_off_is_made_later_by_one_worker(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben", "sms")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page, _ = await hers.expects("HighErrorRate"), await ben.phone.expects_sms("HighErrorRate")
    there.slack.refuses("ratelimited", status=429, **{"Retry-After": "30"})
    await ben.acknowledges()
    await there.settle()
    await there.settle()
    assert page.updates == 0
    await town.clock.stop_at(town.now + seconds(29))
    await there.settle()
    assert page.updates == 0
    await town.clock.stop_at(town.now + seconds(1))
    both = [p.worker.chat.update_due() for p in town.workers if p.worker is not None]
    assert sorted(await asyncio.gather(*both)) == [0, 1]
    assert page.updates == 1
    assert "Ben has" in str(page)


async def test_an_expired_acknowledgement_brings_the_buttons_back(there: SlackTown) -> None:
    town = there.town
    ana = await there.person("Ana")
    hers = await there.joins(ana)
    await town.service("checkout", policy=[ana, minutes(60)], criticality=1)
    await town.alertmanager.fires("HighErrorRate")
    page = await hers.expects("HighErrorRate")
    await there.press(page, "Acknowledge")
    assert "You have" in str(page)
    await town.wait(minutes(31))
    await there.settle()
    for shown in (page, await hers.expects("P1 #1"), await hers.expects("P1 #1")):  # the reminder, and the page anew
        assert sorted(shown.buttons) == ["Acknowledge", "Escalate", "Resolve"]
    assert "Nobody has" in str(page)
    there.nothing_else(hers)


async def test_what_a_worker_that_died_was_to_update_another_one_updates(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben")
    hers, his = await there.joins(ana), await there.joins(ben)
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page, other = await hers.expects("HighErrorRate"), await his.expects("HighErrorRate")
    await ben.acknowledges()
    async with transaction(town.engine) as (conn, now):
        assert len(await chat_store.claim(conn, now, LEASE, 10)) == 2  # and nothing came of it
    await there.settle()
    assert (page.updates, other.updates) == (0, 0), "the other worker may still be at it"
    await town.clock.stop_at(town.now + LEASE)
    await there.settle()
    assert (page.updates, other.updates) == (1, 1)
    assert "Ben has" in str(page)
    assert "You have" in str(other)


async def test_a_message_that_slack_does_not_know_any_more_is_left(there: SlackTown) -> None:
    town = there.town
    ana, ben = await there.person("Ana"), await there.person("Ben")
    hers, his = await there.joins(ana), await there.joins(ben)
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page, other = await hers.expects("HighErrorRate"), await his.expects("HighErrorRate")
    del there.slack.messages[page.channel, page.ts]
    await ben.acknowledges()
    await there.settle()
    assert (page.updates, other.updates) == (0, 1), "one failure keeps no other message from being updated"
    assert len(await town.rows("SELECT 1 FROM chat_messages")) == 1
