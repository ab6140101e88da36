"""⑩ Which notifications go out now, in which messages: what is due, less what is pointless, within the limits.

The order is: claim what is due, look at the incidents again, lock the paces of the contact methods, decide each of them
over all that is due for it. A message is a parcel of rows: the first one carries the others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents import storm_store
from app.incidents.storms import Storm
from app.notifications import digest_store, outcome, pacing_store, store
from app.notifications.bundling import Bundled, Waiting, bundle
from app.notifications.limits import Pace

HOLD = timedelta(seconds=1)

Parcel = Sequence[Any]
"""Rows of notifications with all that rendering needs; one message to one contact method."""


@dataclass(frozen=True, slots=True)
class Room:
    """What may be claimed: messages of these channels, `places` of them. `full`: (channel, prefix, whether it is full)
    of the routes of channels of which only some have room; the longest prefix that fits an address decides."""

    channels: Sequence[str]
    places: int
    full: Sequence[tuple[str, str, bool]] = ()


@dataclass(slots=True)
class Claim:
    """`looked`: how many rows were due and have been dealt with. `storm`: the one that lasts."""

    parcels: list[Parcel] = field(default_factory=list)
    looked: int = 0
    storm: Storm | None = None


async def claim(conn: AsyncConnection, now: datetime, room: Room, channels: Collection[str]) -> Claim:
    """Claims what is due and has room, writes what waits or is cancelled, and marks the rest as `sending`.
    `channels`: all that are configured."""
    rows = await _due(conn, now, room)
    if not rows:
        return Claim()
    looked = len(rows)
    rows = await _whole_digests(conn, now, rows)
    going = await _hold(conn, now, await outcome.drop_pointless(conn, now, rows, channels))
    parcels = _together([r for r in going if is_digest(r)])
    going = [r for r in going if not is_digest(r)]
    storm = await storm_store.running(conn) if any(_is_page(r) for r in going) else None
    limited = [r for r in going if _is_limited(r, storm)]
    passing = [r for r in going if _is_page(r) and not r.tries and not _is_limited(r, storm)]
    parcels += [[r] for r in (*[r for r in going if not _is_page(r)], *passing)]
    parcels += _together([r for r in going if _is_page(r) and r.tries])
    parcels += await _within_limits(conn, now, limited, passing, channels, storm)
    if parcels:
        await _mark(conn, now, parcels)
    return Claim(parcels, looked, storm)


async def _hold(conn: AsyncConnection, now: datetime, rows: Sequence[Any]) -> list[Any]:
    """What waited until the very instant at which the next step of its ladder is due waits for that step, which another
    worker may be taking: if it pages the same contact method, its message says all of it."""
    held = {r.id for r in rows if r.step_is_due and not is_digest(r)}
    await pacing_store.postpone(conn, [(n, now + HOLD, "waits for the step that is due now") for n in held])
    return [r for r in rows if r.id not in held]


async def _whole_digests(conn: AsyncConnection, now: datetime, rows: Sequence[Any]) -> Sequence[Any]:
    """With all that is due of a digest of which some was claimed; without digests while another worker claims some. No
    limit holds them up: there is one a day."""
    methods = {r.contact_method_id for r in rows if is_digest(r)}
    if not methods:
        return rows
    if not await digest_store.take(conn):
        return [r for r in rows if not is_digest(r)]
    known = {r.id for r in rows}
    more = [n for n in await digest_store.whole(conn, now, methods) if n not in known]
    return [*rows, *(await conn.execute(store.DETAILS, {"ids": more, "now": now})).all()] if more else rows


def is_digest(row: Any) -> bool:
    """A quiet page of a night, which waited for the morning; also when it is tried again, or by another way."""
    return _is_page(row) and "digest" in row.content


async def _due(conn: AsyncConnection, now: datetime, room: Room) -> Sequence[Any]:
    named = {"now": now, "channels": list(room.channels), "limit": room.places}
    if not room.full:
        return (await conn.execute(store.CLAIM, named)).all()
    of, prefixes, full = zip(*room.full, strict=True)
    routes = {"route_channels": list(of), "prefixes": list(prefixes), "full": list(full)}
    return (await conn.execute(store.CLAIM_AROUND, named | routes)).all()


def _is_page(row: Any) -> bool:
    return row.purpose == "page" and row.incident_id is not None and row.webhook_id is None


def _is_limited(row: Any, storm: Storm | None) -> bool:
    """A loud P1 bypasses its limit, except in a storm. A second try has paid for its message already."""
    if not _is_page(row) or row.tries:
        return False
    return storm is not None or row.loudness == "quiet" or row.priority > 1


def _together(rows: Sequence[Any]) -> list[Parcel]:
    """What is tried again: one message for each contact method."""
    parcels: dict[int, list[Any]] = {}
    for row in rows:
        parcels.setdefault(row.contact_method_id, []).append(row)
    return [in_order(parcel) for parcel in parcels.values()]


def in_order(rows: Sequence[Any]) -> Parcel:
    """As a message names them, and the list behind its link, and who answers is asked which; the first one carries the
    others."""
    return sorted(rows, key=lambda r: (r.priority, r.number, r.id))


async def _within_limits(
    conn: AsyncConnection,
    now: datetime,
    limited: Sequence[Any],
    passing: Sequence[Any],
    channels: Collection[str],
    storm: Storm | None,
) -> list[Parcel]:
    """Parcels of what fits; the rest is postponed. `passing` counts, and is not held up."""
    channel_of = {r.contact_method_id: r.channel for r in (*limited, *passing)}
    if not channel_of:
        return []
    paces = await pacing_store.lock(conn, channel_of)
    due = await pacing_store.due(conn, {r.contact_method_id for r in limited}, now, storm=storm is not None)
    decided = {
        method: bundle(
            channel,
            [Waiting(r.id, r.service_id, r.created_at) for r in due if r.contact_method_id == method],
            sum(r.contact_method_id == method for r in passing),
            paces[method],
            now,
            storm=storm is not None,
        )
        for method, channel in channel_of.items()
    }
    await _keep(conn, decided, paces)
    known = {r.id: r for r in limited}
    wanted = [n for d in decided.values() for n in (*d.alone, *d.together) if n not in known]
    if wanted:
        more = (await conn.execute(store.DETAILS, {"ids": wanted, "now": now})).all()
        await _drop(conn, now, more, known, channels)
    return _parcels(decided.values(), known)


async def _keep(conn: AsyncConnection, decided: dict[int, Bundled], paces: dict[int, Pace]) -> None:
    await pacing_store.keep(conn, {m: d.pace for m, d in decided.items() if d.pace != paces[m]})
    later = [(n, d.until, d.because) for d in decided.values() if d.until is not None for n in d.later]
    await pacing_store.postpone(conn, later)


async def _drop(
    conn: AsyncConnection, now: datetime, more: Sequence[Any], known: dict[UUID, Any], channels: Collection[str]
) -> None:
    """Rows that the claim itself did not take: whether they can be sent at all is looked at here."""
    known.update({r.id: r for r in await outcome.drop_pointless(conn, now, more, channels)})


def _parcels(decided: Collection[Bundled], known: dict[UUID, Any]) -> list[Parcel]:
    parcels: list[Parcel] = []
    for d in decided:
        parcels += [[known[n]] for n in d.alone if n in known]
        if together := [known[n] for n in d.together if n in known]:
            parcels.append(in_order(together))
    return parcels


async def _mark(conn: AsyncConnection, now: datetime, parcels: Sequence[Parcel]) -> None:
    marked = [(r.id, max(r.tries for r in p) + 1, None if r is p[0] else p[0].id) for p in parcels for r in p]
    ids, tries, carriers = zip(*marked, strict=True)
    await conn.execute(store.CLAIMED, {"now": now, "ids": list(ids), "tries": list(tries), "carriers": list(carriers)})
