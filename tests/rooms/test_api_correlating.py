"""Merge, split, move, undo, incidents by hand and dependencies over HTTP: what is refused and how, and races."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bodies import body_of
from whole import Whole

from app.db.engine import transaction
from app.incidents import by_hand
from app.incidents.commands import Responder

pytestmark = pytest.mark.asyncio(loop_scope="module")

INCIDENTS = "/api/v1/incidents"
WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


async def fires(house: Whole, name: str, **labels: str) -> None:
    body = body_of("alertmanager", name)
    alert = body["alerts"][0]
    alert["labels"] |= labels
    alert["fingerprint"] = f"{name}{sorted(labels.items())}"
    assert (await house.post("alertmanager", body)).status_code == 202


async def asks(
    house: Whole,
    path: str,
    body: Any = None,
    *,
    who: str = "ana",
    method: str = "POST",
    status: int = 200,
    **headers: str,
) -> dict[str, Any]:
    answer = await house.http.request(method, path, json=body, headers=house.as_person(who) | headers)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def alerts(house: Whole, number: int) -> list[str]:
    found = await asks(house, f"{INCIDENTS}/{number}/alerts", method="GET")
    return [a["alert_id"] for a in found["items"]]


async def counts(house: Whole) -> list[tuple[str, int, int]]:
    """As they are kept, after comparing them with what there is."""
    rows = await house.rows("""
        SELECT i.state, i.firing, i.occurrences, count(o.id) AS all,
               count(o.id) FILTER (WHERE o.ended_at IS NULL) AS now
        FROM incidents i LEFT JOIN occurrences o ON o.incident_id = i.id GROUP BY i.id ORDER BY i.number""")
    assert [(r.firing, r.occurrences) for r in rows] == [(r.now, r.all) for r in rows]
    return [(r.state, r.firing, r.occurrences) for r in rows]


def wrong(answer: dict[str, Any]) -> list[str]:
    return [e["field"] for e in answer["errors"]]


async def test_what_cannot_be_merged_is_refused_by_its_field(house):
    await fires(house, "A")
    await fires(house, "B")
    path = f"{INCIDENTS}/1/merge"
    assert wrong(await asks(house, path, {"into": 1}, status=422)) == ["into"]
    assert wrong(await asks(house, path, {"into": 99}, status=422)) == ["into"]
    assert wrong(await asks(house, path, {"into": "2"}, status=422)) == ["into"]
    await asks(house, f"{INCIDENTS}/99/merge", {"into": 1}, status=404)
    await asks(house, f"{INCIDENTS}/2/resolve", {"confirmed": True})
    assert (await asks(house, path, {"into": 2}, status=409))["code"] == "not_open"
    assert await counts(house) == [("triggered", 1, 1), ("resolved", 1, 1)]


async def test_what_cannot_be_split_off_or_moved_is_refused_by_its_field(house):
    await fires(house, "A")
    await fires(house, "A", pod="b")
    await fires(house, "B")
    mine, others = await alerts(house, 1), await alerts(house, 2)
    assert wrong(await asks(house, f"{INCIDENTS}/1/split", {"alerts": [mine[0], *others]}, status=422)) == ["alerts[1]"]
    assert (await asks(house, f"{INCIDENTS}/1/split", {"alerts": mine}, status=409))["code"] == "nothing_left"
    assert wrong(await asks(house, f"{INCIDENTS}/1/split", {"alerts": []}, status=422)) == ["alerts"]
    assert wrong(await asks(house, f"{INCIDENTS}/1/move", {"alerts": mine[:1], "to": 1}, status=422)) == ["to"]
    assert (await asks(house, f"{INCIDENTS}/1/undo", status=409))["code"] == "nothing_to_undo"
    assert await counts(house) == [("triggered", 2, 2), ("triggered", 1, 1)]


async def test_a_split_sent_twice_under_one_key_is_done_once(house):
    await fires(house, "A")
    await fires(house, "A", pod="b")
    body = {"alerts": (await alerts(house, 1))[1:], "reason": "another cause"}
    key = {"Idempotency-Key": "split-1"}
    first = await asks(house, f"{INCIDENTS}/1/split", body, **key)
    assert await asks(house, f"{INCIDENTS}/1/split", body, **key) == first
    assert (await asks(house, f"{INCIDENTS}/1/split", body))["result"] == "already"
    assert await counts(house) == [("triggered", 1, 1), ("triggered", 1, 1)]
    ladders = await house.one("SELECT count(*) FROM ladders l JOIN incidents i ON i.id = l.incident_id")
    assert ladders == 2


async def test_a_merge_raises_what_is_less_important_and_pages_again(house):
    await fires(house, "A", severity="warning")
    await fires(house, "B", severity="critical")
    before = [r.priority for r in await house.rows("SELECT priority FROM incidents ORDER BY number")]
    done = await asks(house, f"{INCIDENTS}/2/merge", {"into": 1})
    assert (done["other"]["priority"], done["other"]["epoch"]) == (min(before), 2)
    undone = await asks(house, f"{INCIDENTS}/1/undo")
    assert (undone["incident"]["number"], undone["incident"]["state"]) == (2, "triggered")
    assert await counts(house) == [("triggered", 1, 1), ("triggered", 1, 1)]


async def test_an_alert_that_comes_while_its_incident_is_merged_goes_where_that_went(house):
    """The road has looked for its incident, and waits for the lock while the merge commits."""
    await fires(house, "A")
    await fires(house, "B")
    first, second = [r.id for r in await house.rows("SELECT id FROM incidents ORDER BY number")]
    async with transaction(house.engine) as (conn, now):
        await by_hand.merge(conn, now, second, first, Responder(None, "machine", "A machine", "api"))
        posted = asyncio.create_task(fires(house, "B", pod="another"))
        async with asyncio.timeout(20):
            while not (await house.rows(WAITING))[0][0]:  # noqa: ASYNC110  # another connection cannot set an event here
                await asyncio.sleep(0.01)
    await posted
    assert await counts(house) == [("triggered", 3, 3), ("closed", 0, 0)]


async def test_a_resolve_that_comes_while_its_alert_is_split_off_counts_where_it_is_now(house):
    await fires(house, "A")
    await fires(house, "A", pod="b")
    chosen = (await alerts(house, 1))[1:]
    body = body_of("alertmanager", "A")
    body["alerts"][0]["labels"] |= {"pod": "b"}
    body["alerts"][0] |= {"status": "resolved", "endsAt": "2999-01-01T00:00:00Z", "fingerprint": "A[('pod', 'b')]"}
    split, resolved = await asyncio.gather(
        asks(house, f"{INCIDENTS}/1/split", {"alerts": chosen}), house.post("alertmanager", body)
    )
    assert (split["result"], resolved.status_code) == ("split", 202)
    assert [firing for _, firing, _ in await counts(house)] == [1, 0]


async def test_an_incident_by_hand(house):
    body = {"title": "Nobody can log in", "service": "checkout", "priority": 2, "description": "three calls"}
    key = {"Idempotency-Key": "open-1"}
    made = await asks(house, INCIDENTS, body, status=201, **key)
    assert (await asks(house, INCIDENTS, body, status=201, **key))["number"] == made["number"]
    assert (made["priority"], made["priority_pin"]["by"], made["pinned_open"]) == (2, "ana", True)
    opened = await asks(house, f"{INCIDENTS}/{made['number']}/timeline", method="GET")
    assert [e["kind"] for e in opened["items"]] == ["opened_by_hand", "priority_assigned"]
    assert opened["items"][0]["text"].endswith("three calls")
    for field, members in (
        ("service", {"service": "nothing-of-that"}),
        ("priority", {"impact": 1}),
        ("title", {"title": "  "}),
        ("severity", {"severity": "terrible"}),
    ):
        assert wrong(await asks(house, INCIDENTS, body | members, status=422)) == [field]
    from_rules = await asks(house, INCIDENTS, {"title": "X", "service": "checkout", "severity": "info"}, status=201)
    assert (from_rules["priority"], from_rules["priority_pin"]) == (5, None)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    try:
        await asks(house, INCIDENTS, body, who="dan", status=403)
    finally:
        await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")


async def test_pinned_open_with_a_reason(house):
    await fires(house, "A")
    path = f"{INCIDENTS}/1/pin-open"
    assert wrong(await asks(house, path, {"pinned": True}, status=422)) == ["reason"]
    for _ in range(2):
        assert (await asks(house, path, {"pinned": True, "reason": "until Friday"}))["incident"]["pinned_open"] is True
    assert (await asks(house, path, {"pinned": False}))["incident"]["pinned_open"] is False
    told = await asks(house, f"{INCIDENTS}/1/timeline", method="GET")
    texts = [e["text"] for e in told["items"]]
    assert texts[-2:] == ["Pinned open: only a person resolves it (until Friday)", "No longer pinned open"]


async def test_dependencies_are_put_whole_and_a_cycle_is_named(house):
    services = "/api/v1/services"
    for key in ("db-1", "disk-1"):
        await asks(house, services, {"key": key, "name": key}, who="cara", status=201)
    put: dict[str, Any] = {"who": "cara", "method": "PUT"}
    done = await asks(house, f"{services}/checkout/dependencies", {"depends_on": ["db-1", "db-1"]}, **put)
    assert done["depends_on"] == ["db-1"]
    await asks(house, f"{services}/db-1/dependencies", {"depends_on": ["disk-1"]}, **put)
    refused = await asks(house, f"{services}/disk-1/dependencies", {"depends_on": ["checkout"]}, status=422, **put)
    assert "disk-1 -> checkout -> db-1 -> disk-1" in refused["errors"][0]["message"]
    unknown = await asks(house, f"{services}/disk-1/dependencies", {"depends_on": ["nothing"]}, status=422, **put)
    assert wrong(unknown) == ["depends_on"]
    assert (await asks(house, f"{services}/checkout", method="GET"))["depends_on"] == ["db-1"]
    await asks(house, f"{services}/checkout/dependencies", {"depends_on": []}, status=403, who="dan", method="PUT")
    await asks(house, f"{services}/checkout/dependencies", {"depends_on": []}, **put)
    assert await house.one("SELECT count(*) FROM service_dependencies") == 1
