"""Export, plan and apply: one document for all configuration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from rows import audited
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.channels.mail import MailChannel
from app.channels.twilio_sms import SmsChannel
from app.configuration import commands, document, yaml_text
from app.configuration.commands import Applied
from app.configuration.document import ConfigurationDocument
from app.db import engine as db_engine
from app.db import ids
from app.db.engine import transaction
from app.directory import people, teams
from app.directory.documents import OrganisationEdit, UserDocument
from app.errors import Conflict, Invalid
from app.ingest.adapters import ADAPTERS
from app.settings import Settings
from app.web.api import configuration

SETTINGS = Settings(
    data_dir=Path(),
    smtp_url="smtp://localhost:25",
    mail_from="tocsin@example.org",
    twilio_account_sid="AC00000000000000000000000000000000",
    twilio_auth_token="x",
    twilio_from="+15005550006",
)
CHANNELS = {"sms": SmsChannel(SETTINGS), "mail": MailChannel(SETTINGS)}

TOWN = """
format: 1
organisation: {name: Example Inc, time_zone: Europe/Berlin, catch_all_policy: everybody}
users:
  - key: ana
    name: Ana
    email: ana@example.org
    role: operator
    contact_methods:
      - {channel: sms, address: +49 30 901820, label: work}
      - {channel: mail, address: ana@example.org}
    notification_rules:
      - {loudness: loud, delay_s: 180, channel: mail, address: ana@example.org}
      - {loudness: loud, delay_s: 0, channel: sms, address: +4930901820}
  - key: ben
    name: Ben
    email: ben@example.org
    role: manager
    time_zone: Europe/London
    digest_at: 21:30
    subscriptions: [{service: null, priority_at_least: 1}, {service: checkout, priority_at_least: 3}]
  - {key: cara, name: Cara, email: cara@example.org, role: admin}
  - {key: zoe, name: Zoë, email: zoe@example.org, role: viewer, active: false}
teams:
  - {key: payments, name: Payments, members: [{user: ben, role: manager}, {user: ana}]}
schedules:
  - {key: a-secondary, name: Secondary, time_zone: Europe/Berlin, like: {schedule: primary, turns: 1}}
  - key: primary
    name: Primary
    team: payments
    time_zone: Europe/Berlin
    layers:
      - {name: weekly, unit: week, length: 1, anchor: 2026-03-02T09:00, members: [[ana], [ben]]}
      - name: nights
        unit: day
        length: 1
        anchor: 2026-03-02T17:00
        members: [[cara, ana], []]
        restrictions: [{days: [mon, tue], from: 17:00, to: 09:00}]
        ends_at: 2027-01-01T00:00:00Z
      - name: weekends
        unit: week
        length: 1
        anchor: 2026-03-06T17:00
        handoffs: [{day: mon, at: 08:00}, {day: fri, at: 17:00}]
        members: [[ana], [ben]]
        restrictions: [{from: fri 17:00, to: mon 08:00}]
        mode: add
        uncovered_turns: skip
        time_zone: Europe/London
      - {name: learning, unit: week, length: 1, anchor: 2026-03-02T09:00, members: [[cara]], mode: shadow}
policies:
  - key: everybody
    name: Everybody
    steps:
      - {delay_s: 300, targets: [{type: team, key: payments}, {type: user, key: cara}]}
  - key: checkout
    name: Checkout
    team: payments
    repeats: 2
    steps:
      - {delay_s: 300, targets: [{type: schedule, key: primary}]}
      - {delay_s: 600, targets: [{type: user, key: ben}]}
services:
  - key: checkout
    name: Checkout
    team: payments
    policy: checkout
    criticality: 1
    tags: [revenue, pci]
    acknowledgement_minutes: {P1: 15, P3: 120}
    support_hours: {time_zone: Europe/Berlin, spans: [{days: [fri, mon], from: 09:00, to: 17:00}]}
    runbook_text: |
      Look at the queue.
      Then at the bank.
    rules:
      routing:
        - {key: flaps, name: Short blips, when: '{alertname="Blip"}', then: {hold_minutes: 3, labels: {area: web}}}
      priority:
        - {key: pay, name: Payments, when: 'labels.pay != ""', then: {urgency: 1}}
  - {key: legacy, name: Legacy}
