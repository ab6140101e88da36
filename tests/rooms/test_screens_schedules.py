"""The screens of schedules over HTTP: what they show, their forms as sent without scripts, refusals, who may do what."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from forms import get
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)  # a Tuesday
SCHEDULE: dict[str, Any] = {
    "key": "primary",
    "name": "Primary <first>",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [
        {"name": "base", "unit": "day", "length": 1, "anchor": "2026-03-02T09:00", "members": [["ana"], ["ben"]]},
    ],
}


@pytest_asyncio.fixture(loop_scope="module")
async def schedule(house: Whole) -> None:
    await at(house, NOON)
    await house.execute("TRUNCATE schedules, schedule_versions, overrides, swaps RESTART IDENTITY CASCADE")
    await saved(house)


async def at(house: Whole, now: datetime) -> None:
    await house.execute(
        """INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, :at, :at, 0)
           ON CONFLICT (id) DO UPDATE SET anchor_virtual = excluded.anchor_virtual""",
        at=now,
    )


async def saved(house: Whole, **changes: Any) -> None:
    answer = await house.http.post("/api/v1/schedules", json=SCHEDULE | changes, headers=house.as_person("cara"))
    assert answer.status_code == 201, answer.text


async def test_look(house: Whole, schedule: None) -> None:
    for path in (
        "/schedules",
        "/schedules/primary",
        "/schedules/primary/fairness",
        "/schedules/primary/history",
        "/shifts",
        "/on-call",
    ):
        print(path, (await get(house, path, "ana"))[-6000:])
