"""What a draft of a rule set would have done: the road itself on shadow tables, and nothing stays."""

from __future__ import annotations

from typing import Any

import pytest
from bodies import body_of, labels
from sqlalchemy import text
from whole import Whole

from app.db.engine import transaction
from app.errors import Conflict, Invalid
from app.priority.assign import PRIORITY_RULES
from app.rehearsal import aside, simulation
from app.rehearsal.simulation import Draft

pytestmark = pytest.mark.asyncio(loop_scope="module")

LOUD = [{"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1, "urgency": 1}}]
QUIET = [{"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 3, "urgency": 3}}]
COUNTS = """
    SELECT (SELECT count(*) FROM receipts), (SELECT count(*) FROM events), (SELECT count(*) FROM alerts),
           (SELECT count(*) FROM incidents), (SELECT count(*) FROM ladders), (SELECT count(*) FROM notifications),
           (SELECT count(*) FROM rule_set_versions), (SELECT count(*) FROM clock_control),
           (SELECT version FROM configuration_version)
"""


async def sends(house: Whole, name: str, **more: str) -> None:
    body = body_of("alertmanager", name)
    body["alerts"][0]["labels"] = labels(name, **more)
    body["alerts"][0]["fingerprint"] = f"{name}{sorted(more.items())}"
    assert (await house.post("alertmanager", body)).status_code == 202


async def paged_first(house: Whole, person: str = "ana", zone: str = "UTC") -> None:
    """A policy of checkout with this person, who can be mailed."""
    async with transaction(house.engine) as (conn, now):
        for statement in (
            "UPDATE users SET time_zone = :zone WHERE key = :who",
            """INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
               SELECT id, 'mail', key || '@example.org', :now, :now, :now FROM users WHERE key = :who
               ON CONFLICT DO NOTHING""",
            """INSERT INTO escalation_policies (key, name, repeats, created_at, updated_at)
               VALUES ('sim', 'Sim', 0, :now, :now) ON CONFLICT DO NOTHING""",
            """INSERT INTO escalation_steps (policy_id, position, delay_s)
               SELECT id, 0, 300 FROM escalation_policies WHERE key = 'sim'""",
            """INSERT INTO escalation_targets (step_id, position, user_id)
               SELECT s.id, 0, u.id FROM escalation_steps s, users u WHERE u.key = :who""",
            "UPDATE services SET policy_id = (SELECT id FROM escalation_policies WHERE key = 'sim')",
            "UPDATE configuration_version SET version = version + 1",
        ):
            given = {"now": now, "who": person, "zone": zone}
            await conn.execute(text(statement), {k: v for k, v in given.items() if f":{k}" in statement})


async def simulate(house: Whole, rules: list[dict[str, Any]], status: int = 200, **body: Any) -> dict[str, Any]:
    given = {"kind": "priority", "rules": rules} | body
    answer = await house.http.post("/api/v1/rule-drafts/simulate", json=given, headers=house.as_person("ana"))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_a_payload_under_the_rules_in_force_and_under_the_draft(house: Whole) -> None:
    body = body_of("generic", "Disk full")
    body["labels"]["team"] = "db"
    before = await house.rows(COUNTS)
    found = await simulate(house, LOUD, integration="checkout-generic", payload=body)
    assert (found["events"], found["differing"], found["refused"]) == (1, 1, [])
    assert (found["before"]["by_priority"], found["after"]["by_priority"]) == ({"P2": 1}, {"P1": 1})
    [difference] = found["differences"]
    assert (difference["title"], difference["before"]["incident"]) == ("Disk full", "opened")
    assert any("severity is critical" in because for because in difference["before"]["because"])
    assert any('priority rule "Databases"' in because for because in difference["after"]["because"])
    assert await house.rows(COUNTS) == before, "nothing is stored"


async def test_the_events_of_the_last_days_and_nothing_stays(house: Whole) -> None:
    for name in ("A", "B"):
        await sends(house, name, team="db")
    await sends(house, "C", team="web")
    await sends(house, "C", team="web", pod="2")
    before = await house.rows(COUNTS)
    found = await simulate(house, LOUD, days=1)
    assert found["events"] == 4
    assert found["before"]["by_priority"] == {"P2": 3}
    assert found["after"]["by_priority"] == {"P1": 2, "P2": 1}
    assert (found["before"]["incidents"], found["after"]["incidents"], found["differing"]) == (3, 3, 2)
    assert [d["title"] for d in found["differences"]] == ["A", "B"]
    assert await house.rows(COUNTS) == before
    assert (await simulate(house, [], days=1))["differing"] == 0


async def test_pages_are_counted_by_person(house: Whole) -> None:
    await paged_first(house)
    await sends(house, "A", team="db")
    await sends(house, "B", team="web")
    found = await simulation_with_mail(house, QUIET)
    assert found.before.pages == 2
    [ana] = found.before.by_person
    assert (ana.user, ana.name, ana.pages) == ("ana", "Ana", 2)
    assert await house.one("SELECT count(*) FROM notifications") == 0


async def simulation_with_mail(house: Whole, rules: list[dict[str, Any]]) -> simulation.Simulation:
    """The service of these tests has no channel configured; a simulation only asks for their names."""
    async with transaction(house.engine) as (_, now):
        pass
    return await simulation.simulate(house.engine.url, now, ["mail"], Draft(PRIORITY_RULES, "", rules), 1)


async def test_what_ended_by_silence_ends_when_it_did(house: Whole) -> None:
    await sends(house, "A", team="db")
    await house.execute(
        "UPDATE occurrences SET ended_at = starts_at + interval '400 days', end_kind = 'expired'",
    )
    await house.execute("UPDATE occurrences SET ended_at = (SELECT at + interval '1 millisecond' FROM events)")
    assert (await simulate(house, LOUD, days=1))["events"] == 2


async def test_what_time_does_happens_between_events(house: Whole) -> None:
    """It recovers ten minutes after its end, so it is over for more than fifteen when it fires again: a new incident.
    Were time only looked at when something comes in, it would still be open."""
    body = body_of("alertmanager", "A")
    await house.execute("UPDATE services SET recovery_delay_s = 600")
    await house.execute("UPDATE configuration_version SET version = version + 1")
    for change in (
        {},
        {"status": "resolved", "endsAt": "2026-11-20T11:00:00Z"},
        {"status": "firing", "endsAt": "0001-01-01T00:00:00Z", "startsAt": "2026-11-20T12:00:00Z"},
    ):
        body["alerts"][0] |= change
        assert (await house.post("alertmanager", body)).status_code == 202
    assert await house.one("SELECT count(*) FROM incidents") == 1, "it all came at once"
    for outcome, minutes in (("opened", 40), ("resolved", 39), ("opened", 12)):
        await house.execute(
            f"""UPDATE events SET at = at - interval '{minutes} minutes', outcome = outcome || ' '
                WHERE id = (SELECT id FROM events WHERE outcome = '{outcome}' ORDER BY id LIMIT 1)"""
        )
    found = await simulate(house, [], days=1)
    assert (found["events"], found["before"]["incidents"]) == (3, 2)
    await house.execute("UPDATE services SET recovery_delay_s = 0")


async def test_a_saved_draft_is_simulated(house: Whole) -> None:
    await sends(house, "A", team="db")
    cara = house.as_person("cara")
    body = {"kind": "priority", "service": "checkout", "name": "sim", "rules": LOUD}
    draft = (await house.http.post("/api/v1/rule-drafts", json=body, headers=cara)).json()
    path = f"/api/v1/rule-drafts/{draft['id']}"
    answer = await house.http.post(f"{path}/simulate", json={"days": 1}, headers=cara)
    assert answer.status_code == 200, answer.text
    assert answer.json()["events"] == 1
    await house.http.delete(path, headers=cara)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "days"),
        ({"days": 1, "integration": "checkout-generic", "payload": {}}, "days"),
        ({"payload": {}}, "integration"),
        ({"integration": "nowhere", "payload": {}}, "integration"),
        ({"integration": "checkout-alertmanager", "payload": [1]}, "payload"),
        ({"days": 31}, "days"),
        ({"days": 1, "rules": [LOUD[0] | {"when": "labels.a =="}]}, "rules[0].when"),
    ],
)
async def test_what_cannot_be_simulated_says_why(house: Whole, body: dict[str, Any], field: str) -> None:
    told = await simulate(house, **({"rules": LOUD} | body), status=422)
    assert [e["field"] for e in told["errors"]] == [field]


async def test_too_much_is_refused_honestly(house: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("A", "B"):
        await sends(house, name)
    async with transaction(house.engine) as (_, now):
        pass
    draft = Draft(PRIORITY_RULES, "", LOUD)
    with pytest.raises(Invalid, match="0 of 2 were played in 0 seconds") as late:
        await simulation.simulate(house.engine.url, now, [], draft, 1, given_s=0)
    assert late.value.code == "too_much"
    monkeypatch.setattr(simulation, "MOST_EVENTS", 1)
    told = await simulate(house, LOUD, days=1, status=422)
    assert (told["code"], "more than 1" in told["detail"]) == ("too_much", True)


async def test_one_at_a_time(house: Whole) -> None:
    async with transaction(house.engine) as (_, now):
        pass
    with aside._running, pytest.raises(Conflict) as refused:
        await simulation.simulate(house.engine.url, now, [], Draft(PRIORITY_RULES, "", LOUD), 1)
    assert refused.value.code == "busy"
