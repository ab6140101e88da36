"""The forms that split off, merge, undo, pin open, and open an incident by hand; without JavaScript."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape

import httpx
import pytest
import pytest_asyncio
from house import PASSWORD, House
from sqlalchemy import text

from app.db.engine import transaction

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def ana(house: House) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Accept": "text/html", "Origin": house.url}
    async with httpx.AsyncClient(base_url=house.url, headers=headers) as client:
        await client.post("/login", data={"email": "ana@example.org", "password": PASSWORD})
        yield client


async def incidents(house: House) -> list[tuple[int, str, int]]:
    async with transaction(house.tocsin.engine) as (conn, _):
        rows = await conn.execute(text("SELECT number, state, firing FROM incidents ORDER BY number"))
        return [(r.number, r.state, r.firing) for r in rows]


async def press(client: httpx.AsyncClient, address: str, **fields: str) -> tuple[str, str]:
    """Presses a button and follows it: the address it leads to, and what is told there."""
    answer = await client.post(address, data=fields)
    assert answer.status_code == 303, answer.text
    shown = (await client.get(answer.headers["location"])).text
    told = "".join(re.findall(r'<p class="told" role="status">(.*?)</p>', shown))
    return answer.headers["location"].partition("?")[0], unescape(told)


async def test_merge_asks_first_and_is_undone(house: House, ana: httpx.AsyncClient) -> None:
    first, second = await house.fires("A"), await house.fires("B")
    for _ in range(2):
        await house.phone("ana").expects_sms(within_s=15)
    asked = await ana.post(f"/incidents/{second}/merge", data={"into": str(first), "reason": "the same <cable>"})
    assert asked.status_code == 200
    assert f"(#{second}) into" in asked.text
    assert "the same &lt;cable&gt;" in asked.text
    assert [i[1] for i in await incidents(house)] == ["triggered", "triggered"]
    fields = {"into": str(first), "reason": "the same <cable>", "confirmed": "yes"}
    assert await press(ana, f"/incidents/{second}/merge", **fields) == (
        f"/incidents/{first}",
        "Merged: this incident has all its alerts now.",
    )
    assert "Undo the last merge" in (await ana.get(f"/incidents/{first}")).text
    assert f'<a href="/incidents/{first}">#{first}</a>' in (await ana.get(f"/incidents/{second}")).text
    assert (await press(ana, f"/incidents/{first}/undo"))[1] == "Taken back."
    assert [i[1:] for i in await incidents(house)] == [("triggered", 1), ("triggered", 1)]
    again = await ana.post(f"/incidents/{first}/undo")
    assert (again.status_code, "Nothing was undone" in again.text) == (409, True)
    assert (await ana.post(f"/incidents/{first}/merge", data={"into": "99"})).status_code == 404


async def test_an_alert_is_moved_and_a_wrong_number_changes_nothing(house: House, ana: httpx.AsyncClient) -> None:
    first, second, third = await house.fires("A"), await house.fires("B"), await house.fires("C")
    for _ in range(3):
        await house.phone("ana").expects_sms(within_s=15)
    await press(ana, f"/incidents/{second}/merge", into=str(first), confirmed="yes")
    shown = (await ana.get(f"/incidents/{first}")).text
    assert f'action="/incidents/{first}/move"' in shown
    [_, chosen] = dict.fromkeys(re.findall(r'name="alert" value="([^"]+)"', shown))
    for to, status, said in ((99, 404, "no incident 99"), (first, 422, "the same"), (second, 409, "is closed")):
        refused = await ana.post(f"/incidents/{first}/move", data={"alert": chosen, "to": str(to)})
        assert (refused.status_code, "Nothing was moved: " in refused.text) == (status, True)
        assert said in refused.text
    assert await press(ana, f"/incidents/{first}/move", alert=chosen, to=str(third)) == (
        f"/incidents/{third}",
        "Moved: the alert belongs to this incident now.",
    )
    assert [i[2] for i in await incidents(house)] == [1, 0, 2]
    assert (await press(ana, f"/incidents/{third}/undo"))[1] == "Taken back."
    assert [i[2] for i in await incidents(house)] == [2, 0, 1]
    for into, status in ((first, 422), (second, 409)):
        refused = await ana.post(f"/incidents/{first}/merge", data={"into": str(into), "confirmed": "yes"})
        assert (refused.status_code, "Nothing was merged: " in refused.text) == (status, True)


async def test_split_off_with_one_click(house: House, ana: httpx.AsyncClient) -> None:
    first, second = await house.fires("A"), await house.fires("B")
    for _ in range(2):
        await house.phone("ana").expects_sms(within_s=15)
    assert "Split off" not in (await ana.get(f"/incidents/{first}")).text  # it has one alert only
    await press(ana, f"/incidents/{second}/merge", into=str(first), confirmed="yes")
    shown = (await ana.get(f"/incidents/{first}")).text
    chosen = list(dict.fromkeys(re.findall(r'name="alert" value="([^"]+)"', shown)))
    assert len(chosen) == 2
    address, told = await press(ana, f"/incidents/{first}/split", alert=chosen[1])
    assert told == "Split off: this is an incident of its own now."
    assert address not in (f"/incidents/{first}", f"/incidents/{second}")
    await house.phone("ana").expects_sms(within_s=15)
    assert [i[1:] for i in await incidents(house)] == [("triggered", 1), ("closed", 0), ("triggered", 1)]


async def test_pinned_open_with_a_reason(house: House, ana: httpx.AsyncClient) -> None:
    number = await house.fires("A")
    await house.phone("ana").expects_sms(within_s=15)
    assert (await ana.post(f"/incidents/{number}/pin-open", data={"pinned": "yes"})).status_code == 422
    told = (await press(ana, f"/incidents/{number}/pin-open", pinned="yes", reason="until Friday"))[1]
    assert told == "Pinned open: only a person resolves it."
    assert (await press(ana, f"/incidents/{number}/pin-open", pinned="no"))[1] == "No longer pinned open."


async def test_an_incident_by_hand(house: House, ana: httpx.AsyncClient) -> None:
    assert 'href="/new-incident"' in (await ana.get("/incidents")).text
    form = (await ana.get("/new-incident")).text
    service = re.findall(r'<option value="([a-z0-9_-]+)"', form.partition('name="service"')[2])[0]
    fields = {"title": "Nobody <can> log in", "service": service, "impact": "1", "urgency": "1", "description": "calls"}
    refused = await ana.post("/new-incident", data=fields | {"title": "  "})
    assert (refused.status_code, "Say what is wrong." in refused.text) == (422, True)
    address, told = await press(ana, "/new-incident", **fields)
    assert told == "Opened: whoever is on call is being paged."
    await house.phone("ana").expects_sms("log in", within_s=15)
    assert "Nobody &lt;can&gt; log in" in (await ana.get(address)).text
