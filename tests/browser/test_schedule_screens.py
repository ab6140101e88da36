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


async def picture(page: Page, name: str, width: int, height: int, top: str = "body") -> None:
    """From the upper edge of what `top` selects on."""
    if not PICTURES:
        return
    before = page.viewport_size
    await page.set_viewport_size({"width": width, "height": height})
    await page.evaluate("(top) => scrollTo(0, scrollY + document.querySelector(top).getBoundingClientRect().y)", top)
    await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
    if before is not None:
        await page.set_viewport_size(before)


@pytest_asyncio.fixture(loop_scope="session")
async def schedule(house: House) -> AsyncIterator[None]:
    async with house.tocsin.engine.begin() as conn:
        await conn.execute(text(CLOCK), {"at": NOON})
    async with transaction(house.tocsin.engine) as (conn, now):
        await commands.create(conn, now, ScheduleDocument.model_validate(DAILY), actor="user:cara")
    yield


WEEK = "/schedules/checkout-primary"


async def test_the_timeline_in_every_view(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page)
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="On call").click()
        await page.get_by_role("navigation", name="On call").get_by_role("link", name="Schedules").click()
        card = page.get_by_role("listitem").filter(has_text="Checkout primary")
        await expect(card).to_contain_text("until 15:00, then Ben")
        await expect(card).to_contain_text("4 gaps in the next 28 days")
        await expect_accessible(page)
        await card.get_by_role("link").click()
        await expect(page.get_by_role("heading", name="19 to 25 October 2026")).to_be_visible()
        await expect(page.get_by_text("Sunday 25 October has 25 hours: clocks change.")).to_be_visible()
        rows = page.locator(".band:not(.axis) > span")
        await expect(rows).to_have_text(["On call", "nights", "daily", "Looking on"])
        await expect(page.locator(".band.final line.now")).to_have_count(1)
        await expect_accessible(page)
        await picture(page, "schedule", 1000, 600)

        await page.locator(".band.final a").filter(has_text="Nobody").last.click()
        gap = page.get_by_role("listitem").filter(has_text="gap").last
        await expect(gap.get_by_role("button", name="All of it")).to_be_visible()
        await expect(gap).to_contain_text("Sun 25 Oct 02:00 CEST to Mon 26 Oct 05:00")
        await page.locator(".band.layer a").first.click()
        await expect(page.locator("#layer-0-0")).to_be_visible()
        await expect(page.locator("#layer-0-0")).to_contain_text("Cara Tue 20 Oct 04:00 to 12:00")
        await expect_accessible(page)

        await page.get_by_role("link", name="show those of the schedule, America/New_York").click()
        await expect(page.get_by_text("Ana today 06:00 to 09:00")).to_be_visible()
        for view, title in (("Month", "October 2026"), ("Day", "Thursday 22 October 2026")):
            await page.get_by_role("link", name=view, exact=True).click()
            await expect(page.get_by_role("heading", name=title)).to_be_visible()
            await expect_accessible(page)
        await page.get_by_role("link", name="The next day").click()
        await expect(page.get_by_role("heading", name="Friday 23 October 2026")).to_be_visible()
        await page.get_by_role("link", name="Today").click()
        await page.get_by_role("link", name="The day before").click()
        await expect(page.get_by_role("heading", name="Wednesday 21 October 2026")).to_be_visible()
        await expect(page.get_by_text("Times are those of America/New_York")).to_be_visible()
        await expect(page.locator("line.now")).to_have_count(0)


