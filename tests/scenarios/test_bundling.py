"""Limits per contact method: what does not fit is bundled, never dropped, and each incident keeps its own answer."""

from __future__ import annotations

import pytest
from town import Resident, Town, minutes, seconds

STATES = "SELECT state, because, due_at, carried_by_id FROM notifications ORDER BY created_at, id"


async def one_text(town: Town, person: Resident, **members: int) -> None:
    """A person with one text for each page, and the service checkout."""
    await town.build.notification_rules(person, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[person, minutes(60)], **members)


async def fire(town: Town, *names: str, severity: str = "critical") -> None:
    """New alerts in one request."""
    sender = town.alertmanager
    alerts = [sender.alert(name, sender.labels(name, "checkout", severity, {})) for name in names]
    await sender.post("checkout", sender.body(*alerts))


async def test_the_third_text_carries_the_rest_and_each_incident_is_acknowledged_by_itself(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana)
    await fire(town, *(f"Trouble{n}" for n in range(7)))
    await ana.phone.expects_sms("#", "Trouble")
    await ana.phone.expects_sms("#", "Trouble")
    text = await ana.phone.expects_sms("5 new incidents on Checkout: P2 Trouble")
    town.nothing_else_arrived()
    link = text.body.split()[-1]
    screen = await ana.follows_link(link=link)
    assert "5 incidents, 5 of them unanswered" in screen.words
    form = screen.forms[0]
    screen = await town.browser.presses(screen, "Acknowledge")
    assert "You have it" in screen.words
    assert "Back to the list of this message" in screen.words, "four more wait there"
    taken = [i for i in await town.incidents() if i.state == "acknowledged"]
    assert [i.number for i in taken] == [int(form.address.rsplit("/", 1)[1])]
    assert "5 incidents, 4 of them unanswered" in (await ana.follows_link(link=link)).words
    carried = [s for s in await town.rows(STATES) if s.carried_by_id is not None]
    assert [s.state for s in carried] == ["delivered"] * 4
    assert len(await town.rows("SELECT 1 FROM attempts")) == 3


async def test_what_waits_says_why_and_goes_out_together_when_the_window_opens(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana)
    for n in range(6):
        await town.alertmanager.fires(f"Trouble{n}")
    for n in range(3):
        await ana.phone.expects_sms(f"Trouble{n}")
    waiting = (await town.rows(STATES))[3:]
    assert {(w.state, w.because) for w in waiting} == {("pending", "bundled: 3 messages at once, then one in 60 s")}
    assert {w.due_at for w in waiting} == {town.now + minutes(1)}
    (third,) = [i for i in await town.incidents() if i.title.startswith("Trouble4")]
    await ana.acknowledges(third.number)
    await town.wait(seconds(59))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    text = await ana.phone.expects_sms("2 new incidents on Checkout", "Trouble3", "Trouble5")
    assert "Trouble4" not in text.body
    (cancelled,) = [s for s in await town.rows(STATES) if s.state == "cancelled"]
    assert cancelled.because == "the incident was acknowledged before this was sent"


async def test_a_message_and_the_list_behind_its_link_have_one_order(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ben, minutes(5), ana])
    await town.service("billing", policy=[ana, minutes(60)])
    await town.alertmanager.fires("Older", service="checkout")
    await ben.phone.expects_sms("Older")
    await town.wait(seconds(290))
    for n in range(4):
        await town.alertmanager.fires(f"Newer{n}", service="billing")
    for n in range(3):
        await ana.phone.expects_sms(f"Newer{n}")
    await town.wait(seconds(60))
    text = await ana.phone.expects_sms("2 new incidents")
    screen = await ana.follows_link(link=text.body.split()[-1])
    for words in (text.body, screen.words):
        assert words.index("Older") < words.index("Newer3"), "Ana was paged about it later, but it is the older one"


async def test_a_loud_p1_is_never_held_up(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana, criticality=1)
    for n in range(8):
        await town.alertmanager.fires(f"Trouble{n}")
        await ana.phone.expects_sms(f"Trouble{n}")


async def test_a_bundle_that_fails_goes_to_the_next_contact_method_as_one(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await one_text(town, ana)
    for n in range(3):
        await town.alertmanager.fires(f"First{n}")
        await ana.phone.expects_sms(f"First{n}")
    await fire(town, "Second0", "Second1")
    ana.phone.reach = "off"
    await town.wait(minutes(1))
    bundle = town.exchange.texts[-1]
    assert "2 new incidents" in bundle.body
    await town.exchange.report(bundle, "undelivered", 30003)
    await town.settle()
    await ana.expects_mail("Second0")
    await ana.expects_mail("Second1")
    assert [s.state for s in await town.rows(STATES)].count("undelivered") == 2


async def test_a_bundle_is_tried_again_as_one(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana)
    for n in range(3):
        await town.alertmanager.fires(f"First{n}")
        await ana.phone.expects_sms(f"First{n}")
    await fire(town, "Second0", "Second1")
    town.exchange.troubles.refuses(20429, to=ana.number)
    await town.wait(seconds(64))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ana.phone.expects_sms("2 new incidents", "Second0", "Second1")


async def test_a_bundle_whose_answer_got_lost_and_that_is_on_its_way_is_not_sent_again(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana)
    for n in range(3):
        await town.alertmanager.fires(f"First{n}")
        await ana.phone.expects_sms(f"First{n}")
    await fire(town, "Second0", "Second1")
    town.exchange._clock = lambda: town.now - minutes(60)  # asked for what is newer, it knows of none
    town.exchange.callbacks_come = "never"
    town.exchange.troubles.breaks(stored=True, to=ana.number)
    await town.wait(minutes(1))
    await ana.phone.expects_sms("2 new incidents", "Second0", "Second1")
    lost = (await town.rows(STATES))[-2:]
    assert {row.state for row in lost} == {"pending"}
    town.exchange.callbacks_come = "once"
    await town.exchange.report(town.exchange.texts[-1], "sent")
    await town.wait(minutes(1))
    assert [row.state for row in await town.rows(STATES)][-2:] == ["sent", "sent"]
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_never_exceed_a_limit_together(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await one_text(town, ana)
    await town.build.storms_above(1000)
    for turn in range(3):
        await fire(town, *(f"Turn{turn}Trouble{n}" for n in range(60)))
    assert len(ana.phone.inbox.items) == 3
    await town.wait(minutes(3))
    sent = [text.body for text in ana.phone.inbox.items]
    assert 3 < len(sent) <= 3 + 3
    assert any("new incidents" in body for body in sent[3:])
    states = [s.state for s in await town.rows(STATES)]
    assert states == ["delivered"] * 180
    for _ in sent:
        await ana.phone.expects_sms()
