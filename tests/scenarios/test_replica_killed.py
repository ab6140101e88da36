"""A replica is killed with `kill -9` while it writes down what people are to be told; the others tell it. Nobody is
told twice, and nobody not at all: handoffs with their handshake, edits, swaps, the next 48 hours, drills, weekly
mails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from town import MONDAY, Resident, Town, hours, minutes, seconds

from app.db.engine import transaction
from app.directory import teams
from app.directory.documents import Member, TeamDocument

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ana"], ["ben"]]}
DAY = timedelta(days=1)
NEXT_MONDAY = MONDAY.replace(hour=8) + 7 * DAY  # 09:00 in Berlin
WEDNESDAY = {"starts_at": "2026-11-25T08:00:00Z", "ends_at": "2026-11-26T08:00:00Z"}
SCHEDULE = "/api/v1/schedules/primary"
STUCK = """
    SELECT a.pid FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid
    WHERE NOT l.granted AND l.relation = 'notifications'::regclass
      AND (a.query LIKE '%INSERT INTO notifications%' OR a.query LIKE '%state = ''cancelled''%')
"""
ALIVE = "SELECT pid FROM pg_stat_activity WHERE pid = ANY (CAST(:pids AS integer[]))"

two_replicas = pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)


async def team(town: Town, manager: Resident, *members: Resident) -> None:
    people = [Member(user=manager.key, role="manager"), *(Member(user=m.key) for m in members)]
    document = TeamDocument(key="payments", name="Payments", members=people)
    async with transaction(town.engine) as (conn, now):
        await teams.create_team(conn, now, document, actor="user:cara")


async def primary(town: Town, layer: dict[str, Any] = WEEK, **more: Any) -> Any:
    return await town.build.schedule("primary", {"time_zone": "Europe/Berlin", "layers": [layer]} | more)


async def one_is_killed(town: Town, happens: Callable[[], Awaitable[object]]) -> None:
    """Something falls due when `happens` has; a replica dies in the middle of it, and the others go on. The table that
    it writes to is locked meanwhile, so it has claimed and not committed when it dies."""
    async with town.engine.connect() as conn:
        await happens()
        await conn.execute(text("LOCK TABLE notifications IN SHARE ROW EXCLUSIVE MODE"))
        async with town.doomed_worker() as doomed:
            await town.until(lambda: town.rows(STUCK), within_s=60)
            pids = [row.pid for row in await town.rows(STUCK)]
            await doomed.kill()
        await conn.rollback()
    await town.until(lambda: _gone(town, pids), within_s=60)
    await town.settle()


async def _gone(town: Town, pids: list[int]) -> bool:
    return not await town.rows(ALIVE, pids=pids)


async def at(town: Town, when: Any) -> Callable[[], Awaitable[object]]:
    """It is that time, before anybody has looked; until just before it all goes on as usual."""
    await town.wait_until(when - seconds(1))
    town.nothing_else_arrived()
    return lambda: town.clock.stop_at(when)


@two_replicas
async def test_a_handoff_and_its_handshake(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await primary(town, handoff_notices={"minutes_before": 15, "confirm_within_minutes": 10})
    await one_is_killed(town, await at(town, NEXT_MONDAY - minutes(15)))
    assert "Confirm that you have it" in (await ben.expects_mail("You are on call for Primary")).text
    town.nothing_else_arrived()
    [handshake] = await town.rows("SELECT state, asked FROM handshakes")
    assert tuple(handshake) == ("open", 1)
    await one_is_killed(town, await at(town, NEXT_MONDAY - minutes(5)))
    await ana.expects_mail("You stay on call")
    await ben.follows_link("I have it")
    await town.wait(minutes(6))
    await ana.expects_mail("Your shift in Primary is over")
    await town.wait(DAY)
    town.nothing_else_arrived()


@two_replicas
async def test_an_edit(town: Town) -> None:
    ana, _, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await primary(town)
    await town.residents["Cara"].asks("POST", f"{SCHEDULE}/overrides", WEDNESDAY | {"user": "dan"})
    await one_is_killed(town, await at(town, town.now + minutes(3)))
    for person in (ana, dan):
        await person.expects_mail("Your hours in Primary have changed")
    await town.wait(hours(1))
    town.nothing_else_arrived()
    assert await town.rows("SELECT 1 FROM edit_notices") == []


@two_replicas
async def test_a_swap_and_one_that_is_void(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await primary(town)
    taken = await ana.asks("POST", f"{SCHEDULE}/swaps", WEDNESDAY | {"to": "ben"})
    await town.settle()
    await ben.expects_mail("Ana offers you a swap")
    await ben.asks("POST", f"{SCHEDULE}/swaps/{taken['id']}/take")
    await town.settle()
    await ana.expects_mail("Ben takes your shift")
    await one_is_killed(town, await at(town, MONDAY.replace(hour=8) + DAY))
    await ben.expects_mail("You are on call soon")
    friday = {"starts_at": "2026-11-27T08:00:00Z", "ends_at": "2026-11-28T08:00:00Z"}
    await ana.asks("POST", f"{SCHEDULE}/swaps", friday | {"to": "ben"})
    await town.settle()
    await ben.expects_mail("Ana offers you a swap")
    cara = town.residents["Cara"]
    await one_is_killed(town, lambda: cara.asks("POST", f"{SCHEDULE}/overrides", friday | {"user": "ben"}))
    await ana.expects_mail("Your swap is off")
    await ben.expects_mail("Ana's swap is off")
    await town.wait(minutes(4))
    await ana.expects_mail("Your hours in Primary have changed")
    await ben.expects_mail("Your hours in Primary have changed")
    await town.wait(hours(12))
    town.nothing_else_arrived()


@two_replicas
async def test_a_gap_within_48_hours(town: Town) -> None:
    ana, ben, eve = await town.people("Ana", "Ben", "Eve", each_with="mail")
    await team(town, eve, ana, ben)
    gap = MONDAY + 3 * DAY
    await primary(town, WEEK | {"anchor": "2026-11-16T09:00", "ends_at": gap.isoformat()}, team="payments")
    await town.wait_until(gap - hours(49))
    await one_is_killed(town, lambda: town.clock.stop_at(gap - hours(47)))
    await eve.expects_mail("Primary: a gap within 48 h")
    await town.wait(hours(2))
    town.nothing_else_arrived()
    assert len(await town.rows("SELECT 1 FROM schedule_warnings")) == 1


@two_replicas
async def test_a_drill(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    cara = town.residents["Cara"]
    body = {"target": {"type": "service", "key": "checkout"}}
    await one_is_killed(town, lambda: cara.asks("POST", "/api/v1/drills", body))
    await ana.expects_mail("DRILL")
    await town.wait(minutes(5))
    town.nothing_else_arrived()


@two_replicas
async def test_a_weekly_mail(town: Town) -> None:
    ana, ben, eve = await town.people("Ana", "Ben", "Eve", each_with="mail", zone="Europe/Berlin")
    await team(town, eve, ana, ben)
    await primary(town, WEEK | {"length": 3}, team="payments")
    monday = MONDAY.replace(hour=8, minute=0) + 7 * DAY  # nine in Berlin
    await town.wait_until(monday - hours(20))
    await one_is_killed(town, await at(town, monday))
    await eve.expects_mail("to look at in Primary")
    await town.wait(hours(30))
    town.nothing_else_arrived()
