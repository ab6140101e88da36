"""Support tiers, who is informed and webhooks on screens, and the dry run with drafts that are not saved."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import pytest
import pytest_asyncio
from bodies import body_of
from databases import TestServer
from filled import Filled
from forms import get, hidden, send
from sqlalchemy import text
from whole import Whole, shared

from app.rehearsal import shadow_store

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY: dict[str, Any] = {
    "key": "night", "name": "Night", "steps": [{"delay_s": 300, "targets": [{"type": "schedule", "key": "primary"}]}],
}  # fmt: skip
WEEKLY = {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"]]}
SCHEDULE: dict[str, Any] = {"key": "primary", "name": "Primary", "time_zone": "UTC", "layers": [WEEKLY]}
COUNTS = """
    SELECT (SELECT count(*) FROM schedules), (SELECT count(*) FROM schedule_versions),
           (SELECT max(updated_at) FROM schedules), (SELECT max(updated_at) FROM escalation_policies),
           (SELECT count(*) FROM escalation_steps), (SELECT count(*) FROM incidents),
           (SELECT count(*) FROM audit_records)
"""
TRIED = {"what": "labels", "integration": "checkout-alertmanager", "labels": "alertname=DiskFull\nseverity=critical"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lasting(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Whole]:
    """With mail configured: nothing is ever sent there."""
    mail = {"smtp_url": "smtp://127.0.0.1:1", "mail_from": "tocsin@example.org"}
    async with shared(server, tmp_path_factory.mktemp("tocsin"), **mail) as running:
        yield running


async def furnish(house: Whole) -> None:
    """Checkout pages Ana by a schedule; everybody can be mailed."""
    await house.execute("DELETE FROM support_tiers")
    await house.execute("DELETE FROM escalation_matrix")
    await house.execute("UPDATE services SET policy_id = NULL")
    await house.execute("DELETE FROM escalation_policies")
    await house.execute("DELETE FROM schedules")
    await house.execute("DELETE FROM webhooks")
    await house.execute("DELETE FROM contact_methods")
    await house.execute(
        """INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
           SELECT id, 'mail', key || '@example.org', tocsin_now(), tocsin_now(), tocsin_now() FROM users"""
    )
    admin = house.as_person("cara")
    for path, body in (("schedules", SCHEDULE), ("policies", POLICY)):
        made = await house.http.post(f"/api/v1/{path}", json=body, headers=admin)
        assert made.status_code == 201, made.text
    service = {"name": "Checkout", "team": "payments", "policy": "night", "criticality": 1}
    assert (await house.http.put("/api/v1/services/checkout", json=service, headers=admin)).is_success


async def tried(house: Whole, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = await house.http.post("/api/v1/dry-runs", json=body, headers=house.as_person("ana"))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def test_support_tiers_are_a_list_of_rows(house: Whole) -> None:
    await furnish(house)
    form = await Filled(house, "/escalation/tiers").open()
    await form.press("add:rows")
    await form.press("save")
    assert form.status == 422
    assert set(form.wrong) == {"rows.0.policy"}
    await form.press("save", rows__0__policy="night")
    assert form.wrong == {"rows.0.owner": "Give a team or a service"}
    await form.press("add:rows", rows__0__owner="team:payments", rows__0__policy="night")
    await form.press("save", rows__1__owner="team:payments", rows__1__policy="night")
    assert "named twice" in form.wrong["rows"]
    await form.press("save", rows__1__owner="service:checkout", rows__1__tier="3")
    assert "Saved." in form.said
    answer = (await house.http.get("/api/v1/support-tiers", headers=house.as_person("ana"))).json()
    assert [(t["team"], t["service"], t["tier"]) for t in answer["tiers"]] == [
        (None, "checkout", 3),
        ("payments", None, 2),
    ]
    stale = await Filled(house, "/escalation/tiers").open()
    await form.press("remove:rows.0")
    await form.press("save")
    await stale.press("remove:rows.1")
    await stale.press("save")
    assert stale.status == 412
    assert "this is how it differs" in stale.said
    assert "team payments , tier 2" in (await Filled(house, "/x", "ana").open("/escalation/tiers")).said
    assert (await send(house, "/escalation/tiers", "ben", press="save")).status_code == 403


async def test_who_is_informed_in_minutes(house: Whole) -> None:
    await furnish(house)
    form = await Filled(house, "/escalation/informed").open()
    await form.press("add:rows")
    first = {"rows.0.policy": "night", "rows.0.first": "15", "rows.0.interval": "1.5", "rows.0.loudness": "loud"}
    await form.press("add:rows", **{name.replace(".", "__"): value for name, value in first.items()})
    await form.press("save", rows__1__priority="2", rows__1__first="soon", rows__1__service="nothing")
    assert set(form.wrong) == {"rows.1.first"}
    await form.press("save", rows__1__first="0.1", rows__1__service="nothing")
    assert "must be 60 or more" in form.wrong["rows.1.first"]
    await form.press("save", rows__1__first="", rows__1__service="nothing")
    assert "There is no service 'nothing'" in form.said
    await form.press("save", rows__1__service="checkout", rows__1__policy="")
    assert "Saved." in form.said, form.wrong
    rows = (await house.http.get("/api/v1/escalation-matrix", headers=house.as_person("ana"))).json()["rows"]
    assert [(r["priority"], r["first_update_s"], r["update_interval_s"]) for r in rows] == [
        (1, 900, 90),
        (2, None, None),
    ]
    await (await Filled(house, "/escalation/informed").open()).press("save")
    assert (
        "P1 : night , loud; first update due after 15 min, then every 1.5 min"
        in (await Filled(house, "/x", "ana").open("/escalation/informed")).said
    )
    assert (await send(house, "/escalation/informed", "ben", press="save")).status_code == 403


async def test_a_webhook_from_its_secret_to_its_end(house: Whole) -> None:
    await furnish(house)
    given = {"name": "Status page", "address": "https://status.example.org/hook/5f3a"}
    path = "/escalation/webhooks"
    for wrong, field in (({"name": ""}, "name"), ({"address": "ftp://x"}, "address"), ({"key": "Not One"}, "key")):
        answer = await send(house, path, "cara", given | wrong)
        assert answer.status_code == 422
        assert f'id="wrong-{field}"' in answer.text
    made = await send(house, path, "cara", given)
    assert made.status_code == 200
    assert "whsec_" in made.text
    listed = await get(house, path)
    assert "whsec_" not in listed
    assert "https://status.example.org/…" in listed
    assert "5f3a" not in listed
    assert (await send(house, path, "cara", given)).status_code == 409
    renewed = (await send(house, f"{path}/status-page/secret")).text
    assert "whsec_" in renewed
    assert "Requests are signed with the one before as well until" in renewed
    assert "Signed with the secret before as well until" in await get(house, path)
    changed = {"name": "Status", "address": "https://two.example.org/other"}
    assert (await send(house, f"{path}/status-page", "cara", changed, version="2")).status_code == 412
    assert (await send(house, f"{path}/status-page", "cara", changed, version="3")).status_code == 303
    wrong_address = changed | {"address": "x"}
    assert (await send(house, f"{path}/status-page", "cara", wrong_address, version="5")).status_code == 422
    tested = await send(house, f"{path}/status-page/test")
    shown = unescape(await get(house, tested.headers["location"]))
    assert "A test is on its way." in shown
    assert '<span class="sending pending">pending</span>' in shown
    [row] = await house.rows("SELECT purpose, channel, address, incident_id FROM notifications")
    assert tuple(row) == ("drill", "webhook", "https://two.example.org/…", None)
    steps = [{"delay_s": 60, "targets": [{"type": "webhook", "key": "status-page"}]}]
    policy = POLICY | {"key": "calls", "steps": steps}
    await house.http.post("/api/v1/policies", json=policy, headers=house.as_person("cara"))
    refused = await send(house, f"{path}/status-page/delete", version="5")
    assert refused.status_code == 409
    assert "policy calls" in unescape(refused.text)
    await house.execute("DELETE FROM escalation_policies WHERE key = 'calls'")
    assert (await send(house, f"{path}/status-page/delete", version="5")).status_code == 303
    for action in ("", "/status-page/test", "/status-page/secret", "/status-page/delete"):
        assert (await send(house, path + action, "ben", given, version="1")).status_code == 403
    assert "read only" in await get(house, path, "ana")


async def test_a_dry_run_of_labels_of_a_payload_and_of_an_incident(house: Whole) -> None:
    await furnish(house)
    said = (await send(house, "/dry-run", "ana", TRIED, at="2026-11-01T01:30")).text
    for words in ("DiskFull", "policy “Night”", "paging Ana", "a…@example.org", "Impact"):
        assert words in unescape(said), words
    await house.post("alertmanager", body_of("alertmanager", "HighErrorRate"))
    number = await house.one("SELECT number FROM incidents")
    assert "does not exist in" not in said
    await house.execute("UPDATE organisation SET time_zone = 'Europe/Berlin'")
    moved = unescape((await send(house, "/dry-run", "ana", TRIED, at="2027-03-28T02:30")).text)
    await house.execute("UPDATE organisation SET time_zone = 'UTC'")
    assert "2027-03-28 02:30 does not exist in Europe/Berlin" in moved
    again = (await send(house, "/dry-run", "ana", {"what": "incident", "incident": f"#{number}"})).text
    assert "paging Ana" in unescape(again)
    payload = {
        "what": "payload",
        "integration": "checkout-generic",
        "payload": json.dumps({"title": "Down", "dedup_key": "x"}),
    }
    assert "paging Ana" in unescape((await send(house, "/dry-run", "ana", payload)).text)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"integration": ""}, "integration"),
        ({"integration": "nowhere"}, "integration"),
        ({"labels": ""}, "labels"),
        ({"labels": "no label"}, "labels"),
        ({"what": "payload", "payload": "{"}, "payload"),
        ({"what": "payload", "payload": ""}, "payload"),
        ({"what": "incident", "incident": "x"}, "incident"),
        ({"what": "incident", "incident": "999999"}, "incident"),
        ({"at": "2000-01-01T00:00"}, "at"),
        ({"hours": "99"}, "hours"),
        ({"hours": "x"}, "hours"),
    ],
)
async def test_what_cannot_be_tried_is_said_beside_its_field(house: Whole, changes: dict[str, str], field: str) -> None:
    await furnish(house)
    answer = await send(house, "/dry-run", "ana", TRIED | changes)
    assert answer.status_code == 422
    assert f'id="wrong-{field}"' in answer.text
    assert (await send(house, "/dry-run", "ana", TRIED | {"schedule": "{"})).status_code == 422


async def test_an_edit_of_a_schedule_is_tried_before_it_is_saved(house: Whole) -> None:
    await furnish(house)
    before = await house.rows(COUNTS)
    form = await Filled(house, "/schedules/primary/edit").open()
    form.pairs = [(n, "ben" if n == "layers.0.turns.0.users[]" and v else v) for n, v in form.pairs]
    await form.press("dry-run")
    assert "With your edit of the schedule Primary , which is not saved." in form.said
    draft = unescape(hidden(form.screen, "schedule"))
    told = unescape((await send(house, "/dry-run", "cara", TRIED | {"schedule": draft})).text)
    assert "paging Ben" in told
    assert "paging Ana" not in told
    assert "With your edit" in told
    assert await house.rows(COUNTS) == before


async def test_drafts_over_the_api_count_from_when_they_take_effect(house: Whole) -> None:
    await furnish(house)
    before = await house.rows(COUNTS)
    given = {"integration": "checkout-generic", "labels": {"alertname": "Down"}, "hours": 1}
    draft = SCHEDULE | {"layers": [WEEKLY | {"members": [["ben"]]}]}
    late = {"schedule": draft, "effective_from": "2026-11-01T12:00:00Z"}
    for at, person in (("2026-11-01T11:00:00Z", "ana"), ("2026-11-01T13:00:00Z", "ben")):
        assert (await tried(house, **given, **late, at=at))["messages"][0]["user"] == person
    policy = POLICY | {"key": "fresh", "name": "Fresh", "steps": [
        {"delay_s": 60, "targets": [{"type": "schedule", "key": "second"}]}
    ]}  # fmt: skip
    both = {"policy": policy, "schedule": draft | {"key": "second"}}
    told = await tried(house, **given, **both)
    assert (told["incidents"][0]["policy"], told["messages"][0]["user"]) == ("Fresh", "ben")
    edited = POLICY | {"steps": [{"delay_s": 60, "targets": [{"type": "user", "key": "dan"}]}]}
    assert (await tried(house, **given, policy=edited))["messages"][0]["user"] == "dan"
    unknown = draft | {"layers": [WEEKLY | {"members": [["zoe"]]}]}
    refused = await tried(house, 422, **given, schedule=unknown)
    assert [e["field"] for e in refused["errors"]] == ["schedule.layers[0].members[0][0]"]
    refused = await tried(house, 422, **given, policy=POLICY | {"hand_over_to": "night"})
    assert [e["field"] for e in refused["errors"]] == ["policy.hand_over_to"]
    assert [e["field"] for e in (await tried(house, 422, integration="checkout-generic"))["errors"]] == ["payload"]
    assert await house.rows(COUNTS) == before


async def test_drafts_are_written_to_copies_in_a_transaction_that_can_write_nothing_else(house: Whole) -> None:
    await furnish(house)
    async with house.engine.connect() as conn:
        now = await house.one("SELECT tocsin_now()")
        await shadow_store.shadow(conn, now)
        await shadow_store.copy_drafted(conn)
        await shadow_store.protect(conn)
        await shadow_store.give_policy(conn, 1, 1)
        own = (await conn.execute(text("SELECT pg_backend_pid()"))).scalar_one()
        locks = await house.rows(
            """SELECT c.relname, l.mode FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
               WHERE c.relname = ANY(CAST(:tables AS text[])) AND c.relpersistence <> 't'
                 AND l.mode <> 'AccessShareLock' AND l.pid = :own""",
            own=own,
            tables=list(shadow_store.DRAFTED),
        )
        assert locks == []
        await conn.rollback()


async def test_viewers_try_nothing(house: Whole) -> None:
    await furnish(house)
    await house.execute("UPDATE users SET role = 'viewer' WHERE key = 'dan'")
    try:
        await get(house, "/dry-run", "dan", 403)
        assert "/dry-run" not in await get(house, "/policies", "dan")
    finally:
        await house.execute("UPDATE users SET role = 'operator' WHERE key = 'dan'")
