"""Mutual watch: this Tocsin asks its peer every 15 s how it stands, and pages through its own accounts when the peer
cannot be heard, or says that it is late. The peer does the same with us.

What cannot be told apart from here: a peer that is dead, one whose web process is, and a network that is cut between
the two. The words say so. Workers take turns, so that a peer is asked once per installation and judged by one.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock, hours, watch_metrics
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.db.engine import transaction
from app.directory import store as directory
from app.errors import Invalid
from app.heartbeats import own
from app.heartbeats.own import Sign
from app.settings import Settings
from app.vigil import patience, report, round_store
from app.vigil.patience import ASK_EVERY, Judged
from app.vigil.report import Finding

PATH: Final = "/v1/peer"
ROUND: Final = "peer"
ANSWER_WITHIN_S: Final = 10.0

log = structlog.get_logger()


class Peering:
    """Asks one peer. One per worker process; `close` it."""

    def __init__(self, settings: Settings, engine: AsyncEngine) -> None:
        self._engine = engine
        self._url = settings.peer_url + PATH
        self._token = settings.peer_token
        self._service = settings.vigil_service
        self._name = urlsplit(settings.peer_url).hostname or "peer"
        self._http = Http(HostPolicy.of(settings, settings.peer_url), timeout_s=ANSWER_WITHIN_S)

    async def close(self) -> None:
        await self._http.close()

    async def ask(self) -> bool:
        """One question, if it is this process's turn. True when somebody is to be told: wake a worker."""
        async with transaction(self._engine) as (conn, now):
            if await round_store.take(conn, now, ROUND, ASK_EVERY * 0.9) is None:
                return False
        began = clock.elapsed()
        status, body, failed = await self._asked()
        watch_metrics.peer_asked(clock.elapsed() - began)
        async with transaction(self._engine) as (conn, now):
            finding = failed or report.read(status, body, now)
            before = await round_store.lock(conn, ROUND) or {}
            judged = patience.judge(before, finding, now)
            await round_store.keep(conn, ROUND, judged.state)
            news = await self._tell(conn, now, finding, judged)
        watch_metrics.peer_found(finding.kind)
        return news

    async def _asked(self) -> tuple[int, bytes, Finding | None]:
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        try:
            answer = await self._http.request("GET", self._url, headers=headers)
        except Blocked:
            return 0, b"", report.silent("its address is not allowed, or is none")
        except Unreachable as e:
            return 0, b"", report.silent("no connection" if not e.written else "no usable answer in time")
        return answer.status, answer.body, None

    async def _tell(self, conn: AsyncConnection, now: datetime, finding: Finding, judged: Judged) -> bool:
        if not judged.wrong:
            return await own.settle(conn, now, ROUND)
        if judged.held:
            return False
        organisation = await directory.organisation(conn)
        zone = hours.zone(organisation.document.time_zone if organisation is not None else "UTC")
        sign = Sign(
            key=ROUND,
            wrong=finding.kind,
            alertname="PeerUnwell",
            title=f"The other Tocsin, {self._name}, {finding.words}",
            description=_words(finding, f"{hours.local(judged.since, zone):%a %d %b %H:%M} ({zone.key})"),
            severity="critical",
            labels={"peer": self._name},
        )
        try:
            return await own.notice(conn, now, sign, self._service)
        except Invalid as e:
            log.error("peer_unwell_untold", peer=self._name, found=finding.kind, because=e.message)
            return False


def _words(finding: Finding, since: str) -> str:
    begun = f"It {finding.words}; seen since {since}."
    if finding.kind == "silent":
        return (
            f"{begun} It may be down, its web process may be, or the network between the two is cut: from here these "
            "cannot be told apart. If it pages about us at the same time, both live and the network is cut. Until you "
            "know, act as if nobody was paged by it."
        )
    if finding.kind == "refused":
        return f"{begun} Both sides need the same TOCSIN_PEER_TOKEN. Meanwhile nobody watches it from here."
    if finding.kind == "nonsense":
        return f"{begun} It may be another version, or something else that answers at its address."
    if finding.kind == "clock":
        return f"{begun} One of the two databases has a wrong clock: whatever is timed there comes early or late."
    return f"{begun} People who rely on it are paged late or not at all. Its own second path should have said so too."
