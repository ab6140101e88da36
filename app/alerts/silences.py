"""What people do with silences, whichever door they come through. Semantics: Alertmanager's silence/silence.go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import silence_store as store
from app.alerts import suppression_store
from app.alerts.silence_store import StoredSilence
from app.audit import commands as audit
from app.db import ids
from app.errors import Conflict, Invalid, NotFound
from app.rules import matching
from app.rules.matching import Matching

LONGEST: Final = timedelta(days=30)
MOST_LOOKED_AT: Final = 100_000
"""Alerts that a preview looks through."""
BY: Final = "silence"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A silence as somebody wants it. `matchers`: Alertmanager's JSON. `owner`: the key of the user who makes it."""

    matchers: Sequence[dict[str, Any]]
    starts_at: datetime
    ends_at: datetime
    created_by: str
    comment: str
    owner: str | None = None
    service_id: int | None = None


def check(wanted: Wanted, now: datetime) -> Matching:
    """Raises `Invalid` with the fields that cannot be right."""
    for name, text, most in (("created_by", wanted.created_by, 200), ("comment", wanted.comment, 1_000)):
        if not text.strip() or len(text) > most:
            raise _wrong(name, f"must be a text of 1 to {most} characters")
    if wanted.ends_at <= wanted.starts_at:
        raise _wrong("ends_at", "start time must be before end time")
    if wanted.ends_at <= now:
        raise _wrong("ends_at", "end time can't be in the past")
    if wanted.ends_at - max(wanted.starts_at, now) > LONGEST:
        raise _wrong("ends_at", f"a silence ends at most {LONGEST.days} days after its start")
    return check_matchers(wanted.matchers)


def check_matchers(documents: Sequence[dict[str, Any]]) -> Matching:
    """Raises `Invalid`: for a list that is wrong, and for one that would hold for every alert."""
    found = matching.parse(documents)
    if not found.matchers:
        raise _wrong("matchers", "at least one matcher is needed")
    if found.matches_nothing_alone:
        raise _wrong("matchers", "at least one matcher must not match the empty string")
    return found


def _wrong(name: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"field": name, "message": message}])


async def read(conn: AsyncConnection, silence_id: UUID) -> StoredSilence:
    """Raises `NotFound`."""
    if (found := await store.one(conn, silence_id)) is None:
        raise NotFound("silence not found", id=str(silence_id))
    return found


async def create(conn: AsyncConnection, now: datetime, wanted: Wanted, *, actor: str) -> StoredSilence:
    """It holds for what fires from now on, and makes open incidents quiet of which it silences all that fires. Raises
    `Invalid`."""
    found = check(wanted, now)
    await suppression_store.alone(conn)
    silence_id = ids.new(now)
    values = {
        "id": silence_id,
        "matchers": [matching.document(m) for m in found.matchers],
        "starts_at": max(wanted.starts_at, now),
        "ends_at": wanted.ends_at,
        "created_by": wanted.created_by,
        "comment": wanted.comment,
        "owner": wanted.owner,
        "service_id": wanted.service_id,
    }
    await store.insert(conn, now, values)
    made = await read(conn, silence_id)
    await _look_again(conn, made, made.starts_at)
    await _record(conn, now, actor, "silence.created", None, made)
    return made


async def put(
    conn: AsyncConnection, now: datetime, silence_id: UUID | None, wanted: Wanted, *, actor: str
) -> StoredSilence:
    """Alertmanager's way: an edit of what may change keeps the id; any other ends the old one and makes a new one.

    Raises `NotFound` for an id that there is not, `Invalid`.
    """
    if silence_id is None:
        return await create(conn, now, wanted, actor=actor)
    before = await _locked(conn, silence_id, wanted.service_id)
    found = check(wanted, now)
    if not _may_stay(before, wanted, found, now):
        if before.state(now) != "expired":
            await _expire(conn, now, before, actor)
        return await create(conn, now, replace(wanted, service_id=before.service_id), actor=actor)
    starts_at = before.starts_at if before.state(now) == "active" else wanted.starts_at
    return await _change(
        conn, now, before, actor, starts_at=starts_at, ends_at=wanted.ends_at, created_by=wanted.created_by,
        comment=wanted.comment,
    )  # fmt: skip


