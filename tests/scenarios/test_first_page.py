"""An alert fires: the first person of the policy is paged, and the message says what one needs in the dark."""

from __future__ import annotations

from town import Town, minutes


async def test_first_page_says_what_it_is_about(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(5)], runbook_url="https://wiki.example.org/checkout")
    told = await town.alertmanager.fires("HighErrorRate", service="checkout")
    assert (told.status, told.events) == (202, {"opened": 1})
    text = await ana.phone.expects_sms("HighErrorRate")
    number = (await town.incident()).number
    assert text.body.startswith(f"P2 #{number} HighErrorRate")
    assert "(Checkout)" in text.body
    assert "https://tocsin.test/l/" in text.body
    mail = await ana.expects_mail("HighErrorRate", "https://tocsin.test/l/", "https://wiki.example.org/checkout")
    assert f"Incident {number}" in mail.subject
    assert ana.phone.last_link != ana.inbox.last_link  # one link an attempt


async def test_unanswered_page_climbs_to_second_step(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(5), ben])
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(4.9))
    town.nothing_else_arrived()
    await town.wait(minutes(0.1))
    await ben.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")  # her own second text, after five minutes


async def test_the_link_shows_who_was_paged_however_many_alerts_joined(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(30)])
    await town.alertmanager.fires("HighErrorRate", instance="a")
    await ana.phone.expects_sms("HighErrorRate")
    for number in range(8):
        await town.alertmanager.fires("HighErrorRate", instance=f"b{number}")
    screen = await ana.follows_link()
    assert "Ana was paged by SMS" in screen.words
    assert "9 alerts still firing" in screen.words
    assert "joined" not in screen.words
