"""`/priority-rules`, `/priority-matrix` and trials through HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import ids
from app.db.engine import transaction
from app.web.api import priority_matrix, priority_trial, rule_sets

DB = {"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}, "enabled": True}
NIGHT = {"key": "night", "name": "Nights", "when": "time.hour < 6", "then": {"urgency": 3}, "enabled": True}
EVERYTHING = text("SELECT (SELECT count(*) FROM audit_records), (SELECT count(*) FROM receipts)")


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, rule_sets.router, priority_matrix.router, priority_trial.router) as client:
        async with transaction(engine) as (conn, now):
            await conn.execute(
                text("""
                    WITH o AS (INSERT INTO organisation (id, name, time_zone, created_at, updated_at)
                               VALUES (1, 'Example', 'Europe/Berlin', :now, :now))
                    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
                    SELECT 'prometheus', 'P', 'alertmanager', id, :now, :now FROM services"""),
                {"now": now},
            )
            await conn.execute(
                text("UPDATE services SET criticality = 3, support_hours = CAST(:hours AS jsonb)"),
                {
                    "hours": '{"time_zone": "Europe/Berlin", "spans": '
                    '[{"days": ["mon"], "from": "09:00", "to": "17:00"}]}'
                },
            )
        yield client


async def put(client: httpx.AsyncClient, *rules: dict[str, Any], **headers: str) -> httpx.Response:
    return await client.put("/priority-rules", json={"rules": list(rules)}, headers=headers)


async def test_publish_read_roll_back(client: httpx.AsyncClient) -> None:
    empty = await client.get("/priority-rules")
    assert (empty.json()["version"], empty.headers["etag"]) == (0, '"0"')
    assert (await put(client, DB, **{"If-Match": '"0"'})).json()["rules"] == [DB]
    second = await put(client, DB, NIGHT, **{"If-Match": '"1"'})
    assert (second.headers["etag"], second.json()["published_by"]) == ('"2"', "api_key:cara-key")
    assert (await put(client, **{"If-Match": '"1"'})).status_code == 412
    listed = (await client.get("/priority-rules/versions", params={"limit": 1})).json()
    assert [(v["version"], v["rules"]) for v in listed["items"]] == [(2, 2)]
    rest = (await client.get("/priority-rules/versions", params={"cursor": listed["next"]})).json()
    assert [v["version"] for v in rest["items"]] == [1]
    assert (await client.get("/priority-rules/versions/1")).json()["rules"] == [DB]
    assert (await client.get("/priority-rules/versions/9")).status_code == 404
    back = (await client.post("/priority-rules/versions/1/rollback")).json()
    assert (back["version"], back["rules"]) == (3, [DB])
    assert (await client.get("/priority-rules")).json() == back


async def test_errors_name_the_rule_and_the_place(client: httpx.AsyncClient) -> None:
    wrong = await put(client, DB, NIGHT | {"when": "time.hours < 6"}, DB)
    assert wrong.status_code == 422
    errors = {e["field"]: e["message"] for e in wrong.json()["errors"]}
    assert set(errors) == {"rules[1].when", "rules[2].key"}
    assert "did you mean time.hour" in errors["rules[1].when"]
    wrong = await put(client, DB | {"then": {"impact": 4}})
    assert [e["field"] for e in wrong.json()["errors"]] == ["rules[0].then.impact"]


async def test_the_matrix(client: httpx.AsyncClient) -> None:
    assert (await client.get("/priority-matrix")).json()["matrix"] == [[1, 2, 3], [2, 3, 4], [3, 4, 5]]
    wanted = [[1, 1, 2], [1, 2, 3], [3, 4, 5]]
    answer = await client.put("/priority-matrix", json={"matrix": wanted}, headers={"If-Match": '"0"'})
    assert (answer.json()["matrix"], answer.headers["etag"]) == (wanted, '"1"')
    upside_down = await client.put("/priority-matrix", json={"matrix": wanted[::-1]})
    assert upside_down.status_code == 422
    assert upside_down.json()["errors"]


async def test_only_admins_publish_and_everybody_may_try(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    assert (await put(client, DB)).status_code == 403
    assert (await client.put("/priority-matrix", json={"matrix": [[1, 2, 3]] * 3})).status_code == 403
    assert (await client.post("/priority-rules/versions/1/rollback")).status_code == 403
    assert (await client.post("/priority-rules/try", json={"facts": {}})).status_code == 200


async def tried(client: httpx.AsyncClient, **body: object) -> dict[str, Any]:
    answer = await client.post("/priority-rules/try", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_facts_get_the_verdict_and_its_reasons(client: httpx.AsyncClient) -> None:
    await put(client, DB)
    facts = {"labels": {"team": "db"}, "severity": "critical", "service": "checkout"}
    answer = await tried(client, facts=facts, at="2026-03-02T10:00:00Z", explain=True)
    [verdict] = answer["verdicts"]
    assert (verdict["priority"], verdict["impact"], verdict["urgency"], verdict["loudness"]) == (1, 1, 1, "loud")
    impact, urgency = verdict["inputs"]
    assert (impact["rule"], impact["version"]) == ("db", 1)
    assert 'labels.team = "db"' in impact["because"]
    assert (urgency["rule"], urgency["because"]) == ("default", "severity is critical")
    assert verdict["explained"] == [
        {
            "rule": "db",
            "matched": True,
            "error": None,
            "parts": [{"text": 'team="db"', "values": {"labels.team": "db"}, "matched": True, "error": None}],
        }
    ]
    assert (answer["rules_version"], answer["matrix_version"]) == (1, 0)


async def test_a_draft_is_tried_in_place_of_what_is_in_force(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await put(client, DB)
    async with engine.connect() as conn:
        before = (await conn.execute(EVERYTHING)).one()
    draft = {"rules": [NIGHT], "matrix": [[1, 1, 1], [1, 1, 1], [1, 1, 2]]}
    facts = {"labels": {"team": "db"}, "severity": "critical", "service": "checkout"}
    night = await tried(client, facts=facts, at="2026-03-02T00:30:00Z", **draft)
    assert [(v["impact"], v["urgency"], v["priority"]) for v in night["verdicts"]] == [(3, 3, 2)]
    day = await tried(client, facts=facts, at="2026-03-02T10:00:00Z", **draft)
    assert [(v["impact"], v["urgency"]) for v in day["verdicts"]] == [(3, 1)]
    assert (night["rules_version"], night["matrix_version"]) == (None, None)
    wrong = await client.post("/priority-rules/try", json={"facts": {}, "rules": [DB | {"when": "labels.a =="}]})
    assert [e["field"] for e in wrong.json()["errors"]] == ["rules[0].when"]
    async with engine.connect() as conn:
        assert (await conn.execute(EVERYTHING)).one() == before


async def test_support_hours_decide_how_loud_a_p3_is(client: httpx.AsyncClient) -> None:
    facts = {"severity": "critical", "service": "checkout"}
    for at, loudness in (("2026-03-02T10:00:00Z", "loud"), ("2026-03-02T20:00:00Z", "quiet")):
        [verdict] = (await tried(client, facts=facts, at=at))["verdicts"]
        assert (verdict["priority"], verdict["loudness"]) == (3, loudness)


async def test_a_payload_is_read_by_the_adapter_of_its_integration(client: httpx.AsyncClient) -> None:
    def alert(name: str, status: str, severity: str) -> dict[str, Any]:
        return {
            "status": status,
            "labels": {"alertname": name, "severity": severity},
            "annotations": {"summary": name},
            "startsAt": "2026-03-02T10:00:00Z",
            "endsAt": "2026-03-02T11:00:00Z" if status == "resolved" else "0001-01-01T00:00:00Z",
            "fingerprint": f"{len(name):016x}",
        }

    payload = {
        "version": "4",
        "status": "firing",
        "receiver": "tocsin",
        "groupKey": "{}",
        "truncatedAlerts": 0,
        "groupLabels": {},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager",
        "alerts": [
            alert("Full", "firing", "critical"),
            alert("Watchdog", "firing", "none"),
            alert("Gone", "resolved", "critical"),
            "nonsense",
        ],
    }
    answer = await tried(client, integration="prometheus", payload=payload)
    assert [(v["kind"], v["priority"]) for v in answer["verdicts"]] == [
        ("firing", 3),
        ("firing", 5),
        ("resolved", None),
    ]
    assert "severity none" in answer["verdicts"][1]["suppressed"]
    assert [r["index"] for r in answer["refused"]] == [3]
    wrong = await client.post("/priority-rules/try", json={"integration": "prometheus", "payload": [1]})
    assert [e["field"] for e in wrong.json()["errors"]] == ["payload"]
    wrong = await client.post("/priority-rules/try", json={"integration": "nowhere", "payload": payload})
    assert [e["field"] for e in wrong.json()["errors"]] == ["integration"]


@pytest.mark.parametrize("body", [{}, {"incident": 1, "facts": {}}, {"payload": {}}, {"integration": "prometheus"}])
async def test_one_thing_is_tried_at_a_time(client: httpx.AsyncClient, body: dict[str, Any]) -> None:
    answer = await client.post("/priority-rules/try", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] in ("payload", "integration")


async def test_an_incident_is_only_ever_raised(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with transaction(engine) as (conn, now):
        numbers = [await incident(conn, now, pinned) for pinned in (False, True)]
    facts = [DB]
    raised = (await tried(client, incident=numbers[0], rules=facts))["incident"]
    assert raised == {"number": numbers[0], "priority": 3, "would_be": 1, "because": "raised"}
    pinned = (await tried(client, incident=numbers[1], rules=facts))["incident"]
    assert (pinned["would_be"], pinned["because"]) == (3, "pinned")
    kept = await tried(client, incident=numbers[0], rules=[])
    assert (kept["incident"]["would_be"], kept["incident"]["because"]) == (3, "not more important")
    assert [v["title"] for v in kept["verdicts"]] == ["Disk full"]
    assert (await client.post("/priority-rules/try", json={"incident": 99})).status_code == 404


async def incident(conn: Any, now: datetime, pinned: bool) -> int:
    """An open P3 with one firing alert of the team db."""
    given = {"i": ids.new(now), "a": ids.new(now), "o": ids.new(now), "now": now, "pin": '{"by": "ana"}'}
    rows = f"""
        INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict,
            loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences, priority_pin)
        SELECT :i, id, 'x', 'Disk', 'triggered', 3, 3, 1, '{{}}', 'loud', :now, :now, :now, 1, 1,
            {"CAST(:pin AS jsonb)" if pinned else "NULL"} FROM services;
        INSERT INTO alerts (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest,
            labels, annotations, links, starts_at, first_seen_at, last_seen_at)
        SELECT :a, id, 'k{pinned}', 'firing', :o, service_id, 'Disk full', 'critical', 0,
            '{{"team"\\: "db"}}', '{{}}', '[]', :now, :now, :now FROM integrations;
        INSERT INTO occurrences (id, alert_id, incident_id, service_id, starts_at, severity)
        SELECT :o, :a, :i, service_id, :now, 'critical' FROM integrations
    """
    for statement in rows.split(";"):
        await conn.execute(text(statement), {k: v for k, v in given.items() if f":{k}" in statement})
    return (await conn.execute(text("SELECT max(number) FROM incidents"))).scalar_one()
