"""What will go wrong in the next 48 hours, and what lint finds in the coming year, reaches whoever answers for it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from town import MONDAY, Resident, Town, hours, minutes

from app.db.engine import transaction
from app.directory import teams
from app.directory.documents import Member, TeamDocument

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-16T09:00", "members": [["ana"], ["ben"]]}
DAY = timedelta(days=1)


async def team(town: Town, manager: Resident, *members: Resident) -> None:
    """Payments, with its manager."""
    people = [Member(user=manager.key, role="manager"), *(Member(user=m.key) for m in members)]
    async with transaction(town.engine) as (conn, now):
        await teams.create_team(
            conn, now, TeamDocument(key="payments", name="Payments", members=people), actor="user:cara"
        )


async def schedule(town: Town, layer: dict[str, Any], **more: Any) -> None:
    await town.build.schedule("primary", {"time_zone": "Europe/Berlin", "layers": [layer], "team": "payments"} | more)


async def warnings(by: Resident) -> list[dict[str, Any]]:
    found = await by.asks("GET", "/api/v1/schedule-warnings")
    return list(found["items"])


async def test_a_gap_in_47_hours_is_told_to_the_manager_once_and_its_end_too(town: Town) -> None:
    ana, ben, eve = await town.people("Ana", "Ben", "Eve", each_with=("sms", "mail"))
    await team(town, eve, ana, ben)
    gap = MONDAY + 3 * DAY
    await schedule(town, WEEK | {"ends_at": gap.isoformat()})
    await town.wait_until(gap - hours(49))
    town.nothing_else_arrived()
    await town.wait(hours(2))
    await eve.expects_mail("Primary: a gap within 48 h", "nobody is on call from Thu 26 Nov", "/schedules/primary")
    for _ in range(4):
        await town.wait(hours(2))
    town.nothing_else_arrived()
    [warning] = await warnings(eve)
    assert (warning["code"], warning["state"], warning["told"][0]["user"]["key"]) == ("gap", "open", "eve")
    assert warning["told"][0]["notification"] == "sent"

    cover = {"user": "ben", "starts_at": gap.isoformat(), "ends_at": (gap + 9 * DAY).isoformat()}
    await ben.asks("POST", "/api/v1/schedules/primary/overrides", cover)
    await town.wait(minutes(31))
    await eve.expects_mail("Primary: mended", "there is no gap any more")
    await town.wait(hours(3))
    town.nothing_else_arrived()
    [warning] = await warnings(eve)
    assert warning["state"] == "mended"


async def test_nights_without_anybody_are_told_twice_at_most(town: Town) -> None:
    """Tonight's and tomorrow's in one message; that others follow them every night is known by then."""
    ana, eve = await town.people("Ana", "Eve", each_with="mail")
    await team(town, eve, ana)
    office = [{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "from": "08:00", "to": "22:00"}]
    await schedule(town, WEEK | {"members": [["ana"]], "restrictions": office})
    await town.wait(hours(1))
    await eve.expects_mail("nobody is on call from Mon 23 Nov 22:00", "nobody is on call from Tue 24 Nov 22:00")
    for _ in range(24):
        await town.wait(hours(4))
    town.nothing_else_arrived()
    found = await warnings(eve)
    assert {w["state"] for w in found} == {"open", "passed"}
    assert sum(w["told_at"] is None for w in found) >= 3


async def test_who_cannot_be_reached_is_told_to_the_admins_where_there_is_no_manager(town: Town) -> None:
    cara = town.residents["Cara"]
    await town.people("Ana", each_with=())
    await town.build.schedule("primary", {"time_zone": "Europe/Berlin", "layers": [WEEK | {"members": [["ana"]]}]})
    await town.wait(hours(1))
    await cara.phone.expects_sms("Ana has shifts", "no contact method")
    await town.wait(hours(1))
    town.nothing_else_arrived()
    [warning] = await warnings(cara)
    assert (warning["code"], warning["user"]["key"]) == ("unreachable", "ana")


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_the_weekly_mail_comes_once_a_week_and_only_when_something_is_wrong(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with=("sms", "mail"))
    (eve,) = await town.people("Eve", each_with="mail", zone="America/New_York")
    await team(town, eve, ana, ben)
    await schedule(town, WEEK)
    monday = MONDAY.replace(hour=14, minute=0) + 7 * DAY  # nine in New York
    await town.wait_until(monday - hours(20))
    await town.wait_until(monday + hours(5))
    town.nothing_else_arrived()
    assert await town.rows("SELECT 1 FROM lint_mails WHERE done_at IS NOT NULL AND found = '[]'")

    longer = {"time_zone": "Europe/Berlin", "layers": [WEEK | {"length": 3}], "name": "Primary", "team": "payments"}
    await town.residents["Cara"].asks("PUT", "/api/v1/schedules/primary", longer)
    await town.wait(minutes(3))
    for person in (ana, ben):
        await person.expects_mail("Your hours in Primary have changed")
    await town.wait_until(monday + 7 * DAY - hours(20))
    await town.wait_until(monday + 7 * DAY - minutes(1))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    mail = await eve.expects_mail("to look at in Primary", "NEW: Ana is on call for more than 7 days in a row")
    assert "/schedules/primary" in mail.text
    assert "To do: make the turns shorter" in mail.text
    await town.wait(hours(30))
    town.nothing_else_arrived()
    await town.wait_until(monday + 14 * DAY - hours(20))
    await town.wait_until(monday + 14 * DAY)
    again = await eve.expects_mail("New since last week: nothing")
    assert "NEW:" not in again.text
    town.nothing_else_arrived()
