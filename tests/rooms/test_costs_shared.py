"""What a message about several incidents costs whom: shares that add up to its price exactly; screen and CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from api_client import api
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from whole import Whole

from app.access.links import Links
from app.db import ids
from app.notifications import costs
from app.web.api import costs as costs_api

MONTH = datetime(2026, 11, 1, tzinfo=UTC)
END = datetime(2026, 12, 1, tzinfo=UTC)
_numbers = count(1)


async def team(conn: AsyncConnection, key: str | None) -> UUID:
    """An incident of a service of this team, or of none."""
    incident, number = ids.new(MONTH), next(_numbers)
    named = {"key": key, "service": f"s{number}", "i": incident, "now": MONTH, "number": number + 5000}
    await conn.execute(
        text("""
            INSERT INTO teams (key, name, created_at, updated_at) SELECT :key, upper(:key), :now, :now
            WHERE CAST(:key AS text) IS NOT NULL ON CONFLICT DO NOTHING"""),
        named,
    )
    await conn.execute(
        text("""
            INSERT INTO services (key, name, team_id, created_at, updated_at)
            SELECT :service, :service, (SELECT id FROM teams WHERE key = :key), :now, :now"""),
        named,
    )
    await conn.execute(
        text("""
            INSERT INTO incidents (id, number, service_id, correlation_key, title, state, priority, impact, urgency,
                verdict, loudness, opened_at, triggered_at, last_occurrence_at, firing, occurrences)
            OVERRIDING SYSTEM VALUE
            SELECT :i, :number, id, 'x', 'x', 'triggered', 3, 3, 1, '{}', 'loud', :now, :now, :now, 1, 1
            FROM services WHERE key = :service"""),
        named,
    )
    return incident


async def message(
    conn: AsyncConnection, price: str | None, *about: UUID, currency: str = "EUR", at: datetime = MONTH, n: int = 0
) -> None:
    """One text that a provider took, about these incidents; none: a notice."""
    carrier = None
    for number, incident in enumerate(about or (None,)):
        at += timedelta(milliseconds=1)
        notification = ids.new(at)
        await conn.execute(
            text("""
                INSERT INTO notifications (id, key, purpose, loudness, state, user_id, channel, address, content,
                    created_at, due_at, tries, incident_id, carried_by_id)
                SELECT :id, :key, 'page', 'loud', 'sent', min(id), 'sms', '+4930901820', '{}', :at, :at, 1, :incident,
                    :by FROM users"""),
            {"id": notification, "key": str(notification), "at": at, "incident": incident, "by": carrier},
        )
        carrier = carrier or notification
        if number == 0:
            priced = {"price": price and Decimal(price), "currency": price and currency, "hash": Links.hash(str(at))}
            await conn.execute(
                text("""
                    INSERT INTO attempts (id, notification_id, number, callback_hash, started_at, provider, prefix,
                        provider_id, status, price, currency)
                    VALUES (:id, :of, 1, :hash, :at, 'twilio', '+49', 'SM', 'delivered', :price, :currency)"""),
                {"id": ids.new(at), "of": notification, "at": at, **priced},
            )


async def shared(conn: AsyncConnection) -> dict[tuple[str | None, str | None], tuple[int, Decimal | None]]:
    """(messages, total) by team and currency, once they have been held against what providers took."""
    found = await costs.by_team(conn, MONTH, END)
    for whole in await costs.totals(conn, MONTH, END):
        parts = [r.total for r in found if r.currency == whole.currency and r.total is not None]
        assert sum(parts, Decimal(0)) == (whole.total or 0), whole.currency
    return {(r.team, r.currency): (r.messages, r.total) for r in found}


@pytest.fixture
async def conn(conn: AsyncConnection, now: datetime) -> AsyncConnection:
    """With somebody who was written to."""
    await cast(conn, now)
    return conn


async def test_a_bundle_is_one_price_that_its_incidents_share(conn: AsyncConnection) -> None:
    shop, bank = await team(conn, "shop"), await team(conn, "bank")
    other = await team(conn, "shop")
    await message(conn, "0.0750", shop, bank, other)
    assert await shared(conn) == {
        ("shop", "EUR"): (1, Decimal("0.05")), ("bank", "EUR"): (1, Decimal("0.025")),
    }  # fmt: skip


@pytest.mark.parametrize("price", ["0.01", "0.0750", "1", "0.00000007", "12345.678901234567", "0"])
@pytest.mark.parametrize("among", [1, 2, 3, 7, 11])
async def test_shares_of_any_price_add_up_to_it(conn: AsyncConnection, price: str, among: int) -> None:
    incidents = [await team(conn, f"t{n}") for n in range(among)]
    await message(conn, price, *incidents)
    found = await shared(conn)
    totals = [total for _, total in found.values() if total is not None]
    assert len(totals) == among
    assert sum(totals) == Decimal(price)
    assert min(totals) >= 0
    assert max(totals) - min(totals) <= Decimal("0.000001"), "and they are even"


async def test_what_has_no_price_no_team_or_another_currency_is_apart(conn: AsyncConnection) -> None:
    shop, nobody = await team(conn, "shop"), await team(conn, None)
    minute = timedelta(minutes=1)
    await message(conn, "0.10", shop, nobody)
    await message(conn, None, shop, nobody, at=MONTH + minute)
    await message(conn, "0.30", shop, currency="USD", at=MONTH + 2 * minute)
    await message(conn, "0.05", at=MONTH + 3 * minute)
    await message(conn, "9", shop, at=MONTH - minute)
    await message(conn, "9", shop, at=END)
    assert await shared(conn) == {
        ("shop", "EUR"): (1, Decimal("0.05")), ("shop", "USD"): (1, Decimal("0.30")), ("shop", None): (1, None),
        (None, "EUR"): (2, Decimal("0.10")), (None, None): (1, None),
    }  # fmt: skip
    totals = {t.currency: (t.messages, t.priced, t.total) for t in await costs.totals(conn, MONTH, END)}
    assert totals == {"EUR": (2, 2, Decimal("0.15")), "USD": (1, 1, Decimal("0.30")), None: (1, 0, None)}


@pytest.fixture
async def client(engine: AsyncEngine, tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with api(engine, tmp_path, costs_api.router) as client:
        yield client


async def test_the_csv_says_what_the_api_says(client: httpx.AsyncClient, engine: AsyncEngine) -> None:
    async with engine.begin() as conn:
        shop, bank = await team(conn, "shop"), await team(conn, "bank")
        await message(conn, "0.07", shop, bank, bank)
    told = (await client.get("/costs?month=2026-11")).json()
    assert [(i["team"], i["total"]) for i in told["items"]] == [("bank", "0.046667"), ("shop", "0.023333")]
    assert told["totals"] == [{"currency": "EUR", "messages": 1, "priced": 1, "total": "0.07"}]
    answer = await client.get("/costs.csv?month=2026-11")
    assert answer.headers["content-type"].startswith("text/csv")
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(line["team"], line["total"], line["month"]) for line in lines] == [
        ("bank", "0.046667", "2026-11"), ("shop", "0.023333", "2026-11"),
    ]  # fmt: skip
    (line,) = csv.DictReader(io.StringIO((await client.get("/costs/messages.csv?month=2026-11")).text))
    assert (line["price"], len(line["incidents"].split()), line["team"]) == ("0.07", 3, "shop")
    assert (await client.get("/costs.csv?month=2026-13")).status_code == 422


@pytest_asyncio.fixture(loop_scope="module")
async def month(house: Whole) -> AsyncIterator[Whole]:
    """The house is everybody's: what is made here goes with the test."""
    yield house
    await house.clear()
    await house.execute("DELETE FROM services WHERE team_id IN (SELECT id FROM teams WHERE key IN ('shop', 'bank'))")
    await house.execute("DELETE FROM teams WHERE key IN ('shop', 'bank')")


