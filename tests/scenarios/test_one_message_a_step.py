"""What is left of a step when the next one pages the same person: one message at a time, which is the newer step's."""

from __future__ import annotations

import pytest
from town import Town, minutes

BOTH = [{"workers": 1}, {"workers": 2}]


@pytest.mark.parametrize("town", BOTH, indirect=True)
async def test_a_message_that_waited_for_the_instant_of_the_next_step_is_part_of_it(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", minutes(0), "sms"), ("loud", minutes(5), "sms")])
    await town.service("checkout", policy=[ana, minutes(5), [ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(5) + minutes(0.1))
    await ana.phone.expects_sms("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()
    rows = await town.rows(
        "SELECT step, state, because FROM notifications WHERE due_at <= :now ORDER BY id", now=town.now
    )
    told = {(r.step, r.state): r.because for r in rows}
    assert told[0, "cancelled"] == "a later step pages the same contact method now"
    assert {r.step for r in rows if r.state != "cancelled"} == {0, 1}
    await town.wait(minutes(5))
    await ana.phone.expects_sms("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    await ana.acknowledges()


@pytest.mark.parametrize("town", BOTH, indirect=True)
async def test_one_that_the_next_step_does_not_page_is_still_texted(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.build.notification_rules(ana, [("loud", minutes(0), "sms"), ("loud", minutes(5), "sms")])
    await town.build.notification_rules(ben, [("loud", minutes(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(5) + minutes(0.1))
    await ben.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ben.acknowledges()
