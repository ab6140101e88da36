"""Drills and reachability over HTTP: what is answered, and every refusal."""

from __future__ import annotations

from typing import Any

import pytest
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANA = {"target": {"type": "user", "key": "ana"}}
CHECKOUT = {"target": {"type": "service", "key": "checkout"}}
VERIFIED = """
    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    SELECT id, 'mail', email, tocsin_now(), tocsin_now(), tocsin_now() FROM users WHERE key = :key
"""


async def asked(house: Whole, method: str, path: str, person: str = "cara", status: int = 200, **more: Any) -> Any:
    answer = await house.http.request(method, f"/api/v1{path}", headers=house.as_person(person), **more)
    assert answer.status_code == status, answer.text
    return answer.json()


async def begun(house: Whole, body: dict[str, Any], person: str = "cara") -> dict[str, Any]:
    return dict(await asked(house, "POST", "/drills", person, 201, json=body))


async def test_what_cannot_be_right_is_named(house: Whole) -> None:
    for body, field in (
        ({}, "target"),
        ({"target": {"type": "team", "key": "payments"}}, "target.type"),
        ({"target": {"type": "user", "key": "nobody"}}, "target.key"),
        (ANA | {"wait_minutes": 0}, "wait_minutes"),
        (ANA | {"wait_minutes": 61}, "wait_minutes"),
        (ANA | {"priority": 6}, "priority"),
        (ANA | {"note": "two\nlines"}, "note"),
        (ANA | {"note": "x" * 101}, "note"),
        (ANA | {"loudness": "silent"}, "loudness"),
        (ANA | {"colour": "red"}, "colour"),
    ):
        refused = await asked(house, "POST", "/drills", status=422, json=body)
        assert field in [e["field"] for e in refused["errors"]], (body, refused)
    assert await house.one("SELECT count(*) FROM drills") == 0


async def test_a_service_without_a_policy_pages_nobody(house: Whole) -> None:
    refused = await asked(house, "POST", "/drills", status=409, json=CHECKOUT)
    assert refused["code"] == "no_policy"
    drill = await begun(house, CHECKOUT | {"last_resort": True, "note": "with the last resort only"})
    assert drill["outcome"] is None


async def test_who_may_begin_end_and_see_them(house: Whole) -> None:
    await asked(house, "POST", "/drills", "ana", 403, json=ANA)
    refused = await asked(house, "POST", "/drills", "ben", 403, json={"target": {"type": "user", "key": "dan"}})
    assert refused["code"] == "not_your_team"
    own = await begun(house, {"target": {"type": "user", "key": "ben"}}, "ben")
    await asked(house, "GET", f"/drills/{own['id']}", "dan")
    await asked(house, "POST", f"/drills/{own['id']}/end", "ana", 403)
    ended = await asked(house, "POST", f"/drills/{own['id']}/end", "ben")
    assert (ended["outcome"], ended["ended_at"] is not None) == ("ended", True)
    assert await asked(house, "POST", f"/drills/{own['id']}/end", "ben") == ended, "ending it again changes nothing"
    await asked(house, "GET", "/drills/01936a00-0000-7000-8000-000000000031", status=404)


async def test_they_are_listed_by_target_and_slice(house: Whole) -> None:
    for key in ("ana", "ben"):
        await begun(house, {"target": {"type": "user", "key": key}})
    found = await asked(house, "GET", "/drills?target_type=user&target=ana")
    assert [d["target"]["key"] for d in found["items"]] == ["ana"]
    first = await asked(house, "GET", "/drills?limit=1")
    assert [d["target"]["key"] for d in first["items"]] == ["ben"]
    second = await asked(house, "GET", f"/drills?limit=1&cursor={first['next']}")
    assert [d["target"]["key"] for d in second["items"]] == ["ana"]


async def test_the_same_key_begins_one_drill(house: Whole) -> None:
    head = house.as_person("cara") | {"Idempotency-Key": "drill-1"}
    answers = [await house.http.post("/api/v1/drills", json=ANA, headers=head) for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]


async def test_a_drill_is_only_acknowledged_or_resolved(house: Whole) -> None:
    number = (await begun(house, ANA))["incident"]
    for what, body in (
        ("reassign", {"user": "dan"}),
        ("escalate", None),
        ("mitigate", None),
        ("pin-open", {"pinned": True, "reason": "it is watched"}),
        ("escalate", {"tier": 2, "reason": "too hard"}),
    ):
        answer = await house.http.post(f"/api/v1/incidents/{number}/{what}", json=body, headers=house.as_person("cara"))
        assert (answer.status_code, answer.json().get("code")) == (409, "drill"), (what, answer.text)
    done = await asked(house, "POST", f"/incidents/{number}/acknowledge", "ana")
    assert (done["result"], done["incident"]["state"], done["incident"]["drill"]) == ("acknowledged", "resolved", True)
    [drill] = (await asked(house, "GET", "/drills"))["items"]
    assert (drill["outcome"], drill["acknowledged"]) == ("acknowledged", 1)


async def test_reachability_of_people_schedules_and_teams(house: Whole) -> None:
    await house.execute("DELETE FROM contact_methods")
    await house.execute(VERIFIED, key="ana")
    found = {p["user"]["key"]: p for p in (await asked(house, "GET", "/reachability"))["items"]}
    assert found["ana"]["level"] == "not_reachable", "mail is not configured here"
    assert found["ana"]["reasons"][-1] == "mail is on a channel that is not configured"
    assert "address" not in found["ana"]["methods"][0], "whoever may read this need not know addresses"
    few = await asked(house, "GET", "/reachability?limit=2&level=not_reachable")
    assert len(few["items"]) == 2
    rest = await asked(house, "GET", f"/reachability?level=not_reachable&cursor={few['next']}")
    assert {p["user"]["key"] for p in (*few["items"], *rest["items"])} == found.keys()
    assert (await asked(house, "GET", "/reachability?level=ready"))["items"] == []
    team = await asked(house, "GET", "/teams/payments/reachability")
    assert (team["level"], team["counts"]["ready"], team["empty"]) == ("not_reachable", 0, [])
    layer = {"name": "day", "unit": "day", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"]],
             "restrictions": [{"days": ["mon"], "from": "09:00", "to": "17:00"}]}  # fmt: skip
    body = {"key": "primary", "name": "Primary", "time_zone": "UTC", "team": "payments", "layers": [layer]}
    saved = await asked(house, "POST", "/schedules", status=201, json=body)
    assert {"gap", "unreachable_member"} <= {f["code"] for f in saved["findings"]}
    duty = await asked(house, "GET", "/schedules/primary/reachability?days=7")
    assert ([p["user"]["key"] for p in duty["people"]], duty["days"]) == (["ana"], 7)
    assert duty["empty"][0]["schedule"] == "Primary"
    for path, status in (
        ("/reachability?team=nothing", 404),
        ("/reachability?level=fine", 422),
        ("/users/nobody/reachability", 404),
        ("/schedules/nothing/reachability", 404),
        ("/schedules/primary/reachability?days=91", 422),
        ("/teams/nothing/reachability", 404),
        ("/schedule-warnings?state=gone", 422),
    ):
        await asked(house, "GET", path, status=status)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    await asked(house, "GET", "/reachability", "dan", 403)
    await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")
