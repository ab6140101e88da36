"""The editors of schedules and policies, escalation lists and the dry run in a browser: on a desk and on a phone, with
the keyboard alone, with and without scripts."""

from __future__ import annotations

import re

import pytest
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, Page, expect
from test_rules_and_silences import picture
from test_screens import desk, log_in

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}
EDIT = "/schedules/payments-primary/edit"


async def press(page: Page, name: str, *, exact: bool = True) -> None:
    await page.locator("main").get_by_role("button", name=name, exact=exact).and_(page.locator(":visible")).last.click()


async def test_a_schedule_is_edited_with_a_preview_that_follows(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto(EDIT)
        await log_in(page, "cara")
        preview = page.locator("#preview")
        await expect(preview).to_contain_text("Ana is on call for more than 7 days in a row")
        await expect_accessible(page)
        await page.get_by_label("Turn 1, person 1").select_option("ben")
        await expect(preview).to_contain_text(re.compile(r"Ben gains 28 d"))
        await expect(preview).to_contain_text(re.compile(r"Ana loses 28 d"))
        await page.get_by_label("A turn lasts").fill("0")
        await expect(page.get_by_text("it must be 1 or more")).to_be_visible()
        await expect(page.get_by_label("A turn lasts")).to_have_attribute("aria-invalid", "true")
        await page.get_by_label("A turn lasts").fill("1")
        await expect(page.get_by_text("it must be 1 or more")).to_have_count(0)
        await press(page, "Add a turn")
        await expect(page.get_by_label("Turn 1, person 1")).to_have_value("ben")
        await page.get_by_label("Turn 2, person 1").select_option("ana")
        await expect(preview).to_contain_text("Ben gains")
        await expect(preview).not_to_contain_text("28 d")
        await expect_accessible(page)
        await picture(page, "schedule-editor")
        await press(page, "Save")
        await expect(page.get_by_text("Saved. It can be undone for 15 minutes.")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_role("button", name="Undo version 2").click()
        await expect(page.get_by_text("Undone: the schedule says what it said before.")).to_be_visible()
        await expect(page.get_by_label("Turn 1, person 1")).to_have_value("ana")


async def test_a_schedule_is_made_on_a_phone_without_scripts(house: House, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/schedules/new")
        await log_in(page, "cara")
        await expect_accessible(page)
        await page.get_by_label("Name", exact=True).fill("Database")
        await page.get_by_label("Name of the layer").fill("nights")
        await page.get_by_label("Turn 1, person 1").select_option("ana")
        await press(page, "Add a turn")
        await page.get_by_label("Turn 2, person 1").select_option("ben")
        await page.get_by_text("Only at certain hours").click()
        await press(page, "Add hours of days")
        await press(page, "Add a span of the week")
        await expect(page.get_by_role("checkbox")).to_have_count(7)
        await page.get_by_text("Several handoffs a week").click()
        await page.get_by_text("Start, end and zone of its own").click()
        await expect_accessible(page)
        await press(page, "Up turn 2", exact=False)
        await expect(page.get_by_label("Turn 1, person 1")).to_have_value("ben")
        await press(page, "Save" if await page.get_by_role("button", name="Save", exact=True).count() else "Make it")
        await expect(page.get_by_text("Nothing is saved yet: this is what it changes.")).to_be_visible()
        await expect(page.locator("#preview")).to_contain_text("gap")
        await expect_accessible(page)
        await press(page, "Make it")
        await expect(page.get_by_text("The schedule is made.")).to_be_visible()
        await expect_accessible(page)


async def test_with_the_keyboard_alone(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto(EDIT)
        await log_in(page, "cara")
        await page.get_by_role("button", name="Add a turn").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator('[id="at-layers.0.turns.1"]')).to_be_focused()
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("Turn 2, person 1")).to_be_focused()
        await page.keyboard.type("Ben")
        await expect(page.get_by_label("Turn 2, person 1")).to_have_value("ben")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator('[id="at-layers.0.turns.0"]')).to_be_focused()
        await expect(page.get_by_label("Turn 1, person 1")).to_have_value("ben")
        await page.get_by_label("Name", exact=True).focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#preview")).to_contain_text("Ben gains")
        assert page.url.endswith("/edit"), "Enter in a field previews; it saves nothing"


async def test_a_policy_in_words_and_what_it_would_page(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page, "cara")
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Escalation").click()
        await expect(page.get_by_role("heading", name="Escalation policies")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_role("link", name="Payments", exact=True).click()
        words = page.locator("#preview")
        await expect(words).to_contain_text("Page whoever is on call in Payments primary.")
        await expect_accessible(page)
        await page.get_by_label("Before what follows, wait").first.fill("2")
        await expect(words).to_contain_text("within 2 minutes")
        await page.get_by_label("Step 1, another target").select_option("user:ben")
        await expect(words).to_contain_text("Page whoever is on call in Payments primary and Ben.")
        await picture(page, "policy")
        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="What would be paged with it?").click()
        tried = await opened.value
        await expect(tried.get_by_text("With your edit of the policy Payments")).to_be_visible()
        await expect_accessible(tried)
        await tried.get_by_label("As this integration would receive it").select_option("checkout")
        await tried.get_by_label("Labels, one a line").fill("alertname=DiskFull\nseverity=critical")
        await tried.get_by_role("button", name="What would happen?").click()
        result = tried.locator("#result")
        await expect(result).to_contain_text("Step 1 of round 1: paging Ana, Ben")
        await result.get_by_text("Text", exact=True).first.click()
        await expect(result).to_contain_text("DiskFull")
        await expect_accessible(tried)
        await picture(tried, "dry-run")
        await expect(page.get_by_label("Before what follows, wait").first).to_have_value("2")
        await press(page, "Save")
        await expect(page.get_by_text("Saved, for incidents that open from now on.")).to_be_visible()


async def test_everything_about_escalation_fits_a_phone(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/policies/payments")
        await log_in(page, "cara")
        for summary in await page.get_by_text("Only when…").all():
            await summary.click()
        await expect_accessible(page)
        await page.get_by_role("link", name="Escalation policies").click()
        await expect_accessible(page)
        tabs = page.get_by_role("navigation", name="Escalation")
        await expect(tabs.get_by_role("link").last).to_be_in_viewport(ratio=1)
        await tabs.get_by_role("link", name="Support tiers").click()
        await press(page, "Add a tier")
        await press(page, "Save")
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
        await expect_accessible(page)
        await tabs.get_by_role("link", name="Who is informed").click()
        await press(page, "Add a row")
        await expect_accessible(page)
        await tabs.get_by_role("link", name="Webhooks").click()
        await page.get_by_label("Name", exact=True).fill("Status page " + "x" * 120)
        await page.get_by_label("Address").fill("https://status.example.org/" + "y" * 200)
        await press(page, "Make it")
        await expect(page.get_by_text("It is shown this once")).to_be_visible()
        await page.get_by_text("Change…").click()
        await page.get_by_text("New secret…").click()
        await expect_accessible(page)
        await tabs.get_by_role("link", name="Dry run").click()
        await expect(tabs.locator("[aria-current]")).to_be_in_viewport(ratio=1)
        await page.get_by_label("As this integration would receive it").select_option("checkout")
        await page.get_by_label("Labels, one a line").fill("alertname=" + "Long" * 40)
        await page.get_by_role("button", name="What would happen?").click()
        await expect(page.locator("#result")).to_contain_text("paging Ana")
        await expect_accessible(page)
