"""Codes for answers: one number, one meaning, whoever gives them at the same time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.engine import transaction
from app.notifications import reply_codes, reply_store

ANA, BEN = "+491701234567", "+491701234568"


def page(address: str, incident_id: UUID | None = None, *, user_id: int = 1, **more: Any) -> Any:
    row = {
        "id": uuid4(), "channel": "sms", "purpose": "page", "incident_id": incident_id or uuid4(), "address": address,
        "contact_method_id": user_id, "user_id": user_id, "content": {},
    }  # fmt: skip
    return SimpleNamespace(**row | more)


async def test_every_number_counts_for_itself(conn: AsyncConnection, now: Any) -> None:
    rows = [page(ANA), page(ANA), page(BEN)]
    codes = await reply_codes.give(conn, now, [[r] for r in rows])
    assert [codes[r.id] for r in rows] == [1, 2, 1]


async def test_what_is_sent_again_names_the_same_code(conn: AsyncConnection, now: Any) -> None:
    incident = uuid4()
    first, again, other = page(ANA, incident), page(ANA, incident), page(ANA)
    assert (await reply_codes.give(conn, now, [[first]]))[first.id] == 1
    assert await reply_codes.give(conn, now, [[again, other]]) == {again.id: 1, other.id: 2}
    kept = await conn.execute(text("SELECT notification_id FROM reply_codes WHERE code = 1"))
    assert kept.scalar_one() == again.id


async def test_two_people_with_one_phone_have_codes_of_their_own(conn: AsyncConnection, now: Any) -> None:
    incident = uuid4()
    rows = [page(ANA, incident, user_id=1), page(ANA, incident, user_id=2)]
    assert sorted((await reply_codes.give(conn, now, [rows])).values()) == [1, 2]


async def test_only_what_can_be_answered_gets_a_code(conn: AsyncConnection, now: Any) -> None:
    rows = [
        page(ANA, channel="mail"), page(ANA, purpose="notice"), page(ANA, user_id=None), page("+911234567890"),
        page(ANA, contact_method_id=None),
    ]  # fmt: skip
    assert await reply_codes.give(conn, now, [rows]) == {}


async def test_codes_go_round_and_old_ones_are_given_anew(conn: AsyncConnection, now: Any) -> None:
    given = [await reply_codes.give(conn, now + n * timedelta(hours=1), [[page(ANA)]]) for n in range(100)]
    assert [next(iter(g.values())) for g in given] == [*range(1, 100), 1]
    rows = (await conn.execute(text("SELECT count(*) FROM reply_codes"))).scalar_one()
    assert rows == 99


async def test_within_a_day_no_code_is_given_anew(conn: AsyncConnection, now: Any) -> None:
    given = [await reply_codes.give(conn, now, [[page(ANA)]]) for _ in range(120)]
    assert [next(iter(g.values())) for g in given] == list(range(1, 121))


async def test_two_workers_at_once_give_no_code_twice(engine: AsyncEngine) -> None:
    async def one() -> list[int]:
        rows = [page(address) for address in (BEN, ANA, ANA)]
        async with transaction(engine) as (conn, now):
            return list((await reply_codes.give(conn, now, [rows])).values())

    given = await asyncio.gather(*(one() for _ in range(4)))
    async with engine.connect() as conn:
        kept = (await conn.execute(text("SELECT address, count(*) FROM reply_codes GROUP BY address ORDER BY 1"))).all()
    assert [tuple(k) for k in kept] == [(ANA, 8), (BEN, 4)]
    assert sum(map(len, given)) == 12


async def test_what_is_old_is_swept(conn: AsyncConnection, now: Any) -> None:
    assert await reply_store.keep(conn, now - reply_store.KEPT, "SM1", ANA, "acknowledge", b"x")
    assert await reply_store.keep(conn, now, "SM2", ANA, "acknowledge", b"x")
    assert not await reply_store.keep(conn, now, "SM2", ANA, "acknowledge", b"x")
    await reply_store.sweep(conn, now)
    assert list((await conn.execute(text("SELECT provider_id FROM replies"))).scalars()) == ["SM2"]
