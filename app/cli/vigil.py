"""What `tocsin doctor` says about who watches the watchman: heartbeat, peer, canaries, paper."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import registry
from app.channels.hosts import HostPolicy
from app.channels.http import Blocked, Http, Unreachable
from app.cli.findings import Finding, ok, problem, warning
from app.directory import service_store
from app.settings import Settings
from app.vigil import canary_store, files, report
from app.vigil.peering import PATH

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


def of_settings(s: Settings) -> Iterator[Finding]:
    """What can be said without asking anybody. What is not configured is not mentioned."""
    if s.heartbeat_url:
        how = "trouble to /fail" if s.heartbeat_style == "healthchecks" else "silence for trouble"
        yield ok("heartbeat", f"a sign of life every {s.heartbeat_every} s, {how}")
        if _in_clear(s.heartbeat_url):
            yield warning("heartbeat", "its address is a secret, and travels unprotected", "Use https.")
    if s.peer_url and _in_clear(s.peer_url):
        yield warning("peer", "its token travels unprotected", "Use https in TOCSIN_PEER_URL.")
    if s.paper_dir:
        where = Path(s.paper_dir).expanduser()
        if files.is_open(where):
            yield warning(
                "paper", f"{where} can be read by others than its owner", "chmod 700: phone numbers are in it."
            )
        else:
            yield ok("paper", f"written to {where} once an hour")


def _in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme != "https" and parts.hostname not in _LOOPBACK


async def of_content(s: Settings, conn: AsyncConnection) -> AsyncIterator[Finding]:
    """Whether what the settings name is there."""
    if s.vigil_service and not await service_store.services(conn, [s.vigil_service]):
        advice = "Nobody would be paged about the peer or canaries. Correct TOCSIN_VIGIL_SERVICE."
        yield problem("vigil service", f"there is no service {s.vigil_service!r}", advice)
    if not s.canary_user:
        return
    configured = {c.channel for c in registry.capabilities(s) if c.configured}
    methods = [m for m in await canary_store.methods(conn, s.canary_user) if m.channel in configured]
    if not methods:
        advice = "Give that user a verified contact method on each channel that is to be measured."
        yield problem("canaries", f"{s.canary_user!r} is no active user who can be sent one", advice)
    elif broken := [m.channel for m in methods if m.broken]:
        yield problem("canaries", f"broken: {', '.join(broken)}", "Mend and verify these contact methods.")
    else:
        yield ok("canaries", f"one an hour by {', '.join(sorted({m.channel for m in methods}))}")


async def of_peer(s: Settings) -> Finding:
    """Asks the peer once. Its clock is compared with this machine's."""
    http = Http(HostPolicy.of(s, s.peer_url), timeout_s=10)
    try:
        answer = await http.request("GET", s.peer_url + PATH, headers={"Authorization": f"Bearer {s.peer_token}"})
        now = datetime.now(UTC)  # noqa: TID251  # no database is open here; a difference of seconds does not matter
        found = report.read(answer.status, answer.body, now)
    except Blocked:
        found = report.silent("its address is not allowed")
    except Unreachable as e:
        found = report.silent("no usable answer in time" if e.written else "no connection")
    finally:
        await http.close()
    name = urlsplit(s.peer_url).hostname or "peer"
    if not found.kind:
        return ok("peer", f"{name} answers, and is well")
    return problem("peer", f"{name} {found.words}", "docs/operating.md, Two Tocsins that watch each other.")
