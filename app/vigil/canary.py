"""Canaries: once an hour a marked message to each contact method of the user whom TOCSIN_CANARY_USER names, along the
way that pages take: queued, claimed, sent, confirmed. One that does not arrive in time makes a quiet incident.

It is about no incident, pages nobody on call and is in nobody's statistics. It costs one message an hour and contact
method, and there is none unless that setting names somebody.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import watch_metrics
from app.channels.channel import Channel
from app.db.engine import transaction
from app.directory.contacts import UsableMethod
from app.errors import Invalid
from app.heartbeats import own
from app.heartbeats.own import Sign
from app.notifications.telling import tell_by
from app.settings import Settings
from app.vigil import canary_rules, canary_store, round_store
from app.vigil.canary_rules import EVERY, Flight, Verdict

PREFIX: Final = "canary/"
SUBJECT: Final = "CANARY: no alert, nothing to do"
TEXT: Final = "CANARY of Tocsin: it measures whether messages arrive. No alert, nothing to do."

log = structlog.get_logger()


class Canaries:
    """Sends them and looks after them. Any number of workers: each canary is one's."""

    def __init__(self, settings: Settings, engine: AsyncEngine, channels: Mapping[str, Channel]) -> None:
        self._engine = engine
        self._channels = channels
        self._user = settings.canary_user
        self._service = settings.vigil_service
        self._within = timedelta(seconds=settings.canary_within)

    async def close(self) -> None:
        """It keeps nothing open."""

    async def look(self) -> bool:
        """Sends what is due and judges what is under way. True when a worker has something to do."""
        async with transaction(self._engine) as (conn, now):
            methods = [m for m in await canary_store.methods(conn, self._user) if m.channel in self._channels]
            if not methods:
                log.warning("canary_has_no_contact_method", user=self._user)
            news = await self._forget(conn, now, {f"{PREFIX}{m.id}" for m in methods})
        for method in methods:
            async with transaction(self._engine) as (conn, now):
                news = await self._judge(conn, now, method) or news
                news = await self._send(conn, now, method) or news
        return news

    async def _forget(self, conn: AsyncConnection, now: datetime, kept: set[str]) -> bool:
        """Contact methods that are gone: nothing is known of them any more."""
        gone = (await round_store.states(conn, PREFIX)).keys() - kept
        await round_store.forget(conn, gone)
        return any([await own.settle(conn, now, key) for key in sorted(gone)])

    async def _send(self, conn: AsyncConnection, now: datetime, method: Any) -> bool:
        key = f"{PREFIX}{method.id}"
        if await round_store.take(conn, now, key, EVERY) is None:
            return False
        if method.broken:
            words = f"The canary's contact method for {method.channel} is broken: {method.broken_because}"
            await round_store.keep(conn, key, {})
            return await self._tell(conn, now, key, method.channel, Verdict(True, "lost", words))
        named = f"canary:{method.id}:{int(now.timestamp())}"
        await round_store.keep(conn, key, {"notification": named})
        content = {"subject": SUBJECT, "text": TEXT}
        usable = UsableMethod(method.id, method.channel, method.address)
        return await tell_by(conn, now, method.user_id, usable, content, named, purpose="drill") > 0

    async def _judge(self, conn: AsyncConnection, now: datetime, method: Any) -> bool:
        key = f"{PREFIX}{method.id}"
        state = await round_store.lock(conn, key)
        if state is None or "notification" not in state:
            return False
        row = await canary_store.flight(conn, state["notification"])
        if row is None:
            await round_store.keep(conn, key, {})
            return False
        tells = self._channels[method.channel].capability.can_tell_delivery
        flight = Flight(
            row.channel, row.provider or "", row.created_at, row.state, row.because, row.accepted_at, row.finished_at,
            tells,
        )  # fmt: skip
        verdict = canary_rules.judge(flight, now, self._within)
        if verdict.over:
            _measure(flight, verdict)
            await round_store.keep(conn, key, {})
        return await self._tell(conn, now, key, method.channel, verdict)

    async def _tell(self, conn: AsyncConnection, now: datetime, key: str, channel: str, verdict: Verdict) -> bool:
        if verdict.wrong is None:
            return False
        if verdict.wrong == "":
            return await own.settle(conn, now, key)
        sign = Sign(
            key=key,
            wrong=verdict.wrong,
            alertname="CanaryMissing",
            title=verdict.words,
            description=f"{verdict.words}. Pages by {channel} may come as late: see what its provider says of itself. "
            "This resolves by itself when a canary arrives in time.",
            severity="info",
            labels={"channel": channel},
        )
        try:
            return await own.notice(conn, now, sign, self._service)
        except Invalid as e:
            log.error("canary_untold", channel=channel, because=e.message)
            return False


_ENDED: Final[Mapping[str, Literal["arrived", "late"]]] = {"": "arrived", "late": "late"}


def _measure(flight: Flight, verdict: Verdict) -> None:
    wrong = verdict.wrong or ""
    watch_metrics.canary_ended(flight.channel, flight.provider, _ENDED.get(wrong, "lost"))
    if flight.accepted_at is not None:
        took = (flight.accepted_at - flight.made_at).total_seconds()
        watch_metrics.canary_took(flight.channel, flight.provider, "accepted", took)
    if flight.state == "delivered" and verdict.took_s is not None:
        watch_metrics.canary_took(flight.channel, flight.provider, "delivered", verdict.took_s)
