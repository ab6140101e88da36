"""Message templates through HTTP: tried on real alerts, saved, applied, exported, reset; and read by a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from api_client import api, as_person
from rows import audited
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.db import ids
from app.db.engine import transaction
from app.notifications import texts
from app.notifications.template_cache import InForce, Templates
from app.notifications.template_examples import EXAMPLES
from app.notifications.template_language import Filter, Place, Template
from app.web.api import configuration, message_templates, organisation

INTEGRATION = text("""
    INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
    SELECT 'prom', 'Prometheus', 'alertmanager', s.id, :now, :now FROM services s WHERE s.key = 'checkout'
    RETURNING id, service_id
""")
INCIDENT = text("""
    INSERT INTO incidents (id, service_id, correlation_key, title, state, priority, impact, urgency, verdict, loudness,
                           opened_at, triggered_at, last_occurrence_at, firing, occurrences)
    VALUES (:id, :service, 'k', 'Disk', 'triggered', 2, 2, 2, '{}', 'loud', :now, :now, :now, 1, 1)
""")
ALERT = text("""
    INSERT INTO alerts (id, integration_id, dedup_key, state, occurrence_id, service_id, title, severity, digest,
                        labels, annotations, links, starts_at, first_seen_at, last_seen_at)
    VALUES (:alert, :integration, :title, 'firing', :occurrence, :service, :title, 'error', 0,
            CAST(:labels AS jsonb), '{}', '[]', :now, :now, :now)
""")
OCCURRENCE = text("""
    INSERT INTO occurrences (id, alert_id, incident_id, service_id, starts_at, severity)
    VALUES (:occurrence, :alert, :incident, :service, :now, 'error')
