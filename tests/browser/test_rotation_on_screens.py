"""The whole life of a rotation in the browser: made and previewed on a desk, put into a policy, paged through; an
evening taken over and a week swapped on phones; edited, undone, looked back upon, and removed."""

from __future__ import annotations

import pytest
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text
from test_editors import press
from test_schedule_screens import CLOCK, NARROW, NOON
from test_screens import desk, log_in

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")
ROTA = "/schedules/rota"


async def _made(page: Page) -> None:
    """Ana and Ben, week by week; Ana since Monday."""
    await page.goto("/schedules/new")
    await log_in(page, "cara")
    await page.get_by_label("Name", exact=True).fill("Rota")
    await page.get_by_label("Name of the layer").fill("weekly")
    await page.get_by_label("First handoff (local time)").fill("2026-10-19T09:00")
    await page.get_by_label("Turn 1, person 1").select_option("ana")
    await press(page, "Add a turn")
    await page.get_by_label("Turn 2, person 1").select_option("ben")
    await expect(page.locator("#preview")).to_contain_text("Ana")
    await press(page, "Make it")
    await expect(page.get_by_text("The schedule is made.")).to_be_visible()


async def _paged_by(page: Page) -> None:
    await page.goto("/policies/payments")
    await page.get_by_label("Step 1, target 1").select_option("schedule:rota")
    await expect(page.locator("#preview")).to_contain_text("Page whoever is on call in Rota.")
    await press(page, "Save")
    await expect(page.get_by_text("Saved, for incidents that open from now on.")).to_be_visible()


async def test_from_its_first_shift_to_its_end(house: House, browser: Browser) -> None:
    async with transaction(house.tocsin.engine) as (conn, _):
        await conn.execute(text(CLOCK), {"at": NOON})
    async with desk(browser, house) as desktop, desk(browser, house) as hers, desk(browser, house) as his:
        await _made(desktop)
        await _paged_by(desktop)
        await house.fires("BeforeNoon")
        await house.phone("ana").expects_sms("BeforeNoon", within_s=15)

        for page, person in ((hers, "ana"), (his, "ben")):
            await page.set_viewport_size(NARROW)
            await page.goto("/on-call")
            await log_in(page, person)
        card = his.get_by_role("listitem").filter(has_text="Rota")
        await card.get_by_text("Take over now…").click()
        await card.get_by_role("button", name="For 1 h").click()
        await expect(his.get_by_role("status").last).to_contain_text("Ben is on call in place of Ana in Rota")
        await house.fires("InHisHour", service="search")
        await house.phone("ben").expects_sms("InHisHour", within_s=15)

        await his.goto("/shifts")
        week = his.locator(".shifts > li").filter(has_text="Mon 26 Oct 09:00")
        await week.get_by_text("Ask for a swap…").click()
        await week.get_by_role("button", name="Ask for a swap").click()
        await hers.goto("/on-call")
        await hers.get_by_role("button", name="Take it").click()
        await expect(hers.get_by_role("status").last).to_contain_text("You take it.")

        await desktop.goto(f"{ROTA}?view=week&on=2026-10-26")
        await expect(desktop.locator("body")).to_contain_text("Ana Mon 26 Oct 09:00")
        await expect_accessible(desktop)
        await desktop.goto(f"{ROTA}/edit")
        await press(desktop, "Add a turn")
        await desktop.get_by_label("Turn 3, person 1").select_option("cara")
        await expect(desktop.locator("#preview")).to_contain_text("Cara gains")
        await press(desktop, "Save")
        await expect(desktop.get_by_text("Saved. It can be undone for 15 minutes.")).to_be_visible()
        await desktop.get_by_role("button", name="Undo version 2").click()
        await expect(desktop.get_by_text("Undone: the schedule says what it said before.")).to_be_visible()

        await desktop.goto(f"{ROTA}/history")
        await desktop.get_by_label("When (").fill("2026-10-28T05:30")
        await desktop.get_by_role("button", name="Who was it?").click()
        await expect(desktop.locator("#answer")).to_contain_text("Ana")
        await expect(desktop.locator("#answer")).to_contain_text("swap")
        await desktop.goto(f"{ROTA}/fairness?period=past30")
        await expect(desktop.get_by_role("heading", name="Score")).to_be_visible()

        await desktop.goto("/policies/payments")
        await desktop.get_by_label("Step 1, target 1").select_option("schedule:payments-primary")
        await press(desktop, "Save")
        await expect(desktop.get_by_text("Saved, for incidents that open from now on.")).to_be_visible()
        await desktop.goto(f"{ROTA}/edit")
        await desktop.get_by_text("Delete…").click()
        await press(desktop, "Delete the schedule")
        await desktop.goto("/schedules")
        await expect(desktop.locator("main")).not_to_contain_text("Rota")
