"""Who was woken how often is a part of how fair a schedule is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from town import Town, minutes

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ana"], ["ben"]]}
AT_NIGHT = datetime(2026, 11, 25, 1, 30, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.mark.parametrize("town", [{"at": AT_NIGHT}], indirect=True)
async def test_pages_are_counted_once_a_step_and_at_night(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("mail", "sms"))
    (ben,) = await town.people("Ben", each_with="mail")
    await town.service("checkout", policy=[await town.schedule("primary", [WEEK]), minutes(10), ben, minutes(60)])
    await town.alertmanager.fires("AtNight")
    await ana.expects_mail("AtNight")
    await ana.phone.expects_sms("AtNight")  # two messages, one page
    await town.wait(minutes(5))
    await ana.phone.expects_sms("AtNight")
    await town.wait(minutes(5))
    await ben.expects_mail("AtNight")  # named in the policy: it is not the schedule's doing
    await ben.acknowledges()
    await town.alertmanager.resolves("AtNight")
    await town.wait(timedelta(hours=10))
    await town.alertmanager.fires("ByDay", severity="warning")  # quiet, and wakes nobody
    await ana.expects_mail("ByDay")
    await ana.acknowledges((await town.incidents())[-1].number)
    window = f"from={AT_NIGHT - DAY:%Y-%m-%dT%H:%M:%SZ}&to={AT_NIGHT + DAY:%Y-%m-%dT%H:%M:%SZ}"
    fair = await ana.asks("GET", f"/api/v1/schedules/primary/fairness?{window}")
    counted = {p["user"]["key"]: (p["pages"], p["night_pages"]) for p in fair["people"]}
    assert counted == {"ana": (1, 1), "ben": (0, 0)}
    assert fair["parts"]["pages"] == 0
