"""Partitions ahead of time, moved into, dropped when old: on real tables, at instants of the test's choosing."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.access.store import sweep
from app.db import ids, partitions
from app.db import partition_store as store
from app.db.engine import transaction
from app.db.partitions import Partitioned, keep_house, partitioned
from app.ingest.expiry import forget_quarantined

HISTORY = timedelta(days=400)
TABLES = partitioned(receipts=timedelta(days=14), history=HISTORY)
RECEIPTS, _, OCCURRENCES, *_ = TABLES
NEW_YEARS_EVE = datetime(2027, 12, 31, 23, 59, tzinfo=UTC)

RECEIPT = text(
    "INSERT INTO receipts (id, integration_id, at, status, size, outcomes) VALUES (:id, 1, :at, 200, 1, '[]')"
)
OCCURRENCE = text("""
    INSERT INTO occurrences (id, alert_id, service_id, starts_at, ended_at, severity)
    VALUES (:id, :id, 1, :at, :ended_at, 'error')
""")
WHERE = text("SELECT tableoid::regclass::text FROM receipts WHERE id = :id")
SET_CLOCK = text("""
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed) VALUES (1, statement_timestamp(), :at, 0)
    ON CONFLICT (id) DO UPDATE SET anchor_virtual = excluded.anchor_virtual
""")


@pytest.fixture
async def engine(engine: AsyncEngine) -> AsyncEngine:
    """A house that nobody has kept yet; the template's has been."""
    async with engine.begin() as conn:
        await conn.execute(text("UPDATE housekeeping SET done_at = NULL"))
        for p in TABLES:
            for name in await store.existing(conn, p.table):
                if not name.endswith("_default"):
                    await conn.execute(text(f"DROP TABLE {name}"))
    return engine


async def set_clock(engine: AsyncEngine, at: datetime) -> None:
    async with engine.begin() as conn:
        await conn.execute(SET_CLOCK, {"at": at})


async def receipt(conn: AsyncConnection, at: datetime) -> object:
    """Which partition a receipt of this instant went to."""
    made = ids.new(at)
    await conn.execute(RECEIPT, {"id": made, "at": at})
    return (await conn.execute(WHERE, {"id": made})).scalar_one()


@pytest.mark.parametrize(
    ("p", "at", "name", "start", "end"),
    [
        (RECEIPTS, NEW_YEARS_EVE, "receipts_p_20271231", "2027-12-31", "2028-01-01"),
        (OCCURRENCES, NEW_YEARS_EVE, "occurrences_p_202712", "2027-12-01", "2028-01-01"),
        (OCCURRENCES, datetime(2028, 2, 29, tzinfo=UTC), "occurrences_p_202802", "2028-02-01", "2028-03-01"),
    ],
)
def test_a_partition_is_a_day_or_a_month_in_utc(p: Partitioned, at: datetime, name: str, start: str, end: str) -> None:
    span = partitions.span(p, at)
    assert (span.name, f"{span.start:%Y-%m-%d}", f"{span.end:%Y-%m-%d}") == (name, start, end)
    assert partitions.span_named(p, name) == span


def test_only_our_own_partitions_are_recognised() -> None:
    for name in ("receipts_p_default", "receipts_p_202712", "events_p_20271231", "receipts_p_20271231x"):
        assert partitions.span_named(RECEIPTS, name) is None


