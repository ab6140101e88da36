"""Whoever edits a schedule changes other people's hours: those learn it, once, and nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from town import MONDAY, Town, minutes

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ana"], ["ben"]]}
NEXT_FRIDAY = {"starts_at": "2026-12-04T08:00:00Z", "ends_at": "2026-12-05T08:00:00Z"}
TONIGHT = {"starts_at": "2026-11-24T03:00:00Z", "ends_at": "2026-11-24T08:00:00Z"}
PATH = "/api/v1/schedules/primary/overrides"


async def test_several_edits_are_told_at_once_to_those_they_touch(town: Town) -> None:
    ana, _, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await town.schedule("primary", [WEEK])
    first = await ana.asks("POST", PATH, NEXT_FRIDAY | {"user": "dan"})
    await town.wait(minutes(2))
    await ana.asks("POST", PATH, TONIGHT | {"user": "dan"})  # Ana's own hours: she knows
    await town.wait(minutes(1))
    await town.mailbox.expects_mail("ben@example.org", "Your hours in Primary have changed")
    town.nothing_else_arrived()
    await town.wait(minutes(2))
    mail = await dan.expects_mail("Your hours in Primary have changed")
    assert "edited by Ana" in mail.text
    assert "from Tue 24 Nov 04:00 to Tue 24 Nov 09:00 CET" in mail.text
    assert "from Fri 04 Dec 09:00 to Sat 05 Dec 09:00 CET" in mail.text
    town.nothing_else_arrived()

    await ana.asks("DELETE", f"{PATH}/{first['id']}")  # told, so its end is told as well
    await town.wait(minutes(3))
    assert "You are not on call" in (await dan.expects_mail("Your hours in Primary have changed")).text
    await town.mailbox.expects_mail("ben@example.org", "Your hours in Primary have changed")


async def test_what_was_undone_before_it_was_told_is_told_to_nobody(town: Town) -> None:
    await town.people("Ana", "Ben", "Dan", each_with="mail")
    cara = town.residents["Cara"]
    await town.schedule("primary", [WEEK])
    edit = {"name": "Primary", "time_zone": "Europe/Berlin", "layers": [WEEK | {"members": [["dan"], ["ben"]]}]}
    await cara.asks("PUT", "/api/v1/schedules/primary", edit)
    await town.wait(minutes(1))
    await cara.asks("POST", "/api/v1/schedules/primary/versions/2/undo")
    await town.wait(timedelta(hours=1))
    town.nothing_else_arrived()
    assert await town.rows("SELECT * FROM edit_notices") == []


@pytest.mark.parametrize("town", [{"at": datetime(2026, 11, 24, 2, 0, tzinfo=UTC), "workers": 2}], indirect=True)
async def test_at_night_only_what_is_soon_is_told(town: Town) -> None:
    ana, _, dan, eve = await town.people("Ana", "Ben", "Dan", "Eve", each_with="mail")
    await town.schedule("primary", [WEEK])
    await ana.asks("POST", PATH, TONIGHT | {"user": "eve"})
    await ana.asks("POST", PATH, NEXT_FRIDAY | {"user": "dan", "replaces": "ben"})
    await town.wait(minutes(3))
    await eve.expects_mail("Your hours in Primary have changed")
    town.nothing_else_arrived()
    await town.wait_until(MONDAY.replace(day=24, hour=7) - minutes(1))
    town.nothing_else_arrived()
    await town.wait(minutes(1))  # 08:00 in Berlin
    await dan.expects_mail("Your hours in Primary have changed")
    await town.mailbox.expects_mail("ben@example.org", "Your hours in Primary have changed")
