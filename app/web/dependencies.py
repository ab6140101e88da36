"""What endpoints are given: the transaction of the request, and what the application was built with.

The edge commits: `transaction` ends when the endpoint has returned and its answer is rendered, *before* a byte of it is
sent (`scope="function"`), so nobody is told of something that was then rolled back. An endpoint that raises rolls back;
one that must refuse and keep what it wrote returns `problems.answer(...)`. A streaming endpoint (SSE) begins its own
transactions, since this one is over when its stream starts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.access.secrets import Secrets
from app.access.throttle import Throttle
from app.channels.channel import Channel
from app.db import engine as db
from app.settings import Settings
from app.standing import Standings
from app.web.body_limit import BodyLimit


@dataclass(frozen=True, slots=True)
class Transaction:
    """The one transaction of a request and the instant it is at. `channels`: the names of those configured."""

    conn: AsyncConnection
    now: datetime
    channels: frozenset[str]
    _then: list[Callable[[], None]] = field(default_factory=list)

    def after_commit(self, call: Callable[[], None]) -> None:
        """`call` runs once this is committed, before the answer is sent; never when it is rolled back."""
        self._then.append(call)

    def committed(self) -> None:
        """Runs what waited for the commit. Called by whoever committed."""
        for call in self._then:
            call()


def install(
    app: FastAPI, *, engine: AsyncEngine, settings: Settings, secrets: Secrets, channels: Mapping[str, Channel]
) -> None:
    """Hands the application what its endpoints use: `app.state.engine`, `.settings`, `.secrets`, `.channels`; `.wake`
    does nothing until somebody gives it a worker. Bounds every body."""
    app.add_middleware(BodyLimit)
    app.state.engine = engine
    app.state.settings = settings
    app.state.secrets = secrets
    app.state.channels = channels
    app.state.throttle = Throttle()
    app.state.standings = Standings()
    app.state.wake = lambda: None


async def transaction(request: Request) -> AsyncIterator[Transaction]:
    async with db.transaction(request.app.state.engine) as (conn, now):
        tx = Transaction(conn, now, frozenset(request.app.state.channels))
        yield tx
    tx.committed()


def settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.settings)


def secrets(request: Request) -> Secrets:
    return cast(Secrets, request.app.state.secrets)


def channels(request: Request) -> Mapping[str, Channel]:
    return cast(Mapping[str, Channel], request.app.state.channels)


def standings(request: Request) -> Standings:
    return cast(Standings, request.app.state.standings)


def throttle(request: Request) -> Throttle:
    return cast(Throttle, request.app.state.throttle)


Tx = Annotated[Transaction, Depends(transaction, scope="function")]
SettingsGiven = Annotated[Settings, Depends(settings)]
SecretsGiven = Annotated[Secrets, Depends(secrets)]
ChannelsGiven = Annotated[Mapping[str, Channel], Depends(channels)]
StandingsGiven = Annotated[Standings, Depends(standings)]
ThrottleGiven = Annotated[Throttle, Depends(throttle)]