async def test_a_shift_is_taken_with_the_keyboard_alone(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto(WEEK)
        await log_in(page)
        for key in ("j", "j", "j", "k", "Enter"):
            await page.keyboard.press(key)
        ben = page.get_by_role("listitem").filter(has_text="Ben today 15:00").last
        await expect(ben.get_by_text("Ben is on call: layer daily.")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(ben.get_by_role("button", name="All of it")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").last).to_contain_text(
            "Ana is on call in place of Ben, today 15:00 to Fri 23 Oct 15:00."
        )
        await expect_accessible(page)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
async def test_taking_over_in_two_taps_on_a_phone(
    house: House, schedule: None, browser: Browser, scripts: bool
) -> None:
    async with desk(browser, house, scripts=scripts) as page:
        await page.set_viewport_size(NARROW)
        await page.goto("/on-call")
        await log_in(page, "ben")
        card = page.get_by_role("listitem").filter(has_text="Checkout primary")

        await card.get_by_text("Take over now…").click()
        await card.get_by_role("button", name="The rest, until 15:00").click()

        told = page.locator(".told[role=status]")
        await expect(told).to_contain_text("Ben is on call in place of Ana in Checkout primary, today 14:00 to 15:00.")
        await expect(card).to_contain_text("until Fri 23 Oct 15:00")
        await expect_accessible(page)
        await told.get_by_role("button", name="Undo").click()
        await expect(told).to_contain_text("Undone")
        await expect(card).to_contain_text("until 15:00, then Ben")

        await page.goto(WEEK)
        coming = page.locator(".shifts > li").filter(has_text="Ana Fri 23 Oct 15:00")
        await coming.locator("summary").click()
        await picture(page, "schedule-phone", 390, 660, "#final-title")
        await expect_accessible(page)
        await coming.get_by_role("button", name="All of it, until Sat 24 Oct 15:00").click()

        await expect(told).to_contain_text("Ben is on call in place of Ana, Fri 23 Oct 15:00 to Sat 24 Oct 15:00.")
        await expect(page.locator(".band.overrides > span")).to_have_text("Overrides")
        await page.get_by_text("Overrides: 2").click()
        await expect(page.locator(".sure[open]")).to_contain_text("Ben Fri 23 Oct 15:00 to Sat 24 Oct 15:00: in place")
        await expect_accessible(page)
        await told.get_by_role("button", name="Undo").click()
        await expect(told).to_contain_text("Undone")
        await expect(page.locator(".band.overrides a")).to_have_count(1)  # the one that began stays on record


async def test_a_swap_in_two_taps_on_a_phone(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as hers, desk(browser, house, scripts=False) as his:
        for page, person in ((hers, "ana"), (his, "ben")):
            await page.set_viewport_size(NARROW)
            await page.goto("/shifts")
            await log_in(page, person)
        shift = hers.locator(".shifts > li").filter(has_text="Fri 23 Oct 15:00 to Sat 24 Oct 15:00")
        await expect_accessible(hers)

        await shift.get_by_text("Ask for a swap…").click()
        await shift.get_by_role("button", name="Ask for a swap").click()

        await expect(hers.get_by_role("status").last).to_contain_text("You stay on call until somebody takes it.")
        await expect(shift).to_contain_text("swap offered")
        await expect(hers.get_by_role("button", name="Withdraw")).to_be_visible()
        await expect_accessible(hers)
        await his.goto(WEEK)
        await expect(his.locator("rect.asked")).to_have_count(1)
        await expect(his.get_by_role("region", name="Swaps offered")).to_contain_text("Ana asks whoever wants")
        await his.goto("/on-call")
        await expect_accessible(his)
        await his.get_by_role("button", name="Take it").click()
        await expect(his.get_by_role("status").last).to_contain_text("You take it.")
        await his.goto("/shifts")
        await expect(his.locator(".shifts > li").filter(has_text="Fri 23 Oct 15:00 to Sat")).to_contain_text("swapped")
        await hers.reload()
        await expect(shift).to_have_count(0)

        await hers.goto(WEEK)
        tonight = hers.locator(".shifts > li").filter(has_text="Ana today 12:00")
        await tonight.locator("summary").click()
        await tonight.get_by_role("button", name="Ask for a swap").click()
        await hers.get_by_role("button", name="Withdraw swap").click()
        await expect(hers.get_by_role("status").last).to_contain_text("Withdrawn")


async def test_the_long_form_shows_its_effect_first(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.set_viewport_size(NARROW)
        await page.goto(WEEK)
        await log_in(page)
        await page.locator(".shifts > li").filter(has_text="Ben today 15:00").locator("summary").click()
        await page.get_by_role("link", name="Somebody else, other times, in addition…").filter(visible=True).click()
        await expect_accessible(page)
        await page.get_by_label("To (").fill("2026-10-22T19:30")
        await page.get_by_role("button", name="What does it change?").click()
        effect = page.get_by_role("region", name="This changes")
        await expect(effect.get_by_role("listitem")).to_have_text(
            ["Ana gains 4\u00a0h\u00a030\u00a0min: today 15:00 to 19:30",
             "Ben loses 4\u00a0h\u00a030\u00a0min: today 15:00 to 19:30"]
        )  # fmt: skip
        await expect_accessible(page)
        await page.get_by_role("button", name="Save the override").click()
        await expect(page.get_by_role("status").last).to_contain_text("Ana is on call in place of Ben")


async def test_history_my_shifts_and_fairness(house: House, schedule: None, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto(WEEK)
        await log_in(page)
        await page.get_by_label("When (").fill("2026-10-20T05:30")
        await page.get_by_role("button", name="Who was it?").click()
        answer = page.locator("#answer")
        await expect(answer).to_contain_text("Cara: layer nights")
        await expect(answer).to_contain_text("By version 1 of the schedule, written by cara today 14:00.")
        await expect_accessible(page)
        await page.get_by_role("link", name="Fairness").click()
        for period in ("Last 30 days", "Next 90 days"):
            await page.get_by_role("link", name=period).click()
            await expect(page.get_by_role("heading", name="Score")).to_be_visible()
            await expect_accessible(page)
        await expect(page.get_by_role("row", name="Ana")).to_contain_text("h")
        await picture(page, "fairness", 800, 640, "main .head")
        for path in ("/shifts?days=90", f"{WEEK}/fairness", f"{WEEK}/history", "/schedules"):
            await page.set_viewport_size(NARROW)
            await page.goto(path)
            await expect_accessible(page)


async def test_many_short_shifts_and_long_names_fit(house: House, schedule: None, browser: Browser) -> None:
    layer = DAILY["layers"][0] | {"unit": "hour", "members": [["ana", "cara"], ["ben"], []], "restrictions": []}
    long = {"key": "hourly", "name": "Hourly " + "x" * 120, "layers": [layer | {"name": "a-layer-" + "y" * 80}]}
    async with transaction(house.tocsin.engine) as (conn, now):
        await commands.create(conn, now, ScheduleDocument.model_validate(DAILY | long), actor="user:cara")
    async with desk(browser, house) as page:
        await page.set_viewport_size(NARROW)
        await page.goto("/schedules/hourly?view=month")
        await log_in(page)
        await expect(page.locator(".band.final a")).to_have_count(847, timeout=30_000)
        await expect_accessible(page)
        for path in ("/schedules", "/schedules/hourly?view=day", "/schedules/hourly/fairness", "/shifts", "/on-call"):
            await page.goto(path)
            await expect_accessible(page)
