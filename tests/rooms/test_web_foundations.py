"""The ground under every endpoint: problems, transactions, versions, pages, idempotency, own origin."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from pydantic import Field
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from app.access import identify
from app.access.secrets import Secrets
from app.db.engine import transaction
from app.errors import Conflict, Invalid, NotFound
from app.settings import Settings
from app.web import dependencies, problems, versions
from app.web.auth import COOKIE, Caller, needs, permission, public, set_session
from app.web.body_limit import BodyLimit
from app.web.dependencies import Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Body, Instant, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(route_class=Route)
INSERT = text(
    "INSERT INTO teams (key, name, created_at, updated_at) VALUES (:key, 'x', CAST(:now AS timestamptz), :now)"
)


class Thing(Body):
    key: Key
    at: Instant | None = None
    parts: list[int] = Field(default_factory=list)


@router.post("/things", status_code=201, dependencies=[idempotent])
async def make(body: Thing, request: Request, response: Response, tx: Tx, caller: Annotated[Caller, needs("me.read")]):
    await tx.conn.execute(INSERT, {"key": body.key, "now": tx.now})
    shown_once(request, "secret")
    response.headers["Location"] = f"/things/{body.key}"
    return {"key": body.key, "secret": "s3cret", "by": caller.actor}


@router.get("/things", dependencies=[permission("teams.read")])
async def things(tx: Tx, page: Page) -> Listed[str]:
    found = await tx.conn.execute(
        text("SELECT key FROM teams WHERE key > :after ORDER BY key LIMIT :limit"),
        {"after": page.after_text, "limit": page.fetch},
    )
    return page.of(list(found.scalars()), lambda key: key)


@router.put("/things/{key}", dependencies=[public("a test")])
async def put(key: Key, expected: IfMatch) -> None:
    versions.check(expected, 3)


@router.post("/half", dependencies=[public("a test")])
async def half(tx: Tx, how: str, request: Request):
    await tx.conn.execute(INSERT, {"key": "half", "now": tx.now})
    if how == "return":
        return problems.answer(request, Conflict("kept all the same"))
    if how == "bug":
        raise RuntimeError("a secret detail")
    raise {"missing": NotFound("no such thing"), "invalid": Invalid("no", errors=[{"field": "a", "message": "b"}])}[how]


@router.post("/sql", dependencies=[public("a test")])
async def sql(tx: Tx, statement: str) -> None:
    await tx.conn.execute(text(statement))


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.add_middleware(BodyLimit, limit=10_000)
    settings = Settings(data_dir=tmp_path, public_url="https://tocsin.example.org")
    dependencies.install(app, engine=engine, settings=settings, secrets=Secrets.load(settings), channels={})
    problems.install(app)
    app.include_router(router)
    async with transaction(engine) as (conn, now):
        await conn.execute(
            text("""
            WITH u AS (INSERT INTO users (key, name, email, role, created_at, updated_at)
                       VALUES ('ana', 'Ana', 'ana@example.org', 'operator', :now, :now) RETURNING id),
                 k AS (INSERT INTO api_keys (key, name, secret_hash, hint, scopes, created_at)
                       VALUES ('ci', 'CI', :key, 'xxxx', '{read}', :now))
            INSERT INTO sessions (token_hash, user_id, created_at, expires_at)
            SELECT :session, id, :now, CAST(:end AS timestamptz) FROM u"""),
            {
                "now": now,
                "end": now + timedelta(days=1),
                "key": identify.hashed("tocsin_k"),
                "session": identify.hashed("s"),
            },
        )
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.1:8080") as client:
        client.headers["Authorization"] = "Bearer tocsin_k"
        yield client


async def teams(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as conn:
        return list((await conn.execute(text("SELECT key FROM teams ORDER BY key"))).scalars())


def by_cookie(client: httpx.AsyncClient) -> None:
    del client.headers["Authorization"]
    client.headers["Cookie"] = f"{COOKIE}=s"


@pytest.mark.parametrize(
    ("how", "status", "code", "kept"),
    [
        ("missing", 404, "not_found", []),
        ("invalid", 422, "invalid", []),
        ("return", 409, "conflict", ["half"]),
        ("bug", 500, "internal", []),
    ],
)
async def test_errors_are_problems_and_only_returned_ones_commit(client, engine, how, status, code, kept):
    with capture_logs() as logs:
        answer = await client.post("/half", params={"how": how})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document | {"type": f"/problems/{code}", "status": status, "code": code, "instance": "/half"} == document
    assert "secret" not in answer.text
    assert await teams(engine) == kept
    if how == "bug":
        assert [(line["error_id"], line["route"]) for line in logs] == [(document["error_id"], "/half")]
        assert isinstance(logs[0]["exc_info"], RuntimeError)


@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("SELECT 1/0", 422),
        ("INSERT INTO team_members (team_id, user_id, role) VALUES (99, 99, 'member')", 409),
        ("SELECT nonsense", 500),
    ],
)
async def test_what_only_the_database_refuses(client, statement, status):
    with capture_logs() as logs:
        answer = await client.post("/sql", params={"statement": statement})
    assert [line["event"] for line in logs] == (["request_failed"] if status == 500 else [])
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_invalid_requests_name_the_field_and_never_echo_it(client):
    answer = await client.post("/things", json={"key": "Hunter 2!", "parts": [1, "2"], "more": 1, "at": 5})
    assert answer.status_code == 422
    fields = {e["field"] for e in answer.json()["errors"]}
    assert fields == {"key", "parts[1]", "more", "at"}
    assert "Hunter" not in answer.text
    unstorable = await client.post("/things", json={"key": "a\x00"})
    assert unstorable.status_code == 422
    assert "a character that cannot be stored" in unstorable.json()["detail"]
    assert (await client.post("/things", content=b'{"key": "\\ud800"}', headers=JSON)).status_code == 422
    assert (await client.post("/things", json={"key": "a", "at": "2026-11-22T12:00:00"})).status_code == 422


JSON = {"Content-Type": "application/json"}


async def test_malformed_missing_and_oversized_bodies(client):
    for content in (b'{"key": ', b"\xff\xfe", b"[" * 9000):
        answer = await client.post("/things", content=content, headers=JSON)
        assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (await client.post("/things", headers=JSON)).status_code == 422
    assert (await client.post("/things", content=b"key=a")).json()["errors"][0]["message"].startswith("a JSON object")
    big = await client.post("/things", json={"key": "a" * 10_000})
    assert (big.status_code, big.json()["code"]) == (413, "body_too_large")

    async def chunks():
        for _ in range(11):
            yield b" " * 1000

    big = await client.post("/things", content=chunks(), headers=JSON)
    assert (big.status_code, big.json()["code"]) == (413, "body_too_large")
    assert (await client.get("/nowhere")).json()["code"] == "not_found"
    assert (await client.delete("/things")).json()["code"] == "method_not_allowed"


@pytest.mark.parametrize("ends", ["never", "hung up"])
async def test_nothing_is_done_about_a_body_before_it_is_there(ends: str) -> None:
    """Whoever trickles holds no transaction: the application behind is not even called."""
    sent: list[Any] = []

    async def untouched(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("called without a body")

    async def receive() -> Any:
        if not parts:
            await asyncio.Event().wait()
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    parts: list[Any] = [{"type": "http.request", "body": b"a", "more_body": True}]
    if ends == "hung up":
        parts.append({"type": "http.disconnect"})
    scope = {"type": "http", "method": "POST", "path": "/things", "headers": [], "query_string": b""}
    await BodyLimit(untouched, within_s=0.05)(scope, receive, send)
    if ends == "hung up":
        assert sent == []
        return
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "too_slow"


async def test_what_comes_after_the_body_is_heard() -> None:
    """A stream of events learns that its reader is gone."""
    heard: list[str] = []

    async def streams(scope: Any, receive: Any, send: Any) -> None:
        heard.extend([(await receive())["body"].decode(), (await receive())["type"]])

    parts = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.request", "body": b"b"},
             {"type": "http.disconnect"}]  # fmt: skip

    async def receive() -> Any:
        return parts.pop(0)

    scope = {"type": "http", "method": "POST", "path": "/things", "headers": [], "query_string": b""}
    await BodyLimit(streams)(scope, receive, receive)
    assert heard == ["ab", "http.disconnect"]


async def test_nobody_and_a_wrong_key_are_401(client):
    by_cookie(client)
    assert (await client.get("/things")).status_code == 200
    client.headers["Cookie"] = f"{COOKIE}=another"
    answer = await client.get("/things")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    client.headers["Cookie"] = f"{COOKIE}=s"
    answer = await client.get("/things", headers={"Authorization": "Bearer tocsin_wrong"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"Origin": "https://tocsin.example.org"}, 201),
        ({"Origin": "https://tocsin.example.org:443"}, 201),
        ({"Origin": "http://10.0.0.1:8080"}, 201),
        ({"Origin": "http://tocsin.example.org"}, 403),
        ({"Origin": "https://evil.example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://evil.example.org", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_a_session_counts_only_from_our_own_pages(client, headers, status):
    by_cookie(client)
    answer = await client.post("/things", json={"key": "a"}, headers=headers)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "cross_origin"


async def test_if_match(client):
    for sent, status in [(None, 200), ("*", 200), ('"3"', 200), ('"2"', 412), ('W/"3"', 412), ("x" * 50, 412)]:
        answer = await client.put("/things/a", headers={"If-Match": sent} if sent else {})
        assert answer.status_code == status, sent
    assert answer.json()["code"] == "outdated"
    assert answer.json()["current_version"] == 3


async def test_pages_are_stable_while_rows_come_and_go(client, engine):
    for n in range(5):
        await client.post("/things", json={"key": f"t{n}"})
    first = (await client.get("/things", params={"limit": 2})).json()
    assert first["items"] == ["t0", "t1"]
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM teams WHERE key IN ('t0', 't1')"))
    second = (await client.get("/things", params={"limit": 2, "cursor": first["next"]})).json()
    assert second["items"] == ["t2", "t3"]
    third = (await client.get("/things", params={"limit": 2, "cursor": second["next"]})).json()
    assert third == {"items": ["t4"], "next": None}
    for wrong in ({"limit": 0}, {"limit": 201}, {"cursor": "§"}, {"cursor": "WzFd"}, {"cursor": ""}, {"cursor": "a"}):
        assert (await client.get("/things", params=wrong)).status_code == 422, wrong


async def test_a_repeated_create_is_answered_again_and_done_once(client, engine):
    key = {"Idempotency-Key": "k1"}
    first = await client.post("/things", json={"key": "a"}, headers=key)
    again = await client.post("/things", json={"key": "a"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.headers["location"] == "/things/a"
    assert first.json()["secret"] == "s3cret"
    assert again.json() == first.json() | {"secret": None}
    async with engine.connect() as conn:
        body = (await conn.execute(text("SELECT body FROM idempotency_keys"))).scalar_one()
    assert b"s3cret" not in body
    other = await client.post("/things", json={"key": "b"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert await teams(engine) == ["a"]
    assert (await client.post("/things", json={"key": "c"}, headers={"Idempotency-Key": "x" * 256})).status_code == 422


async def test_a_failed_create_keeps_nothing(client, engine):
    key = {"Idempotency-Key": "k1"}
    await client.post("/things", json={"key": "a"})
    assert (await client.post("/things", json={"key": "a"}, headers=key)).status_code == 409
    async with engine.begin() as conn:
        await conn.execute(text("DELETE FROM teams"))
    assert (await client.post("/things", json={"key": "a"}, headers=key)).status_code == 201


async def test_the_answer_is_forgotten_after_a_day(client, engine):
    key = {"Idempotency-Key": "k1"}
    await client.post("/things", json={"key": "a"}, headers=key)
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE idempotency_keys SET created_at = created_at - interval '25 hours'"))
    assert (await client.post("/things", json={"key": "b"}, headers=key)).status_code == 201


async def test_of_equal_creates_at_once_one_is_done(client, engine):
    answers = await asyncio.gather(
        *(client.post("/things", json={"key": "a"}, headers={"Idempotency-Key": "k"}) for _ in range(5))
    )
    statuses = sorted(a.status_code for a in answers)
    fresh = [a for a in answers if a.status_code == 201 and "idempotency-replayed" not in a.headers]
    assert len(fresh) == 1
    assert set(statuses) <= {201, 409}
    assert {a.json()["code"] for a in answers if a.status_code == 409} <= {"request_in_progress"}
    assert await teams(engine) == ["a"]


async def test_a_claimed_key_answers_409_at_once(client, engine):
    async with engine.begin() as conn:
        await conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('tocsin/idempotency/api_key:ci/k', 0))"))
        answer = await client.post("/things", json={"key": "a"}, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (409, "request_in_progress")


async def test_the_database_is_gone(client, tmp_path):
    transport = client._transport
    transport.app.state.engine = dependencies.db.create(f"postgresql:///x?host={tmp_path}", size=1)
    answer = await client.get("/things")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


@pytest.mark.parametrize(("url", "secure"), [("https://a.example", True), ("http://127.0.0.1:8080", False)])
def test_the_cookie_is_not_for_scripts_or_other_sites(tmp_path, url, secure):
    response = Response()
    set_session(response, Settings(data_dir=tmp_path, public_url=url), "token")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie
    assert ("secure" in cookie) is secure