@pytest.mark.asyncio(loop_scope="module")
async def test_a_manager_finds_the_screen(month: Whole) -> None:
    house = month

    async def shown(path: str, person: str = "cara", status: int = 200) -> str:
        answer = await house.http.get(path, headers=house.as_person(person))
        assert answer.status_code == status, answer.text
        return answer.text

    assert 'href="/costs"' in await shown("/incidents")
    assert 'href="/costs"' not in await shown("/incidents", "dan")
    for path in ("/costs", "/api/v1/costs?month=2026-11", "/api/v1/costs/messages.csv?month=2026-11"):
        await shown(path, "dan", status=403)
    assert "No text and no call in this month" in await shown("/costs")
    async with house.engine.begin() as conn:
        shop, bank = await team(conn, "shop"), await team(conn, "bank")
        await message(conn, None, shop, bank)
    assert "give a month like 2026-11" in await shown("/costs?month=nov", status=422)
    none = await shown("/costs?month=2026-11")
    assert "No provider told a price" in none
    assert "SHOP" in none
    async with house.engine.begin() as conn:
        await message(conn, "0.0750", shop, bank, at=MONTH + timedelta(minutes=1))
        await message(conn, "2", shop, at=MONTH + timedelta(minutes=2))
        await message(conn, "12", shop, currency="JPY", at=MONTH + timedelta(minutes=3))
    page = await shown("/costs?month=2026-11")
    for words in (
        "Nobody told a price of 1 of the 4 messages",
        "2.0375 EUR",
        "0.0375 EUR",
        "2.075 EUR, 12 JPY, 4 messages",
        "<b>2.0375 EUR</b><br><b>12 JPY</b>",
    ):
        assert words in page
    assert re.findall(r'<th scope="col"[^>]*>([^<]*)', page)[:2] == ["Team", "Cost"], "in sight on a phone"
    for link in ("/api/v1/costs.csv?month=2026-11", "/api/v1/costs/messages.csv?month=2026-11", "/costs?month=2026-10"):
        assert link in page
        await shown(link)
    for bad in ("2026-13", "x", "2026"):
        await shown(f"/costs?month={bad}", status=422)
