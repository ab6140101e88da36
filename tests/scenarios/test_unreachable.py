"""Not even the last resort can be reached: the ladder tries again every minute, and the second path speaks."""

from __future__ import annotations

import pytest
from town import Town, minutes, seconds


@pytest.mark.parametrize("town", [{"last_resort": ()}], indirect=True)
async def test_a_fresh_install_accepts_alerts_and_pages_whoever_gets_a_phone_first(town: Town) -> None:
    cara = town.residents["Cara"]
    await town.service("checkout")
    told = await town.alertmanager.fires("HighErrorRate")
    assert told.status == 202
    story = await town.story()
    assert "The last resort cannot be reached: Cara has no usable contact method" in story
    await town.wait(minutes(3))
    assert (await town.story()).count("The last resort cannot be reached: Cara has no usable contact method") == 1
    await town.wait(minutes(59))
    assert (await town.story()).count("The last resort cannot be reached: Cara has no usable contact method") == 2
    shown = await cara.asks("GET", f"/api/v1/incidents/{(await town.incident()).number}")
    assert shown["next_step"]["names"] == []
    await town.build.contact_method(cara, "sms")
    await town.wait(seconds(60))
    await cara.phone.expects_sms("HighErrorRate")


@pytest.mark.parametrize("town", [{"last_resort": ()}], indirect=True)
async def test_a_policy_member_who_becomes_reachable_is_paged_although_the_last_resort_is_not(town: Town) -> None:
    (dan,) = await town.people("Dan", each_with=())
    await town.service("checkout", policy=[dan, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await town.build.contact_method(dan, "sms")
    await town.wait(seconds(60))
    await dan.phone.expects_sms("HighErrorRate")


async def test_the_second_path_is_told(town: Town) -> None:
    watchdog = await town.watchdog()
    (dan,) = await town.people("Dan", each_with=())
    await town.build.last_resort([dan])
    await town.service("checkout", policy=[dan])
    await town.alertmanager.fires("HighErrorRate")
    await watchdog.looks()
    assert b"reached nobody" in watchdog.posted[0].body
