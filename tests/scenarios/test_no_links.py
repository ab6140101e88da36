"""A phone number whose owner wants no links: pages, drills and answers without one, the reply code as ever."""

from __future__ import annotations

import re

from town import Resident, Town, minutes


async def wants_no_links(who: Resident) -> None:
    body = {"address": who.number, "links": False}
    await who.asks("PUT", f"/api/v1/users/me/contact-methods/{who.methods['sms']}", body)


async def test_whoever_wants_no_links_is_paged_and_answers_without_one(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(60)], runbook_url="https://wiki.example.org/checkout")
    await wants_no_links(ana)
    await town.alertmanager.fires("HighErrorRate see https://wiki.example.org/x")
    page = (await ana.phone.expects_sms("HighErrorRate", "(link left out)", "Reply 1a to acknowledge")).body
    assert "://" not in page
    assert "/l/" in (await ben.phone.expects_sms("https://wiki.example.org/x")).body
    await ana.replies("1r")
    assert "://" not in (await ana.phone.expects_sms("The runbook of #1 is a link, and this number gets none")).body
    await ana.replies("1a")
    assert "://" not in (await ana.phone.expects_sms("You have #1")).body
    assert (await town.incident()).acknowledged_by == "ana"


async def test_words_of_our_own_with_a_link_are_left_out_for_that_number_only(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await wants_no_links(ana)
    cara = town.residents["Cara"]
    words = {"text": "Wake up: {title}, see https://wiki.example.org/night"}
    told = await cara.asks("PUT", "/api/v1/message-templates/sms", words)
    assert "to 1 number whose owner wants none" in str(told)
    await town.alertmanager.fires("HighErrorRate")
    assert "Wake up" not in (await ana.phone.expects_sms("P2 #1 HighErrorRate", "Reply 1a")).body
    await ben.phone.expects_sms("Wake up: HighErrorRate", "see https://wiki.example.org/night")


async def test_a_drill_without_a_link_is_answered_by_its_code(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(5)])
    await wants_no_links(ana)
    cara = town.residents["Cara"]
    begun = await cara.asks("POST", "/api/v1/drills", {"target": {"type": "service", "key": "checkout"}})
    await town.settle()
    drilled = (await ana.phone.expects_sms("DRILL", "Please acknowledge", "Reply 1a")).body
    assert "://" not in drilled
    assert not re.search(r"Reply \d+a", (await ben.phone.expects_sms("DRILL", "Please open and acknowledge")).body)
    await ana.replies("1s 30")
    await ana.phone.expects_sms("#1 is a drill: it is acknowledged, no more.")
    await ana.replies("1a 15")
    await ana.phone.expects_sms("#1 was resolved by Ana")
    await town.settle()
    found = await cara.asks("GET", f"/api/v1/drills/{begun['id']}")
    assert (found["outcome"], found["acknowledged"]) == ("acknowledged", 1)
