"""Before an acknowledgement expires, whoever gave it is reminded, and may say that it is still so."""

from __future__ import annotations

import re

from town import Resident, Town, minutes

ENDS = "your acknowledgement ends at"


async def ana_has_a_p1(town: Town, channel: str = "sms") -> Resident:
    (ana,) = await town.people("Ana", each_with=channel)
    await town.service("checkout", policy=[ana, minutes(600)], criticality=1)
    await town.alertmanager.fires("HighErrorRate", severity="critical")
    return ana


async def test_reminded_once_she_keeps_it_by_text_and_is_reminded_again(town: Town) -> None:
    ana = await ana_has_a_p1(town)
    page = (await ana.phone.expects_sms("HighErrorRate")).body
    [code] = re.findall(r"Reply ([0-9]+)a", page)
    await ana.replies(f"{code}a")
    await ana.phone.expects_sms("You have #1 until 11:30")
    await town.wait(minutes(24))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.phone.expects_sms(f"{ENDS} 11:30", f"Reply {code}a to keep it")
    await town.wait(minutes(2))
    town.nothing_else_arrived()
    await ana.replies(f"{code}a")
    await ana.phone.expects_sms("You have #1 until 11:57")
    await town.wait(minutes(24))
    town.nothing_else_arrived()  # 11:30 has passed, and nobody was paged
    await town.wait(minutes(2))
    await ana.phone.expects_sms(f"{ENDS} 11:57")
    await town.wait(minutes(5))
    await ana.phone.expects_sms("HighErrorRate")  # she said nothing: it pages again
    assert any("Ana still has it" in line and "until" in line for line in await town.story()), await town.story()
    assert (await town.incident()).epoch == 2


async def test_the_link_of_the_reminder_keeps_it(town: Town) -> None:
    ana = await ana_has_a_p1(town)
    await ana.phone.expects_sms("HighErrorRate")
    await ana.follows_link("Acknowledge")
    await town.wait(minutes(25))
    await ana.phone.expects_sms(ENDS)
    screen = await ana.follows_link()
    assert screen.buttons[0] == "I still have it"
    screen = await town.browser.presses(screen, "I still have it")
    assert "I still have it" not in screen.buttons
    await town.wait(minutes(20))
    town.nothing_else_arrived()
    assert (await town.incident()).state == "acknowledged"


async def test_to_say_so_before_there_is_a_reminder_changes_nothing(town: Town) -> None:
    ana = await ana_has_a_p1(town)
    await ana.phone.expects_sms("HighErrorRate")
    await ana.acknowledges()
    before = await town.incident()
    assert (await ana.acknowledges())["result"] == "already_acknowledged"
    assert (await town.incident()).wakes_at == before.wakes_at


async def test_what_is_resolved_or_promised_for_minutes_reminds_nobody(town: Town) -> None:
    ana = await ana_has_a_p1(town)
    page = (await ana.phone.expects_sms("HighErrorRate")).body
    [code] = re.findall(r"Reply ([0-9]+)a", page)
    await ana.replies(f"{code}a 4")
    await ana.phone.expects_sms("until 11:04")
    await town.wait(minutes(3))
    town.nothing_else_arrived()
    await ana.replies(f"{code}a 30")
    await ana.phone.expects_sms("until 11:33")
    await ana.replies(f"{code}cc")
    await ana.phone.expects_sms("resolved")
    await town.wait(minutes(14))
    town.nothing_else_arrived()
