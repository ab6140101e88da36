"""Ana has a wedding on Wednesday: Ben takes her day, is reminded, is paged, and on Thursday it is Ana's week again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from town import MONDAY, Resident, Town, minutes

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ana"], ["ben"]]}
LEARNING = WEEK | {"name": "learning", "members": [["dan"]], "mode": "shadow"}
DAY = timedelta(days=1)
WEDNESDAY = {"starts_at": "2026-11-25T08:00:00Z", "ends_at": "2026-11-26T08:00:00Z"}


async def asks(town: Town, person: Resident, path: str, **body: Any) -> dict[str, Any]:
    """A POST to the API as this person, and what it answers."""
    head = {"Authorization": f"Bearer {person.api_key}"}
    answer = await town.http.post(f"/api/v1/schedules/primary/{path}", json=body, headers=head)
    assert answer.is_success, answer.text
    await town.settle()
    return dict(answer.json())


async def test_who_took_the_shift_is_paged_and_who_looks_on_is_not(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await town.service("checkout", policy=[await town.schedule("primary", [WEEK, LEARNING]), minutes(60)])
    swap = await asks(town, ana, "swaps", **WEDNESDAY, to="ben", comment="a wedding")
    await ben.expects_mail("Ana offers you a swap")
    await town.wait(minutes(1))
    await asks(town, ben, f"swaps/{swap['id']}/take")
    await ana.expects_mail("Ben takes your shift")

    await town.alertmanager.fires("BeforeTheSwap")
    await ana.expects_mail("BeforeTheSwap")
    await dan.expects_mail("You shadow Ana", "BeforeTheSwap")
    await town.alertmanager.resolves("BeforeTheSwap")

    await town.wait_until(MONDAY.replace(hour=8) + DAY - minutes(1))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ben.expects_mail("You are on call soon")

    await town.wait_until(MONDAY.replace(hour=8) + 2 * DAY)
    await town.alertmanager.fires("OnWednesday")
    await ben.expects_mail("OnWednesday")
    await dan.expects_mail("You shadow Ben", "OnWednesday")
    await town.alertmanager.resolves("OnWednesday")

    await town.wait_until(MONDAY.replace(hour=8) + 3 * DAY)
    await town.alertmanager.fires("OnThursday")
    await ana.expects_mail("OnThursday")
    await dan.expects_mail("You shadow Ana", "OnThursday")
    await town.alertmanager.resolves("OnThursday")
    town.nothing_else_arrived()
