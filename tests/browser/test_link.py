"""The link in a text message, on a phone in a dark bedroom: behaviour.md 6."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from accessible import background, expect_accessible
from house import House
from playwright.async_api import Browser, Page, Request, expect
from sqlalchemy import text

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE = {"width": 390, "height": 844}
MOST_BYTES = 30_000
TITLE = "Checkout answers 5xx to 4 % of all requests"


@asynccontextmanager
async def phone(browser: Browser, *, scripts: bool = True, dark: bool = False) -> AsyncIterator[Page]:
    context = await browser.new_context(
        viewport=PHONE, java_script_enabled=scripts, color_scheme="dark" if dark else "light", has_touch=True
    )
    yield await context.new_page()
    await context.close()


async def state(house: House) -> str:
    async with transaction(house.tocsin.engine) as (conn, _):
        return str((await conn.execute(text("SELECT state FROM incidents"))).scalar_one())


async def test_looking_changes_nothing_and_pressing_acknowledges(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana", TITLE)
    async with phone(browser) as page:
        for _ in range(3):
            await page.goto(link)
        await expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
        await expect(page.get_by_role("heading", name="Nobody has it yet")).to_be_visible()
        await expect(page.get_by_text("Next: Ben by SMS")).to_be_visible()
        assert await state(house) == "triggered"

        button = page.get_by_role("button", name="Acknowledge")
        box = await button.bounding_box()
        assert box is not None
        assert box["height"] >= 56
        assert box["width"] > PHONE["width"] * 0.8
        assert box["y"] + box["height"] < PHONE["height"], "it is seen without scrolling"
        await button.tap()
        await expect(page.get_by_role("heading", name="You have it")).to_be_visible()
        assert await state(house) == "acknowledged"


async def test_it_works_without_scripts(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    async with phone(browser, scripts=False) as page:
        await page.goto(link)
        await page.get_by_role("button", name="Acknowledge").tap()
        await expect(page.get_by_role("heading", name="You have it")).to_be_visible()

        await page.get_by_role("button", name="Resolve").tap()
        await expect(page.get_by_role("alert")).to_contain_text("1 alert of it still fires")
        assert await state(house) == "acknowledged"
        await page.get_by_role("button", name="Resolve anyway").tap()
        await expect(page.get_by_role("heading", name="Resolved at")).to_be_visible()
        await expect(page.get_by_text("by Ana.")).to_be_visible()
        await expect(page.get_by_role("button")).to_have_count(0)
        assert await state(house) == "resolved"


async def test_whoever_is_second_sees_who_was_faster(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    ana = await house.link_of("ana")
    async with phone(browser) as hers, phone(browser) as his:
        await hers.goto(ana)
        await hers.get_by_role("button", name="Escalate now").tap()
        await expect(hers.get_by_role("status")).to_have_text("The next step is being paged now.")
        await his.goto(await house.link_of("ben"))
        await his.get_by_role("button", name="Acknowledge").tap()
        await expect(his.get_by_role("heading", name="You have it")).to_be_visible()

        await hers.get_by_role("button", name="Acknowledge").tap()
        await expect(hers.get_by_role("heading", name="Ben has it")).to_be_visible()
        await expect(hers.get_by_role("status")).to_have_text("Ben was faster.")


async def test_a_stale_screen_takes_nothing_from_anybody(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    async with phone(browser) as old, phone(browser) as new:
        await old.goto(link)
        await new.goto(link)
        await new.get_by_role("button", name="Acknowledge").tap()
        await expect(new.get_by_role("heading", name="You have it")).to_be_visible()

        await old.get_by_role("button", name="Escalate now").tap()
        await expect(old.get_by_role("status")).to_contain_text("Nothing was done yet")
        await expect(old.get_by_role("heading", name="You have it")).to_be_visible()
        assert await state(house) == "acknowledged"
        assert house.exchange.unexpected() == {}, "Ben sleeps on"

        await old.get_by_role("button", name="Escalate now").tap()
        await house.phone("ben").expects_sms(TITLE)


async def test_a_link_is_used_again_without_harm(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    async with phone(browser) as page:
        await page.goto(link)
        await page.get_by_role("button", name="Acknowledge").tap()
        await expect(page.get_by_role("heading", name="You have it")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("heading", name="You have it")).to_be_visible()
        await house.resolves("HighErrorRate")
        await page.goto(link)
        await expect(page.get_by_role("heading", name="Resolved at")).to_be_visible()
        await expect(page.get_by_text("by the source: nothing fires any more.")).to_be_visible()
        await page.goto(f"{link}?pressed=acknowledge")
        await expect(page.get_by_role("status")).to_have_text("It was over before you pressed.")


async def test_a_link_that_does_not_open_says_what_to_do(house: House, browser: Browser) -> None:
    number = await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    async with phone(browser) as page:
        unknown = await page.goto(f"{house.url}/l/{'x' * 22}")
        assert unknown is not None
        assert unknown.status == 404
        await expect(page.get_by_role("heading", name="There is no such link")).to_be_visible()
        await expect_accessible(page)

        await page.goto(link)
        async with transaction(house.tocsin.engine) as (conn, now):
            await conn.execute(text("UPDATE link_tokens SET expires_at = :now"), {"now": now})
        await page.get_by_role("button", name="Acknowledge").tap()
        await expect(page.get_by_role("heading", name="This link does not open any more")).to_be_visible()
        assert await state(house) == "triggered"
        gone = await page.goto(link)
        assert gone is not None
        assert gone.status == 410
        await page.get_by_role("link", name=f"Log in and open incident {number}").tap()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        assert page.url.endswith(f"/login?following=/incidents/{number}")


async def test_the_screen_is_small_and_loads_nothing_from_elsewhere(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    finished: list[Request] = []
    async with phone(browser) as page:
        page.on("requestfinished", lambda request: finished.append(request))
        page.on("requestfailed", lambda request: finished.append(request))
        await page.goto(link, wait_until="networkidle")
        sizes = [await request.sizes() for request in finished]
        assert [request.url for request in finished] == [link]
        assert sum(size["responseBodySize"] + size["responseHeadersSize"] for size in sizes) < MOST_BYTES


async def test_it_can_be_read_by_everybody_and_in_the_dark(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    link = await house.link_of("ana")
    async with phone(browser, dark=True) as page:
        await page.goto(link)
        assert max(await background(page)) < 40
        assert await page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)") >= 18
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        await expect(focused).to_have_text("Acknowledge")
        assert await focused.evaluate("e => getComputedStyle(e).outlineStyle") != "none"
        await expect_accessible(page)
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="You have it")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_role("button", name="Resolve").tap()
        await expect(page.get_by_role("button", name="Resolve anyway")).to_be_visible()
        await expect_accessible(page)
