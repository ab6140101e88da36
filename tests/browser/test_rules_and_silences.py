"""Rules, silences and maintenance windows in a browser: on a desk and on a phone, with and without scripts."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from accessible import expect_accessible
from house import House
from playwright.async_api import Browser, Page, expect
from sqlalchemy import text
from test_screens import PHONE, desk, log_in

from app.alerts.routing_rules import ROUTING_RULES
from app.db.engine import transaction
from app.rules import commands

pytestmark = pytest.mark.asyncio(loop_scope="session")

RULES: list[dict[str, Any]] = [
    {"key": "dns-blips", "name": "DNS mends itself within five minutes", "enabled": True,
     "when": 'labels.alertname == "DNSProbeFailed" && severity != "critical"',
     "then": {"hold_minutes": 5, "note": "Usually over before you look"}},
    {"key": "load-tests", "name": "Nobody is woken for a load test", "enabled": True,
     "when": '{environment="loadtest"}', "then": {"suppress": True}},
]  # fmt: skip
LONG_NAME = "UPDATE services SET name = 'Checkout ' || repeat('x', 80) WHERE key = 'checkout'"
HELD_BACK = "document.querySelector('form[data-slow]').addEventListener('submit', (e) => e.preventDefault())"
"""What a form that waits for its answer looks like: once it is really sent, nobody can look at it any more."""
PICTURES = os.environ.get("TOCSIN_TEST_PICTURES", "")
"""A folder: where pictures for the documentation go; empty: none are made."""


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        await page.evaluate("scrollTo(0, 0)")
        await page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))


@pytest_asyncio.fixture(loop_scope="session")
async def rules(house: House) -> AsyncIterator[None]:
    async with transaction(house.tocsin.engine) as (conn, now):
        await commands.publish(conn, now, ROUTING_RULES, RULES, actor="user:cara")
    yield


async def test_a_draft_is_edited_checked_simulated_and_published(house: House, rules: None, browser: Browser) -> None:
    await house.fires("HighErrorRate", summary="Checkout answers 5xx")
    async with desk(browser, house) as page:
        await page.goto("/incidents")
        await log_in(page, "cara")
        await page.get_by_role("navigation", name="Main").get_by_role("link", name="Rules").click()
        await expect(page.get_by_role("heading", name="Rules of the organisation")).to_be_visible()
        await expect_accessible(page)
        await page.locator("#routing").get_by_label("name of the draft").fill("Quieter checkout")
        await page.locator("#routing").get_by_role("button", name="Begin a draft").click()
        await expect(page.get_by_role("heading", name="Quieter checkout")).to_be_visible()
        area = page.get_by_label("The rules, in order")
        written = await area.input_value()
        await area.fill(written.replace('{environment="loadtest"}', "{environment=loadtest"))
        await page.get_by_role("button", name="Save the draft").click()
        await expect(page.locator("#mistakes")).to_contain_text(re.compile(r"Line \d+ rules\[1\]\.when"))
        await expect_accessible(page)
        await area.fill(written + "- key broken")
        await page.get_by_role("button", name="Save the draft").click()
        await expect(page.get_by_role("alert")).to_contain_text("Nothing was saved")
        await expect(area).to_have_value(written + "- key broken")
        await expect_accessible(page)
        await area.fill(written)
        await page.get_by_role("button", name="Save the draft").click()
        await expect(page.get_by_text("No mistakes.")).to_be_visible()

        await page.get_by_text("Add a rule", exact=True).click()
        await page.get_by_label("What it is for").fill("Errors of checkout wait for the morning")
        await page.get_by_label("When: matchers").fill('{alertname="HighErrorRate",team=""}')
        await page.get_by_label("Pages nobody").check()
        await page.get_by_role("button", name="Add it at the end").click()
        rows = page.locator("ol.rules > li")
        await expect(rows).to_have_count(3)
        await expect(rows.last).to_contain_text("None of the last 1 events carried labels.team; is it misspelt?")
        await page.get_by_role("button", name="Up Errors of checkout").click()
        await expect(rows.nth(1)).to_contain_text("Errors of checkout wait")
        await expect_accessible(page)
        await picture(page, "draft")

        await page.get_by_role("link", name="Simulate").click()
        await expect_accessible(page)
        await page.get_by_label("Days up to now").fill("1")
        await page.evaluate(HELD_BACK)
        await page.get_by_role("button", name="Simulate these days").click()
        await expect(page.get_by_role("button", name="Simulating…")).to_be_visible()
        await expect(page.locator("#said")).to_have_text("Simulating…")
        await page.reload()
        await page.get_by_label("Days up to now").fill("1")
        await page.get_by_role("button", name="Simulate these days").click()
        result = page.get_by_role("region", name="1 event played, 1 alert comes to something else")
        await expect(result).to_contain_text("suppressed by routing rule")
        await expect(result.get_by_role("row", name="Ana")).to_contain_text("-1")
        await result.get_by_text("Why", exact=True).click()
        await expect(result).to_contain_text("Errors of checkout wait for the morning")
        await expect_accessible(page)
        await picture(page, "simulation")

        await page.get_by_role("link", name="Quieter checkout").click()
        await page.get_by_text("Publish…").click()
        await page.get_by_role("button", name="Put it in force").click()
        await expect(page.get_by_text("Published: these rules are in force now.")).to_be_visible()
        await page.locator("#routing").get_by_role("link", name="All versions").click()
        await expect_accessible(page)
        await page.get_by_role("link", name="Version 1").click()
        await expect(page.get_by_text("removed: errors-of-checkout-wait-for-the-morning.")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_text("Go back to version 1…").click()
        await page.get_by_role("button", name="Put version 1 in force again").click()
        await expect(page.get_by_text("in force again, as a new version")).to_be_visible()
        await expect(page.locator("#routing")).to_contain_text("Version 3, published by cara")


async def test_two_people_edit_one_draft(house: House, rules: None, browser: Browser) -> None:
    async with desk(browser, house) as hers, desk(browser, house, scripts=False) as again:
        await hers.goto("/rules")
        await log_in(hers, "cara")
        await hers.locator("#priority").get_by_label("name of the draft").fill("Ours")
        await hers.locator("#priority").get_by_role("button", name="Begin a draft").click()
        await expect(hers.get_by_role("heading", name="Ours")).to_be_visible()
        await again.goto(hers.url)
        await log_in(again, "cara")
        for page, name in ((again, "Theirs"), (hers, "Hers")):
            await page.get_by_label("The rules, in order").fill(
                f"- key: a\n  name: {name}\n  when: 'true'\n  then: {{impact: 1}}\n"
            )
            await page.get_by_role("button", name="Save the draft").click()
        await expect(hers.get_by_role("alert")).to_contain_text("edited this draft meanwhile")
        differs = hers.get_by_role("region", name="How yours differs from what is saved")
        await expect(differs).to_contain_text("name: Theirs")
        await expect_accessible(hers)
        await hers.get_by_role("button", name="Save the draft").click()
        await expect(hers.locator("ol.rules")).to_contain_text("Hers")


async def test_a_silence_on_a_phone_without_scripts(house: House, browser: Browser) -> None:
    await house.fires("DiskFull", summary="The disk of db-3 is 97 % full")
    async with desk(browser, house, scripts=False) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/suppressed")
        await log_in(page)
        await page.get_by_role("navigation", name="What pages nobody").get_by_role("link", name="Silences").click()
        await page.get_by_role("link", name="New silence").click()
        await page.get_by_label("Matchers").fill("alertname=")
        await page.get_by_label("Comment: why").fill("disks are swapped")
        await page.get_by_label("Matchers").fill('alertname=~"["')
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Matchers")).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_label("Comment: why")).to_have_value("disks are swapped")
        await page.get_by_label("Matchers").fill('alertname="DiskFull"')
        await page.get_by_role("button", name="What does it match now?").click()
        await expect(page.get_by_role("region", name="1 alert that fires now matches")).to_contain_text("disk of db-3")
        await page.get_by_label("8 h").check()
        await picture(page, "new-silence")
        await page.get_by_role("button", name="Silence them").click()
        await expect(page.get_by_text("The silence is made.")).to_be_visible()
        await expect(page.get_by_role("listitem")).to_contain_text("left")
        await page.get_by_text("Extend…").click()
        await page.get_by_role("button", name="Extend it").click()
        await expect(page.get_by_text("The silence ends later now.")).to_be_visible()
        await page.get_by_text("End it…").click()
        await page.get_by_role("button", name="End it now").click()
        await expect(page.get_by_role("heading", name="None active")).to_be_visible()


async def test_screens_of_silences_and_windows_fit_a_phone(house: House, rules: None, browser: Browser) -> None:
    async with transaction(house.tocsin.engine) as (conn, _):
        await conn.execute(text(LONG_NAME))
    async with desk(browser, house) as page:
        await page.set_viewport_size(PHONE)
        await page.goto("/silences/new")
        await log_in(page, "cara")
        await page.get_by_label("Matchers").fill('{a="' + "long" * 60 + '"}')
        await page.get_by_role("button", name="What does it match now?").click()
        await expect_accessible(page)
        await page.get_by_label("Comment: why").fill("x" * 200)
        await page.get_by_role("button", name="Silence them").click()
        await page.get_by_text("Extend…").click()
        await page.get_by_text("End it…").click()
        await expect_accessible(page)

        await page.get_by_role("link", name="Maintenance", exact=True).click()
        await page.get_by_role("link", name="New maintenance window").click()
        await page.get_by_label("Name").fill("Database upgrade")
        await page.get_by_label("Comment: what is done").fill("Postgres 18")
        await page.get_by_role("button", name="When is it under way?").click()
        await expect(page.get_by_text("it must not be empty")).to_be_visible()
        await expect_accessible(page)
        await page.get_by_label("Checkout").check()
        await page.get_by_label("Every week", exact=True).check()
        for day in ("Mon", "Sun"):
            await page.get_by_label(day).check()
        await page.get_by_label("at", exact=True).fill("22:00")
        await page.get_by_label("for minutes").fill("120")
        await page.get_by_role("button", name="When is it under way?").click()
        preview = page.get_by_role("region", name="It would be under way")
        await expect(preview.get_by_role("listitem")).to_have_count(10)
        await expect(preview).to_contain_text("Europe/Berlin")
        await expect_accessible(page)
        await page.get_by_role("button", name="Make it").click()
        await expect(page.get_by_text("The maintenance window is made.")).to_be_visible()
        await page.get_by_text("Delete…").click()
        await expect_accessible(page)
        await picture(page, "maintenance")

        await page.goto("/rules?service=checkout")
        await expect_accessible(page)
        await page.goto("/rules")
        await expect_accessible(page)
        await picture(page, "rules-phone")
        await page.locator("#routing").get_by_label("name of the draft").fill("On the way")
        await page.locator("#routing").get_by_role("button", name="Begin a draft").click()
        await page.get_by_text("Add a rule", exact=True).click()
        await page.get_by_text("Publish…").click()
        await page.get_by_text("Discard…").click()
        await picture(page, "draft-phone-open")
        await expect_accessible(page)
        await picture(page, "draft-phone")
        await page.get_by_role("link", name="Simulate").click()
        await expect_accessible(page)


async def test_pictures_for_the_documentation(house: House, rules: None, browser: Browser) -> None:
    """Silences as they are listed; with TOCSIN_TEST_PICTURES set, where docs/images gets its pictures from."""
    await house.fires("DiskFull", summary="The disk of db-3 is 97 % full")
    ends = datetime.now(UTC) + timedelta(days=3)
    async with desk(browser, house) as page:
        await page.goto("/rules")
        await log_in(page, "cara")
        await picture(page, "rules")
        for matchers, comment in (('{alertname="DiskFull", host=~"db-.*"}', "disks are swapped"),
                                  ('{environment="staging"}', "the cluster is rebuilt")):  # fmt: skip
            await page.goto("/silences/new")
            await page.get_by_label("Matchers").fill(matchers)
            await page.get_by_label("Comment: why").fill(comment)
            await page.get_by_label("until:").check()
            await page.get_by_label("Until (").fill(f"{ends:%Y-%m-%dT%H:%M}")
            await page.get_by_role("button", name="What does it match now?").click()
            await page.get_by_role("button", name="Silence them").click()
        await expect(page.get_by_role("listitem")).to_have_count(2)
        await expect(page.get_by_role("listitem").first).to_contain_text(re.compile(r"[23]\sdays left"))
        await expect_accessible(page)
        await picture(page, "silences")
