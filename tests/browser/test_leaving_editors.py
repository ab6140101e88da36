"""Leaving an editor: the browser asks when something is not saved, and only then."""

from __future__ import annotations

import pytest
from house import House
from playwright.async_api import Browser, Dialog, Page, expect
from test_editors import EDIT, press
from test_screens import desk, log_in

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Asked:
    """What the browser asks whoever leaves; the answer is to stay."""

    def __init__(self, page: Page) -> None:
        self.kinds: list[str] = []
        page.on("dialog", self._stay)

    async def _stay(self, dialog: Dialog) -> None:
        self.kinds.append(dialog.type)
        await dialog.dismiss()


async def leave(page: Page, to: str) -> None:
    await page.get_by_role("navigation", name="Main").get_by_role("link", name=to).click()


async def test_a_change_that_is_not_saved_is_asked_about(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        asked = Asked(page)
        await page.goto(EDIT)
        await log_in(page, "cara")
        lasts = page.get_by_label("A turn lasts")
        await lasts.fill("3")
        await leave(page, "Incidents")
        assert asked.kinds == ["beforeunload"]
        await expect(lasts).to_have_value("3")
        await press(page, "Add a turn")
        await expect(page.get_by_label("Turn 2, person 1")).to_be_visible()
        assert len(asked.kinds) == 1, "to send the form is not to leave"
        await page.get_by_label("Turn 2, person 1").focus()
        await leave(page, "Incidents")
        assert len(asked.kinds) == 2, "what came back with another turn is not saved yet"
        await expect(page).to_have_url(house.url + EDIT)


async def test_who_changed_nothing_or_saved_it_is_not_asked(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        asked = Asked(page)
        await page.goto(EDIT)
        await log_in(page, "cara")
        name = page.get_by_label("Name", exact=True)
        before = await name.input_value()
        await name.fill("Somebody else's")
        await name.fill(before)
        await leave(page, "Incidents")
        await expect(page).to_have_url(house.url + "/incidents")
        for words in ("Payments, first", before):
            await page.goto(EDIT)
            await name.fill(words)
            await press(page, "Save")
            await expect(page.get_by_text("Nothing is saved yet: this is what it changes.")).to_be_visible()
            await press(page, "Save")
            await expect(page.get_by_text("Saved. It can be undone")).to_be_visible()
            await leave(page, "Incidents")
            await expect(page).to_have_url(house.url + "/incidents")
        assert asked.kinds == []
