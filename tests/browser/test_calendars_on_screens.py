"""Feeds and calendars in a browser: on a phone and by keyboard, without scripts."""

from __future__ import annotations

import pytest
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, expect
from test_screens import PHONE, desk, log_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROTA = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//example//rota//EN
BEGIN:VEVENT
UID:1
DTSTART:20260101T080000Z
DTEND:20260101T200000Z
RRULE:FREQ=DAILY
SUMMARY:Annie
END:VEVENT
END:VCALENDAR
"""


async def test_a_feed_of_ones_own_is_made_on_a_phone_and_removed_by_keyboard(house: House, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/shifts")
        await log_in(page, "ana")
        await page.get_by_role("link", name="Read them in your calendar").click()
        await expect(page.get_by_role("heading", name="My shifts in a calendar", level=1)).to_be_visible()
        await expect_accessible(page)
        await page.get_by_label("Who reads it, where").fill("My phone")
        await page.get_by_role("button", name="Make an address").click()
        await expect(page.locator("#address")).to_contain_text("/feeds/")
        await expect(page.get_by_role("link", name="Open it in a calendar program")).to_be_visible()
        await expect_accessible(page)
        await page.goto("/shifts/feeds")
        await expect(page.locator("#address")).to_have_count(0)
        await page.locator("summary", has_text="Remove…").focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="Removed")).to_be_visible()


async def test_a_calendar_is_made_and_its_unknown_name_meant(house: House, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as page:
        await page.goto("/calendars")
        await log_in(page, "cara")
        await page.get_by_role("link", name="New calendar").click()
        await expect_accessible(page)
        await page.get_by_label("Name", exact=True).fill("Rota of Annie")
        await page.get_by_label("Text, as a calendar program exports it").check()
        await page.get_by_label("iCalendar").fill(ROTA)
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_role("heading", name="Rota of Annie", level=1)).to_be_visible()
        await expect(page.get_by_text("1 unknown name")).to_be_visible()
        await expect_accessible(page)
        await page.set_viewport_size(PHONE)
        await page.get_by_label("Means Annie").select_option("ana")
        await page.get_by_role("button", name="Save").first.click()
        await expect(page.get_by_text("the name means this person from now on")).to_be_visible()
        await expect(page.get_by_role("heading", name="Names that mean nobody")).to_have_count(0)
        await expect_accessible(page)
        await page.goto("/calendars")
        await expect(page.get_by_text("Fine")).to_be_visible()
        await expect_accessible(page)
