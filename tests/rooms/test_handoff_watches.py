"""Handoff notices and turns by rest through HTTP; claims of watches by several workers."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from test_api_schedules import NOON, client, draft, edit, made, set_clock

from app.db.engine import transaction
from app.notifications import handoff_notices
from app.oncall import handoff_store

__all__ = ["client"]

ON = {"minutes_before": 30, "confirm_within_minutes": 10}
RESTED = [{**draft()["layers"][0], "members": [["ana"], ["ben"], ["cara"]], "order": "rested"}]


async def count(engine: AsyncEngine, table: str) -> int:
    async with engine.connect() as conn:
        return int((await conn.execute(text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_notices_are_part_of_the_schedule_and_change_at_once(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    assert (await made(client))["handoff_notices"] is None
    assert await count(engine, "handoff_watches") == 0
    answer = await client.put("/schedules/primary", json=edit(handoff_notices=ON))
    assert (answer.status_code, answer.json()["handoff_notices"], answer.json()["number"]) == (200, ON, 1)
    assert await count(engine, "handoff_watches") == 1
    assert (await client.get("/schedules/primary")).json()["handoff_notices"] == ON
    off = await client.put("/schedules/primary", json=edit())
    assert off.json()["handoff_notices"] is None
    async with transaction(engine) as (conn, now):
        assert await handoff_notices.look(conn, now, ["mail"]) == 1
    assert await count(engine, "handoff_watches") == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"minutes_before": -1}, "handoff_notices.minutes_before"),
        ({"minutes_before": 2000}, "handoff_notices.minutes_before"),
        ({"confirm_within_minutes": 0}, "handoff_notices.confirm_within_minutes"),
        ({"after": 3}, "handoff_notices.after"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_field(
    client: httpx.AsyncClient, wrong: dict[str, int], field: str
) -> None:
    answer = await client.post("/schedules", json=draft(handoff_notices=wrong))
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_watch_is_claimed_by_one_worker_and_not_while_somebody_edits(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await made(client, handoff_notices=ON)
    async with transaction(engine) as (first, now), transaction(engine) as (second, _):
        assert len(await handoff_store.claim(first, now)) == 1
        assert await handoff_store.claim(second, now) == []
    async with transaction(engine) as (editor, now), transaction(engine) as (worker, _):
        await editor.execute(text("SELECT id FROM schedules FOR UPDATE"))
        assert await handoff_store.claim(worker, now) == []
    async with transaction(engine) as (conn, now):
        assert [watched.name for watched in await handoff_store.claim(conn, now)] == ["Primary"]


async def test_after_a_pause_of_the_workers_nobody_is_told_of_every_shift_that_is_over(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    """Turns of an hour, and nobody looked for ten of them: whoever left them is told of the last."""
    async with engine.begin() as conn:
        await conn.execute(
            text("""
                INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
                SELECT id, 'mail', email, :now, :now, :now FROM users
            """),
            {"now": NOON},
        )
    hourly = draft()["layers"][0] | {"unit": "hour"}
    await made(client, layers=[hourly], handoff_notices={"minutes_before": 0})
    async with transaction(engine) as (conn, now):
        await handoff_notices.look(conn, now, ["mail"])
    for later in (timedelta(hours=10), timedelta(hours=10, seconds=30)):
        await set_clock(engine, NOON + later)
        async with transaction(engine) as (conn, now):
            await handoff_notices.look(conn, now, ["mail"])
    async with engine.connect() as conn:
        told = await conn.execute(
            text("SELECT user_id FROM notifications WHERE content->>'text' LIKE '%is over%' AND due_at > :noon"),
            {"noon": NOON},
        )
        assert len(told.all()) == 1


async def test_turns_go_to_whoever_is_longest_rested(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client, layers=RESTED)
    taken = {"user": "cara", "replaces": "ben", "starts_at": "2026-03-09T08:00:00Z", "ends_at": "2026-03-16T08:00:00Z"}
    assert (await client.post("/schedules/primary/overrides", json=taken)).status_code == 201
    weeks = [NOON + timedelta(weeks=k) for k in range(6)]
    found = []
    for at in weeks:
        answer = (await client.get("/schedules/primary/on-call", params={"at": at.isoformat()})).json()
        found.append((answer["users"][0]["key"], answer["turn_order"]))
    assert [key for key, _ in found] == ["ana", "cara", "ben", "ana", "cara", "ben"]
    assert found[2][1] == "Ben: never on call before; Ana 7, Cara 0"
    await set_clock(engine, weeks[5])
    window = {"from": weeks[0].isoformat(), "to": (weeks[5]).isoformat()}
    shifts = (await client.get("/schedules/primary/shifts", params=window)).json()["shifts"]
    assert [shift["user"]["key"] for shift in shifts] == ["ana", "cara", "ben", "ana", "cara", "ben"]


async def test_nobody_is_next_after_whoever_is_longest_rested(client: httpx.AsyncClient) -> None:
    await made(client, layers=RESTED)
    like = draft(key="secondary", layers=[], like={"schedule": "primary", "turns": 1})
    refused = await client.post("/schedules", json=like)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "like.schedule")
    assert (await client.put("/schedules/primary", json=edit())).status_code == 200
    assert (await client.post("/schedules", json=like)).status_code == 201
    refused = await client.put("/schedules/primary", json=edit(layers=RESTED))
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
