"""SQL of partitions. Names of tables and conditions are constants of `partitions.py`, never input."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db import ids

MOST_MOVED: Final = 10_000
"""More rows than this in the default partition stay there: moving them would keep intake waiting."""
BATCH: Final = 10_000
"""So many old rows an hour are deleted at most, so that it never takes long."""

_WAIT_BRIEFLY = text("SET LOCAL lock_timeout = '1s'")
_ALONE = text("SELECT pg_advisory_xact_lock(7028444)")
# One worker of many, once an hour: whoever writes the row first. A clock that was set back does not stop it.
_CLAIM = text("""
    UPDATE housekeeping SET done_at = :now
    WHERE id = (SELECT id FROM housekeeping WHERE done_at IS NULL OR done_at <= :before OR done_at > :now
                FOR UPDATE SKIP LOCKED)
""")
_EXISTING = text("""
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:table) ORDER BY c.relname
""")


async def be_alone(conn: AsyncConnection) -> None:
    """Nobody else keeps house until this transaction ends: one who took longer than the hour, or by another clock. A
    lock that is not had within a second is an error in it, this one included."""
    await conn.execute(_WAIT_BRIEFLY)
    await conn.execute(_ALONE)


async def claim(conn: AsyncConnection, now: datetime, before: datetime) -> bool:
    """True for the one who does the chores now: they were last done at or before `before`."""
    return (await conn.execute(_CLAIM, {"now": now, "before": before})).rowcount > 0


async def existing(conn: AsyncConnection, table: str) -> list[str]:
    """The names of a table's partitions, the default one included."""
    return list((await conn.execute(_EXISTING, {"table": table})).scalars())


async def in_default(conn: AsyncConnection, table: str, most: int = 1000) -> int:
    """How many rows have no partition of their own, counted up to `most`."""
    counted = text(f"SELECT count(*) FROM (SELECT 1 FROM {table}_p_default LIMIT :most) AS counted")
    return int((await conn.execute(counted, {"most": most})).scalar_one())


async def make(conn: AsyncConnection, table: str, name: str, start: datetime, end: datetime) -> bool:
    """Makes a partition and moves the rows there that the default one has for it; False when they are too many.

    Made apart and then attached: that keeps nobody from writing to the others.
    """
    between = "id >= :start AND id < :end"
    bounds = {"start": ids.first_of(start), "end": ids.first_of(end)}
    await conn.execute(text(f"LOCK TABLE {table}_p_default IN ACCESS EXCLUSIVE MODE"))
    waiting = text(f"SELECT count(*) FROM (SELECT 1 FROM {table}_p_default WHERE {between} LIMIT :most) AS counted")
    if (await conn.execute(waiting, bounds | {"most": MOST_MOVED + 1})).scalar_one() > MOST_MOVED:
        return False
    await conn.execute(text(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)"))
    move = f"""
        WITH moved AS (DELETE FROM {table}_p_default WHERE {between} RETURNING *)
        INSERT INTO {name} SELECT * FROM moved
    """
    await conn.execute(text(move), bounds)
    attach = f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{bounds['start']}') TO ('{bounds['end']}')"
    await conn.exec_driver_sql(attach)
    return True


async def holds(conn: AsyncConnection, name: str, needed: str) -> bool:
    """Whether a partition has a row for which the condition holds."""
    return (await conn.execute(text(f"SELECT 1 FROM {name} WHERE {needed} LIMIT 1"))).first() is not None


async def drop(conn: AsyncConnection, table: str, name: str) -> None:
    """The table is locked first, as whoever reads it does: in the other order two could wait for each other."""
    await conn.execute(text(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"))
    await conn.execute(text(f"DROP TABLE {name}"))


async def delete_old(conn: AsyncConnection, table: str, before: datetime, needed: str) -> None:
    """Deletes a batch of rows of the default partition that are older and not needed."""
    kept = f"AND NOT ({needed})" if needed else ""
    delete = f"""
        DELETE FROM {table}_p_default WHERE id IN (
            SELECT id FROM {table}_p_default WHERE id < :before {kept} LIMIT :most
        )
    """
    await conn.execute(text(delete), {"before": ids.first_of(before), "most": BATCH})
