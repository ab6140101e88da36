"""Screens for people who log in: they follow along by themselves, and work without scripts."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from accessible import expect_accessible
from house import NUMBERS, PASSWORD, House
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")

DESK = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 780}
TITLE = "Checkout answers 5xx to 4 % of all requests"


@asynccontextmanager
async def desk(browser: Browser, house: House, *, scripts: bool = True) -> AsyncIterator[Page]:
    """A browser on a desk. Whatever it asks of anybody but us, or a script that fails, fails the test."""
    context = await browser.new_context(viewport=DESK, java_script_enabled=scripts, base_url=house.url)
    page = await context.new_page()
    wrong: list[str] = []
    page.on("request", lambda request: None if request.url.startswith(house.url) else wrong.append(request.url))
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    await context.close()
    assert wrong == []


async def log_in(page: Page, person: str = "ana") -> None:
    await page.get_by_label("Mail address").fill(f"{person}@example.org")
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("button", name="Log out")).to_be_visible()


async def test_logging_in_leads_to_where_one_wanted_to_go(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/on-call")
        await page.get_by_label("Mail address").fill("ana@example.org")
        await page.get_by_label("Password").fill("not her password")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_have_text("This is not the right mail address or password.")
        await expect_accessible(page)
        await log_in(page)
        await expect(page.get_by_role("heading", name="On call now")).to_be_visible()
        await expect(page.get_by_text("You are on call: Payments primary.")).to_be_visible()

        await page.get_by_role("button", name="Log out").click()
        await page.goto("/incidents")
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await page.goto("/login?following=//elsewhere.example/")
        await log_in(page)
        assert page.url == f"{house.url}/incidents"


async def test_the_list_follows_along(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page)
        await expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()

        await house.fires("HighErrorRate", summary=TITLE)
        await expect(page.get_by_role("link", name=TITLE)).to_be_visible()
        await house.fires("DiskFull", severity="warning", summary="The disk of db-3 is 97 % full")
        rows = page.get_by_role("listitem")
        await expect(rows.first).to_contain_text("The disk of db-3")
        await expect(rows).to_have_count(2)
        await expect(page.get_by_role("status")).to_contain_text("The disk of db-3")
        await expect(page).to_have_title(re.compile(r"^\(2\) Incidents"))

        await house.resolves("DiskFull", severity="warning")
        await expect(rows).to_have_count(1)
        await page.keyboard.press("j")
        await expect(page.get_by_role("link", name=TITLE)).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name=TITLE)).to_be_visible()


async def test_an_incident_from_first_page_to_the_end(house: House, browser: Browser) -> None:
    more = {"description": "Look at the provider.", "url": "http://prometheus.example.org/graph"}
    number = await house.fires("HighErrorRate", summary=TITLE, **more)
    await house.phone("ana").expects_sms(TITLE)
    async with desk(browser, house) as page:
        await page.goto(f"/incidents/{number}")
        await log_in(page)
        await expect(page.locator("#alerts")).to_contain_text(more["description"])
        assert await page.locator("#alerts").get_by_role("link").get_attribute("href") == more["url"]
        standing = page.get_by_role("region", name="How it stands")
        await expect(standing).to_contain_text("Nobody has it yet")
        await expect(standing).to_contain_text(re.compile(r"Next: Ben by SMS \(step 2 of round 1\) in 0[45]:\d\d"))
        timeline = page.locator("#timeline")
        await expect(timeline).to_contain_text("Ana was paged by SMS")
        await expect(page.locator("#messages")).to_contain_text("delivered")
        await expect_accessible(page)

        await page.get_by_role("button", name="Escalate now").click()
        await house.phone("ben").expects_sms(TITLE)
        await expect(page.locator("#messages")).to_contain_text("Ben by SMS")
        await expect(timeline).to_contain_text("Step 2 of round 1: paging Ben")

        await page.get_by_role("button", name="Acknowledge").click()
        await expect(standing).to_contain_text("You have it")
        await expect(timeline).to_contain_text("Acknowledged by Ana via screen")
        await page.get_by_label("A note for the timeline").fill("<b>rolled back</b> & waiting")
        await page.get_by_role("button", name="Add note").click()
        await expect(timeline).to_contain_text("Ana: <b>rolled back</b> & waiting")

        await page.get_by_role("button", name="Resolve").click()
        await expect(page.get_by_role("alert")).to_contain_text("1 alert of it still fires")
        await expect_accessible(page)
        await page.get_by_role("button", name="Resolve anyway").click()
        await expect(standing).to_contain_text("Resolved")
        await page.get_by_role("button", name="Close").click()
        await expect(page.get_by_text("Closed.", exact=True)).to_be_visible()


async def three_days_pass(house: House) -> None:
    """For what is over: else it would be reopened."""
    for statement in (
        "UPDATE incidents SET resolved_at = resolved_at - interval '3 days', opened_at = opened_at - interval '3 days' "
        "WHERE resolved_at IS NOT NULL",
        "UPDATE alerts SET ended_at = ended_at - interval '3 days', "
        "end_received_at = end_received_at - interval '3 days'",
    ):
        async with transaction(house.tocsin.engine) as (conn, _):
            await conn.execute(text(statement))


async def test_what_it_was_is_kept_for_the_next_time(house: House, browser: Browser) -> None:
    first = await house.fires("DiskFull", summary="The disk of db-3 is full")
    async with desk(browser, house) as page:
        await page.goto(f"/incidents/{first}")
        await log_in(page)
        await page.get_by_text("Resolve and say why").click()
        await page.get_by_label("What was it?").fill("logs <b>piled up</b>")
        await page.get_by_label("Fixed by").fill("rotating them")
        await page.get_by_role("button", name="Resolve with these words").click()
        await page.get_by_role("button", name="Resolve anyway").click()
        explained = page.locator("#explained")
        await expect(explained).to_contain_text("Cause: logs <b>piled up</b>")
        await expect(explained).to_contain_text("Fixed by: rotating them")
        await expect(page.locator("#timeline")).to_contain_text("logs <b>piled up</b>, fixed by rotating them")
        await explained.get_by_text("Correct it").click()
        await page.get_by_label("Fixed by").fill("rotating the logs")
        await expect_accessible(page)
        await page.get_by_role("button", name="Keep").click()
        await expect(page.get_by_role("status").last).to_have_text("Kept, for the next time.")
        await expect(explained).to_contain_text("Fixed by: rotating the logs")

        second = await house.fires("DiskWarning", summary="The disk of db-4 is nearly full", severity="error")
        await page.goto(f"/incidents/{second}")
        alike = page.locator("#similar")
        await expect(alike).to_contain_text("The disk of db-3 is full")
        await expect(alike).to_contain_text(re.compile("Resolved · Checkout .*the same words: disk, full"))
        await expect(alike).to_contain_text("Fixed by: rotating the logs")
        await expect_accessible(page)
        await house.resolves("DiskFull")
        await three_days_pass(house)
        again = await house.fires("DiskFull", summary="The disk of db-3 is full")
        await page.goto(f"/incidents/{again}")
        await expect(page.locator("#title")).to_contain_text(
            re.compile("2nd time in 30 days; last time, 3 days ago: logs .*, fixed by rotating the logs, took")
        )
        await expect_accessible(page)
        await page.locator("#title").get_by_role("link").click()
        await expect(page.get_by_role("heading", name="The disk of db-3 is full")).to_be_visible()


async def test_two_people_look_at_one_incident(house: House, browser: Browser) -> None:
    number = await house.fires("HighErrorRate", summary=TITLE)
    async with desk(browser, house) as hers, desk(browser, house) as his:
        for page, person in ((hers, "ana"), (his, "ben")):
            await page.goto(f"/incidents/{number}")
            await log_in(page, person)
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await hers.get_by_role("button", name="Acknowledge").click()
        await expect(his.get_by_role("heading", name="Ana has it")).to_be_visible()
        await expect(his.get_by_role("button", name="Acknowledge")).to_have_count(0)

        await his.get_by_text("Priority", exact=True).first.click()
        await his.get_by_label("Impact").select_option("1")
        await his.locator("form[action$='/priority']").get_by_label("Why").fill("all customers are affected")
        await his.get_by_role("button", name="Set priority").click()
        await expect(hers.locator("#title")).to_contain_text("P1")
        await expect(hers.get_by_role("heading", name="Nobody has it yet")).to_be_visible()

        await hers.get_by_text("Hand over", exact=True).click()
        await hers.locator("form[action$='/reassign'] select").select_option("cara")
        await hers.get_by_role("button", name="Hand over and page").click()
        await house.phone("cara").expects_sms(TITLE)


async def test_what_changes_meanwhile_takes_nothing_from_a_reader(house: House, browser: Browser) -> None:
    """By keyboard, or with a screen reader: what was unfolded stays so, and the focus is never lost."""
    number = await house.fires("HighErrorRate", summary=TITLE)
    async with desk(browser, house) as hers, desk(browser, house) as his:
        for page, person in ((hers, "ana"), (his, "ben")):
            await page.goto(f"/incidents/{number}")
            await log_in(page, person)
            await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        await his.get_by_text("What decided this, and which rule").press("Enter")
        alert = his.locator("#alerts > ul > li")
        for folded in ("Annotations", "Labels"):
            await alert.get_by_text(folded, exact=True).press("Enter")
        await his.get_by_role("button", name="Acknowledge").focus()
        await hers.get_by_role("button", name="Acknowledge").click()
        await expect(his.get_by_role("heading", name="Ana has it")).to_be_visible()
        await expect(his.get_by_role("region", name="What you can do")).to_be_focused()
        await his.keyboard.press("Tab")
        await expect(his.get_by_role("button", name="Resolve", exact=True)).to_be_focused()
        await expect(his.locator("#why details")).to_have_attribute("open", "")

        await alert.get_by_text("Labels", exact=True).focus()
        await house.resolves("HighErrorRate", summary=TITLE)
        await expect(alert).to_contain_text("over")
        await expect(alert.get_by_text("Labels", exact=True)).to_be_focused()
        assert await alert.locator("details").evaluate_all("all => all.map((e) => e.open)") == [True, True]


async def test_an_incident_that_leaves_the_list_passes_the_focus_on(house: House, browser: Browser) -> None:
    for name in ("DiskFull", "HighErrorRate", "SlowQueries"):
        await house.fires(name)
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page)
        await expect(page.get_by_text("Live", exact=True)).to_be_visible()
        for name, then in (("HighErrorRate", "DiskFull"), ("DiskFull", "SlowQueries")):
            await page.get_by_role("link", name=name).focus()
            await house.resolves(name)
            await expect(page.get_by_role("link", name=name)).to_have_count(0)
            await expect(page.get_by_role("link", name=then)).to_be_focused()
        await house.resolves("SlowQueries")
        await expect(page.get_by_role("heading", name="All quiet")).to_be_visible()
        assert await page.evaluate("document.activeElement !== document.body")


async def test_everything_works_without_scripts(house: House, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary=TITLE)
    async with desk(browser, house, scripts=False) as page:
        await page.goto("/incidents")
        await log_in(page)
        await page.get_by_text("Filter", exact=True).click()
        await page.get_by_label("Priority").select_option("1")
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()
        await page.get_by_role("link", name="Open", exact=True).click()
        await page.get_by_role("link", name=TITLE).click()
        await page.get_by_text("Snooze", exact=True).first.click()
        await page.get_by_role("button", name="1 h").click()
        await expect(page.get_by_role("region", name="How it stands")).to_contain_text("snoozed until")
        await page.get_by_role("button", name="Give it back").click()
        await expect(page.get_by_role("heading", name="Nobody has it yet")).to_be_visible()


async def test_a_contact_method_counts_once_its_code_came_back(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/account")
        await log_in(page)
        await page.get_by_label("Address").fill("030 901820009")
        await page.get_by_role("button", name="Add").first.click()
        await expect(page.get_by_role("alert")).to_contain_text(re.compile("^A mobile number starts with"))
        await expect(page.get_by_label("Address")).to_have_value("030 901820009")
        await page.get_by_label("Address").fill("+49 30 901820009")
        await page.get_by_role("button", name="Add").first.click()
        await expect(page.get_by_text("not verified")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_role("button", name="Send a code").click()
        sms = await house.exchange.phone("+4930901820009").expects_sms("verification code")
        await page.get_by_label("Code").fill("000000" if "000000" not in sms.body else "111111")
        await page.get_by_role("button", name="Verify").click()
        await expect(page.get_by_role("alert")).to_contain_text("4 tries are left")
        await page.get_by_label("Code").fill(re.search(r"\d{6}", sms.body)[0])  # type: ignore[index]  # it is there
        await page.get_by_role("button", name="Verify").click()
        await expect(page.get_by_text("verified", exact=True)).to_have_count(2)
        await expect(page.get_by_text("SMS to +4930901820009")).to_have_count(2)


async def test_one_says_what_is_used_when(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/account")
        await log_in(page)
        await expect(page.get_by_text("(default plan)")).to_have_count(2)
        await page.get_by_label("After minutes").first.fill("7")
        await page.get_by_role("button", name="Add").nth(1).click()
        await expect(page.get_by_text("after 7 min: SMS to")).to_be_visible()
        await expect(page.get_by_text("(default plan)")).to_have_count(1)
        await page.get_by_role("listitem").filter(has_text="after 5 min").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("after 5 min")).to_have_count(0)
        await expect_accessible(page)
        for _ in range(2):
            await page.locator(".plan").first.get_by_role("button", name="Remove").first.click()
            await expect(page.get_by_role("status").first).to_be_attached()
        await expect(page.get_by_text("(default plan)")).to_have_count(2)


async def test_every_screen_warns_while_nobody_is_left(house: House, browser: Browser) -> None:
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page, "cara")
        for path in ("/incidents", "/on-call", "/account"):
            await page.goto(path)
            await expect(page.get_by_text("Nobody would be paged")).to_have_count(0)
        async with transaction(house.tocsin.engine) as (conn, _):
            forget = text("UPDATE contact_methods SET verified_at = NULL WHERE address = :number")
            await conn.execute(forget, {"number": NUMBERS["cara"]})
        for path in ("/incidents", "/on-call", "/account"):
            await page.goto(path)
            await expect(page.get_by_role("alert")).to_contain_text("Cara has no usable contact method")
            await expect_accessible(page)


async def test_every_screen_fits_a_phone_and_can_be_read(house: House, browser: Browser) -> None:
    number = await house.fires("HighErrorRate", summary=TITLE + " and-a-word-that-is-too-long-" + "x" * 80)
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page)
        await page.set_viewport_size(PHONE)
        others = ("/incidents", "/on-call", "/heartbeats", "/suppressed", "/silences", "/silences/new", "/maintenance",
                  "/rules", "/rules/routing/versions", "/account", "/nothing", "/incidents/99")  # fmt: skip
        for path in (f"/incidents/{number}", *others):
            await page.goto(path)
            await expect_accessible(page)
