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
    await ana.phone.expects_sms("push", "not subscribed any more", "add the device anew")
    shown = await ana.asks("GET", f"/api/v1/users/ana/contact-methods/{ana.methods['push']}")
    assert shown["broken_at"]
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


async def _fires(pushed: Pushed, names: int) -> None:
    """New alerts in one request."""
    sender = pushed.town.alertmanager
    titles = [f"Trouble{n}" for n in range(names)]
    alerts = [sender.alert(title, sender.labels(title, "checkout", "critical", {})) for title in titles]
    await sender.post("checkout", sender.body(*alerts))


async def test_a_push_about_several_acknowledges_all_of_them_and_says_what_was_not(pushed: Pushed) -> None:
    town = pushed.town
    ana, ben = await pushed.person("Ana"), await pushed.person("Ben", "sms")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await _fires(pushed, 9)
    ben.phone.inbox.items.clear()
    for _ in range(4):
        assert (await phone.inbox.expects("Why you")).data["button"]["label"] == "Acknowledge"
    bundle = await phone.inbox.expects("5 new incidents on Checkout")
    assert bundle.data["button"]["label"] == "Acknowledge all"
    looked = (await pushed.look(bundle)).json()
    assert (looked["state"], looked["open"], looked["told"], len(looked["numbers"])) == ("triggered", True, "", 5)
    last = looked["numbers"][-1]
    await ben.acknowledges(last)

    answer = await pushed.press(bundle)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    stands = answer.json()
    taken = {i.number for i in await town.incidents() if i.acknowledged_by == "ana"}
    assert taken == set(looked["numbers"]) - {last}, "those of this message, and nobody else's"
    assert f"Ben has #{last} since " in stands["told"]
    assert f"#{looked['numbers'][0]}" in stands["told"]
    assert (stands["state"], stands["mine"]) == ("acknowledged", False)
    assert (await pushed.press(bundle)).json()["told"] == stands["told"], "pressing again is harmless"
    told = await town.rows("SELECT data ->> 'via' FROM timeline_entries WHERE kind = 'acknowledged'")
    assert sorted(t[0] for t in told) == ["api", "link", "link", "link", "link"]
    pushed.nothing_else(phone.inbox)


async def test_the_button_for_all_is_good_for_its_own_message_alone(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(60 * 48)])
    await _fires(pushed, 8)
    one = await phone.inbox.expects("Why you")
    for _ in range(3):
        await phone.inbox.expects("Why you")
    bundle = await phone.inbox.expects("4 new incidents")
    path, form = bundle.data["link"].removeprefix("https://tocsin.test"), bundle.data["button"]["form"]
    other = one.data["link"].removeprefix("https://tocsin.test")
    for where, wrong in ((path, form | {"signature": "0" * 64}), (other, form), (path, form | {"action": "resolve"})):
        answer = await town.http.post(where, data=wrong, headers={"Accept": "application/json"})
        assert answer.status_code == 403, where
    unknown = await town.http.post(f"/l/{'x' * 22}", data=form, headers={"Accept": "application/json"})
    assert unknown.status_code == 404
    assert {i.state for i in await town.incidents()} == {"triggered"}
    await town.clock.stop_at(town.now + minutes(24 * 60))
    assert (await pushed.press(bundle)).status_code == 410
    assert {i.state for i in await town.incidents()} == {"triggered"}
    phone.inbox.items.clear()


async def test_the_list_behind_the_link_has_a_button_for_all_too(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    await town.service("checkout", policy=[ana, minutes(60)])
    await _fires(pushed, 7)
    for _ in range(4):
        await phone.inbox.expects("Why you")
    bundle = await phone.inbox.expects("3 new incidents")
    screen = await ana.follows_link(link=bundle.data["link"])
    screen = await town.browser.presses(screen, "Acknowledge all 3")
    assert "You have #5, #6, #7 (Checkout)." in screen.words
    assert "3 incidents, 0 of them unanswered" in screen.words
    assert "Acknowledge all" not in screen.words


async def test_ntfy_acknowledges_all_and_is_written_what_was_not(pushed: Pushed) -> None:
    town = pushed.town
    ana, ben = await pushed.person("Ana"), await pushed.person("Ben", "sms")
    topic = await pushed.topic(ana, "anas-own-topic")
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await _fires(pushed, 7)
    ben.phone.inbox.items.clear()
    for _ in range(4):
        await topic.expects("Why you")
    bundle = await topic.expects("3 new incidents on Checkout")
    last = max(i.number for i in await town.incidents())
    await ben.acknowledges(last)
    for _ in range(2):
        assert (await pushed.ntfy.press(bundle, "Acknowledge all")).status == 200
        await town.settle()
    said = await topic.expects("1 of 3 incidents you do not have", f"Ben has #{last}")
    assert said.priority == 3
    pushed.nothing_else(topic)


async def test_a_browser_that_renews_its_subscription_goes_on_being_paged(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    before = (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"]
    await town.build.notification_rules(ana, [("loud", minutes(5), "push")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    renewed, status = await pushed.renews(phone)
    assert status == 204
    assert (await pushed.renews(phone))[1] == 404, "the old one is nobody's any more"
    (method,) = (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"]
    assert (method["id"], method["label"], method["verified_at"]) == tuple(
        before[0][name] for name in ("id", "label", "verified_at")
    )
    assert method["address"] != before[0]["address"]
    await town.wait(minutes(5))
    await renewed.inbox.expects("HighErrorRate")
    pushed.nothing_else(phone.inbox, renewed.inbox)
    (record,) = await town.rows("SELECT actor, after FROM audit_records WHERE action = 'contact_method.renewed'")
    assert (record.actor, record.after) == ("user:ana", {"address": method["address"]})


async def test_only_who_knows_the_whole_old_subscription_may_replace_it(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana")
    phone = await pushed.device(ana)
    known = json.loads(phone.subscription)
    (method,) = (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"]
    another = "A" * 22
    guess = json.dumps(known | {"keys": known["keys"] | {"auth": another}})
    for told, status in ((guess, 404), (method["address"], 422), ("{}", 422), ("x" * 5000, 422)):
        assert (await pushed.renews(phone, told))[1] == status, told[:80]
    answer = await town.http.post("/v1/push/renewed", json={"before": phone.subscription, "after": "http://x"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "after")
    assert (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"] == [method]


async def test_a_device_that_was_given_up_works_again_and_says_so(pushed: Pushed) -> None:
    town = pushed.town
    ana = await pushed.person("Ana", "sms")
    phone = await pushed.device(ana)
    await town.build.notification_rules(ana, [("loud", seconds(0), "push")])
    await town.service("checkout", policy=[ana, minutes(60)])
    phone.gone = True
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("add the device anew")
    renewed, status = await pushed.renews(phone)
    assert status == 204
    assert (await renewed.inbox.expects("works again", "phone")).urgency == "normal"
    await town.alertmanager.fires("DiskFills")
    await renewed.inbox.expects("DiskFills")
