"""What machines ask about this process: does it live, is it ready, and its metrics.

None of the three needs a credential to tell whether it works, except `/metrics` where it could be read from elsewhere.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Annotated, Any, Final

import asyncpg
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, metrics
from app.db import engine as db
from app.db import migrate
from app.settings import Settings
from app.web.auth import COOKIE, identify, public
from app.web.dependencies import SettingsGiven, Transaction
from app.web.problems import Unauthenticated

DATABASE_WITHIN_S: Final = 2.0
TICK_WITHIN_S: Final = 30.0
"""A worker ticks every second, a burst may take it some; then it hangs."""

_REVISION: Final = text("SELECT version_num FROM alembic_version")
"""Alembic's own way to ask logs two lines each time."""

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
_NO_STORE: Final = {"Cache-Control": "no-store"}
_bearer = HTTPBearer(auto_error=False, scheme_name="api_key")

router = APIRouter(tags=["health"])


@router.get("/healthz", dependencies=[public("it says only that the process lives")])
async def healthz() -> Response:
    """200 as long as the process answers. Asks nothing of the database: restarting would not repair that."""
    return JSONResponse({"status": "alive"}, headers=_NO_STORE)


@router.get(
    "/readyz",
    dependencies=[public("load balancers ask it, and it holds no secrets")],
    responses={503: {"description": "Not ready; `checks` says what is missing"}},
)
async def readyz(request: Request, settings: SettingsGiven) -> Response:
    """200 when this process can do its work: the database answers, its schema is this version's, the worker ticks."""
    checks = await _database(request.app.state.engine)
    if "worker" in settings.roles:
        checks["worker"] = _worker(request.app.state)
    ready = all(check["ok"] for check in checks.values())
    body = {"status": "ready" if ready else "not_ready", "roles": list(settings.roles), "checks": checks}
    return JSONResponse(body, 200 if ready else 503, headers=_NO_STORE)


@router.get(
    "/metrics",
    include_in_schema=False,
    dependencies=[public("it checks who asks by itself: on loopback it must work without the database")],
)
async def show_metrics(
    request: Request,
    settings: SettingsGiven,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> Response:
    """All metrics. Takes the scope `metrics`, unless Tocsin listens on loopback and no proxy brought the request."""
    if not on_loopback(settings) or any(name in request.headers for name in _FORWARDED):
        async with db.transaction(request.app.state.engine) as (conn, now):
            caller = await identify(request, Transaction(conn, now, frozenset()), bearer, request.cookies.get(COOKIE))
        if caller is None:
            raise Unauthenticated("send an API key with the scope metrics as Authorization: Bearer")
        caller.require("metrics.read")
    content, media_type = metrics.render(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type, **_NO_STORE})


def on_loopback(settings: Settings) -> bool:
    """True when only this host can reach the address Tocsin listens on."""
    host, _ = settings.host_and_port
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _database(engine: AsyncEngine) -> dict[str, dict[str, Any]]:
    """Whether it answers in time, and whether its schema is the one this program knows."""
    started = clock.elapsed()
    try:
        async with asyncio.timeout(DATABASE_WITHIN_S), engine.connect() as conn:
            revision = (await conn.execute(_REVISION)).scalar_one_or_none()
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as e:
        return {"database": {"ok": False, "error": type(e).__name__}}
    newest = migrate.head()
    return {
        "database": {"ok": True, "took_ms": round((clock.elapsed() - started) * 1000, 1)},
        "schema": {"ok": revision == newest, "revision": revision, "newest": newest},
    }


def _worker(state: Any) -> dict[str, Any]:
    """`state.worker_seen_at` gives when the last tick ended, on the monotonic clock in seconds, or None before it."""
    seen_at = getattr(state, "worker_seen_at", None)
    at = seen_at() if seen_at is not None else None
    if at is None:
        return {"ok": False, "error": "it has not ticked yet"}
    ago = clock.elapsed() - at
    return {"ok": ago <= TICK_WITHIN_S, "last_tick_s_ago": round(ago, 1)}
