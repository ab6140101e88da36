"""`/schedules`, overrides and on call through HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.web.api import on_call, overrides, policies, schedule_checks, schedules

PRIMARY: dict[str, Any] = {
    "key": "primary",
    "name": "Primary",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [
        {"name": "base", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", "members": [["ana"], ["ben"]]}
    ],
}
NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    routers = (schedules.router, schedule_checks.router, overrides.router, on_call.router, policies.router)
    async with api(engine, tmp_path, *routers) as client:
        await set_clock(engine, NOON)
        yield client


async def set_clock(engine: AsyncEngine, at: datetime) -> None:
    """Time stands still in these tests."""
    async with engine.begin() as conn:
        await conn.execute(
            text("""
                INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, :at, :at, 0)
                ON CONFLICT (id) DO UPDATE SET anchor_virtual = excluded.anchor_virtual
            """),
            {"at": at},
        )


def draft(**changes: object) -> dict[str, Any]:
    return deepcopy(PRIMARY) | changes


def edit(**changes: object) -> dict[str, Any]:
    return {name: value for name, value in draft(**changes).items() if name != "key"}


async def made(client: httpx.AsyncClient, **changes: object) -> dict[str, Any]:
    answer = await client.post("/schedules", json=draft(**changes))
    assert answer.status_code == 201, answer.text
    return answer.json()


def about_shifts(findings: list[dict[str, Any]]) -> list[str]:
    """The codes of findings that are not about how people can be reached, or their team."""
    people = ("unreachable_member", "partly_reachable_member", "left_team")
    return [f["code"] for f in findings if f["code"] not in people]


async def test_create_read_edit_delete(client: httpx.AsyncClient) -> None:
    created = await client.post("/schedules", json=draft())
    assert created.headers["location"] == "/api/v1/schedules/primary"
    assert created.headers["etag"] == '"1"'
    read = (await client.get("/schedules/primary")).json()
    findings = created.json()["findings"]
    assert created.json() == read | {"findings": findings}
    assert about_shifts(findings) == []
    told = {f["code"]: f for f in findings}
    assert told.keys() == {"unreachable_member", "left_team"}, "nobody has a contact method, and Ana is not in the team"
    assert told["unreachable_member"]["message"].endswith("cannot be reached: no contact method")
    assert told["left_team"]["advice"].startswith("add this person to the team")
    assert read["layers"][0]["anchor"] == "2026-03-02T09:00"
    edited = await client.put("/schedules/primary", json=edit(name="First"), headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.json()["name"], edited.headers["etag"]) == (200, "First", '"2"')
    outdated = await client.put("/schedules/primary", json=edit(name="Other"), headers={"If-Match": '"1"'})
    assert (outdated.status_code, outdated.json()["current_version"]) == (412, 2)
    assert (await client.delete("/schedules/primary")).status_code == 204
    assert (await client.get("/schedules/primary")).status_code == 404


async def test_lists_come_in_pages(client: httpx.AsyncClient) -> None:
    for key in ("a", "b", "c"):
        await made(client, key=key)
    first = (await client.get("/schedules", params={"limit": 2})).json()
    rest = (await client.get("/schedules", params={"limit": 2, "cursor": first["next"]})).json()
    assert [s["key"] for s in first["items"] + rest["items"]] == ["a", "b", "c"]
    assert rest["next"] is None


LAYER = PRIMARY["layers"][0]
HANDOFFS = [{"day": "sat", "at": "09:00"}, {"day": "mon", "at": "09:00"}]


async def test_a_layer_with_all_it_may_have_comes_back_in_one_shape(client: httpx.AsyncClient) -> None:
    layer = LAYER | {
        "handoffs": HANDOFFS,
        "restrictions": [{"from": "fri 17:00", "to": "mon 00:00"}, {"from": "tue 09:00", "to": "tue 17:00"}],
        "mode": "add",
        "uncovered_turns": "skip",
        "time_zone": "Asia/Tokyo",
    }
    stored = (await made(client, layers=[layer]))["layers"][0]
    assert stored["handoffs"] == HANDOFFS[::-1]
    assert stored["restrictions"] == [
        {"days": ["tue"], "from": "09:00", "to": "17:00"},
        {"from": "fri 17:00", "to": "sun 24:00"},
    ]
    assert (stored["mode"], stored["uncovered_turns"], stored["time_zone"]) == ("add", "skip", "Asia/Tokyo")
    again = await client.put("/schedules/primary", json=edit(layers=[stored]))
    assert again.json()["version"] == 1, "what comes back is what is there"


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"handoffs": [{"day": "mon", "at": "10:00"}]}, "handoffs", "the anchor is one of the handoffs"),
        ({"handoffs": HANDOFFS, "length": 2}, "handoffs", "several handoffs a week take the unit week"),
        ({"handoffs": [{"day": "mon", "at": "9:00"}]}, "handoffs[0].at", "give a time of day, like 09:00"),
        ({"mode": "shout"}, "mode", "'replace', 'add' or 'shadow'"),
        ({"uncovered_turns": "burn"}, "uncovered_turns", "'pass' or 'skip'"),
        ({"time_zone": "Europe/Berln"}, "time_zone", "did you mean Europe/Berlin"),
        ({"restrictions": [{"from": "fri 17:00", "to": "17:00"}]}, "restrictions", "to is a time of the week"),
    ],
)
async def test_what_a_layer_cannot_be(
    client: httpx.AsyncClient, change: dict[str, Any], field: str, message: str
) -> None:
    answer = await client.post("/schedules", json=draft(layers=[LAYER | change]))
    assert answer.status_code == 422
    [error] = answer.json()["errors"]
    assert error["field"] == f"layers[0].{field}"
    assert message in error["message"]


async def test_shadows_are_told_apart(client: httpx.AsyncClient) -> None:
    shadow = LAYER | {"name": "learning", "members": [["cara", "ana"]], "mode": "shadow"}
    await made(client, layers=[LAYER, shadow])
    answer = (await client.get("/schedules/primary/on-call")).json()
    assert [(u["key"], u["because"]) for u in answer["users"]] == [("ana", "layer base")]
    assert [u["key"] for u in answer["shadows"]] == ["cara"], "who is responsible is no shadow"


async def test_overrides_add_and_remove(client: httpx.AsyncClient) -> None:
    await made(client)
    window = {"starts_at": "2026-03-03T13:00:00Z", "ends_at": "2026-03-03T15:00:00Z"}
    added = await client.post("/schedules/primary/overrides", json={"kind": "add", "user": "dan"} | window)
    assert (added.status_code, added.json()["kind"], added.json()["swap"]) == (201, "add", None)
    asked = {"at": "2026-03-03T14:00:00Z"}
    both = (await client.get("/schedules/primary/on-call", params=asked)).json()["users"]
    because = f"override {added.json()['id']}, in addition"
    assert [(u["key"], u["because"]) for u in both] == [("ana", "layer base"), ("dan", because)]
    removed = await client.post("/schedules/primary/overrides", json={"kind": "remove", "replaces": "ana"} | window)
    assert (removed.status_code, removed.json()["user"]) == (201, None)
    left = (await client.get("/schedules/primary/on-call", params=asked)).json()["users"]
    assert [u["key"] for u in left] == ["dan"]
    listed = (await client.get("/schedules/primary/overrides")).json()["items"]
    assert [o["kind"] for o in listed] == ["add", "remove"]


@pytest.mark.parametrize(
    ("override", "fields"),
    [
        ({}, ["user"]),
        ({"kind": "add"}, ["user"]),
        ({"kind": "add", "user": "dan", "replaces": "ana"}, ["replaces"]),
        ({"kind": "remove"}, ["replaces"]),
        ({"kind": "remove", "user": "dan", "replaces": "ana"}, ["user"]),
        ({"kind": "shout", "user": "dan"}, ["kind"]),
    ],
)
async def test_an_override_says_who_comes_and_who_goes(
    client: httpx.AsyncClient, override: dict[str, str], fields: list[str]
) -> None:
    await made(client)
    window = {"starts_at": "2026-03-03T13:00:00Z", "ends_at": "2026-03-03T15:00:00Z"}
    refused = await client.post("/schedules/primary/overrides", json=override | window)
    assert [e["field"] for e in refused.json()["errors"]] == fields


async def test_what_is_doubtful_is_told_when_saving_previewing_and_asked(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    mondays = [{"days": ["mon"], "from": "09:00", "to": "17:00"}]
    office = LAYER | {"restrictions": mondays, "members": [["ana"], ["dan"]]}
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET active = false WHERE key = 'dan'"))
    saved = await made(client, layers=[office])
    assert about_shifts(saved["findings"]) == ["gap", "inactive_member"]
    assert {f["level"] for f in saved["findings"]} == {"warning"}
    assert (saved["findings"][0]["count"], len(saved["findings"][0]["intervals"])) == (53, 10)
    assert [u["name"] for u in saved["findings"][1]["users"]] == ["Dan"]
    asked = (await client.get("/schedules/primary/lint")).json()
    assert asked["findings"] == saved["findings"]
    assert (asked["starts_at"], asked["ends_at"]) == ("2026-03-03T12:00:00Z", "2027-03-03T12:00:00Z")
    assert (await client.get("/schedules/primary/lint", params={"days": 1})).json()["findings"][0]["count"] == 1
    edited = (await client.put("/schedules/primary", json=edit())).json()
    assert about_shifts(edited["findings"]) == []
    preview = (await client.post("/schedules/preview", json=draft(layers=[office]))).json()
    assert about_shifts(preview["findings"]) == ["gap", "inactive_member"]


async def test_fairness(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE users SET time_zone = 'Asia/Tokyo' WHERE key = 'ben'"))
    await made(client)
    window = {"from": "2026-03-02T08:00:00Z", "to": "2026-03-16T08:00:00Z"}
    answer = (await client.get("/schedules/primary/fairness", params=window)).json()
    assert (answer["score"], answer["parts"]) == (
        1.0,
        {"hours": 1.0, "nights": 1.0, "weekends": 1.0, "holidays": None, "pages": None},
    )
    assert [(p["user"]["key"], p["time_zone"], p["on_call_seconds"] // 3600) for p in answer["people"]] == [
        ("ana", "Europe/Berlin", 168),
        ("ben", "Asia/Tokyo", 168),
    ]


async def test_errors_name_their_fields(client: httpx.AsyncClient) -> None:
    wrong = draft(time_zone="Europe/Berln")
    wrong["layers"][0] |= {"unit": "fortnight", "anchor": "2026-03-02"}
    answer = (await client.post("/schedules", json=wrong)).json()
    assert {e["field"] for e in answer["errors"]} == {"time_zone", "layers[0].unit", "layers[0].anchor"}
    wrong = draft()
    wrong["layers"][0]["members"] = [["ana"], ["eve"]]
    answer = await client.post("/schedules", json=wrong)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": "layers[0].members[1][0]", "message": "there is no user 'eve'"}]


async def test_managers_edit_what_belongs_to_their_team(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    await made(client)
    assert (await client.post("/schedules", json=draft(key="other", team=None))).status_code == 403
    assert (await client.put("/schedules/primary", json=edit(team=None))).status_code == 403
    as_person(client, "ana")
    assert (await client.put("/schedules/primary", json=edit())).status_code == 403
    assert (await client.get("/schedules/primary")).status_code == 200


async def test_a_preview_says_who_gains_and_loses_and_stores_nothing(client: httpx.AsyncClient) -> None:
    await made(client)
    changed = draft()
    changed["layers"][0] |= {"members": [["ana"], ["cara"]], "ends_at": "2026-03-23T08:00:00Z"}
    preview = (await client.post("/schedules/preview", params={"days": 28}, json=changed)).json()
    by_user = {c["user"]["key"]: (c["gained_seconds"], c["lost_seconds"]) for c in preview["changes"]}
    week = 7 * 86400
    until_the_end = int((NOON + timedelta(days=28) - datetime(2026, 3, 30, 7, tzinfo=UTC)).total_seconds())
    assert by_user == {"ana": (0, until_the_end), "ben": (0, 2 * week - 3600), "cara": (week, 0)}
    assert preview["gaps"] == [{"starts_at": "2026-03-23T08:00:00Z", "ends_at": "2026-03-31T12:00:00Z"}]
    assert [(s["schedule"], s["user"]["name"]) for s in preview["shifts"]] == [
        ("primary", "Ana"), ("primary", "Cara"), ("primary", "Ana"),
    ]  # fmt: skip
    assert (await client.get("/schedules/primary")).json()["version"] == 1


async def test_a_preview_of_a_new_schedule_gains_everything(client: httpx.AsyncClient) -> None:
    preview = (await client.post("/schedules/preview", params={"days": 7}, json=draft(key="new"))).json()
    assert [(c["user"]["key"], c["lost_seconds"]) for c in preview["changes"]] == [("ana", 0), ("ben", 0)]
    assert sum(c["gained_seconds"] for c in preview["changes"]) == 7 * 86400
    assert (await client.get("/schedules/new")).status_code == 404


async def test_a_preview_keeps_overrides_in_mind(client: httpx.AsyncClient) -> None:
    await made(client)
    cover = {"user": "dan", "starts_at": "2026-03-04T00:00:00Z", "ends_at": "2026-03-05T00:00:00Z"}
    assert (await client.post("/schedules/primary/overrides", json=cover)).status_code == 201
    preview = (await client.post("/schedules/preview", params={"days": 7}, json=draft())).json()
    assert preview["changes"] == []
    assert "dan" in {s["user"]["key"] for s in preview["shifts"]}


async def test_shifts_show_gaps_and_overrides(client: httpx.AsyncClient) -> None:
    base = PRIMARY["layers"][0] | {"restrictions": [{"days": ["tue"], "from": "09:00", "to": "17:00"}]}
    await made(client, layers=[base])
    cover = {"user": "dan", "starts_at": "2026-03-10T08:00:00Z", "ends_at": "2026-03-10T12:00:00Z"}
    override = (await client.post("/schedules/primary/overrides", json=cover)).json()
    window = {"from": "2026-03-10T00:00:00Z", "to": "2026-03-11T00:00:00Z"}
    answer = (await client.get("/schedules/primary/shifts", params=window)).json()
    assert [(s["user"]["key"], s["starts_at"][11:16], s["layer"], s["override"]) for s in answer["shifts"]] == [
        ("dan", "08:00", None, override["id"]),
        ("ben", "12:00", "base", None),
    ]
    assert [(g["starts_at"][11:16], g["ends_at"][11:16]) for g in answer["gaps"]] == [
        ("00:00", "08:00"),
        ("16:00", "00:00"),
    ]


@pytest.mark.parametrize(
    "window",
    [
        {"from": "2026-03-10T00:00:00Z", "to": "2026-03-10T00:00:00Z"},
        {"from": "2026-03-10T00:00:00Z", "to": "2027-06-10T00:00:00Z"},
        {"from": "9999-12-31T00:00:00Z"},
        {"from": "yesterday"},
        {"from": "2026-03-10T00:00:00"},
    ],
)
async def test_windows_are_bounded(client: httpx.AsyncClient, window: dict[str, str]) -> None:
    await made(client)
    answer = await client.get("/schedules/primary/shifts", params=window)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in ("from", "to")


async def test_who_is_on_call_and_who_is_next(client: httpx.AsyncClient) -> None:
    await made(client)
    await made(client, key="empty", name="Empty", layers=[])
    answer = (await client.get("/on-call")).json()["items"]
    assert answer[0] | {"users": [], "until": None, "next": []} == answer[0]
    assert [u["name"] for u in answer[1]["users"]] == ["Ana"]
    assert answer[1]["until"] == "2026-03-09T08:00:00Z"
    assert [u["key"] for u in answer[1]["next"]] == ["ben"]
    later = (await client.get("/schedules/primary/on-call", params={"at": "2026-03-10T00:00:00Z"})).json()
    assert ([u["key"] for u in later["users"]], later["until"]) == (["ben"], "2026-03-16T08:00:00Z")


async def test_my_next_shifts(client: httpx.AsyncClient) -> None:
    await made(client)
    await made(client, key="others", layers=[PRIMARY["layers"][0] | {"members": [["cara"]]}])
    cover = {"user": "ana", "starts_at": "2026-03-10T08:00:00Z", "ends_at": "2026-03-10T12:00:00Z"}
    await client.post("/schedules/others/overrides", json=cover)
    as_person(client, "ana")
    mine = (await client.get("/users/me/shifts", params={"days": 14})).json()
    assert [(s["schedule"], s["starts_at"]) for s in mine] == [
        ("primary", "2026-03-03T12:00:00Z"),
        ("others", "2026-03-10T08:00:00Z"),
        ("primary", "2026-03-16T08:00:00Z"),
    ]


async def test_operators_make_and_withdraw_overrides(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await made(client)
    as_person(client, "dan")
    cover = {"user": "dan", "starts_at": "2026-03-03T13:00:00Z", "ends_at": "2026-03-03T14:00:00Z"}
    first = await client.post("/schedules/primary/overrides", json=cover, headers={"Idempotency-Key": "x"})
    again = await client.post("/schedules/primary/overrides", json=cover, headers={"Idempotency-Key": "x"})
    assert first.json() == again.json()
    assert first.json()["created_by"] == "api_key:dan-key"
    upside_down = await client.post(
        "/schedules/primary/overrides", json=cover | {"ends_at": cover["starts_at"], "replaces": "dan"}
    )
    assert [e["field"] for e in upside_down.json()["errors"]] == ["replaces", "ends_at"]
    clash = await client.post("/schedules/primary/overrides", json=cover | {"user": "ben"})
    assert (clash.status_code, clash.json()["code"]) == (409, "overlapping")
    assert [o["id"] for o in clash.json()["overrides"]] == [first.json()["id"]]
    listed = (await client.get("/schedules/primary/overrides")).json()["items"]
    assert listed == [first.json()]
    path = f"/schedules/primary/overrides/{first.json()['id']}"
    await set_clock(engine, NOON + timedelta(hours=3))
    assert (await client.delete(path)).json()["code"] == "over"
    await set_clock(engine, NOON)
    assert (await client.delete(path)).status_code == 204
    assert (await client.delete(path)).status_code == 404
    assert (await client.delete(f"/schedules/primary/overrides/{2**63}")).status_code == 422


async def test_an_override_does_not_rewrite_the_past(client: httpx.AsyncClient) -> None:
    await made(client)
    body = {"user": "dan", "starts_at": "2026-03-03T09:00:00Z", "ends_at": "2026-03-03T14:00:00Z"}
    late = await client.post("/schedules/primary/overrides", json=body)
    assert (late.status_code, late.json()["starts_at"]) == (201, "2026-03-03T12:00:00Z")
    asked = {"from": "2026-03-03T09:00:00Z", "to": "2026-03-03T14:00:00Z"}
    shifts = (await client.get("/schedules/primary/shifts", params=asked)).json()["shifts"]
    assert [(s["user"]["key"], s["starts_at"]) for s in shifts] == [
        ("ana", "2026-03-03T09:00:00Z"),
        ("dan", "2026-03-03T12:00:00Z"),
    ]


async def test_a_schedule_in_use_says_where(client: httpx.AsyncClient) -> None:
    await made(client)
    policy = {
        "key": "checkout",
        "name": "Checkout",
        "steps": [{"delay_s": 300, "targets": [{"type": "schedule", "key": "primary"}]}],
    }
    assert (await client.post("/policies", json=policy)).status_code == 201
    answer = await client.delete("/schedules/primary")
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["used_by"] == [{"type": "policy", "key": "checkout"}]
