"""Reachability in a browser: a drill from the screen on a desk, the answer on a phone, all of it by keyboard, too."""

from __future__ import annotations

import re

import pytest
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, expect
from test_screens import PHONE, desk, log_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_drill_begins_on_the_screen_and_ends_by_the_link(house: House, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as page:
        await page.goto("/incidents")
        await log_in(page, "cara")
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Reachability").click()
        await expect(page.get_by_role("heading", name="Reachability", level=1)).to_be_visible()
        await expect_accessible(page)
        ana = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Ana", exact=True))
        await expect(ana).to_contain_text("Partly reachable")
        await expect(ana).to_contain_text("To do:")
        summary = ana.locator("summary")
        await summary.focus()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await page.keyboard.type("after the move")
        await expect_accessible(page)
        await page.keyboard.press("Tab")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="The drill has begun")).to_be_visible()
        await expect(page.locator("body")).to_contain_text("Under way")

        link = await house.link_of("ana", "DRILL", "after the move")
        await page.set_viewport_size(PHONE)
        await page.goto(link)
        await expect(page.get_by_text("This is a drill")).to_be_visible()
        await expect(page.get_by_role("button")).to_have_count(1)
        await page.get_by_role("button", name="Acknowledge").click()
        await expect(page.get_by_text("this was a drill, and it is over", exact=False)).to_be_visible()

        await page.goto("/reachability?everybody=yes")
        await expect(page.get_by_text(re.compile("1 paged, 1 reached, 1 acknowledged"))).to_be_visible()
        await expect_accessible(page)
