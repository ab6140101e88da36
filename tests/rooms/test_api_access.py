"""Over HTTP: logging in, sessions, one-time links, API keys, and who may do what."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from api_client import api, as_person
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access import api_keys
from app.access.permissions import PERMISSIONS, ROLES, SCOPES
from app.access.throttle import PER_LOGIN
from app.db.engine import transaction
from app.directory import store
from app.web.api.router import install
from app.web.auth import COOKIE, declared

OWN = {"Origin": "http://tocsin.test"}
PASSWORD = "correct horse battery"


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path) as client:
        install(app_of(client))
        yield client


def app_of(client):
    return client._transport.app


async def browser(client, person="ana") -> httpx.AsyncClient:
    """Somebody who has just set a password by a one-time link, without an API key."""
    as_person(client, "cara")
    link = (await client.post(f"/users/{person}/password-link")).json()["url"]
    del client.headers["Authorization"]
    answer = await client.post("/password", json={"token": link.rsplit("/", 1)[1], "password": PASSWORD}, headers=OWN)
    assert (answer.status_code, answer.json()["key"]) == (200, person)
    return client


async def test_a_one_time_link_leads_to_a_session(client):
    link = (await client.post("/users/ana/password-link")).json()
    assert link["url"].startswith("http://127.0.0.1:8080/password/")
    token = link["url"].rsplit("/", 1)[1]
    del client.headers["Authorization"]
    body = {"token": token, "password": PASSWORD}
    assert (await client.post("/password", json=body, headers={"Origin": "http://evil.test"})).status_code == 403
    short = await client.post("/password", json={"token": token, "password": "short"})
    assert (short.status_code, short.json()["errors"][0]["field"]) == (422, "password")
    assert (await client.post("/password", json=body)).status_code == 200
    assert (await client.get("/users/me")).json()["key"] == "ana"
    again = await client.post("/password", json=body)
    assert (again.status_code, again.json()["code"]) == (404, "link_not_found")


async def test_logging_in_and_out_with_a_cookie(client):
    await browser(client)
    assert (await client.delete("/session", headers={"Origin": "http://evil.test"})).status_code == 403
    assert (await client.get("/users/me")).status_code == 200
    assert (await client.delete("/session", headers=OWN)).status_code == 204
    assert COOKIE not in client.cookies
    assert (await client.get("/users/me")).status_code == 401
    login = {"email": "Ana@example.org", "password": PASSWORD}
    for wrong in ({"password": "wrong"}, {"email": "nobody@example.org"}):
        refused = await client.post("/session", json=login | wrong)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert "set-cookie" not in refused.headers
    assert (await client.post("/session", json=login, headers={"Origin": "http://evil.test"})).status_code == 403
    answer = await client.post("/session", json=login, headers=OWN)
    assert (answer.status_code, answer.json()["key"]) == (200, "ana")
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in (f"{COOKIE}=", "HttpOnly", "SameSite=lax", "Path=/", "Max-Age=1209600"))
    me = await client.put("/users/me", json={"name": "Anna", "time_zone": "Asia/Kathmandu"}, headers=OWN)
    assert (me.status_code, me.json()["name"], me.json()["role"]) == (200, "Anna", "operator")
    assert (await client.put("/users/me", json={"name": "Anna"})).status_code == 403
    assert (await client.put("/users/me", json={"name": "A", "time_zone": "Mars"}, headers=OWN)).status_code == 422


async def test_too_many_failed_logins_answer_429(client):
    del client.headers["Authorization"]
    wrong = {"email": "ana@example.org", "password": "wrong password"}
    statuses = [(await client.post("/session", json=wrong)).status_code for _ in range(PER_LOGIN.failures + 1)]
    assert statuses == [401] * PER_LOGIN.failures + [429]
    answer = await client.post("/session", json=wrong)
    assert answer.json()["code"] == "throttled"
    assert 0 < int(answer.headers["retry-after"]) <= 900


async def test_an_expired_session_is_nobody(client, engine):
    await browser(client)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE sessions SET expires_at = tocsin_now()"))
    assert (await client.get("/users/me")).status_code == 401


async def test_a_session_is_extended_by_use_once_in_a_while(client, engine):
    await browser(client)
    end = text("SELECT expires_at FROM sessions")
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE sessions SET expires_at = expires_at - interval '11 hours'"))
        before = (await conn.execute(end)).scalar_one()
    await client.get("/users/me")
    async with engine.begin() as conn:
        assert (await conn.execute(end)).scalar_one() == before
        await conn.execute(text("UPDATE sessions SET expires_at = expires_at - interval '2 hours'"))
    await client.get("/users/me")
    async with engine.begin() as conn:
        assert (await conn.execute(end)).scalar_one() - before > timedelta(hours=10)


async def test_changing_ones_password_ends_all_sessions(client):
    await browser(client)
    wrong = {"current": "wrong", "new": "another password"}
    refused = await client.put("/users/me/password", json=wrong, headers=OWN)
    assert (refused.status_code, refused.json()["code"]) == (403, "wrong_password")
    right = {"current": PASSWORD, "new": "another password"}
    old = client.cookies[COOKIE]
    assert (await client.put("/users/me/password", json=right, headers=OWN)).status_code == 204
    client.cookies.set(COOKIE, old)
    assert (await client.get("/users/me")).status_code == 401


async def test_an_api_key_is_made_shown_once_used_and_revoked(client):
    wanted = {"key": "ci", "name": "CI", "scopes": ["read", "configure"]}
    made = await client.post("/api-keys", json=wanted, headers={"Idempotency-Key": "1"})
    secret = made.json()["secret"]
    assert made.status_code == 201
    assert made.headers["location"] == "/api/v1/api-keys/ci"
    again = await client.post("/api-keys", json=wanted, headers={"Idempotency-Key": "1"})
    assert (again.status_code, again.json()["secret"]) == (201, None)
    assert secret[-4:] == (await client.get("/api-keys/ci")).json()["hint"]
    assert secret not in (await client.get("/api-keys")).text
    key = {"Authorization": f"Bearer {secret}"}
    assert (await client.get("/teams", headers=key)).status_code == 200
    assert (await client.get("/users/me", headers=key)).status_code == 404
    narrow = await client.post("/users", json=EVE, headers=key)
    assert (narrow.status_code, narrow.json()["scope_needed"]) == (403, "admin")
    assert (await client.delete("/api-keys/ci")).status_code == 204
    assert (await client.get("/teams", headers=key)).status_code == 401
    assert (await client.post("/api-keys", json=wanted | {"scopes": ["all"]})).status_code == 422
    assert (await client.post("/api-keys", json=wanted | {"user": "eve"})).status_code == 422


EVE = {"key": "eve", "name": "Eve", "email": "eve@example.org", "role": "viewer"}


async def test_people_handle_their_own_api_keys_and_admins_all(client):
    as_person(client, "ana")
    for user, status in (("ana", 201), ("ben", 403), (None, 403)):
        wanted = {"key": f"k-{user}".lower(), "name": "K", "scopes": ["read"], "user": user}
        assert (await client.post("/api-keys", json=wanted)).status_code == status
    assert [k["key"] for k in (await client.get("/api-keys")).json()["items"]] == ["ana-key", "k-ana"]
    assert (await client.get("/api-keys/ben-key")).status_code == 403
    assert (await client.delete("/api-keys/ben-key")).status_code == 403
    await browser(client, "cara")
    keys = [k["key"] for k in (await client.get("/api-keys")).json()["items"]]
    assert keys == ["ana-key", "ben-key", "cara-key", "dan-key", "k-ana"]
    assert (await client.delete("/api-keys/k-ana", headers=OWN)).status_code == 204


async def key_for(conn, now, ids, role: str, scope: str) -> dict[str, str]:
    """The header of a key of somebody with this role, and with this scope: both limit it."""
    user_id = ids[{"viewer": "dan", "operator": "ana", "manager": "ben", "admin": "cara"}[role]]
    wanted = {"key": f"{role}-{scope}", "name": "K", "scopes": [scope], "user_id": user_id}
    return {"Authorization": f"Bearer {await api_keys.create(conn, now, actor='cli', **wanted)}"}


async def test_every_route_lets_in_whom_its_permission_lets_in(client, engine):
    """Bodies are empty and things do not exist: whoever is let in gets another answer than 401 or 403."""
    async with transaction(engine) as (conn, now):
        await conn.execute(text("UPDATE users SET role = 'viewer' WHERE key = 'dan'"))
        ids = await store.user_ids(conn, ["ana", "ben", "cara", "dan"])
        keys = {(role, scope): await key_for(conn, now, ids, role, scope) for role in ROLES for scope in SCOPES}
    del client.headers["Authorization"]
    wrong = []
    for method, path, declarations in declared(app_of(client)):
        for wanted in [PERMISSIONS[d.permission] for d in declarations if d.permission]:
            url = re.sub(r"/users/{user}(?=/contact|/notif)", "/users/me", path.removeprefix("/api/v1"))
            url = re.sub(r"{\w*(id|number)}", "1", url)
            url = re.sub(r"{\w+}", "none", url)
            narrower = ROLES[ROLES.index(wanted.role) - 1]
            other = "read" if wanted.scope != "read" else "metrics"
            asked = [(None, 401), (keys[wanted.role, wanted.scope], None), (keys["admin", other], 403)]
            asked += [] if wanted.role == "viewer" else [(keys[narrower, wanted.scope], 403)]
            for headers, expected in asked:
                answer = await client.request(method, url, headers=headers)
                refused = answer.status_code if "permission" in answer.text or answer.status_code == 401 else None
                if refused != expected or answer.status_code >= 500:
                    wrong.append((method, url, wanted, headers and expected, answer.status_code))
    assert wrong == []
