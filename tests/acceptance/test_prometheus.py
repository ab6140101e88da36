"""The whole road with the real programs: a number rises, a phone rings, a link is pressed, the number falls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from place import Place, opened
from programs import Shop, alertmanager, prometheus, wanted

PAGED_WITHIN_S = 15.0
"""A scrape, an evaluation, and what a busy machine takes; Prometheus looks for its targets every 5 s."""


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    wanted("prometheus", "prometheus-alertmanager")
    async with opened(database_url, tmp_path) as place:
        yield place


async def paged(place: Place) -> str:
    """The link in the message that arrived."""
    began = time.monotonic()
    message = await place.phone.expects_sms("25% of all requests fail", "Checkout", within_s=PAGED_WITHIN_S)
    assert time.monotonic() - began < PAGED_WITHIN_S
    assert message.body.isascii(), "one character outside GSM 7 makes three messages of one"
    return place.phone.last_link


async def test_prometheus_alertmanager_tocsin_phone_and_back(place, tmp_path):
    key = await place.furnish("alertmanager")
    async with Shop.open() as shop, alertmanager(tmp_path, f"{place.url}/v1/intake/{key}/alertmanager").running() as am:
        target = f"  - static_configs: [{{targets: ['{am.address}']}}]"
        async with prometheus(tmp_path, shop, target).running():
            shop.error_ratio = 0.25
            link = await paged(place)
            assert (await place.incident())["state"] == "triggered"

            assert "You have it" in await place.presses(link, "Acknowledge")
            incident = await place.incident()
            assert (incident["state"], incident["acknowledged_by"]) == ("acknowledged", "ana")
            assert incident["next_step"] is None

            shop.error_ratio = 0.0
            incident = await place.becomes(lambda i: i["state"] == "resolved")
            assert (incident["resolved_by"], incident["firing"]) == ("source", 0)
    assert place.exchange.unexpected() == {}


@pytest.mark.parametrize("how", ["path", "bearer", "basic"])
async def test_prometheus_without_an_alertmanager(place, tmp_path, how):
    key = await place.furnish("prometheus")
    target = f"static_configs: [{{targets: ['{place.url.removeprefix('http://')}']}}]"
    credential = {
        "path": f"path_prefix: /v1/intake/{key}",
        "bearer": f"authorization: {{credentials: {key}}}",
        "basic": f"basic_auth: {{username: tocsin, password: {key}}}",
    }[how]
    async with Shop.open() as shop, prometheus(tmp_path, shop, f"  - {credential}\n    {target}").running():
        shop.error_ratio = 0.25
        await paged(place)
        shop.error_ratio = 0.0
        incident = await place.becomes(lambda i: i["state"] == "resolved")
        assert incident["resolved_by"] == "source"
    [alert] = (await place.asks("GET", f"/incidents/{incident['number']}/alerts"))["items"]
    assert (alert["source"], alert["end_kind"]) == ("prometheus", "explicit")
    assert alert["labels"]["job"] == "checkout"


async def test_a_prometheus_that_dies_lets_its_alerts_expire_and_the_timeline_says_so(place, tmp_path):
    key = await place.furnish("prometheus")
    target = f"static_configs: [{{targets: ['{place.url.removeprefix('http://')}']}}]"
    async with Shop.open() as shop:
        program = prometheus(tmp_path, shop, f"  - path_prefix: /v1/intake/{key}\n    {target}")
        async with program.running():
            shop.error_ratio = 0.25
            await paged(place)
            await program.kill()
            await place.goes_by(60)
            assert (await place.incident())["firing"] == 1, "it lasts until the end that Prometheus gave it"
            await place.goes_by(600)
            incident = await place.becomes(lambda i: i["firing"] == 0)
    [alert] = (await place.asks("GET", f"/incidents/{incident['number']}/alerts"))["items"]
    assert alert["end_kind"] == "expired"
    assert any(entry.startswith("No sign from the source since") for entry in await place.timeline())
    told = [line["title"] for line in (await place.asks("GET", "/incidents"))["items"]]
    assert [title.split(":")[0] for title in told] == ["Source silent"], "its death is no recovery"
