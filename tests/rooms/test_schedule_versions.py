"""Edits that take effect at an instant, the past that stays, undo; schedules that are like another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy.ext.asyncio import AsyncEngine
from test_api_schedules import NOON, PRIMARY, about_shifts, draft, edit, made, set_clock

from app.db.engine import transaction
from app.directory import people
from app.directory.documents import UserEdit
from app.web.api import on_call, overrides, policies, schedule_versions, schedules

TUESDAYS = {"now": "2026-03-03T12:00:00Z", "next": "2026-03-10T12:00:00Z", "after": "2026-03-17T12:00:00Z"}


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    routers = (schedules.router, schedule_versions.router, overrides.router, on_call.router, policies.router)
    async with api(engine, tmp_path, *routers) as client:
        await set_clock(engine, NOON)
        yield client


def members(*keys: str) -> dict[str, Any]:
    return edit(layers=[PRIMARY["layers"][0] | {"members": [[key] for key in keys]}])


async def on_duty(client: httpx.AsyncClient, at: str, schedule: str = "primary") -> list[str]:
    answer = await client.get(f"/schedules/{schedule}/on-call", params={"at": at})
    assert answer.status_code == 200, answer.text
    return [user["key"] for user in answer.json()["users"]]


async def put(client: httpx.AsyncClient, body: dict[str, Any], **params: str) -> httpx.Response:
    return await client.put("/schedules/primary", json=body, params=params)


async def versions(client: httpx.AsyncClient, schedule: str = "primary") -> list[dict[str, Any]]:
    return list((await client.get(f"/schedules/{schedule}/versions")).json()["items"])


async def test_an_edit_does_not_rewrite_the_past(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client)
    assert (await put(client, members("cara", "dan"))).status_code == 200
    assert await on_duty(client, "2026-03-03T11:59:59Z") == ["ana"]
    assert await on_duty(client, TUESDAYS["now"]) == ["cara"]
    await set_clock(engine, NOON + timedelta(days=400))
    assert (await put(client, edit(layers=[]))).status_code == 200
    assert await on_duty(client, "2026-03-03T02:30:00Z") == ["ana"]
    assert await on_duty(client, TUESDAYS["next"]) == ["dan"]


async def test_a_planned_edit_counts_from_its_instant(client: httpx.AsyncClient) -> None:
    await made(client)
    planned = await put(client, members("cara", "dan"), effective_from="2026-03-16T08:00:00Z")
    assert (planned.json()["number"], planned.json()["effective_from"]) == (2, "2026-03-16T08:00:00Z")
    assert [await on_duty(client, at) for at in TUESDAYS.values()] == [["ana"], ["ben"], ["cara"]]
    window = {"from": "2026-03-09T08:00:00Z", "to": "2026-03-30T07:00:00Z"}
    answer = (await client.get("/schedules/primary/shifts", params=window)).json()
    assert [(s["user"]["key"], s["starts_at"]) for s in answer["shifts"]] == [
        ("ben", "2026-03-09T08:00:00Z"),
        ("cara", "2026-03-16T08:00:00Z"),
        ("dan", "2026-03-23T08:00:00Z"),
    ]
    assert answer["gaps"] == []
    assert [(v["number"], v["state"]) for v in await versions(client)] == [(2, "planned"), (1, "in_force")]


async def test_nothing_is_edited_before_what_is_planned(client: httpx.AsyncClient) -> None:
    await made(client)
    await put(client, members("cara"), effective_from="2026-03-16T08:00:00Z")
    refused = await put(client, members("dan"))
    assert (refused.status_code, refused.json()["code"], refused.json()["number"]) == (409, "planned", 2)
    assert (await put(client, members("cara"))).json()["number"] == 2, "what is planned already is not planned again"
    assert (await put(client, members("dan"), effective_from="2026-03-20T08:00:00Z")).json()["number"] == 3


@pytest.mark.parametrize("at", ["2026-03-03T11:59:59Z", "2027-06-01T00:00:00Z", "9999-12-31T00:00:00Z"])
async def test_an_edit_takes_effect_now_or_soon(client: httpx.AsyncClient, at: str) -> None:
    await made(client)
    refused = await put(client, members("dan"), effective_from=at)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "effective_from")


async def test_name_and_team_change_at_once_and_make_no_version(client: httpx.AsyncClient) -> None:
    await made(client)
    renamed = (await put(client, edit(name="First"))).json()
    assert (renamed["name"], renamed["number"], renamed["version"]) == ("First", 1, 2)


async def test_an_edit_is_undone_for_a_quarter_of_an_hour(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client)
    await put(client, members("cara"))
    later = NOON + timedelta(minutes=15)
    await set_clock(engine, later)
    undone = (await client.post("/schedules/primary/versions/2/undo")).json()
    assert undone["layers"][0]["members"] == [["ana"], ["ben"]]
    assert await on_duty(client, "2026-03-03T12:14:59Z") == ["cara"], "what was so stays on record"
    assert await on_duty(client, "2026-03-03T12:15:00Z") == ["ana"]
    listed = await versions(client)
    assert [(v["number"], v["state"], v["undoes"]) for v in listed] == [
        (3, "in_force", 2),
        (2, "past", None),
        (1, "past", None),
    ]
    assert listed[1]["created_by"] == "api_key:cara-key"
    again = (await client.post("/schedules/primary/versions/3/undo")).json()
    assert again["layers"][0]["members"] == [["cara"]]


async def test_what_cannot_be_undone(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client)

    async def code(number: int) -> str:
        return str((await client.post(f"/schedules/primary/versions/{number}/undo")).json()["code"])

    assert await code(1) == "nothing_to_undo"
    assert await code(9) == "not_found"
    await put(client, members("cara"))
    assert await code(1) == "not_last"
    assert (await put(client, members("dan"), effective_from=TUESDAYS["next"])).status_code == 200
    assert (await client.post("/schedules/primary/versions/3/undo")).status_code == 200
    again = (await client.post("/schedules/primary/versions/3/undo")).json()
    assert (again["code"], again["detail"]) == ("not_last", "version 3 was taken back already")
    await set_clock(engine, NOON + timedelta(minutes=15, seconds=1))
    assert await code(2) == "too_late"
    as_person(client, "ana")
    assert await code(2) == "forbidden"


async def test_a_planned_version_is_taken_back_whenever(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client)
    await put(client, members("cara"), effective_from="2026-03-16T08:00:00Z")
    await set_clock(engine, NOON + timedelta(days=2))
    back = (await client.post("/schedules/primary/versions/2/undo")).json()
    assert (back["number"], back["layers"][0]["members"]) == (1, [["ana"], ["ben"]])
    assert await on_duty(client, TUESDAYS["after"]) == ["ana"]
    assert [(v["number"], v["state"]) for v in await versions(client)] == [(2, "taken_back"), (1, "in_force")]
    assert (await put(client, members("dan"))).json()["number"] == 3


async def test_versions_are_listed_in_pages_and_read(client: httpx.AsyncClient) -> None:
    await made(client)
    for key in ("cara", "dan"):
        await put(client, members(key))
    first = (await client.get("/schedules/primary/versions", params={"limit": 2})).json()
    rest = (await client.get("/schedules/primary/versions", params={"limit": 2, "cursor": first["next"]})).json()
    assert [v["number"] for v in first["items"] + rest["items"]] == [3, 2, 1]
    assert (await client.get("/schedules/primary/versions/1")).json() == rest["items"][0]
    assert (await client.get("/schedules/primary/versions/7")).status_code == 404
    assert (await client.get("/schedules/nowhere/versions")).status_code == 404


async def test_two_edits_at_one_instant_the_later_counts(client: httpx.AsyncClient) -> None:
    await made(client)
    await put(client, members("cara"))
    await put(client, members("dan"))
    assert await on_duty(client, TUESDAYS["now"]) == ["dan"]
    assert [(v["number"], v["state"]) for v in await versions(client)] == [
        (3, "in_force"),
        (2, "replaced"),
        (1, "past"),
    ]
    undone = (await client.post("/schedules/primary/versions/3/undo")).json()
    assert undone["layers"][0]["members"] == [["cara"]]


async def test_undoing_a_plan_that_took_the_place_of_another_brings_that_back(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    await made(client)
    for key in ("cara", "dan"):
        await put(client, members(key), effective_from="2026-03-16T08:00:00Z")
    await client.post("/schedules/primary/versions/3/undo")
    assert await on_duty(client, TUESDAYS["after"]) == ["cara"]
    assert [v["state"] for v in await versions(client)] == ["taken_back", "planned", "in_force"]
    await client.post("/schedules/primary/versions/2/undo")
    assert [v["state"] for v in await versions(client)] == ["taken_back", "taken_back", "in_force"]
    assert await on_duty(client, TUESDAYS["after"]) == ["ana"]


async def test_a_preview_begins_with_what_is_until_the_draft_takes_effect(client: httpx.AsyncClient) -> None:
    await made(client)
    changed = draft(layers=members("cara", "dan")["layers"])
    asked = {"days": 14, "effective_from": "2026-03-09T08:00:00Z"}
    preview = (await client.post("/schedules/preview", params=asked, json=changed)).json()
    assert [(s["user"]["key"], s["starts_at"]) for s in preview["shifts"]] == [
        ("ana", "2026-03-03T12:00:00Z"),
        ("dan", "2026-03-09T08:00:00Z"),
        ("cara", "2026-03-16T08:00:00Z"),
    ]
    by_user = {c["user"]["key"]: (c["gained_seconds"], c["lost_seconds"]) for c in preview["changes"]}
    assert by_user == {"ana": (0, 100_800), "ben": (0, 604_800), "cara": (100_800, 0), "dan": (604_800, 0)}


class TestLikeAnother:
    async def made(self, client: httpx.AsyncClient, turns: int = 1, **changes: object) -> httpx.Response:
        await made(client)
        like = {"schedule": "primary", "turns": turns}
        body = draft(key="secondary", name="Secondary", layers=[], like=like) | changes
        return await client.post("/schedules", json=body)

    async def test_the_next_of_the_primary_is_the_secondary(self, client: httpx.AsyncClient) -> None:
        assert (await self.made(client)).json()["like"] == {"schedule": "primary", "turns": 1}
        for at in TUESDAYS.values():
            assert {*await on_duty(client, at), *await on_duty(client, at, "secondary")} == {"ana", "ben"}

    async def test_it_follows_edits_from_when_they_take_effect(self, client: httpx.AsyncClient) -> None:
        await self.made(client)
        await put(client, members("cara", "dan"), effective_from="2026-03-10T00:00:00Z")
        assert await on_duty(client, TUESDAYS["now"], "secondary") == ["ben"]
        assert await on_duty(client, TUESDAYS["next"]) == ["dan"]
        assert await on_duty(client, TUESDAYS["next"], "secondary") == ["cara"]

    async def test_overrides_are_not_followed(self, client: httpx.AsyncClient) -> None:
        await self.made(client)
        cover = {"user": "dan", "starts_at": "2026-03-03T12:00:00Z", "ends_at": "2026-03-04T12:00:00Z"}
        assert (await client.post("/schedules/primary/overrides", json=cover)).status_code == 201
        assert await on_duty(client, TUESDAYS["now"]) == ["dan"]
        assert await on_duty(client, TUESDAYS["now"], "secondary") == ["ben"]

    async def test_a_secondary_who_is_the_primary_is_told(self, client: httpx.AsyncClient) -> None:
        assert about_shifts((await self.made(client, turns=2)).json()["findings"])[0] == "same_person"
        moved = edit(layers=[], like={"schedule": "primary", "turns": 1})
        assert about_shifts((await client.put("/schedules/secondary", json=moved)).json()["findings"]) == []

    async def test_its_own_layers_lie_on_top(self, client: httpx.AsyncClient) -> None:
        own = deepcopy(PRIMARY["layers"][0]) | {"members": [["cara"], []]}
        await self.made(client, layers=[own])
        assert await on_duty(client, TUESDAYS["now"], "secondary") == ["cara"]
        assert await on_duty(client, TUESDAYS["next"], "secondary") == ["ana"]

    async def test_my_shifts_are_found_in_it(self, client: httpx.AsyncClient) -> None:
        await self.made(client)
        as_person(client, "ben")
        mine = (await client.get("/users/me/shifts", params={"days": 14})).json()
        assert [(s["schedule"], s["layer"]) for s in mine] == [
            ("secondary", "base of primary"),
            ("primary", "base"),
            ("secondary", "base of primary"),
        ]

    async def test_what_a_schedule_cannot_be_like(self, client: httpx.AsyncClient) -> None:
        await self.made(client)
        unknown = (await client.post("/schedules", json=draft(key="x", layers=[], like={"schedule": "y"}))).json()
        assert unknown["errors"] == [{"field": "like.schedule", "message": "there is no schedule 'y'"}]
        chained = (
            await client.post("/schedules", json=draft(key="x", layers=[], like={"schedule": "secondary"}))
        ).json()
        assert "itself like" in chained["errors"][0]["message"]
        itself = (await client.put("/schedules/secondary", json=edit(layers=[], like={"schedule": "secondary"}))).json()
        assert "not like itself" in itself["errors"][0]["message"]
        turned = await put(client, edit(layers=[], like={"schedule": "secondary"}))
        assert turned.status_code == 422

    async def test_who_is_followed_cannot_go_or_follow(self, client: httpx.AsyncClient) -> None:
        await self.made(client)
        await made(client, key="third")
        refused = await client.delete("/schedules/primary")
        assert (refused.status_code, refused.json()["used_by"]) == (409, [{"type": "schedule", "key": "secondary"}])
        assert (await put(client, edit(layers=[], like={"schedule": "third"}))).json()["code"] == "in_use"
        assert (await client.delete("/schedules/secondary")).status_code == 204
        assert (await client.delete("/schedules/primary")).status_code == 204


async def test_who_was_on_call_stays_known_when_they_left(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    """Whom only the past names may be deactivated, and the past still has the name."""
    await made(client)
    await put(client, members("cara"))
    await set_clock(engine, NOON + timedelta(days=1))
    async with transaction(engine) as (conn, now):
        ana = (await people.read_user(conn, "ana")).document
        left = UserEdit.model_validate(ana.model_dump(exclude={"key"}) | {"active": False})
        await people.edit_user(conn, now, "ana", left, actor="user:cara")
    answer = await client.get("/schedules/primary/on-call", params={"at": "2026-03-03T02:30:00Z"})
    assert [u["name"] for u in answer.json()["users"]] == ["Ana"]
    assert answer.json()["version"] == 1
