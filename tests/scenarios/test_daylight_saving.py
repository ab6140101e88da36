"""The night of 2026-10-25 in Berlin: the clock shows 02:30 twice, and the shift changes at the first one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import Town, minutes, seconds

FIRST_0230 = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize("town", [{"at": FIRST_0230 - minutes(10)}], indirect=True)
async def test_whoever_is_on_call_in_the_doubled_hour_is_paged(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    layer = {"name": "l", "unit": "day", "length": 1, "anchor": "2026-10-24T02:30", "members": [["ana"], ["ben"]]}
    rota = await town.schedule("primary", [layer])
    await town.service("checkout", policy=[rota, minutes(10), rota, minutes(90), rota, minutes(120)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate", "02:20 CEST")
    await town.wait(minutes(10) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))  # the step falls due in the instant of the handoff, which belongs to who comes
    await ben.expects_mail("HighErrorRate")
    await town.wait(minutes(60))  # the clock shows 02:30 again
    town.nothing_else_arrived()
    await town.wait(minutes(30))
    await ben.expects_mail("HighErrorRate")  # 03:00 CET; still his shift, which lasts 25 hours
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"at": FIRST_0230 - minutes(10)}], indirect=True)
async def test_answers_in_the_doubled_hour_say_which_of_the_two_they_mean(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate", "Reply 1a")
    await ana.replies("1s 45")
    await ana.phone.expects_sms("02:05 CET")
    await ana.replies("?")
    await ana.phone.expects_sms("02:20 CEST")
