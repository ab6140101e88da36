"""A call by a gateway that was described: it reads out, and a key that comes back acknowledges."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from town import Town, minutes, opened, seconds
from town.serving import PUBLIC_URL

from app.dev.gateway import TOKEN, Gateway

DOCS = Path(__file__).parents[2] / "docs" / "providers.md"
NORTHLINE = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(), re.S)[1]
ORDER = "order:\n  sms: [twilio, northline]\n  voice: [northline-calls, twilio]\n"


@pytest.fixture
async def gateway(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Gateway]:
    monkeypatch.setenv("NORTHLINE_TOKEN", TOKEN)
    gateway = Gateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def town(database_url: str, tmp_path: Path, gateway: Gateway) -> AsyncIterator[Town]:
    described = NORTHLINE.partition("order:")[0].replace("https://api.northline.example", gateway.url) + ORDER
    async with opened(database_url, tmp_path, settings={"gateways": described}) as town:
        (cara,) = await town.people("Cara", role="admin")
        await town.build.last_resort([cara])
        yield town
        town.inspect()


async def calls_back(town: Town, gateway: Gateway, call: dict[str, str], token: str = TOKEN) -> int:
    path = gateway.taken[-1].callback.removeprefix(PUBLIC_URL)
    answer = await town.http.post(path, json={"call": call}, headers={"X-Northline-Token": token})
    await town.settle()
    return answer.status_code


async def test_a_key_acknowledges_and_only_once(town: Town, gateway: Gateway) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    for one in (ana, ben):
        await town.build.notification_rules(one, [("loud", seconds(0), "voice")])
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    await town.alertmanager.fires("HighErrorRate")
    (call,) = gateway.taken
    assert call.to == ana.number
    assert call.text.endswith("Press 4 to acknowledge, 6 to escalate.")
    assert await calls_back(town, gateway, {"state": "answered", "key": "4"}, "wrong") == 403
    assert (await town.incident()).state == "triggered"
    for _ in range(2):
        assert await calls_back(town, gateway, {"state": "answered", "key": "4"}) == 204
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ana")
    assert sum("Acknowledged by Ana by keypress" in line for line in await town.story()) == 1
    assert await calls_back(town, gateway, {"state": "ended"}) == 204
    await ana.unacknowledges()
    await town.wait(minutes(2))  # a phone is not called more often
    assert len(gateway.taken) == 2
    assert await calls_back(town, gateway, {"state": "answered", "key": "4"}) == 204
    assert (await town.incident()).state == "acknowledged", "the key of another call is another key"


async def test_a_call_that_ends_without_a_key_goes_on(town: Town, gateway: Gateway) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    for one in (ana, ben):
        await town.build.notification_rules(one, [("loud", seconds(0), "voice")])
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    await town.alertmanager.fires("HighErrorRate")
    assert await calls_back(town, gateway, {"state": "ringing"}) == 204
    assert len(gateway.taken) == 1
    assert await calls_back(town, gateway, {"state": "ended"}) == 204
    assert [t.to for t in gateway.taken] == [ana.number, ben.number]
    rows = await town.rows("SELECT outcomes FROM provider_health WHERE channel = 'voice'")
    assert rows == [], "that nobody pressed a key is no fault of the gateway"
