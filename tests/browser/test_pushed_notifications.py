"""A browser that is paged: added on My account, a push through its service worker, acknowledged from the notification.

Chromium has no push service of its maker here. Its side of that wire is ours: the subscription is one of the
stand-in's, and what the stand-in decrypted is handed to the service worker through the DevTools protocol, as the
browser would.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from accessible import expect_accessible
from house import House, living
from playwright.async_api import Browser, BrowserContext, Page, Worker, expect
from sqlalchemy import text
from test_screens import log_in

from app.channels.push import PushChannel
from app.db.engine import transaction
from app.dev.push_service import Device, PushService

pytestmark = pytest.mark.asyncio(loop_scope="session")

SUBSCRIBES = """subscription => {
    Object.defineProperty(PushManager.prototype, "subscribe", { value: async (options) => {
        if (!options.userVisibleOnly || !options.applicationServerKey) throw new TypeError("as browsers want it");
        return JSON.parse(subscription);
    } });
}"""
SHOWN = """async () => (await self.registration.getNotifications()).map((n) => ({
    title: n.title, body: n.body, tag: n.tag, actions: n.actions.map((a) => a.action), loud: n.requireInteraction,
}))"""
RECEIVES = """() => {
    self.received = 0;
    const receives = self.receive;
    self.receive = async (data) => {
        try { await receives(data); } finally { self.received += 1; }
    };
}"""
RECEIVED = """async (before) => {
    while (self.received === before) await new Promise((done) => setTimeout(done, 20));
}"""
"""What a browser is asked about its notifications while it shows one may lose that: Chromium forgets what is not on
display yet."""
PRESSES = """async (tag) => {
    const [one] = await self.registration.getNotifications({ tag });
    await acknowledge(one);
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def paging_house(database_url: str, tmp_path: Path) -> AsyncIterator[House]:
    async with living(database_url, tmp_path, public_url="https://tocsin.test") as house:
        yield house


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[PushService]:
    service = PushService()
    await service.start()
    yield service
    await service.stop()


@asynccontextmanager
async def allowed(browser: Browser, house: House) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(base_url=house.url)
    await context.grant_permissions(["notifications"], origin=house.url)
    yield context
    await context.close()


async def added(house: House, service: PushService, page: Page) -> Device:
    """Ana lets this browser be paged, by its button and the code that comes."""
    channel = house.tocsin.channels["push"]
    assert isinstance(channel, PushChannel)
    device = service.subscribe("Ana's browser", channel.server_key)
    await page.goto("/login")
    await log_in(page)
    await page.goto("/account")
    await expect_accessible(page)
    await page.evaluate(SUBSCRIBES, device.subscription)
    await page.get_by_role("button", name="Let this device be paged").click()
    await expect(page.get_by_text("a code is on its way to it")).to_be_visible()
    push = await device.inbox.expects("verification code", within_s=15)
    code = next(word.strip(".") for word in push.data["body"].split() if word.strip(".").isdigit())
    await page.get_by_label("Code").fill(code)
    await page.get_by_role("button", name="Verify").click()
    await expect(page.get_by_text("you are reached there from now on")).to_be_visible()
    return device


class Alarm:
    """The service worker of a page, and the way by which its browser hands it a push."""

    def __init__(self, page: Page, worker: Worker, house: House, registration: str, protocol: Any) -> None:
        self.page, self.worker, self.house = page, worker, house
        self._registration, self._protocol = registration, protocol

    @classmethod
    async def of(cls, page: Page, house: House) -> Alarm:
        protocol = await page.context.new_cdp_session(page)
        registrations: list[Any] = []
        protocol.on("ServiceWorker.workerRegistrationUpdated", lambda told: registrations.extend(told["registrations"]))
        await protocol.send("ServiceWorker.enable")
        await page.evaluate("navigator.serviceWorker.ready.then(() => null)")
        [worker] = page.context.service_workers
        await worker.evaluate(RECEIVES)
        return cls(page, worker, house, registrations[-1]["registrationId"], protocol)

    async def gets(self, data: str) -> None:
        told = {"origin": self.house.url, "registrationId": self._registration, "data": data}
        before = await self.worker.evaluate("self.received")
        await self._protocol.send("ServiceWorker.deliverPushMessage", told)
        async with asyncio.timeout(20):
            await self.worker.evaluate(RECEIVED, before)

    async def shows(self, tag: str, part: str) -> dict[str, Any]:
        """The notification of this tag, which says so."""
        found: list[dict[str, Any]] = await self.worker.evaluate(SHOWN)
        for one in found:
            if one["tag"] == tag and part in f"{one['title']} {one['body']}":
                return one
        raise AssertionError(f"no notification {tag} with {part!r}, but {found}")

    async def tags(self) -> list[str]:
        return [one["tag"] for one in await self.worker.evaluate(SHOWN)]


async def state(house: House, number: int) -> tuple[str, str]:
    statement = "SELECT i.state, coalesce(u.key, '') FROM incidents i LEFT JOIN users u ON u.id = i.acknowledged_by_id "
    async with transaction(house.tocsin.engine) as (conn, _):
        found = (await conn.execute(text(f"{statement} WHERE i.number = :number"), {"number": number})).one()
    return str(found[0]), str(found[1])


async def test_a_browser_is_paged_and_acknowledges_from_the_notification(
    paging_house: House, service: PushService, browser: Browser
) -> None:
    house = paging_house
    async with allowed(browser, house) as context:
        page = await context.new_page()
        device = await added(house, service, page)
        alarm = await Alarm.of(page, house)
        number = await house.fires("HighErrorRate")
        push = await device.inbox.expects("HighErrorRate", within_s=15)
        await alarm.gets(json.dumps(push.data))
        tag = f"incident-{number}"
        shown = await alarm.shows(tag, "HighErrorRate")
        assert (shown["actions"], shown["loud"]) == (["acknowledge", "open"], True)
        assert await state(house, number) == ("triggered", "")

        await context.set_offline(True)
        await alarm.worker.evaluate(PRESSES, tag)
        kept = await alarm.shows(tag, "NOT acknowledged: there is no connection")
        assert kept["actions"] == ["acknowledge", "open"], "it stays, and can be pressed again"
        await context.set_offline(False)
        await alarm.worker.evaluate(PRESSES, tag)
        done = await alarm.shows(tag, "You have it")
        assert done["actions"] == ["open"]
        assert await state(house, number) == ("acknowledged", "ana")


async def test_somebody_else_was_faster_and_what_is_over_goes_with_the_next_push(
    paging_house: House, service: PushService, browser: Browser
) -> None:
    house = paging_house
    async with allowed(browser, house) as context:
        page = await context.new_page()
        device = await added(house, service, page)
        alarm = await Alarm.of(page, house)
        pushes = {}
        for name in ("HighErrorRate", "DiskFills", "QueueGrows"):
            number = await house.fires(name)
            push = await device.inbox.expects(name, within_s=15)
            pushes[name] = (number, push)
            await alarm.gets(json.dumps(push.data))
            await alarm.shows(f"incident-{number}", name)
        first, second, third = (number for number, _ in pushes.values())
        await house.resolves("DiskFills")
        link = pushes["HighErrorRate"][1].data["link"].removeprefix("https://tocsin.test")
        desk = await context.new_page()
        await desk.goto(link)
        await desk.get_by_role("button", name="Acknowledge").click()
        await expect(desk.get_by_role("heading", name="You have it")).to_be_visible()

        await alarm.gets(json.dumps(pushes["QueueGrows"][1].data))  # any push: there are none that show nothing
        assert (await alarm.shows(f"incident-{first}", "You have it"))["actions"] == ["open"]
        assert (await alarm.shows(f"incident-{third}", "QueueGrows"))["actions"] == ["acknowledge", "open"]
        assert f"incident-{second}" not in await alarm.tags()


RENEWS = """async ([before, after]) => {
    await renew({ oldSubscription: before && JSON.parse(before), newSubscription: JSON.parse(after) });
}"""


async def test_a_renewed_subscription_is_told_by_the_service_worker_and_kept_for_the_next_time(
    paging_house: House, service: PushService, browser: Browser
) -> None:
    house = paging_house
    async with allowed(browser, house) as context:
        page = await context.new_page()
        first = await added(house, service, page)
        alarm = await Alarm.of(page, house)
        second, third = (service.subscribe("Ana's browser", first.server_key) for _ in range(2))
        await alarm.worker.evaluate(RENEWS, [first.subscription, second.subscription])
        await alarm.worker.evaluate(RENEWS, [None, third.subscription])  # some browsers do not say what it was
        await house.fires("HighErrorRate")
        await third.inbox.expects("HighErrorRate", within_s=15)
        assert first.inbox.unexpected() == second.inbox.unexpected() == []


async def test_what_became_of_a_message_about_several_is_said_on_it(
    paging_house: House, service: PushService, browser: Browser
) -> None:
    async with allowed(browser, paging_house) as context:
        page = await context.new_page()
        await added(paging_house, service, page)
        alarm = await Alarm.of(page, paging_house)
        told = {"numbers": [1, 2], "open": True, "mine": True, "told": "You have #1, #2 (Checkout)."}
        assert await alarm.worker.evaluate("(told) => words(told)", told) == told["told"]


async def test_what_cannot_be_read_is_shown_all_the_same(
    paging_house: House, service: PushService, browser: Browser
) -> None:
    async with allowed(browser, paging_house) as context:
        page = await context.new_page()
        await added(paging_house, service, page)
        alarm = await Alarm.of(page, paging_house)
        await alarm.gets("no JSON")
        await alarm.shows("unread", "cannot be read")


async def test_the_screens_can_be_installed(paging_house: House, browser: Browser) -> None:
    async with allowed(browser, paging_house) as context:
        page = await context.new_page()
        await page.goto("/login")
        await log_in(page)
        protocol = await context.new_cdp_session(page)
        found = await protocol.send("Page.getAppManifest")
        assert found["errors"] == []
        assert json.loads(found["data"])["name"] == "Tocsin"
        for icon in json.loads(found["data"])["icons"]:
            answer = await page.request.get(icon["src"])
            assert (answer.status, answer.headers["content-type"]) == (200, icon["type"])


async def test_without_scripts_nothing_is_offered_that_cannot_work(paging_house: House, browser: Browser) -> None:
    context = await browser.new_context(base_url=paging_house.url, java_script_enabled=False)
    page = await context.new_page()
    await page.goto("/login")
    await log_in(page)
    await page.goto("/account")
    await expect(page.get_by_role("button", name="Let this device be paged")).to_be_hidden()
    await expect(page.get_by_role("button", name="Add").first).to_be_visible()
    await context.close()
