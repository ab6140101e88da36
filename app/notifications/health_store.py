"""SQL of how providers fare: a few rows, written when something changes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.notifications.health import Health, Outcome, after, tried

KEPT: Final = timedelta(days=30)
"""A prefix that nobody was texted at for so long is forgotten."""

_COLUMNS = "outcomes, over_until, over_since, fault, pauses, code, because"
_READ = text(f"SELECT channel, provider, prefix, {_COLUMNS}, changed_at FROM provider_health ORDER BY 1, 2, 3")
_OF = text(f"""
    SELECT {_COLUMNS} FROM provider_health WHERE channel = :channel AND provider = :provider AND prefix = :prefix
""")
_LOCK = text(f"""
    SELECT {_COLUMNS} FROM provider_health WHERE channel = :channel AND provider = :provider AND prefix = :prefix
    FOR UPDATE
""")
_KEEP = text(f"""
    INSERT INTO provider_health AS h (channel, provider, prefix, {_COLUMNS}, changed_at)
    VALUES (:channel, :provider, :prefix, :outcomes, :over_until, :over_since, :fault, :pauses, :code, :because, :now)
    ON CONFLICT (channel, provider, prefix) DO UPDATE
    SET outcomes = excluded.outcomes, over_until = excluded.over_until, over_since = excluded.over_since,
        fault = excluded.fault, pauses = excluded.pauses, code = excluded.code, because = excluded.because,
        changed_at = excluded.changed_at
""")
_SWEEP = text("DELETE FROM provider_health WHERE changed_at < :before")

Key = tuple[str, str, str]
"""Channel, provider, prefix."""


async def rows(conn: AsyncConnection) -> Sequence[Any]:
    """All there are, by channel, provider and prefix."""
    return (await conn.execute(_READ)).all()


async def passed_over(conn: AsyncConnection, now: datetime) -> list[Any]:
    """Those that get no message now."""
    return [r for r in await rows(conn) if health_of(r).state(now) == "passed over"]


async def healths(conn: AsyncConnection, channels: Collection[str]) -> dict[Key, Health]:
    """Of these channels."""
    found = await rows(conn)
    return {(r.channel, r.provider, r.prefix): health_of(r) for r in found if r.channel in channels}


def health_of(row: Any) -> Health:
    return Health(row.outcomes, row.over_until, row.over_since, row.fault, row.pauses, row.code, row.because)


async def note(
    conn: AsyncConnection, now: datetime, key: Key, outcome: Outcome, code: str = "", because: str = ""
) -> tuple[Health, Health]:
    """Keeps what came of one message; how it was before and is now."""
    named = dict(zip(("channel", "provider", "prefix"), key, strict=True))
    before = await _health(conn, _OF, named)
    if after(before, outcome, now, code, because) == before:
        return before, before
    before = await _health(conn, _LOCK, named)
    done = after(before, outcome, now, code, because)
    await _keep(conn, now, named, done)
    return before, done


async def try_again(conn: AsyncConnection, now: datetime, key: Key) -> Health | None:
    """One message tries a provider that was passed over. None: another one does already."""
    named = dict(zip(("channel", "provider", "prefix"), key, strict=True))
    before = await _health(conn, _LOCK, named)
    if before.state(now) != "to be tried":
        return None
    done = tried(before, now)
    await _keep(conn, now, named, done)
    return done


async def sweep(conn: AsyncConnection, now: datetime) -> None:
    await conn.execute(_SWEEP, {"before": now - KEPT})


async def _health(conn: AsyncConnection, statement: Any, named: Mapping[str, str]) -> Health:
    row = (await conn.execute(statement, named)).first()
    return Health() if row is None else health_of(row)


async def _keep(conn: AsyncConnection, now: datetime, named: Mapping[str, str], health: Health) -> None:
    given = {field: getattr(health, field) for field in Health.__struct_fields__}
    await conn.execute(_KEEP, {**named, **given, "now": now})
