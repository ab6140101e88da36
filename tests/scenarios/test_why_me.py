"""Why was I paged, and why now: one tap or one reply away, from what was written down when it happened."""

from __future__ import annotations

import re

from town import Town, minutes


async def test_the_second_person_sees_who_came_before_and_who_was_passed_over(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    (cho,) = await town.people("Cho", each_with="mail")
    await town.execute("UPDATE contact_methods SET broken_at = tocsin_now() WHERE channel = 'mail'")
    await town.service("checkout", policy=[ana, minutes(5), cho, minutes(5), ben, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("HighErrorRate")
    screen = await ana.follows_link()
    assert "You: named in the policy. Now: step 1 of round 1, policy" in screen.words
    assert "Opened by “HighErrorRate of checkout”, severity error." in screen.words
    assert "Paged before you" not in screen.words
    await town.wait(minutes(5))
    await ana.phone.expects_sms("HighErrorRate")  # her second text, after 5 minutes
    page = (await ben.phone.expects_sms("HighErrorRate")).body
    screen = await ben.follows_link()
    assert "Now: step 3 of round 1, policy" in screen.words
    assert "11:00 Ana by SMS: delivered, no answer" in screen.words
    assert "11:05 Step 2 reached nobody: Cho has no usable contact method" in screen.words
    [code] = re.findall(r"Reply ([0-9]+)a", page)
    await ben.replies(f"{code}?")
    answer = (await ben.phone.expects_sms("You were paged as named in the policy; step 3 of round 1")).body
    assert "before you 11:00 Ana by SMS: delivered, no answer" in answer


async def test_what_pages_again_says_what_made_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(600)], criticality=1)
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(30))
    await ana.phone.expects_sms("your acknowledgement ends")
    await ana.phone.expects_sms("HighErrorRate")
    screen = await ana.follows_link()
    assert "The acknowledgement of Ana expired." in screen.words
    assert "had it before" in screen.words or "named in the policy" in screen.words
