"""Addresses that are secrets, as people and programs meet them: screens, API, configuration documents."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from databases import TestServer
from forms import get, press, refused
from whole import Whole, shared

from app.dev.push_service import Device, PushService

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = "/api/v1/users/ana/contact-methods"
TOPIC = "https://ntfy.sh/a-topic-nobody-guesses"
CODE = "SELECT content ->> 'code' AS code FROM notifications WHERE purpose = 'verification' ORDER BY id DESC LIMIT 1"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    given: dict[str, Any] = {"public_url": "https://tocsin.test", "ntfy_servers": ("https://ntfy.sh",)}
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **given) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def house(lasting: Whole) -> Whole:
    await lasting.clear()
    await lasting.execute("DELETE FROM contact_methods")
    await lasting.execute("TRUNCATE audit_records")
    return lasting


def browser() -> Device:
    service = PushService()
    service.url = "https://push.example.net"
    return service.subscribe("Ana's phone")


async def asks(house: Whole, method: str, path: str, body: Any = None, **headers: str) -> Any:
    answer = await house.http.request(method, path, json=body, headers=house.as_person("ana") | headers)
    return answer.status_code, answer.json() if answer.content else None


async def test_a_topic_over_the_api(house: Whole) -> None:
    status, added = await asks(house, "POST", METHODS, {"channel": "ntfy", "address": TOPIC, "label": "phone"})
    assert (status, added["verified_at"]) == (201, None)
    assert added["address"].startswith("ntfy.sh #")
    status, again = await asks(house, "POST", METHODS, {"channel": "ntfy", "address": f"{TOPIC}/"})
    assert (status, again["code"]) == (409, "address_taken")

    path = f"{METHODS}/{added['id']}"
    status, renamed = await asks(house, "PUT", path, {"address": added["address"], "label": "my phone"})
    assert (status, renamed["address"], renamed["label"]) == (200, added["address"], "my phone")
    before = await house.one("SELECT sealed_address FROM contact_methods")
    status, other = await asks(house, "PUT", path, {"address": f"{TOPIC}2", "label": "my phone"})
    assert status == 200
    assert other["address"] != added["address"]
    assert await house.one("SELECT sealed_address FROM contact_methods") != before
    status, lost = await asks(house, "PUT", path, {"address": added["address"], "label": "my phone"})
    assert (status, lost["errors"][0]["field"]) == (422, "address"), "a name alone does not lead back"
    told = json.dumps([list(map(str, row)) for row in await house.rows("SELECT * FROM audit_records")])
    assert "nobody-guesses" not in told
    assert "ntfy.sh #" in told


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        ("ntfy", "https://elsewhere.example.org/topic"),
        ("ntfy", "ntfy.sh #00000000"),
        ("ntfy", "topic"),
        ("push", "push.example.net #00000000"),
        ("push", "{}"),
        ("push", browser().subscription.replace("https:", "http:")),
        ("push", "x" * 2001),
    ],
)
async def test_what_is_no_such_address_is_said_at_its_field(house: Whole, channel: str, address: str) -> None:
    status, said = await asks(house, "POST", METHODS, {"channel": channel, "address": address})
    assert (status, said["errors"][0]["field"]) == (422, "address"), said
    assert await house.one("SELECT count(*) FROM contact_methods") == 0


async def test_a_device_is_added_on_its_screen_and_counts_with_its_code(house: Whole) -> None:
    device = browser()
    form = {"subscription": device.subscription, "label": "Firefox on Android"}
    shown = await press(house, "/account/devices", "ana", form)
    assert "This device is added, and a code is on its way to it" in shown
    assert "push.example.net #" in shown
    assert "Firefox on Android" in shown
    assert device.endpoint.rpartition("/")[2] not in shown
    method = await house.one("SELECT id FROM contact_methods")
    shown = await press(house, f"/account/contact-methods/{method}/verify", "ana", {"code": await house.one(CODE)})
    assert "you are reached there from now on" in shown
    again = await refused(house, "/account/devices", 422, "ana", form)
    assert "has that address already" in again


async def test_what_is_no_subscription_leaves_nothing_behind(house: Whole) -> None:
    for wrong in ("{}", "hello", '{"endpoint": "https://push.example.net"}'):
        said = await refused(house, "/account/devices", 422, "ana", {"subscription": wrong})
        assert "This is not the subscription of a browser" in said
    assert await house.one("SELECT count(*) FROM contact_methods") == 0


async def test_the_button_is_there_and_scripts_show_it(house: Whole) -> None:
    shown = await get(house, "/account", "ana")
    assert 'id="device"' in shown
    assert f'data-key="{house.tocsin.channels["push"].server_key}"' in shown  # type: ignore[attr-defined]  # a PushChannel
    assert '<option value="ntfy"' in shown
    assert '<option value="push"' not in shown, "nobody types a subscription"


async def test_a_document_names_them_and_holds_none(house: Whole) -> None:
    device = browser()
    for channel, address in (("ntfy", TOPIC), ("push", device.subscription)):
        assert (await asks(house, "POST", METHODS, {"channel": channel, "address": address}))[0] == 201
    cara = house.as_person("cara")
    exported = (await house.http.get("/api/v1/configuration/export", headers=cara)).json()
    [ana] = [u for u in exported["users"] if u["key"] == "ana"]
    assert [m["address"].partition(" #")[0] for m in ana["contact_methods"]] == ["ntfy.sh", "push.example.net"]
    answer = await house.http.post("/api/v1/configuration/plan", json=exported, headers=cara)
    assert answer.status_code == 200, answer.text
    assert answer.json()["changes"] == []

    ana["contact_methods"].append({"channel": "push", "address": "push.example.net #00000000"})
    answer = await house.http.post("/api/v1/configuration/plan", json=exported, headers=cara)
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"].endswith("contact_methods[2].address")
    assert "in its own browser" in error["message"]


async def test_what_browsers_fetch_for_it(house: Whole) -> None:
    worker = await house.http.get("/push-worker.js")
    assert (worker.status_code, worker.headers["cache-control"]) == (200, "no-cache")
    assert worker.headers["content-type"].startswith("text/javascript")
    manifest = await house.http.get("/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    for icon in manifest.json()["icons"]:
        assert (await house.http.get(icon["src"])).headers["content-type"] == icon["type"]
    assert (await house.http.post(f"/v1/push/shown/{'x' * 22}")).status_code == 204
    assert (await house.http.post("/v1/push/shown/short")).status_code == 422