async def extend(
    conn: AsyncConnection, now: datetime, silence_id: UUID, ends_at: datetime, comment: str | None, *, actor: str
) -> StoredSilence:
    """Another end, later or earlier but to come. Raises `NotFound`, `Conflict` (`over`), `Invalid`."""
    before = await _locked(conn, silence_id)
    if before.state(now) == "expired":
        raise Conflict("the silence is over: make a new one", code="over", ended_at=before.ends_at.isoformat())
    said = before.comment if comment is None else comment
    wanted = Wanted(before.matchers, before.starts_at, ends_at, before.created_by, said)
    check(replace(wanted, starts_at=max(before.starts_at, now)), now)
    if ends_at - before.starts_at > LONGEST:
        # What has gone on for long is a new silence, with a new look at whether it is still wanted.
        raise _wrong("ends_at", f"a silence ends at most {LONGEST.days} days after its start: make a new one")
    return await _change(
        conn, now, before, actor, starts_at=before.starts_at, ends_at=ends_at, created_by=before.created_by,
        comment=said,
    )  # fmt: skip


async def expire(
    conn: AsyncConnection, now: datetime, silence_id: UUID, *, actor: str, service_id: int | None = None
) -> StoredSilence:
    """Ends it now; one that is over stays as it is. What it silenced and still fires enters as new. `service_id`: only
    one of this service may be ended. Raises `NotFound`."""
    before = await _locked(conn, silence_id, service_id)
    if before.state(now) != "expired":
        await _expire(conn, now, before, actor)
    return await read(conn, silence_id)


async def matching_now(
    conn: AsyncConnection, documents: Sequence[dict[str, Any]], service_id: int | None
) -> list[dict[str, Any]]:
    """The firing alerts that such a silence would match, oldest first. Raises `Invalid`."""
    found = check_matchers(documents)
    firing = await suppression_store.firing(conn, service_id=service_id, limit=MOST_LOOKED_AT)
    return [alert for alert in firing if found(alert["seen"])]


async def _locked(conn: AsyncConnection, silence_id: UUID, service_id: int | None = None) -> StoredSilence:
    await suppression_store.alone(conn)
    found = await store.lock(conn, silence_id)
    if found is None or (service_id is not None and found.service_id != service_id):
        raise NotFound("silence not found", id=str(silence_id))
    return found


def _may_stay(before: StoredSilence, wanted: Wanted, found: Matching, now: datetime) -> bool:
    """Source: silence.go, canUpdate. Starts are compared by the second."""
    if before.matching.matchers != found.matchers:
        return False
    state = before.state(now)
    if state == "active":
        lasts = wanted.ends_at - before.starts_at <= LONGEST
        return lasts and int(wanted.starts_at.timestamp()) == int(before.starts_at.timestamp())
    return state == "pending" and wanted.starts_at >= now


async def _change(
    conn: AsyncConnection, now: datetime, before: StoredSilence, actor: str, **values: Any
) -> StoredSilence:
    await store.update(conn, now, values | {"id": before.id})
    after = await read(conn, before.id)
    if after.ends_at != before.ends_at:
        await suppression_store.recheck(conn, after.ends_at, BY, [str(before.id)], after.ends_at)
    await _look_again(conn, after, after.starts_at if after.state(now) == "pending" else after.ends_at)
    await _record(conn, now, actor, "silence.edited", before, after)
    return after


async def _expire(conn: AsyncConnection, now: datetime, before: StoredSilence, actor: str) -> None:
    await store.expire(conn, now, before.id, actor)
    await suppression_store.recheck(conn, now, BY, [str(before.id)])
    await _look_again(conn, before, now)
    await _record(conn, now, actor, "silence.expired", before, await read(conn, before.id))


async def _look_again(conn: AsyncConnection, silence: StoredSilence, at: datetime) -> None:
    """Incidents that are open are looked at then, of which it matches an alert that fires."""
    counting, matching_ = await suppression_store.counting(conn, service_id=silence.service_id), silence.matching
    if found := [o["id"] for o in counting if matching_(o["seen"])]:
        await suppression_store.recheck_counting(conn, at, found)


async def _record(
    conn: AsyncConnection, now: datetime, actor: str, action: str, before: StoredSilence | None, after: StoredSilence
) -> None:
    """Also makes every process read the silences again."""
    await audit.record(
        conn, now, actor=actor, action=action, entity="silence", entity_key=str(after.id),
        before=None if before is None else _told(before), after=_told(after),
    )  # fmt: skip


def _told(silence: StoredSilence) -> dict[str, Any]:
    return {
        "matchers": silence.matchers,
        "starts_at": silence.starts_at.isoformat(),
        "ends_at": silence.ends_at.isoformat(),
        "created_by": silence.created_by,
        "comment": silence.comment,
        "owner": silence.owner,
        "service": silence.service,
    }
