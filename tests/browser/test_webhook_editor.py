"""A webhook's own request in a browser, on a phone and without scripts: written, shown, refused, saved."""

from __future__ import annotations

import pytest
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, expect
from test_editors import PHONE, press
from test_rules_and_silences import picture
from test_screens import desk, log_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_request_is_written_with_a_preview_without_scripts(house: House, browser: Browser) -> None:
    async with desk(browser, house, scripts=False) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/escalation/webhooks")
        await log_in(page, "cara")
        await page.get_by_label("Name", exact=True).last.fill("Ticket system")
        await page.get_by_label("Address (kept encrypted").fill("https://tickets.example.org/api")
        await press(page, "Make it")
        await page.get_by_role("link", name="Ticket system").click()
        await expect_accessible(page)
        await page.get_by_label("triggered", exact=True).check()
        await page.locator("select[name=kind]").select_option("json")
        await page.get_by_label("Headers").fill("Authorization: Bearer {secret.token}")
        await page.get_by_label("Its own body").fill('{"title": "{incident.titel}"}')
        await press(page, "Preview")
        await expect(page.get_by_text("json.title: {incident.titel}: there is no such value")).to_be_visible()
        await expect(page.get_by_label("triggered", exact=True)).to_be_checked()
        await page.get_by_label("Its own body").fill('{"title": "{incident.title}", "number": "{incident.number}"}')
        await press(page, "Preview")
        await expect(page.locator("#preview")).to_contain_text("Bearer ***")
        await expect(page.locator("#preview")).to_contain_text("Nothing was sent, and nothing is saved.")
        await expect_accessible(page)
        await picture(page, "webhook")
        await press(page, "Save")
        await expect(page.get_by_text("Saved.")).to_be_visible()
        await expect(page.get_by_text("Nobody gave the value of token: it cannot be called.")).to_be_visible()
        await page.get_by_label("Value (nothing: it is removed)").fill("hush")
        await press(page, "Keep it")
        await expect(page.get_by_text("It has values of token.")).to_be_visible()
        await expect(page.get_by_text("hush")).to_have_count(0)
        await expect_accessible(page)
