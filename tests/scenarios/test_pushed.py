"""Paged without a vendor: by web push and by ntfy, acknowledged from the notification."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pushed import Pushed, pushed_town
from town import minutes, seconds


@pytest.fixture
async def pushed(database_url: str, tmp_path: Path) -> AsyncIterator[Pushed]:
    async with pushed_town(database_url, tmp_path) as pushed:
        yield pushed


async def test_acknowledging_from_the_notification_stops_the_ladder(pushed: Pushed) -> None:
    town = pushed.town
    ana, ben = await pushed.person("Ana"), await pushed.person("Ben", "sms")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    push = await phone.inbox.expects("HighErrorRate")
    assert (push.urgency, push.topic) == ("high", f"incident-{(await town.incident()).number}")
    looked = (await pushed.look(push)).json()
    assert (looked["state"], looked["holder"], looked["open"]) == ("triggered", None, True)
    assert (await town.incident()).state == "triggered", "a GET changes nothing, ever"

    answer = await pushed.press(push)
    stands = answer.json()
    assert (answer.status_code, stands["state"], stands["mine"], stands["holder"]) == (200, "acknowledged", True, "Ana")
    assert stands["told"] == "Thank you. Nobody else is paged."
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("no-store", "Accept")
    assert (await town.incident()).acknowledged_by == "ana"
    again = (await pushed.press(push)).json()  # pressing again is harmless
    assert (again["state"], again["mine"]) == ("acknowledged", True)
    await town.wait(minutes(60))
    pushed.nothing_else(phone.inbox)


async def test_whoever_presses_second_learns_who_was_faster(pushed: Pushed) -> None:
    town = pushed.town
    ana, ben = await pushed.person("Ana"), await pushed.person("Ben")
    hers, his = await pushed.device(ana), await pushed.device(ben)
    await town.service("checkout", policy=[[ana, ben], minutes(10)])
    await town.alertmanager.fires("HighErrorRate")
    first, second = await hers.inbox.expects("HighErrorRate"), await his.inbox.expects("HighErrorRate")
    await pushed.press(first)
    stands = (await pushed.press(second)).json()
    assert (stands["told"], stands["holder"], stands["mine"]) == ("Ana was faster.", "Ana", False)
    assert (await town.incident()).acknowledged_by == "ana"


async def test_a_button_of_another_message_or_none_does_nothing(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    push = await phone.inbox.expects("HighErrorRate")
    path = push.data["link"].removeprefix("https://tocsin.test")
    form = push.data["button"]["form"]
    for wrong in (
        form | {"signature": "0" * 64},
        form | {"action": "resolve"},
        form | {"view": "1.triggered.0.0.0.0.0"},
    ):
        answer = await town.http.post(path, data=wrong, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["state"]) == (403, "triggered")
    assert (await town.incident()).state == "triggered"
    await ana.acknowledges()
    await ana.unacknowledges()
    await phone.inbox.expects("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(24 * 60))
    assert (await pushed.press(push)).status_code == 410


async def test_the_device_says_that_it_was_shown(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    push = await phone.inbox.expects("HighErrorRate")
    state = "SELECT state FROM notifications WHERE purpose = 'page'"
    assert [n.state for n in await town.rows(state)] == ["sent"]
    for token in ("x" * 22, push.data["shown"].rpartition("/")[2]):
        assert (await town.http.post(f"/v1/push/shown/{token}")).status_code == 204
    assert [n.state for n in await town.rows(state)] == ["delivered"]


async def test_a_subscription_that_is_gone_fails_over_within_the_same_pass(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana", "sms")
    phone = await pushed.device(ana)
    await town.build.notification_rules(ana, [("loud", seconds(0), "push")])
    await town.service("checkout", policy=[ana, minutes(60)])
    phone.gone = True
    before = town.now
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("push", "not subscribed any more")
    assert town.now == before
    (method,) = await town.rows("SELECT broken_at, broken_because FROM contact_methods WHERE channel = 'push'")
    assert method.broken_at == town.now
    assert "410" in method.broken_because
    assert any("push to Ana failed" in line for line in await town.story()), await town.story()


async def test_a_push_service_in_trouble_is_tried_three_times(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    pushed.service.answers(503, times=1)
    pushed.service.answers(429, **{"Retry-After": "3"})
    await town.alertmanager.fires("HighErrorRate")
    pushed.nothing_else(phone.inbox)
    await town.wait(seconds(45))
    await phone.inbox.expects("HighErrorRate")


async def test_ntfy_rings_and_its_button_acknowledges(pushed: Pushed) -> None:
    town = pushed.town
    ana, ben = await pushed.person("Ana"), await pushed.person("Ben", "sms")
    topic = await pushed.topic(ana, "anas-own-topic")
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    message = await topic.expects("HighErrorRate")
    assert message.priority == 5
    reply = await pushed.ntfy.press(message, "Acknowledge")
    assert (reply.status, reply.json()["mine"]) == (200, True)
    assert (await town.incident()).acknowledged_by == "ana"
    await town.wait(minutes(60))
    pushed.nothing_else(topic)


async def test_a_page_that_waits_goes_to_the_topic_of_now(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    before = await pushed.topic(ana, "before")
    await town.build.notification_rules(ana, [("loud", minutes(5), "ntfy")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(minutes(2))
    after = await pushed.moves(ana, "after")
    await town.wait(minutes(3))
    await after.expects("HighErrorRate")
    pushed.nothing_else(before, after)


async def test_loud_uses_all_of_them_at_once_and_quiet_the_silent_one(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana", "sms")
    phone, topic = await pushed.device(ana), await pushed.topic(ana, "ana")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="critical")
    await ana.phone.expects_sms("HighErrorRate")
    await phone.inbox.expects("HighErrorRate")
    await topic.expects("HighErrorRate")
    await ana.acknowledges()
    await town.alertmanager.fires("DiskFills", severity="info")
    await town.settle()
    assert (await phone.inbox.expects("DiskFills")).urgency == "normal"
    assert (await topic.expects("DiskFills")).priority == 3


async def test_the_secrets_of_an_address_stand_nowhere(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await pushed.topic(ana, "anas-own-topic")
    secrets = [phone.endpoint.rpartition("/")[2], json.loads(phone.subscription)["keys"]["auth"], "anas-own-topic"]
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await town.settle()
    told = [
        json.dumps(await ana.asks("GET", "/api/v1/users/ana/contact-methods")),
        json.dumps(await town.residents["Cara"].asks("GET", "/api/v1/configuration/export")),
    ]
    for table in (
        "audit_records",
        "notifications",
        "attempts",
        "timeline_entries",
        "contact_methods",
        "idempotency_keys",
    ):
        told += [str(tuple(row)) for row in await town.rows(f"SELECT * FROM {table}")]
    for secret in secrets:
        assert not [text for text in told if secret in text], f"{secret} is told"
    assert f"{pushed.service.url.removeprefix('http://')} #" in told[0]
    phone.inbox.items.clear()
