"""Over HTTP: organisation, teams, users, contact methods, notification rules, services, integrations, audit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.channels import registry
from app.settings import Settings
from app.web.api.router import install

SEARCH = {"key": "search", "name": "Search", "team": "payments", "tags": ["web"], "criticality": 1}
ENTRANCE = {"key": "am", "name": "Alertmanager", "source": "alertmanager", "service": "checkout"}


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(
        data_dir=tmp_path,
        twilio_account_sid="AC" + "0" * 32,
        twilio_auth_token="0" * 32,
        twilio_from="+15005550006",
        smtp_url="smtp://127.0.0.1:25",
        mail_from="tocsin@example.org",
    )
    channels = registry.channels(settings)
    async with api(engine, tmp_path) as client:
        client._transport.app.state.channels = channels
        install(client._transport.app)
        yield client
    for channel in channels.values():
        await channel.close()


async def test_the_organisation(client, engine):
    missing = await client.get("/organisation")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_initialised")
    async with engine.begin() as conn:
        await conn.execute(
            text("""INSERT INTO organisation (id, name, time_zone, created_at, updated_at)
                    VALUES (1, 'Example', 'UTC', tocsin_now(), tocsin_now())""")
        )
    assert (await client.get("/organisation")).headers["etag"] == '"1"'
    edit = {"name": "Example", "time_zone": "Europe/Berlin"}
    edited = await client.put("/organisation", json=edit, headers={"If-Match": '"1"'})
    assert (edited.status_code, edited.headers["etag"], edited.json()["time_zone"]) == (200, '"2"', "Europe/Berlin")
    assert (await client.put("/organisation", json=edit, headers={"If-Match": '"1"'})).status_code == 412
    as_person(client, "ben")
    assert (await client.put("/organisation", json=edit)).status_code == 403


async def test_a_team_over_its_life(client):
    team = {"key": "web", "name": "Web", "members": [{"user": "ana"}]}
    made = await client.post("/teams", json=team)
    assert (made.status_code, made.headers["location"], made.headers["etag"]) == (201, "/api/v1/teams/web", '"1"')
    assert made.json() | team == made.json() | {"members": [{"user": "ana"}]}
    assert made.json()["members"] == [{"user": "ana", "role": "member"}]
    assert (await client.post("/teams", json=team)).json()["code"] == "key_taken"
    edited = await client.put("/teams/web", json={"name": "The web"}, headers={"If-Match": '"1"'})
    assert (edited.headers["etag"], edited.json()["members"]) == ('"2"', [])
    listed = (await client.get("/teams", params={"limit": 1})).json()
    assert [t["key"] for t in listed["items"]] == ["payments"]
    rest = (await client.get("/teams", params={"cursor": listed["next"]})).json()
    assert ([t["key"] for t in rest["items"]], rest["next"]) == (["web"], None)
    in_use = await client.delete("/teams/payments")
    assert (in_use.status_code, in_use.json()["used_by"]) == (409, [{"type": "service", "key": "checkout"}])
    assert (await client.delete("/teams/web", headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete("/teams/web")).status_code == 204
    assert (await client.get("/teams/web")).status_code == 404


async def test_of_two_edits_of_what_both_saw_one_is_refused(client):
    edits = [client.put("/teams/payments", json={"name": name}, headers={"If-Match": '"1"'}) for name in ("A", "B")]
    answers = await asyncio.gather(*edits)
    assert sorted(a.status_code for a in answers) == [200, 412]


async def test_of_creates_of_one_key_at_once_one_wins(client):
    makes = [client.post("/services", json=SEARCH | {"name": f"S{n}"}) for n in range(4)]
    answers = await asyncio.gather(*makes)
    assert sorted(a.status_code for a in answers) == [201, 409, 409, 409]
    assert {a.json().get("code") for a in answers if a.status_code == 409} == {"key_taken"}


async def test_managers_edit_what_belongs_to_their_teams(client):
    await client.post("/teams", json={"key": "web", "name": "Web"})
    await client.post("/services", json={"key": "site", "name": "Site", "team": "web"})
    as_person(client, "ben")
    assert (await client.post("/services", json=SEARCH)).status_code == 201
    edit = {name: value for name, value in SEARCH.items() if name != "key"}
    assert (await client.put("/services/search", json=edit | {"criticality": 2})).status_code == 200
    integration = await client.post("/integrations", json=ENTRANCE | {"service": "search"})
    assert integration.status_code == 201
    for refused in (
        await client.post("/services", json={"key": "s2", "name": "S", "team": "web"}),
        await client.post("/services", json={"key": "s2", "name": "S"}),
        await client.put("/services/search", json=edit | {"team": "web"}),
        await client.put("/services/search", json=edit | {"team": None}),
        await client.put("/services/site", json={"name": "Mine", "team": "payments"}),
        await client.delete("/services/site"),
        await client.post("/integrations", json=ENTRANCE | {"key": "x", "service": "site"}),
        await client.put("/integrations/am", json={"name": "AM", "service": "site"}),
        await client.put("/teams/web", json={"name": "Mine"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "not_your_team"), refused.request.url
    assert (await client.put("/teams/payments", json={"name": "P", "members": []})).status_code == 200
    assert (await client.delete("/services/search")).status_code == 403  # Ben manages nothing any more


async def test_a_user_over_their_life(client):
    eve = {"key": "eve", "name": "Eve", "email": "eve@example.org", "role": "viewer"}
    made = await client.post("/users", json=eve)
    assert (made.status_code, made.json()["active"]) == (201, True)
    assert "password" not in made.text
    assert (await client.post("/users", json=eve | {"key": "eva"})).json()["code"] == "email_taken"
    assert (await client.post("/users", json=eve | {"key": "me"})).status_code == 422
    edit = {name: value for name, value in eve.items() if name != "key"}
    off = await client.put("/users/eve", json=edit | {"active": False}, headers={"If-Match": '"1"'})
    assert (off.status_code, off.json()["active"]) == (200, False)
    last = await client.put("/users/cara", json={"name": "C", "email": "cara@example.org", "role": "viewer"})
    assert (last.status_code, last.json()["code"]) == (409, "last_admin")
    assert [u["key"] for u in (await client.get("/users")).json()["items"]] == ["ana", "ben", "cara", "dan", "eve"]
    as_person(client, "ana")
    assert (await client.put("/users/ana", json=edit | {"role": "admin"})).status_code == 403
    assert (await client.get("/users/ben")).status_code == 200


async def code_sent(engine: AsyncEngine) -> str:
    async with engine.connect() as conn:
        rows = await conn.execute(text("SELECT content FROM notifications WHERE purpose = 'verification' ORDER BY id"))
        return [row.content["code"] for row in rows][-1]


async def test_a_contact_method_is_added_and_verified(client, engine):
    as_person(client, "ana")
    added = await client.post("/users/me/contact-methods", json={"channel": "sms", "address": "+49 30 901820"})
    assert (added.status_code, added.json()["address"]) == (201, "+4930901820")
    path = added.headers["location"].removeprefix("/api/v1")
    assert path == f"/users/ana/contact-methods/{added.json()['id']}"
    assert (await client.get(path)).json()["verified_at"] is None
    woken: list[str] = []
    client._transport.app.state.wake = lambda: woken.append("worker")
    sent = await client.post(f"{path}/code")
    assert (sent.status_code, woken) == (202, ["worker"])
    too_soon = await client.post(f"{path}/code")
    assert (too_soon.status_code, too_soon.json()["code"], woken) == (429, "throttled", ["worker"])
    code = await code_sent(engine)
    assert code not in sent.text
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    for left in (4, 3):
        refused = await client.post(f"{path}/verify", json={"code": wrong})
        assert (refused.status_code, refused.json()["code"]) == (422, "wrong_code")
        assert refused.json()["tries_left"] == left
    verified = await client.post(f"{path}/verify", json={"code": code})
    assert (verified.status_code, verified.json()["verified_at"] is None) == (200, False)
    moved = await client.put(path, json={"address": "+4930901821"}, headers={"If-Match": verified.headers["etag"]})
    assert moved.json()["verified_at"] is None
    assert (await client.post(f"{path}/verify", json={"code": code})).json()["code"] == "no_code"
    for address in ("030 901820", ""):
        body = {"channel": "sms", "address": address}
        assert (await client.post("/users/me/contact-methods", json=body)).status_code == 422
    assert (await client.delete(path, headers={"If-Match": '"1"'})).status_code == 412
    assert (await client.delete(path)).status_code == 204
    assert (await client.get("/users/me/contact-methods")).json() == {"items": [], "next": None}


async def test_only_texts_go_without_links(client):
    as_person(client, "ana")
    path = "/users/me/contact-methods"
    made = await client.post(path, json={"channel": "sms", "address": "+4930901829", "links": False})
    assert (made.status_code, made.json()["links"]) == (201, False)
    one = f"{path}/{made.json()['id']}"
    kept = await client.put(one, json={"address": "+4930901829", "label": "old phone"})
    assert (kept.json()["links"], kept.json()["label"]) == (False, "old phone")
    assert (await client.put(one, json={"address": "+4930901829", "links": True})).json()["links"] is True
    mail = {"channel": "mail", "address": "links@example.org"}
    refused = await client.post(path, json=mail | {"links": False})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "links")
    assert "only text messages go without links" in refused.json()["errors"][0]["message"]
    mailed = await client.post(path, json=mail | {"links": True})
    assert mailed.json()["links"] is True
    two = f"{path}/{mailed.json()['id']}"
    refused = await client.put(two, json={"address": "links@example.org", "links": False})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "links")
    assert "only text messages go without links" in refused.json()["errors"][0]["message"]
    for method in (one, two):
        assert (await client.delete(method)).status_code == 204


async def test_contact_methods_are_ones_own_or_an_admins_business(client):
    mail = {"channel": "mail", "address": "ana@example.org"}
    added = (await client.post("/users/ana/contact-methods", json=mail)).json()
    as_person(client, "ben")
    assert (await client.get("/users/ana/contact-methods")).status_code == 403
    assert (await client.delete(f"/users/ana/contact-methods/{added['id']}")).status_code == 403
    assert (await client.get(f"/users/me/contact-methods/{added['id']}")).status_code == 404
    assert (await client.get("/users/ana/notification-rules")).status_code == 403
    assert (await client.get(f"/users/me/contact-methods/{2**70}")).status_code == 404


async def test_notification_rules_and_what_they_come_to(client, engine):
    as_person(client, "ana")
    sms = (await client.post("/users/me/contact-methods", json={"channel": "sms", "address": "+4930901820"})).json()[
        "id"
    ]
    mail = (await client.post("/users/me/contact-methods", json={"channel": "mail", "address": "a@example.org"})).json()
    rules = "/users/me/notification-rules"
    assert (await client.get(rules)).json()["in_force"] == []
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE contact_methods SET verified_at = tocsin_now()"))
    default = (await client.get(rules)).json()
    assert (default["rules"], len(default["in_force"])) == ([], 4)
    own = [{"loudness": "loud", "delay_s": 30, "contact_method": mail["id"]}]
    put = await client.put(rules, json={"rules": own}, headers={"If-Match": f'"{default["version"]}"'})
    assert (put.status_code, put.json()["rules"]) == (200, own)
    assert [r for r in put.json()["in_force"] if r["loudness"] == "loud"] == own
    assert (await client.put(rules, json={"rules": []}, headers={"If-Match": '"1"'})).status_code == 412
    twice = await client.put(rules, json={"rules": own + own})
    assert twice.status_code == 422
    unknown = await client.put(rules, json={"rules": [own[0] | {"contact_method": sms + mail["id"]}]})
    assert unknown.json()["errors"][0]["field"] == "rules[0].contact_method"


async def test_a_stakeholder_subscribes(client):
    await client.post("/services", json={"key": "checkout", "name": "Checkout"})
    as_person(client, "ana")
    path = "/users/me/subscriptions"
    assert (await client.get(path)).json()["subscriptions"] == []
    wanted = [{"service": None, "priority_at_least": 1}, {"service": "checkout", "priority_at_least": 3}]
    put = await client.put(path, json={"subscriptions": wanted})
    assert (put.status_code, put.json()["subscriptions"]) == (200, wanted)
    assert (await client.put(path, json={"subscriptions": []}, headers={"If-Match": '"1"'})).status_code == 412
    unknown = await client.put(path, json={"subscriptions": [{"service": "nope"}]})
    assert unknown.json()["errors"][0]["field"] == "subscriptions[0].service"
    assert (await client.put(path, json={"subscriptions": wanted + wanted})).status_code == 422
    assert (await client.put(path, json={"subscriptions": [{"priority_at_least": 6}]})).status_code == 422
    as_person(client, "ben")
    assert (await client.get("/users/ana/subscriptions")).status_code == 403


async def test_an_integration_shows_its_routing_key_once(client, engine):
    made = await client.post("/integrations", json=ENTRANCE, headers={"Idempotency-Key": "i"})
    key = made.json()["routing_key"]
    assert (made.status_code, len(key)) == (201, 32)
    assert (await client.post("/integrations", json=ENTRANCE, headers={"Idempotency-Key": "i"})).json()[
        "routing_key"
    ] is None
    read = await client.get("/integrations/am")
    assert key not in read.text
    assert [k["hint"] for k in read.json()["routing_keys"]] == [key[-4:]]
    rotated = await client.post("/integrations/am/rotate", json={"overlap_h": 1})
    assert rotated.status_code == 201
    assert [k["expires_at"] is None for k in rotated.json()["routing_keys"]] == [True, False]
    assert (await client.post("/integrations/am/rotate", json={"overlap_h": 169})).status_code == 422
    assert (await client.post("/integrations/am/rotate")).status_code == 201, "nothing need be said"
    unknown = await client.post("/integrations", json=ENTRANCE | {"key": "x", "source": "telegraph"})
    assert "known: alertmanager" in unknown.json()["errors"][0]["message"]
    off = await client.put("/integrations/am", json={"name": "AM", "service": "checkout", "enabled": False})
    assert (off.json()["enabled"], off.json()["source"]) == (False, "alertmanager")
    assert (await client.delete("/services/checkout")).json()["used_by"] == [{"type": "integration", "key": "am"}]
    listed = (await client.get("/integrations", params={"service": "checkout"})).json()["items"]
    assert [(i["key"], len(i["routing_keys"])) for i in listed] == [("am", 2)]
    assert (await client.delete("/integrations/am")).status_code == 204
    async with engine.connect() as conn:
        kept = (await conn.execute(text("SELECT to_jsonb(a) FROM audit_records a"))).scalars().all()
        kept += (await conn.execute(text("SELECT convert_from(body, 'UTF8') FROM idempotency_keys"))).scalars().all()
    assert not [row for row in kept if key in json.dumps(row) or rotated.json()["routing_key"] in json.dumps(row)]


async def test_services_are_listed_by_team(client):
    await client.post("/services", json={"key": "aa", "name": "A"})
    await client.post("/services", json=SEARCH)
    of_team = (await client.get("/services", params={"team": "payments"})).json()["items"]
    assert [s["key"] for s in of_team] == ["checkout", "search"]
    assert of_team[1] | SEARCH == of_team[1]
    for wrong in ({"criticality": 4}, {"criticality": "1"}, {"team": "no"}, {"support_hours": {}}, {"nonsense": 1}):
        assert (await client.put("/services/search", json={"name": "x"} | wrong)).status_code == 422


async def test_audit_records_say_who_changed_what(client):
    await client.post("/services", json=SEARCH)
    edit = {name: value for name, value in SEARCH.items() if name != "key"}
    as_person(client, "ben")
    await client.put("/services/search", json=edit | {"name": "Find"})
    assert (await client.get("/audit")).status_code == 403
    as_person(client, "cara")
    found = (await client.get("/audit", params={"entity": "service", "key": "search"})).json()["items"]
    assert [(r["action"], r["actor"]) for r in found] == [
        ("service.edited", "api_key:ben-key"),
        ("service.created", "api_key:cara-key"),
    ]
    assert (found[0]["before"]["name"], found[0]["after"]["name"], found[1]["before"]) == ("Search", "Find", None)
    first = (await client.get("/audit", params={"limit": 1})).json()
    second = (await client.get("/audit", params={"limit": 1, "cursor": first["next"]})).json()
    assert [first["items"][0], second["items"][0]] == found
    assert second["next"] is None
    assert (await client.get("/audit", params={"actor": "api_key:ben-key"})).json()["items"] == found[:1]
    assert (await client.get("/audit", params={"since": "2999-01-01T00:00:00Z"})).json()["items"] == []
    for wrong in ({"cursor": "WzFd"}, {"since": "yesterday"}, {"entity": "\x00"}):
        assert (await client.get("/audit", params=wrong)).status_code == 422, wrong
