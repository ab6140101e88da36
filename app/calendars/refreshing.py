"""Looks after calendars that are due: asks their addresses, reads what they say, keeps it.

A claim, then the question to the outside without a transaction, then what came of it, unless somebody edited the
calendar meanwhile. Whatever goes wrong, what the calendar said last stays, and it is read again as time goes on: paging
depends on nobody's web server. Reading is bounded, and done in a thread: it must not keep anybody waiting.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urljoin

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import metrics
from app.access.sealing import Unsealable, unseal
from app.access.secrets import Secrets
from app.audit import commands as audit
from app.calendars import keeping_store, public_days, store
from app.calendars.documents import fetchable
from app.calendars.keeping_store import KEPT_DAYS, Claimed
from app.calendars.naming import succeeded
from app.calendars.people import Account, People
from app.calendars.recurrence import Unusable
from app.channels.http import Answer, Blocked, Http, Unreachable
from app.db.engine import transaction
from app.directory import service_store

if TYPE_CHECKING:
    from app.calendars.deriving import Derived

AT_ONCE: Final = 50
"""So many calendars are looked after before somebody else has a turn."""
_REDIRECTS: Final = 3
_MOVED: Final = frozenset({301, 302, 303, 307, 308})
_YEARS: Final = (-2, 4)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered. `content` None: the same as before. `error`: why there is none."""

    content: str | None = None
    etag: str = ""
    last_modified: str = ""
    error: str = ""


def label(calendar_id: int) -> str:
    """What the address of a calendar is sealed for."""
    return f"calendar/{calendar_id}"


class Refresher:
    """One for a process. Any number of them on one database."""

    def __init__(self, engine: AsyncEngine, secrets: Secrets, http: Http) -> None:
        self._engine = engine
        self._secrets = secrets
        self._http = http

    async def refresh_due(self) -> int:
        """Looks after everything that is due; how many calendars that were."""
        for done in range(AT_ONCE):
            async with transaction(self._engine) as (conn, now):
                claimed = await keeping_store.claim(conn, now)
            if claimed is None:
                return done
            await self._refresh(claimed)
        return AT_ONCE

    async def close(self) -> None:
        await self._http.close()

    async def _refresh(self, claimed: Claimed) -> None:
        fetched = await self._fetch(claimed) if claimed.source == "address" else None
        async with transaction(self._engine) as (conn, now):
            if not await keeping_store.still(conn, claimed):
                return
            error = await keep(conn, now, claimed, fetched)
            failing = await store.failing(conn)
        unchanged = fetched is not None and fetched.content is None
        metrics.calendar_read("failed" if error else "unchanged" if unchanged else "read", failing)
        if error:
            log.warning("calendar_failed", calendar=claimed.key, error=error)

    async def _fetch(self, claimed: Claimed) -> Fetched:
        if claimed.sealed_address is None:
            return Fetched(error="it has no address yet")
        try:
            address = fetchable(unseal(self._secrets, label(claimed.id), bytes(claimed.sealed_address)))
            answer = await self._ask(address, claimed)
        except Unsealable:
            return Fetched(error="its address was sealed under another secret key: give it again")
        except Blocked as refused:
            return Fetched(error=str(refused))
        except Unreachable as failed:
            return Fetched(error=f"it cannot be read: {failed}")
        if answer.status == 304 and claimed.content is not None:
            return Fetched(None, claimed.etag, claimed.last_modified)
        if answer.status != 200:
            return Fetched(error=f"its server answered {answer.status}")
        text = answer.body.decode("utf-8-sig", errors="replace").replace("\x00", "")
        return Fetched(text, answer.headers.get("etag", "")[:500], answer.headers.get("last-modified", "")[:100])

    async def _ask(self, address: str, claimed: Claimed) -> Answer:
        """Follows a few redirects: the host policy judges each of them."""
        headers = {"Accept": "text/calendar, */*;q=0.1"}
        if claimed.content is not None and claimed.etag:
            headers["If-None-Match"] = claimed.etag
        if claimed.content is not None and claimed.last_modified:
            headers["If-Modified-Since"] = claimed.last_modified
        answer = await self._http.request("GET", address, headers=headers)
        for _ in range(_REDIRECTS):
            if answer.status not in _MOVED or not (location := answer.headers.get("location")):
                break
            address = urljoin(address, location)
            answer = await self._http.request("GET", address, headers=headers)
        return answer


async def keep(conn: AsyncConnection, now: datetime, claimed: Claimed, fetched: Fetched | None = None) -> str:
    """Reads what a calendar says and keeps it; the error, empty when there is none. `fetched`: of its address."""
    error, good = fetched.error if fetched else "", claimed
    if fetched is not None and not error:
        content = claimed.content if fetched.content is None else fetched.content
        good = replace(claimed, content=content, etag=fetched.etag, last_modified=fetched.last_modified)
    people = People.of([Account(*row) for row in await store.accounts(conn)], claimed.people)
    derived, wrong = await asyncio.to_thread(_derive, good, people, now)
    if derived is None and good.content != claimed.content:
        derived, _ = await asyncio.to_thread(_derive, claimed, people, now)  # the last good copy
    if derived is not None:
        await _replace(conn, now, claimed, derived)
    unknown, problems = (derived.unknown, derived.problems) if derived else ((), ())
    if error := error or wrong:
        await keeping_store.failed(conn, now, claimed.id, error[:500], unknown, problems)
    else:
        kept = good.content, good.etag, good.last_modified
        await keeping_store.was_read(conn, now, claimed.id, *kept, unknown, problems)
    return error


def _derive(claimed: Claimed, people: People, now: datetime) -> tuple[Derived | None, str]:
    """What it says, and what is wrong with it. Runs in a thread."""
    from app.calendars import deriving  # noqa: PLC0415  # loads icalendar: half a second, when a calendar is read

    try:
        if claimed.source == "country":
            years = range(now.year + _YEARS[0], now.year + _YEARS[1])
            return deriving.Derived(days=public_days.days(claimed.country or "", claimed.subdivision, years)), ""
        if claimed.content is None:
            return None, ""
        if claimed.purpose == "holidays":
            return deriving.holidays(claimed.content, claimed.zone, now), ""
        return deriving.shifts(claimed.content, claimed.zone, people, now), ""
    except (Unusable, public_days.UnknownPlace) as refused:
        return None, str(refused)
    except (ValueError, LookupError, ArithmeticError, RecursionError) as wrong:  # whatever else strangers think of
        return None, f"it cannot be read: {type(wrong).__name__}"


async def _replace(conn: AsyncConnection, now: datetime, claimed: Claimed, derived: Derived) -> None:
    """What is different now; nothing is written when nothing is."""
    if claimed.purpose == "shifts":
        before = await keeping_store.coming(conn, now, claimed.id)
        first = claimed.fetched_at is None and not before
        after = list(derived.named) if first else succeeded(before, derived.named, now)
        if sorted(before) != after:
            await keeping_store.replace(conn, now, claimed.id, after, now - timedelta(days=KEPT_DAYS))
        return
    since = (now - timedelta(days=400)).date()
    known = {day: name for day, name in (await keeping_store.days(conn, claimed.id)).items() if day >= since}
    days = {day: name for day, name in derived.days.items() if day >= since}
    if known != days:
        await keeping_store.replace_days(conn, now, claimed.id, since, days)
        await service_store.observe(conn, calendar=claimed.key)
        what = {"days": len(days)}
        await audit.record(
            conn, now, actor="tocsin", action="calendar.days_changed", entity="calendar", entity_key=claimed.key,
            after=what,
        )  # fmt: skip