""")


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    routers = (message_templates.router, configuration.router, organisation.router)
    async with api(engine, tmp_path, *routers) as client:
        async with transaction(engine) as (conn, now):
            await conn.execute(
                text(
                    "INSERT INTO organisation (id, name, time_zone, created_at, updated_at)"
                    " VALUES (1, 'Example', 'UTC', :now, :now) ON CONFLICT DO NOTHING"
                ),
                {"now": now},
            )
        yield client


def test_a_rendering_that_goes_wrong_leaves_tocsins_own_words() -> None:
    broken = Template((Place("title", (Filter("of a later version"),), 0),))
    row = SimpleNamespace(
        service_id=1, channel="sms", content={}, incident_id=None, time_zone="UTC", address="+4915112345678"
    )
    about = EXAMPLES[0].about
    words = texts.page(about, {}, "UTC", about.opened_at, repeated=False)
    with capture_logs() as lines:
        made = InForce({"sms": broken}).worded(words, row, about, about.opened_at, repeated=False)
    assert made == words
    assert [(line["event"], line["parts"]) for line in lines] == [("message_template_failed", ["sms"])]


def codes(lint: dict[str, Any]) -> list[tuple[str, str]]:
    return [(f["level"], f["code"]) for f in lint["findings"]]


async def test_every_part_has_a_default_that_says_so(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/message-templates")).json()
    assert [t["key"] for t in listed["items"]] == [
        "mail-subject", "mail-text", "push-body", "push-title", "sms", "voice"
    ]  # fmt: skip
    assert not any(t["written"] for t in listed["items"])
    one = await client.get("/message-templates/sms")
    assert (one.json()["text"], one.headers["etag"]) == (
        "P{priority} #{number}{repeat} {title}{more} ({service})", '"0"'
    )  # fmt: skip
    first = (await client.get("/message-templates?limit=4")).json()
    rest = (await client.get("/message-templates", params={"limit": 4, "cursor": first["next"]})).json()
    assert ([t["key"] for t in rest["items"]], rest["next"]) == (["sms", "voice"], None)
    for key in ("fax", "sms:nothing", "sms:a b", "sms:"):
        assert (await client.get(f"/message-templates/{key}")).status_code == 404
        assert (await client.put(f"/message-templates/{key}", json={"text": "{title}"})).status_code == 404


async def test_one_is_saved_edited_and_reset(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    saved = await client.put("/message-templates/sms", json={"text": "P{priority} {title}"})
    assert (saved.status_code, saved.headers["etag"], saved.json()["written"]) == (200, '"1"', True)
    assert saved.json()["lint"]["samples"] == saved.json()["lint"]["recorded"] == 10
    own = await client.put(
        "/message-templates/sms:checkout", json={"text": "{service}: {title}"}, headers={"If-Match": '"0"'}
    )
    assert (own.json()["service"], own.json()["part"]) == ("checkout", "sms")
    stale = await client.put("/message-templates/sms", json={"text": "{title}"}, headers={"If-Match": '"0"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "outdated")
    same = await client.put("/message-templates/sms", json={"text": "P{priority} {title}"})
    assert same.headers["etag"] == '"1"'
    edited = await client.put("/message-templates/sms", json={"text": "{title}"}, headers={"If-Match": '"1"'})
    assert (edited.headers["etag"], edited.json()["text"]) == ('"2"', "{title}")
    assert (await client.delete("/message-templates/sms:checkout")).status_code == 204
    assert (await client.get("/message-templates/sms:checkout")).json()["text"] == "{title}"
    stale = await client.delete("/message-templates/sms", headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    assert (await client.delete("/message-templates/sms", headers={"If-Match": '"2"'})).status_code == 204
    assert (await client.delete("/message-templates/sms")).status_code == 404
    assert not (await client.get("/message-templates/sms")).json()["written"]
    async with engine.connect() as conn:
        told = [a for a in await audited(conn) if a[0].startswith("message_template")]
    assert told == [
        ("message_template.created", "sms"),
        ("message_template.created", "sms:checkout"),
        ("message_template.edited", "sms"),
        ("message_template.deleted", "sms:checkout"),
        ("message_template.deleted", "sms"),
    ]


async def test_what_the_lint_refuses_is_not_saved(client: httpx.AsyncClient) -> None:
    refused = await client.put("/message-templates/voice", json={"text": "{title} {nothing}"})
    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"] == "text"
    assert error["message"].startswith("line 1, column 10: there is no {nothing} here")
    for text_ in ("{title} {labels.api_token}", "{title} {link}", "", "   "):
        assert (await client.put("/message-templates/voice", json={"text": text_})).status_code == 422
    assert not (await client.get("/message-templates/voice")).json()["written"]


async def test_a_try_tells_errors_too_and_stores_nothing(client: httpx.AsyncClient) -> None:
    tried = await client.post("/message-templates/try", json={"key": "sms", "text": "{title} {code}"})
    assert (tried.status_code, codes(tried.json())) == (200, [("error", "syntax")])
    tried = await client.post("/message-templates/try", json={"key": "sms", "text": "{title} {labels.host}"})
    assert ("warning", "absent") in codes(tried.json())
    assert len(tried.json()["longest"]) == 3
    assert not (await client.get("/message-templates/sms")).json()["written"]
    wrong = await client.post("/message-templates/try", json={"key": "fax", "text": "x"})
    assert [e["field"] for e in wrong.json()["errors"]] == ["key"]
    assert (await client.post("/message-templates/try", json={"key": "sms:no", "text": "x"})).status_code == 404


async def test_only_admins_write(client: httpx.AsyncClient) -> None:
    as_person(client, "ben")
    assert (await client.get("/message-templates/sms")).status_code == 200
    assert (await client.put("/message-templates/sms", json={"text": "{title}"})).status_code == 403
    assert (await client.post("/message-templates/try", json={"key": "sms", "text": "{title}"})).status_code == 403
    assert (await client.delete("/message-templates/sms")).status_code == 403


async def test_it_is_judged_on_the_alerts_that_there_were(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    await _alerts(engine, 30)
    tried = await client.post("/message-templates/try", json={"key": "sms", "text": "{title} {labels.team}"})
    told = tried.json()
    assert (told["samples"], told["recorded"]) == (30, 0)
    assert [f["message"] for f in told["findings"]] == ["{labels.team} is empty in 20 of 30 alerts, such as “Disk 29”"]
    assert told["longest"][0]["text"].startswith("Disk 2")
    own = (await client.post("/message-templates/try", json={"key": "sms:checkout", "text": "{title}"})).json()
    assert own["samples"] == 30
    await client.put("/message-templates/sms", json={"text": '{title} {labels.team|default "nobody"}'})
    shown = (
        await client.post("/message-templates/try", json={"key": "sms", "text": "{labels.team|upper} {title}"})
    ).json()
    assert shown["longest"][0]["text"].startswith("PAYMENTS Disk")


async def test_links_are_refused_where_numbers_refuse_them(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with transaction(engine) as (conn, now):
        await conn.execute(
            text(
                "INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)"
                " SELECT u.id, 'sms', '+8613800138000', :now, :now, :now FROM users u WHERE u.key = 'ana'"
            ),
            {"now": now},
        )
    refused = await client.put("/message-templates/sms", json={"text": "{title} http://wiki/"})
    assert "China" in refused.json()["errors"][0]["message"]


async def test_the_organisation_says_what_it_does_not_send(client: httpx.AsyncClient) -> None:
    now = (await client.get("/organisation")).json()
    assert "labels.*token" in now["banned_in_messages"]
    edit = {"name": "Example", "time_zone": "UTC", "banned_in_messages": ["labels.customer*"]}
    assert (await client.put("/organisation", json=edit)).json()["banned_in_messages"] == ["labels.customer*"]
    refused = await client.put("/message-templates/sms", json={"text": "{title} {labels.customer_name}"})
    assert "labels.customer*" in refused.json()["errors"][0]["message"]
    assert (await client.put("/message-templates/sms", json={"text": "{title} {labels.token}"})).status_code == 200
    for pattern in ("*", "a b", "x", "{labels}"):
        wrong = await client.put("/organisation", json=edit | {"banned_in_messages": [pattern]})
        assert (wrong.status_code, pattern) == (422, pattern)


async def test_apply_and_export_carry_them(client: httpx.AsyncClient) -> None:
    await client.put("/message-templates/sms", json={"text": "{title}"})
    document = (await client.get("/configuration/export")).json()
    assert document["message_templates"] == [{"key": "sms", "text": "{title}"}]
    wanted = {
        "format": 1,
        "message_templates": [{"key": "sms:checkout", "text": "{number} {title}"}, {"key": "voice", "text": "{title}"}],
    }
    done = await client.post("/configuration/apply?prune=true", json=wanted)
    assert done.status_code == 200, done.text
    listed = (await client.get("/message-templates")).json()["items"]
    assert {t["key"]: t["text"] for t in listed if t["written"]} == {
        "sms:checkout": "{number} {title}", "voice": "{title}"
    }  # fmt: skip
    for entry, field in (
        ({"key": "sms", "text": "{nothing}"}, "message_templates[0].text"),
        ({"key": "sms:nowhere", "text": "{title}"}, "message_templates[0].key"),
        ({"key": "fax", "text": "{title}"}, "message_templates[0].key"),
    ):
        refused = await client.post("/configuration/apply", json={"format": 1, "message_templates": [entry]})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)


async def test_a_worker_reads_them_once_for_each_version_of_the_configuration(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    asked: list[str] = []
    templates = Templates()

    def note(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    async def looks() -> int:
        async with transaction(engine) as (conn, _):
            version = (await conn.execute(text("SELECT version FROM configuration_version"))).scalar_one()
            row = SimpleNamespace(
                configuration_version=version, service_id=1, channel="sms", purpose="page", incident_id=None
            )
            asked.clear()
            found = await templates.of(conn, [row, row])
            return len(found.of_all)

    event.listen(engine.sync_engine, "before_cursor_execute", note)
    assert (await looks(), len(asked)) == (0, 1)
    assert (await looks(), len(asked)) == (0, 0)
    await client.put("/message-templates/sms", json={"text": "{title}"})
    assert (await looks(), len(asked)) == (1, 1)
    assert (await looks(), len(asked)) == (1, 0)


async def _alerts(engine: AsyncEngine, many: int) -> None:
    """Every third has the label `team`."""
    async with transaction(engine) as (conn, now):
        integration = (await conn.execute(INTEGRATION, {"now": now})).one()
        incident = ids.new(now)
        await conn.execute(INCIDENT, {"id": incident, "service": integration.service_id, "now": now})
        for n in range(many):
            labels = "{}" if n % 3 else '{"team": "payments"}'
            made = {"alert": ids.new(now), "occurrence": ids.new(now), "service": integration.service_id, "now": now}
            said = {"integration": integration.id, "title": f"Disk {n:02}", "labels": labels}
            await conn.execute(ALERT, made | said)
            await conn.execute(OCCURRENCE, made | {"incident": incident})
