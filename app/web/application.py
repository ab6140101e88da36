"""The FastAPI application: API, screens, links, health. Intake stands in front of it (intake.py)."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from sqlalchemy.ext.asyncio import AsyncEngine

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.channel import Channel
from app.settings import Settings
from app.web import (
    confirm,
    dependencies,
    devices,
    feeds,
    gateways,
    health,
    mail_http,
    peer,
    ping,
    problems,
    respond,
    routes,
    slack,
    twilio,
)  # fmt: skip
from app.web.screens import refusals, static
from app.web.screens.live import Live

AT_ONCE: Final = (
    health.router, respond.router, confirm.router, twilio.router, gateways.router, mail_http.router, ping.router,
    feeds.router, static.router, devices.router, peer.router, slack.router,
)  # fmt: skip
"""What is there from the first moment (see later.py)."""
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
    """What answers at once; `furnish` adds the rest.

    `wake` is called after a change that makes something due; `receive(conn, requests)` runs requests along the
    road, `replay(conn, quarantined_id)` what was kept."""
    app = FastAPI(title="Tocsin", version="0.1.0", description=DESCRIPTION, docs_url=None, redoc_url=None,
                  openapi_url=None)  # fmt: skip
    dependencies.install(app, engine=engine, settings=settings, secrets=secrets, channels=channels)
    app.state.links = links
    app.state.wake = wake
    app.state.receive = receive
    app.state.replay = replay
    app.state.worker_seen_at = worker_seen_at
    app.state.live = Live(engine)
    problems.install(app)
    refusals.install(app)
    routes.add(app, *AT_ONCE)
    return app


def furnish(app: FastAPI, *, warm: bool = False) -> None:
    """Adds the rest, the API and the screens; `warm`: and analyses all routes, which else happens when they are first
    looked at. Takes a second or two; may run in a thread."""
    from app.web.api import router as api  # noqa: PLC0415  # half of a start, which must not wait for it
    from app.web.dropin import alertmanager  # noqa: PLC0415  # as above
    from app.web.screens import router as screens  # noqa: PLC0415  # as above

    routes.add(app, alertmanager.router, screens.router)
    api.install(app)
    if warm:
        deque(iter_route_contexts(app.routes), maxlen=0)
