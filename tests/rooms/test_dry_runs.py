"""What would happen if a payload arrived at some time: the road on shadow tables, and nothing stays."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from bodies import body_of
from databases import TestServer
from typer.testing import CliRunner
from whole import Whole, shared

from app.cli import dry_run as cli

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """With mail configured: nothing is ever sent there."""
    mail = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "tocsin@example.org"}
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **mail) as running:
        yield running


COUNTS = """
    SELECT (SELECT count(*) FROM receipts), (SELECT count(*) FROM alerts), (SELECT count(*) FROM incidents),
           (SELECT count(*) FROM ladders), (SELECT count(*) FROM notifications), (SELECT count(*) FROM clock_control),
           (SELECT count(*) FROM round_robin_turns), (SELECT version FROM configuration_version)
"""
POLICY = {
    "key": "night",
    "name": "Night",
    "steps": [
        {"delay_s": 300, "targets": [{"type": "user", "key": "ana"}], "when": {"support_hours": "inside"}},
        {"delay_s": 600, "targets": [{"type": "user", "key": "ana"}, {"type": "user", "key": "ben"}],
         "whom": "round_robin"},
    ],
}  # fmt: skip


async def furnish(house: Whole) -> None:
    """Checkout is worked on from 9 to 17; Ana and Ben can be mailed, and so can the last resort, Cara."""
    await house.execute("DELETE FROM contact_methods")
    await house.execute(
        """INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
           SELECT id, 'mail', key || '@example.org', tocsin_now(), tocsin_now(), tocsin_now() FROM users"""
    )
    admin = house.as_person("cara")
    await house.execute("DELETE FROM escalation_policies")
    made = await house.http.post("/api/v1/policies", json=POLICY, headers=admin)
    assert made.is_success, made.text
    last = {"targets": [{"type": "user", "key": "cara"}]}
    assert (await house.http.put("/api/v1/last-resort", json=last, headers=admin)).is_success
    days = ["mon", "tue", "wed", "thu", "fri"]
    hours = {"time_zone": "Europe/Berlin", "spans": [{"days": days, "from": "09:00", "to": "17:00"}]}
    body = {"name": "Checkout", "team": "payments", "policy": "night", "criticality": 1, "support_hours": hours}
    assert (await house.http.put("/api/v1/services/checkout", json=body, headers=admin)).is_success


async def tried(house: Whole, status: int = 200, **body: Any) -> dict[str, Any]:
    given = {"integration": "checkout-alertmanager", "payload": body_of("alertmanager", "HighErrorRate")} | body
    answer = await house.http.post("/api/v1/dry-runs", json=given, headers=house.as_person("ana"))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_every_step_person_and_text_of_a_night_is_told_and_nothing_stays(house: Whole) -> None:
    await furnish(house)
    before = await house.rows(COUNTS)
    told = await tried(house, at="2026-11-01T01:30", hours=1)
    assert await house.rows(COUNTS) == before
    [incident] = told["incidents"]
    assert (incident["service"], incident["policy"]) == ("checkout", "Night")
    assert told["at"] == "2026-11-01T01:30:00Z"
    assert [e["text"] for e in told["happened"] if e["kind"].startswith(("step", "last"))] == [
        "Step 1 is skipped: it is for times inside support hours",
        "Step 2 of round 1: paging Ana",
        "Last resort: paging Cara",
        "Last resort: paging Cara",
    ]
    first = told["messages"][0]
    assert (first["user"], first["channel"], first["address"], first["step"]) == ("ana", "mail", "a…@example.org", 2)
    assert "HighErrorRate" in first["subject"]
    assert "in turn, of 2 who can be reached" in first["why"]
    assert [m["user"] for m in told["messages"]][:2] == ["ana", "cara"]
    assert told["complete"]


async def test_a_local_time_that_clocks_skip_or_show_twice_is_named(house: Whole) -> None:
    await house.execute("UPDATE organisation SET time_zone = 'Europe/Berlin'")
    moved = await tried(house, at="2027-03-28T02:30", hours=1)
    assert (moved["at"], moved["at_taken_as"]) == (
        "2027-03-28T01:00:00Z",
        "2027-03-28 02:30 does not exist in Europe/Berlin, where clocks are put forward then: 03:00 CEST is taken in"
        " its place",
    )
    assert list(cli.lines(moved))[1] == f"! {moved['at_taken_as']}"
    twice = await tried(house, at="2026-10-25T02:30", hours=1)
    assert twice["at"] == "2026-10-25T00:30:00Z"
    assert "the second is 2026-10-25T02:30+01:00" in twice["at_taken_as"]
    assert (await tried(house, at="2026-10-25T02:30:00+01:00", hours=1))["at_taken_as"] == ""
    await house.execute("UPDATE organisation SET time_zone = 'UTC'")


async def test_by_day_it_is_another_story(house: Whole) -> None:
    await furnish(house)
    told = await tried(house, at="2026-11-02T09:30:00Z", hours=1)
    assert "Step 1 of round 1: paging Ana" in [e["text"] for e in told["happened"]]


async def test_what_a_source_would_renew_goes_on_firing(house: Whole) -> None:
    await furnish(house)
    alert = {"labels": {"alertname": "Down"}, "startsAt": "2026-11-01T01:29:00Z", "endsAt": "2026-11-01T01:34:00Z"}
    told = await tried(house, integration="checkout-prometheus", payload=[alert], at="2026-11-01T01:30:00Z", hours=1)
    assert [i["state"] for i in told["incidents"]] == ["triggered"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"integration": "nowhere"}, "integration"),
        ({"at": "tomorrow"}, "at"),
        ({"at": "1999-01-01T00:00"}, "at"),
        ({"hours": 0}, "hours"),
        ({"payload": {"alerts": 3}}, "payload"),
    ],
)
async def test_what_cannot_be_tried_names_the_field(house: Whole, body: dict[str, Any], field: str) -> None:
    refused = await tried(house, 422, **body)
    assert [e["field"] for e in refused["errors"]] == [field]


async def test_the_address_of_a_webhook_is_a_hint(house: Whole) -> None:
    await furnish(house)
    admin = house.as_person("cara")
    hook = {"key": "chat", "name": "Chat", "address": "https://chat.example.org/hooks/x?token=secret"}
    assert (await house.http.post("/api/v1/webhooks", json=hook, headers=admin)).is_success
    steps = [{"delay_s": 300, "targets": [{"type": "webhook", "key": "chat"}, {"type": "user", "key": "ana"}]}]
    answer = await house.http.put("/api/v1/policies/night", json={"name": "Night", "steps": steps}, headers=admin)
    assert answer.is_success, answer.text
    told = await tried(house, hours=1)
    assert {m["address"] for m in told["messages"] if m["channel"] == "webhook"} == {"https://chat.example.org/…"}


async def test_viewers_may_not(house: Whole) -> None:
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    body = {"integration": "checkout-generic", "payload": {}}
    answer = await house.http.post("/api/v1/dry-runs", json=body, headers=house.as_person("dan"))
    assert answer.status_code == 403


async def test_the_terminal_shows_it_in_order_and_in_local_time(house: Whole) -> None:
    await furnish(house)
    shown = list(cli.lines(await tried(house, at="2026-11-01T01:30", hours=1)))
    assert shown[0].startswith("Sun 01 Nov 2026 01:30:00 (UTC), watched until Sun 01 Nov 2026 02:30:00")
    step = shown.index("Sun 01 Nov 2026 01:30:00  Step 2 of round 1: paging Ana")
    assert "-> Ana by mail a…@example.org" in "\n".join(shown[step:])


async def test_the_command_asks_over_http(house: Whole, tmp_path: Path) -> None:
    await furnish(house)
    payload = tmp_path / "alert.json"
    payload.write_text(json.dumps(body_of("alertmanager", "HighErrorRate")))
    asked = ["checkout-alertmanager", "-f", str(payload), "--at", "2026-11-01T01:30", "--url", house.url]
    environment = {"TOCSIN_API_KEY": "tocsin_ana"}
    ran = await asyncio.to_thread(CliRunner().invoke, cli.app, asked, env=environment)
    assert ran.exit_code == 0, ran.output
    assert "Incident “HighErrorRate”: P1, loud, policy “Night”" in ran.output
    assert "Last resort: paging Cara" in ran.output
    wrong = await asyncio.to_thread(CliRunner().invoke, cli.app, ["nowhere", *asked[1:]], env=environment)
    assert wrong.exit_code != 0


async def test_the_command_takes_labels_incidents_and_drafts(house: Whole, tmp_path: Path) -> None:
    await furnish(house)
    draft = tmp_path / "draft.yaml"
    draft.write_text(
        'key: drafted\nname: Drafted\nsteps:\n  - {delay_s: 300, targets: [{type: tier, key: "2"}]}\n'
        "  - {delay_s: 300, targets: [{type: user, key: ben}]}\n"
    )
    labels = ["--label", "alertname=Disk=Full", "--label", "severity=critical"]

    async def ran(*asked: str) -> tuple[int, str]:
        given = [*asked, "--at", "2026-11-01T01:30", "--url", house.url]
        done = await asyncio.to_thread(CliRunner().invoke, cli.app, given, env={"TOCSIN_API_KEY": "tocsin_ana"})
        return done.exit_code, done.output

    code, said = await ran("checkout-alertmanager", *labels, "--policy", str(draft))
    assert code == 0, said
    assert "policy “Drafted”" in said
    assert "Step 1 reached nobody: there is no support tier 2 for service Checkout" in said
    assert "Step 2 of round 1: paging Ben" in said
    for wrong, because in (
        (["checkout-alertmanager"], "give one of -f, --label and --incident"),
        ([*labels, "--incident", "4"], "give one of -f, --label and --incident"),
        (["checkout-alertmanager", "--label", "severity"], "--label severity: name=value is needed"),
        (["checkout-alertmanager", *labels, "--schedule", str(draft)], "schedule.steps"),
        (["--incident", "999999"], "there is no incident 999999"),
    ):
        code, said = await ran(*wrong)
        assert (code, because in said) == (1, True), said