integrations:
  - {key: prom, name: Prometheus, source: alertmanager, service: checkout, ignored_labels: [replica, pod]}
last_resort: [{type: user, key: cara}]
routing_rules:
  - {key: old, name: Old shop, when: '{shop="old"}', then: {service: legacy, note: Only in the old shop}}
  - {key: tests, name: Tests, when: '{environment="test"}', then: {suppress: true}, enabled: false}
correlation_rules:
  - key: cluster
    name: One cluster
    when: labels.cluster != ""
    then: {key: [labels.cluster], across_services: true, threshold: {count: 3, within_minutes: 10}}
priority_rules:
  - {key: pci, name: PCI first, when: '"pci" in service.tags', then: {impact: 1}}
  - {key: night, name: Nights, when: time.hour < 6, then: {urgency: 2, impact: 2}, enabled: false}
priority_matrix: [[1, 1, 2], [2, 3, 4], [3, 4, 5]]
"""


def town(**changes: Any) -> ConfigurationDocument:
    """The town with some sections put in place; None leaves one out."""
    value = {name: part for name, part in (yaml_text.read(TOWN) | changes).items() if part is not None}
    return document.parse(value)


def section(name: str) -> Any:
    return deepcopy(yaml_text.read(TOWN)[name])


async def apply(conn: AsyncConnection, now: datetime, wanted: ConfigurationDocument, **how: Any) -> Applied:
    how = {"prune": False, "actor": "user:cara", "channels": CHANNELS, "sources": ADAPTERS} | how
    return await commands.apply(conn, now, wanted, **how)


def done(applied: Applied) -> list[str]:
    return [f"{c.action} {c.kind} {c.key}" for c in applied.changes]


async def test_export_apply_elsewhere_export_is_equal(engine: AsyncEngine, server: Any) -> None:
    async with transaction(engine) as (here, now):
        await apply(here, now, town())
        first = await commands.export(here)
    written = yaml_text.write(document.plain(first))
    read = document.parse(yaml_text.read(written))
    assert read == first
    url = await server.clone()
    elsewhere = db_engine.create(url, size=1)
    async with transaction(elsewhere) as (there, now):
        await apply(there, now, read)
        second = await commands.export(there)
    await elsewhere.dispose()
    await server.drop(url)
    assert second == first
    assert yaml_text.write(document.plain(second)) == written


async def test_a_second_apply_plans_nothing(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    records = await audited(conn)
    again = await apply(conn, now, town(), prune=True)
    assert (again.changes, again.kept, again.routing_keys) == ([], [], {})
    assert await audited(conn) == records


async def test_what_was_written_is_what_is_there(conn: AsyncConnection, now: datetime) -> None:
    applied = await apply(conn, now, town())
    assert len(applied.routing_keys["prom"]) == 32
    found = document.plain(await commands.export(conn))
    assert found["users"][0]["contact_methods"] == [
        {"channel": "mail", "address": "ana@example.org"},
        {"channel": "sms", "address": "+4930901820", "label": "work"},
    ]
    assert found["schedules"][1]["layers"][1]["restrictions"] == [
        {"days": ["mon", "tue"], "from": "17:00", "to": "09:00"}
    ]
    assert [user.get("digest_at") for user in found["users"]] == [None, "21:30", None, None]
    assert found["services"][0]["runbook_text"] == "Look at the queue.\nThen at the bank.\n"
    assert found["organisation"]["catch_all_policy"] == "everybody"
    assert applied.routing_keys["prom"] not in str(found)
    actions = {action for action, _ in await audited(conn)}
    assert {"user.created", "policy.created", "integration.created", "priority_rules.published"} <= actions


async def test_a_plan_says_what_would_change_and_changes_nothing(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    before, records = await commands.export(conn), await audited(conn)
    services = section("services")
    services[0]["criticality"] = 2
    wanted = town(services=[*services, {"key": "new", "name": "New"}])
    planned = await commands.rehearse(
        conn, now, wanted, prune=False, actor="user:cara", channels=CHANNELS, sources=ADAPTERS
    )
    assert done(planned) == ["edit service checkout", "create service new"]
    assert planned.changes[0].differences == [("criticality", 1, 2)]
    assert await commands.export(conn) == before
    assert await audited(conn) == records
    assert done(await apply(conn, now, wanted, version=planned.version)) == done(planned)
    with pytest.raises(Conflict) as refused:
        await apply(conn, now, wanted, version=planned.version)
    assert refused.value.code == "outdated"


async def test_absent_sections_are_left_alone_even_when_pruning(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    assert (await apply(conn, now, document.parse({}), prune=True)).changes == []
    only_teams = document.parse({"teams": [section("teams")[0] | {"name": "Pay"}]})
    assert done(await apply(conn, now, only_teams, prune=True)) == ["edit team payments"]


async def test_rule_sets_are_planned_as_a_whole(conn: AsyncConnection, now: datetime) -> None:
    made = await apply(conn, now, town())
    assert [(c.kind, c.key) for c in made.changes if "rules" in c.kind][1:] == [
        ("routing_rules", "routing_rules"),
        ("correlation_rules", "correlation_rules"),
        ("priority_rules", "priority_rules"),
        ("routing_rules", "checkout"),
        ("priority_rules", "checkout"),
    ]
    services = section("services")
    services[0]["rules"] = {"routing": services[0]["rules"]["routing"]}
    emptied = await apply(conn, now, town(services=services))
    assert done(emptied) == ["edit priority_rules checkout"]
    [(name, before, after)] = emptied.changes[0].differences
    assert (name, before[0]["key"], after) == ("rules", "pay", [])
    del services[0]["rules"]
    assert (await apply(conn, now, town(services=services), prune=True)).changes == []
    found = document.plain(await commands.export(conn))
    assert [r["key"] for r in found["services"][0]["rules"]["routing"]] == ["flaps"]
    assert found["services"][1]["rules"] == {}


async def test_a_service_that_rules_name_stays_and_takes_its_rules_along_when_it_goes(
    conn: AsyncConnection, now: datetime
) -> None:
    services = section("services")
    services[1]["rules"] = {"correlation": section("correlation_rules")}
    await apply(conn, now, town(services=services))
    [kept] = (await apply(conn, now, town(services=services[:1]), prune=True)).kept
    assert (kept.change.key, kept.because) == ("legacy", "service 'legacy' is still used by routing rule old")
    gone = await apply(conn, now, town(services=services[:1], routing_rules=[]), prune=True)
    assert done(gone) == ["edit routing_rules routing_rules", "delete service legacy"]
    assert ("correlation_rules.removed", "service:legacy") in await audited(conn)
    await apply(conn, now, town(services=[services[0], {"key": "legacy", "name": "Legacy"}], routing_rules=[]))
    assert document.plain(await commands.export(conn))["services"][1]["rules"] == {}


async def test_only_prune_removes(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    wanted = town(
        services=section("services")[:1],
        routing_rules=[],
        policies=section("policies")[1:],
        organisation=section("organisation") | {"catch_all_policy": "checkout"},
        users=[u for u in section("users") if u["key"] != "zoe"],
    )
    assert done(await apply(conn, now, wanted)) == [
        "edit routing_rules routing_rules",
        "edit organisation organisation",
    ]
    assert done(await apply(conn, now, wanted, prune=True)) == ["delete service legacy", "delete policy everybody"]
    assert (await apply(conn, now, wanted, prune=True)).changes == []


async def test_everything_can_be_turned_over_at_once(conn: AsyncConnection, now: datetime) -> None:
    """The only admin, the schedule, the policies, the service: all are replaced, and nothing dangles in between."""
    await apply(conn, now, town())
    policy = {"key": "p", "name": "P", "steps": [{"delay_s": 30, "targets": [{"type": "user", "key": "eve"}]}]}
    wanted = document.parse(
        {
            "organisation": {"name": "New", "time_zone": "UTC", "catch_all_policy": "p"},
            "users": [{"key": "eve", "name": "Eve", "email": "eve@example.org", "role": "admin"}],
            "teams": [],
            "schedules": [],
            "policies": [policy],
            "services": [{"key": "s", "name": "S"}],
            "integrations": [],
            "last_resort": [{"type": "user", "key": "eve"}],
            "routing_rules": [],
        }
    )
    applied = await apply(conn, now, wanted, prune=True)
    assert applied.kept == []
    assert "delete team payments" in done(applied)
    assert done(applied)[-3:] == ["deactivate user ana", "deactivate user ben", "deactivate user cara"]
    found = await commands.export(conn)
    assert {u.key for u in found.users or [] if u.active} == {"eve"}
    assert (found.teams, found.schedules, found.integrations) == ([], [], [])
    assert (await apply(conn, now, wanted, prune=True)).changes == []


async def test_what_is_on_record_is_kept_and_said(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    await conn.execute(
        text("""
            INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict,
                loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences)
            SELECT :i, id, 'x', 'x', 'triggered', 3, 3, 1, '{}', 'loud', :now, :now, :now, 1, 1
            FROM services WHERE key = 'legacy'"""),
        {"i": ids.new(now), "now": now},
    )
    applied = await apply(conn, now, town(services=section("services")[:1], routing_rules=[]), prune=True)
    assert done(applied) == ["edit routing_rules routing_rules"]
    [kept] = applied.kept
    assert (kept.change.key, "incidents" in kept.because) == ("legacy", True)


async def test_errors_name_their_place_in_the_document(conn: AsyncConnection, now: datetime) -> None:
    policies = section("policies")
    policies[0]["steps"][0]["targets"][0]["key"] = "nobody"
    policies[1]["team"] = "nobody"
    with pytest.raises(Invalid) as refused:
        await apply(conn, now, town(policies=policies))
    assert [e["field"] for e in refused.value.errors] == ["policies[0].steps[0].targets[0].key", "policies[1].team"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"last_resort": [{"type": "user", "key": "nobody"}]}, "last_resort[0].key"),
        (
            {"priority_rules": [{"key": "x", "name": "X", "when": "nothing", "then": {"impact": 1}}]},
            "priority_rules[0].when",
        ),
        (
            {"routing_rules": [{"key": "x", "name": "X", "when": "true", "then": {"service": "gone"}}]},
            "routing_rules[0].then.service",
        ),
        (
            {
                "services": [
                    {
                        "key": "checkout",
                        "name": "Checkout",
                        "rules": {
                            "correlation": [{"key": "x", "name": "X", "when": "nothing", "then": {"key": ["title"]}}]
                        },
                    },
                    {"key": "legacy", "name": "Legacy"},
                ]
            },
            "services[0].rules.correlation[0].when",
        ),
        ({"priority_matrix": [[5, 4, 3], [2, 3, 4], [3, 4, 5]]}, "priority_matrix[1][0]"),
        (
            {"integrations": [{"key": "x", "name": "X", "source": "pigeon", "service": "checkout"}]},
            "integrations[0].source",
        ),
        (
            {
                "users": [
                    *section("users")[1:],
                    section("users")[0] | {"contact_methods": [{"channel": "sms", "address": "call me"}]},
                ]
            },
            "users[3].contact_methods[0].address",
        ),
        (
            {
                "users": [
                    section("users")[0] | {"contact_methods": [{"channel": "mail", "address": "a@example.org"}]},
                    *section("users")[1:],
                ]
            },
            "users[0].notification_rules[0]",
        ),
    ],
)
async def test_every_kind_of_error_has_a_place(
    conn: AsyncConnection, now: datetime, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await apply(conn, now, town(**changes))
    assert refused.value.errors[0]["field"] == field


async def test_a_source_never_changes(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    with pytest.raises(Invalid, match="never changes"):
        await apply(conn, now, town(integrations=[section("integrations")[0] | {"source": "grafana"}]))


async def test_numbers_without_links_are_applied_and_exported(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    ana = section("users")[0]
    texted = next(m for m in ana["contact_methods"] if m["channel"] == "sms")
    mailed = next(m for m in ana["contact_methods"] if m["channel"] == "mail")

    def users(*methods: dict[str, Any]) -> dict[str, Any]:
        return town(users=[ana | {"contact_methods": list(methods)}, *section("users")[1:]])

    changed = await apply(conn, now, users(mailed, texted | {"links": False}))
    assert done(changed) == ["edit contact_method ana sms +4930901820"]
    found = document.plain(await commands.export(conn))["users"][0]["contact_methods"]
    assert [m.get("links") for m in found] == [None, False]
    assert (await apply(conn, now, users(mailed, texted | {"links": False}))).changes == []
    with pytest.raises(Invalid, match="only text messages go without links"):
        await apply(conn, now, users(mailed | {"links": False}, texted))


async def test_contact_methods_of_absent_lists_stay(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, town())
    ana = {name: value for name, value in section("users")[0].items() if name in ("key", "name", "email", "role")}
    others = section("users")[1:]
    assert (await apply(conn, now, town(users=[ana, *others]), prune=True)).changes == []
    fewer = ana | {"contact_methods": section("users")[0]["contact_methods"][:1]}
    assert (await apply(conn, now, town(users=[fewer, *others]))).changes == []
    pruned = await apply(conn, now, town(users=[fewer, *others]), prune=True)
    assert done(pruned) == ["delete contact_method ana mail ana@example.org"]
    default_plan = fewer | {"notification_rules": []}
    assert done(await apply(conn, now, town(users=[default_plan, *others]))) == ["edit notification_rules ana"]


async def test_an_installation_that_began_with_init_takes_the_town(conn: AsyncConnection, now: datetime) -> None:
    admin = UserDocument(key="root", name="Root", email="root@example.org", role="admin")
    await people.create_user(conn, now, admin, actor="cli")
    await teams.create_organisation(conn, now, OrganisationEdit(name="Mine", time_zone="UTC"), actor="cli")
    applied = await apply(conn, now, town(), prune=True)
    assert done(applied)[-1] == "deactivate user root"
    assert "edit organisation organisation" in done(applied)


def test_a_key_is_named_once() -> None:
    with pytest.raises(Invalid, match="services: named twice: checkout") as refused:
        town(services=section("services")[:1] * 2)
    assert [e["field"] for e in refused.value.errors] == ["services"]
    with pytest.raises(Invalid, match="last_resort: user cara is named twice"):
        town(last_resort=[{"type": "user", "key": "cara"}] * 2)


def test_the_shipped_schema_is_the_one_that_is_served() -> None:
    shipped = Path(__file__).parents[2] / "docs" / "configuration.schema.json"
    assert httpx.Response(200, text=shipped.read_text()).json() == document.schema()


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, configuration.router, settings=SETTINGS, channels=CHANNELS) as client:
        yield client


async def test_over_http(client: httpx.AsyncClient) -> None:
    wanted = document.plain(town())
    planned = await client.post("/configuration/plan", json=wanted)
    assert planned.status_code == 200, planned.text
    changes = [(c["action"], c["kind"], c["key"]) for c in planned.json()["changes"]]
    assert ("create", "policy", "checkout") in changes
    head = {"If-Match": planned.headers["etag"], "Idempotency-Key": "1"}
    applied = await client.post("/configuration/apply", json=wanted, headers=head)
    assert applied.status_code == 200, applied.text
    assert applied.json()["changes"] == planned.json()["changes"]
    assert len(applied.json()["routing_keys"]["prom"]) == 32
    replayed = await client.post("/configuration/apply", json=wanted, headers=head)
    assert replayed.json()["routing_keys"] is None
    outdated = await client.post("/configuration/apply", json=wanted, headers={"If-Match": head["If-Match"]})
    assert outdated.status_code == 412
    exported = (await client.get("/configuration/export")).json()
    assert exported["schedules"] == wanted["schedules"]
    assert (await client.post("/configuration/plan", json=exported)).json()["changes"] == []
    wrong = await client.post("/configuration/apply", json={"services": [{"key": "x", "name": "X", "team": "nobody"}]})
    assert [e["field"] for e in wrong.json()["errors"]] == ["services[0].team"]
    assert (await client.get("/configuration/schema")).json() == document.schema()


async def test_only_admins_may(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    for method, path in (("POST", "plan"), ("POST", "apply"), ("GET", "export")):
        assert (await client.request(method, f"/configuration/{path}", json={})).status_code == 403
