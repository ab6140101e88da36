"""The last resort on its screen and over the API: who of it can be reached, what is wrong with it, and saving it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
import pytest_asyncio
from databases import TestServer
from forms import get, send
from test_screens_escalation import furnish
from whole import Whole, shared

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/escalation/last-resort"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """With mail configured: nothing is ever sent there."""
    mail = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "tocsin@example.org"}
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **mail) as running:
        yield running


async def fresh(house: Whole) -> None:
    """Cara is the last resort; everybody can be mailed but Ben."""
    await house.execute("DELETE FROM last_resort_targets")
    await furnish(house)
    await house.execute("DELETE FROM contact_methods WHERE address LIKE 'ben@%'")
    await put(house, "user:cara")


async def put(house: Whole, *targets: str) -> None:
    body = {"targets": [dict(zip(("type", "key"), t.split(":"), strict=True)) for t in targets]}
    answer = await house.http.put("/api/v1/last-resort", json=body, headers=house.as_person("cara"))
    assert answer.is_success, answer.text


async def stored(house: Whole) -> list[str]:
    answer = await house.http.get("/api/v1/last-resort", headers=house.as_person("cara"))
    return [f"{t['type']}:{t['key']}" for t in answer.json()["targets"]]


async def press(house: Whole, what: str, *targets: str, seen: str = "user:cara", who: str = "cara") -> Any:
    return await send(house, PATH, who, {"press": what, "seen": seen, "targets[]": list(targets)})


async def test_who_can_be_reached_is_told_before_it_is_saved(house: Whole) -> None:
    await fresh(house)
    shown = unescape(await get(house, PATH))
    assert "Cara" in shown
    assert "It is one person now, Cara: nobody is left when they are away" in shown
    tried = unescape((await press(house, "preview", "user:cara", "user:ben")).text)
    assert "Not everybody of it can be reached now: Ben has no usable contact method" in tried
    assert "None of them has a contact method that wakes somebody" in tried
    nobody = unescape((await press(house, "preview", "user:ben")).text)
    assert "Nobody would be paged." in nobody
    assert await stored(house) == ["user:cara"], "a preview changes nothing"


async def test_it_is_saved_and_what_somebody_else_saved_meanwhile_is_not_lost(house: Whole) -> None:
    await fresh(house)
    saved = await press(house, "save", "user:ana", "schedule:primary", "user:ana", "")
    assert saved.status_code == 303
    assert await stored(house) == ["user:ana", "schedule:primary"]
    assert "Saved." in await get(house, saved.headers["location"])
    late = await press(house, "save", "user:ben")
    assert late.status_code == 412
    assert "somebody else saved the last resort meanwhile" in unescape(late.text).lower()
    assert await stored(house) == ["user:ana", "schedule:primary"]
    same = await press(house, "save", "user:ana", "schedule:primary", seen="user:ana,schedule:primary")
    assert "told=same" in same.headers["location"]


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ((), "It cannot be nobody"),
        (("user:zoe",), "There is no user 'zoe'"),
        (("tier:2",), "the last resort must be people"),
        (("webhook:chat",), "the last resort must be people"),
        (("nonsense",), "targets"),
    ],
)
async def test_what_it_cannot_be(house: Whole, targets: tuple[str, ...], said: str) -> None:
    await fresh(house)
    refused = await press(house, "save", *targets)
    assert refused.status_code == 422
    assert said in unescape(refused.text)
    assert await stored(house) == ["user:cara"]


async def test_a_gap_ahead_of_schedules_alone_is_found(house: Whole) -> None:
    await fresh(house)
    layer = {"name": "days", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"]],
             "restrictions": [{"days": ["mon"], "from": "09:00", "to": "17:00"}]}  # fmt: skip
    made = await house.http.post(
        "/api/v1/schedules", json={"key": "holed", "name": "Holed", "time_zone": "UTC", "layers": [layer]},
        headers=house.as_person("cara"),
    )  # fmt: skip
    assert made.is_success, made.text
    alone = unescape((await press(house, "preview", "schedule:holed")).text)
    assert "Nobody is on call in Holed from" in alone
    besides = unescape((await press(house, "preview", "schedule:holed", "user:cara")).text)
    assert "Nobody is on call in Holed from" not in besides


async def test_who_may_not_sees_it_read_only(house: Whole) -> None:
    await fresh(house)
    assert "You see it read only" in await get(house, PATH, "ana")
    assert (await press(house, "save", "user:ana", who="ben")).status_code == 403


async def test_the_api_previews_it_too(house: Whole) -> None:
    await fresh(house)
    body = {"targets": [{"type": "user", "key": "cara"}, {"type": "user", "key": "ben"}]}
    told = await house.http.post("/api/v1/last-resort/preview", json=body, headers=house.as_person("ana"))
    assert told.status_code == 200, told.text
    assert [(r["name"], r["channels"]) for r in told.json()["reached"]] == [("Cara", ["mail"])]
    assert told.json()["not_reached"] == "Ben has no usable contact method"
    unknown = {"targets": [{"type": "user", "key": "zoe"}]}
    refused = await house.http.post("/api/v1/last-resort/preview", json=unknown, headers=house.as_person("ana"))
    assert [e["field"] for e in refused.json()["errors"]] == ["targets[0].key"]
