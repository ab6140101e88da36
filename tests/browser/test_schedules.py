"""Schedules in a browser: the timeline, taking over and swapping in two taps on a phone, my shifts, fairness."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text
from test_screens import desk, log_in

from app.db.engine import transaction
from app.oncall import commands
from app.oncall.schedule_document import ScheduleDocument

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROW = {"width": 390, "height": 844}
NOON = datetime(2026, 10, 22, 12, tzinfo=UTC)
"""A Thursday; clocks go back on the Sunday after it."""
CLOCK = """
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), :at, 1)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual
"""
DAILY: dict[str, Any] = {
    "key": "checkout-primary",
    "name": "Checkout primary",
    "team": "payments",
    "time_zone": "America/New_York",
    "layers": [
        {"name": "daily", "unit": "day", "length": 1, "anchor": "2026-10-05T09:00", "members": [["ana"], ["ben"]],
         "restrictions": [{"from": "mon 00:00", "to": "sat 20:00"}]},
        {"name": "nights", "unit": "week", "length": 1, "anchor": "2026-10-05T09:00", "members": [["cara"]],
         "restrictions": [{"days": ["mon", "tue", "wed"], "from": "22:00", "to": "06:00"}]},
        {"name": "learning", "unit": "week", "length": 1, "anchor": "2026-10-05T09:00", "members": [["cara"]],
         "mode": "shadow", "restrictions": [{"days": ["thu", "fri"], "from": "09:00", "to": "17:00"}]},
    ],
}  # fmt: skip
PICTURES = os.environ.get("TOCSIN_TEST_PICTURES", "")
"""A folder: where pictures for the documentation go; empty: none are made."""


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.evaluate("scrollTo(0, 0)")
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page="full" in name)


@pytest_asyncio.fixture(loop_scope="session")
async def schedule(house: House) -> AsyncIterator[None]:
    async with house.tocsin.engine.begin() as conn:
        await conn.execute(text(CLOCK), {"at": NOON})
    async with transaction(house.tocsin.engine) as (conn, now):
        await commands.create(conn, now, ScheduleDocument.model_validate(DAILY), actor="user:cara")
    yield


async def test_look(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/schedules/checkout-primary")
        await log_in(page)
        for name, path in (
            ("week", "/schedules/checkout-primary"),
            ("day", "/schedules/checkout-primary?view=day"),
            ("month", "/schedules/checkout-primary?view=month"),
            ("list", "/schedules"),
            ("shifts", "/shifts"),
            ("fairness", "/schedules/checkout-primary/fairness"),
            ("history", "/schedules/checkout-primary/history?at=2026-10-20T03:00"),
            ("override", "/schedules/checkout-primary/overrides/new"),
            ("now", "/on-call"),
        ):
            await page.goto(path)
            await page.set_viewport_size({"width": 1280, "height": 800})
            await picture(page, f"{name}-full")
            await page.set_viewport_size(NARROW)
            await picture(page, f"{name}-phone-full")
            await expect_accessible(page)
