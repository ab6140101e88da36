"""Probes and metrics: what a load balancer and Prometheus get, with a database and without."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi import APIRouter, FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, logs, metrics
from app.access import identify
from app.access.secrets import Secrets
from app.db import engine as db_engine
from app.db import migrate
from app.settings import Settings
from app.web import dependencies, health, problems
from app.web.auth import declared, public
from app.web.observed import Observed

ANYWHERE = "0.0.0.0:8080"
LINK = "0123456789abcdefABCDEF"


@asynccontextmanager
async def serving(
    engine: AsyncEngine, directory: Path, *routers: APIRouter, seen_at: Any = None, **given: Any
) -> AsyncIterator[httpx.AsyncClient]:
    settings = Settings(data_dir=directory, **given)
    app = FastAPI()
    dependencies.install(app, engine=engine, settings=settings, secrets=Secrets.load(settings), channels={})
    app.state.worker_seen_at = seen_at
    problems.install(app)
    app.include_router(health.router)
    for router in routers:
        app.include_router(router, prefix="/api/v1")
    transport = httpx.ASGITransport(Observed(app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tocsin.test") as client:
        yield client


@pytest.fixture
async def nothing(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """An engine to a database that is not there."""
    engine = db_engine.create(f"postgresql://nobody@/none?host={tmp_path}", size=1)
    yield engine
    await engine.dispose()


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    structlog.configure(
        processors=[logs._redact_event, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(file=stream),
    )
    yield stream
    structlog.reset_defaults()


async def test_a_process_lives_without_a_database(nothing: AsyncEngine, tmp_path: Path) -> None:
    async with serving(nothing, tmp_path) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_ready_with_database_schema_and_worker(engine: AsyncEngine, tmp_path: Path) -> None:
    async with serving(engine, tmp_path, seen_at=clock.elapsed) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body["status"] == "ready"
    assert body["checks"]["schema"] == {"ok": True, "revision": migrate.head(), "newest": migrate.head()}
    assert body["checks"]["worker"] == {"ok": True, "last_tick_s_ago": 0}


@pytest.mark.parametrize("ago", [None, 31])
async def test_not_ready_with_a_worker_that_does_not_tick(
    ago: float | None, engine: AsyncEngine, tmp_path: Path
) -> None:
    seen_at = None if ago is None else lambda: clock.elapsed() - ago
    async with serving(engine, tmp_path, seen_at=seen_at) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert [name for name, check in answer.json()["checks"].items() if not check["ok"]] == ["worker"]


async def test_a_process_without_the_worker_role_needs_no_tick(engine: AsyncEngine, tmp_path: Path) -> None:
    async with serving(engine, tmp_path, roles=("web",)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 200
    assert "worker" not in answer.json()["checks"]


async def test_not_ready_with_another_schema(engine: AsyncEngine, tmp_path: Path) -> None:
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    async with serving(engine, tmp_path, roles=("web",)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["schema"] == {"ok": False, "revision": "0000", "newest": migrate.head()}


async def test_not_ready_without_a_database_and_no_word_about_where_it_is(nothing: AsyncEngine, tmp_path: Path) -> None:
    async with serving(nothing, tmp_path, roles=("web",)) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"]["ok"] is False
    assert str(tmp_path) not in answer.text
    assert "nobody" not in answer.text


async def test_metrics_on_loopback_need_neither_key_nor_database(nothing: AsyncEngine, tmp_path: Path) -> None:
    metrics.intake_request("generic", 200)
    async with serving(nothing, tmp_path) as client:
        answer = await client.get("/metrics")
        open_metrics = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert 'tocsin_intake_requests_total{source="generic",status="200"}' in answer.text
    assert open_metrics.headers["content-type"].startswith("application/openmetrics-text")
    assert open_metrics.text.endswith("# EOF\n")


@pytest.mark.parametrize(
    ("listen", "headers"),
    [(ANYWHERE, {}), ("127.0.0.1:8080", {"X-Forwarded-For": "203.0.113.7"}), ("[::1]:8080", {"Forwarded": "for=x"})],
)
async def test_metrics_that_can_be_read_from_elsewhere_need_the_scope(
    listen: str, headers: dict[str, str], engine: AsyncEngine, tmp_path: Path
) -> None:
    async with engine.begin() as conn:
        for key, scope in (("prometheus", "metrics"), ("ci", "read")):
            await conn.execute(
                text("""INSERT INTO api_keys (key, name, secret_hash, hint, scopes, created_at)
                        VALUES (:key, :key, :hash, 'x', ARRAY[CAST(:scope AS text)], tocsin_now())"""),
                {"key": key, "hash": identify.hashed(f"tocsin_{key}"), "scope": scope},
            )
    async with serving(engine, tmp_path, listen=listen) as client:
        answers = {}
        for who in ("", "tocsin_ci", "tocsin_wrong", "tocsin_prometheus"):
            authorization = {"Authorization": f"Bearer {who}"} if who else {}
            answers[who] = (await client.get("/metrics", headers=headers | authorization)).status_code
    assert answers == {"": 401, "tocsin_ci": 403, "tocsin_wrong": 401, "tocsin_prometheus": 200}


@pytest.mark.parametrize(
    ("listen", "inside"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("tocsin:1", False),
    ],
)
def test_what_loopback_is(listen: str, inside: bool, tmp_path: Path) -> None:
    assert health.on_loopback(Settings(data_dir=tmp_path, listen=listen)) is inside


def test_every_route_here_says_why_it_is_open() -> None:
    app = FastAPI()
    app.include_router(health.router)
    ours = [d for _, path, d in declared(app) if path in ("/healthz", "/readyz", "/metrics")]
    assert len(ours) == 3
    assert all(d[0].open_because for d in ours)


things = APIRouter(prefix="/things")


@things.get("/{key}", dependencies=[public("a test")])
async def thing(key: str) -> str:
    if key == "bug":
        raise RuntimeError("a bug")
    if key == "teapot":
        raise HTTPException(418)
    return key


@things.get("/live/{key}", dependencies=[public("a test")])
async def live(key: str) -> StreamingResponse:
    return StreamingResponse(iter(["data: x\n\n"]), media_type="text/event-stream")


def _observed(method: str, route: str, status: int) -> float:
    labels = {"method": method, "route": route, "status": str(status)}
    return metrics.REGISTRY.get_sample_value("tocsin_http_request_seconds_count", labels) or 0.0


async def test_requests_are_counted_by_template_and_logged_without_secrets(
    nothing: AsyncEngine, tmp_path: Path, written: io.StringIO
) -> None:
    route = "/api/v1/things/{key}"
    counted = [
        ("GET", route, 200),
        ("GET", route, 418),
        ("GET", route, 500),
        ("GET", "none", 404),
        ("other", "none", 404),
    ]
    before = [_observed(*labels) for labels in counted]
    async with serving(nothing, tmp_path, things) as client:
        for key in ("one", "teapot", "bug"):
            await client.get(f"/api/v1/things/{key}", params={"token": LINK})
        await client.get(f"/l/{LINK}")
        await client.request("BREW", f"/l/{LINK}")
        await client.get("/api/v1/things/live/1")
    assert [_observed(*labels) for labels in counted] == [n + 1 for n in before]
    assert _observed("GET", "/api/v1/things/live/{key}", 200) == 0
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    requests = [(line["path"], line["status"]) for line in lines if line["event"] == "request"]
    assert requests == [
        ("/api/v1/things/one", 200),
        ("/api/v1/things/teapot", 418),
        ("/api/v1/things/bug", 500),
        ("/l/[hidden]", 404),
        ("/l/[hidden]", 404),
        ("/api/v1/things/live/1", 200),
    ]
    assert LINK not in written.getvalue()