async def test_partitions_are_there_ahead_of_time(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    assert await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert await store.existing(conn, "receipts") == [
            "receipts_p_20271231", "receipts_p_20280101", "receipts_p_20280102", "receipts_p_20280103",
            "receipts_p_default",
        ]  # fmt: skip
        assert await store.existing(conn, "timeline_entries") == [
            "timeline_entries_p_202712", "timeline_entries_p_202801", "timeline_entries_p_default",
        ]  # fmt: skip
        assert await receipt(conn, NEW_YEARS_EVE) == "receipts_p_20271231"
        assert await receipt(conn, NEW_YEARS_EVE + timedelta(minutes=1)) == "receipts_p_20280101"
        assert await receipt(conn, NEW_YEARS_EVE + timedelta(days=30)) == "receipts_p_default"
        assert await store.in_default(conn, "receipts") == 1


async def test_one_of_many_keeps_house_once_an_hour(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    assert await keep_house(engine, TABLES)
    assert not await keep_house(engine, TABLES)
    await set_clock(engine, NEW_YEARS_EVE + timedelta(minutes=59))
    assert not await keep_house(engine, TABLES)
    await set_clock(engine, NEW_YEARS_EVE + timedelta(minutes=60))
    assert await keep_house(engine, TABLES)


async def test_whoever_finds_the_row_locked_leaves_it_to_the_other(engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        await conn.execute(text("SELECT 1 FROM housekeeping FOR UPDATE"))
        assert not await keep_house(engine, TABLES)


async def test_rows_that_came_first_move_into_their_partition(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    async with engine.begin() as conn:
        assert await receipt(conn, NEW_YEARS_EVE) == "receipts_p_default"
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert await store.in_default(conn, "receipts") == 0
        assert (await conn.execute(text("SELECT count(*) FROM receipts_p_20271231"))).scalar_one() == 1


async def test_too_many_rows_stay_in_the_default_partition(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "MOST_MOVED", 1)
    await set_clock(engine, NEW_YEARS_EVE)
    async with engine.begin() as conn:
        for _ in range(2):
            await receipt(conn, NEW_YEARS_EVE)
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert "receipts_p_20271231" not in await store.existing(conn, "receipts")
        assert "receipts_p_20280101" in await store.existing(conn, "receipts")
        assert await store.in_default(conn, "receipts") == 2


async def test_what_has_been_kept_long_enough_goes(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        await receipt(conn, NEW_YEARS_EVE)
        await receipt(conn, NEW_YEARS_EVE - timedelta(days=1))  # into the default partition
    await set_clock(engine, datetime(2028, 1, 14, 23, tzinfo=UTC))
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert "receipts_p_20271231" in await store.existing(conn, "receipts")
    await set_clock(engine, datetime(2028, 1, 15, tzinfo=UTC))
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        there = await store.existing(conn, "receipts")
        assert "receipts_p_20271231" not in there
        assert "receipts_p_20280101" in there
        assert (await conn.execute(text("SELECT count(*) FROM receipts"))).scalar_one() == 0


async def test_a_partition_with_an_occurrence_that_still_fires_stays(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    await keep_house(engine, TABLES)
    old = datetime(2027, 11, 30, tzinfo=UTC)
    async with engine.begin() as conn:
        for at in (NEW_YEARS_EVE, old):
            await conn.execute(OCCURRENCE, {"id": ids.new(at), "at": at, "ended_at": None})
            await conn.execute(OCCURRENCE, {"id": ids.new(at), "at": at, "ended_at": at})
    later = datetime(2028, 1, 1, tzinfo=UTC) + HISTORY
    await set_clock(engine, later)
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert "occurrences_p_202712" in await store.existing(conn, "occurrences")
        assert "events_p_202712" not in await store.existing(conn, "events")
        assert (await conn.execute(text("SELECT count(*) FROM occurrences_p_default"))).scalar_one() == 1
        await conn.execute(text("UPDATE occurrences SET ended_at = :at"), {"at": later})
    await set_clock(engine, later + timedelta(hours=1))
    await keep_house(engine, TABLES)
    async with engine.begin() as conn:
        assert "occurrences_p_202712" not in await store.existing(conn, "occurrences")
        assert (await conn.execute(text("SELECT count(*) FROM occurrences"))).scalar_one() == 0


async def test_a_lock_that_cannot_be_had_is_left_for_the_next_hour(engine: AsyncEngine) -> None:
    await set_clock(engine, NEW_YEARS_EVE)
    async with engine.begin() as conn:
        await conn.execute(text("LOCK TABLE receipts_p_default IN ACCESS SHARE MODE"))
        assert await keep_house(engine, TABLES[:2])
        assert await store.existing(conn, "receipts") == ["receipts_p_default"]
        assert "events_p_202712" in await store.existing(conn, "events")


async def test_one_who_is_still_at_it_an_hour_later_is_not_in_the_way(engine: AsyncEngine) -> None:
    """What the first has made is not committed yet when the second looks."""
    await set_clock(engine, NEW_YEARS_EVE)
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def dawdle(conn: AsyncConnection, now: datetime) -> None:
        await partitions.make(conn, RECEIPTS, now + timedelta(hours=2))
        begun.set()
        await go_on.wait()

    first = asyncio.create_task(keep_house(engine, (), [dawdle]))
    await begun.wait()
    await set_clock(engine, NEW_YEARS_EVE + timedelta(hours=2))
    second = asyncio.create_task(keep_house(engine, [RECEIPTS]))
    await until_one_waits(engine)
    go_on.set()
    assert await first
    assert await second
    async with engine.connect() as conn:
        assert "receipts_p_20280101" in await store.existing(conn, "receipts")


async def until_one_waits(engine: AsyncEngine) -> None:
    async with asyncio.timeout(10), engine.connect() as conn:
        while not (await conn.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted"))).scalar_one():  # noqa: ASYNC110  # the database tells nobody
            await asyncio.sleep(0.005)


async def test_other_chores_are_done_as_well(engine: AsyncEngine) -> None:
    async with transaction(engine) as (conn, now):
        await conn.execute(
            text("""
                INSERT INTO idempotency_keys (caller, key, request_hash, created_at)
                VALUES ('user:ana', 'old', '\\x00', :old), ('user:ana', 'new', '\\x00', :now)
            """),
            {"old": now - timedelta(hours=25), "now": now},
        )
        service = "INSERT INTO services (key, name, created_at, updated_at) VALUES ('s', 's', :now, :now) RETURNING id"
        service_id = (await conn.execute(text(service), {"now": now})).scalar_one()
        integration = text("""
            INSERT INTO integrations (key, name, source, service_id, created_at, updated_at)
            VALUES ('i', 'i', 'generic', :service, :now, :now) RETURNING id
        """)
        integration_id = (await conn.execute(integration, {"service": service_id, "now": now})).scalar_one()
        for days in (29, 31):
            await conn.execute(
                text("""
                    INSERT INTO quarantine (id, integration_id, kind, at, last_at, error, headers, body, body_hash)
                    VALUES (:id, :integration, 'event', :at, :at, 'wrong', '{}', '\\x00', '\\x00')
                """),
                {"id": ids.new(now), "integration": integration_id, "at": now - timedelta(days=days)},
            )

    async def forget(conn: AsyncConnection, now: datetime) -> None:
        await forget_quarantined(conn, now, timedelta(days=30))

    assert await keep_house(engine, (), (sweep, forget))
    async with engine.begin() as conn:
        assert (await conn.execute(text("SELECT key FROM idempotency_keys"))).scalars().all() == ["new"]
        assert (await conn.execute(text("SELECT count(*) FROM quarantine"))).scalar_one() == 1
