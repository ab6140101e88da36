"""The FastAPI application: API, screens, links, health. Intake stands in front of it (intake.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.channel import Channel
from app.settings import Settings
from app.web import confirm, dependencies, health, ping, problems, respond
from app.web.api import router as api
from app.web.dropin import alertmanager
from app.web.screens import router as screens

DESCRIPTION = "Alert ingestion and on-call paging. Errors are RFC 9457 problems with stable codes."


def build(
    *,
    engine: AsyncEngine,
    settings: Settings,
    secrets: Secrets,
    channels: Mapping[str, Channel],
    links: Links,
    wake: Callable[[], None],
    receive: Callable[..., Awaitable[Any]],
    replay: Callable[..., Awaitable[Any]],
    worker_seen_at: Callable[[], float | None] | None,
) -> FastAPI:
    """`wake` is called after a change that makes something due; `receive(conn, requests)` runs requests along the
    road, `replay(conn, quarantined_id)` what was kept."""
    app = FastAPI(title="Tocsin", version="0.1.0", description=DESCRIPTION, docs_url=None, redoc_url=None,
                  openapi_url=None)  # fmt: skip
    dependencies.install(app, engine=engine, settings=settings, secrets=secrets, channels=channels)
    app.state.links = links
    app.state.wake = wake
    app.state.receive = receive
    app.state.replay = replay
    app.state.worker_seen_at = worker_seen_at
    problems.install(app)
    # Looked through in this order, and analysed when first looked at: what must answer at once comes before the API.
    app.include_router(health.router)
    app.include_router(respond.router)
    app.include_router(confirm.router)
    app.include_router(ping.router)
    app.include_router(alertmanager.router)
    screens.install(app)
    api.install(app)
    return app


def warm(app: FastAPI) -> None:
    """Analyses all routes, which the first request to the API would have to wait for. May run in a thread."""
    deque(iter_route_contexts(app.routes), maxlen=0)
