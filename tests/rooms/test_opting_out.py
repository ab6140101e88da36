"""STOP and START: what they do to a contact method, and who hears of it."""

from __future__ import annotations

from typing import Any

from rows import audited, cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import contacts, opting_out

METHOD = text("""
    INSERT INTO contact_methods (user_id, channel, address, verified_at, created_at, updated_at)
    VALUES (:user, 'sms', '+491701234567', :now, :now, :now) RETURNING id
""")


async def test_stop_takes_it_out_of_use_and_start_brings_it_back(conn: AsyncConnection, now: Any) -> None:
    ids = await cast(conn, now)
    method = (await conn.execute(METHOD, {"user": ids["ana"], "now": now})).scalar_one()

    async def usable() -> bool:
        return bool((await contacts.people(conn, [ids["ana"]], ["sms"]))[ids["ana"]].methods)

    assert await usable()
    assert await opting_out.stopped(conn, 5) == []
    assert await opting_out.opt_out(conn, now, method, actor="user:ana")
    assert not await opting_out.opt_out(conn, now, method, actor="user:ana")
    assert not await usable()
    assert await opting_out.stopped(conn, 5) == ["Ana (ana)"]
    assert await opting_out.opt_in(conn, now, method, actor="user:ana")
    assert not await opting_out.opt_in(conn, now, method, actor="user:ana")
    assert await usable()
    assert await audited(conn) == [
        ("contact_method.opted_out", str(method)),
        ("contact_method.opted_in", str(method)),
    ]


async def test_start_mends_nothing_that_is_broken_otherwise(conn: AsyncConnection, now: Any) -> None:
    ids = await cast(conn, now)
    method = (await conn.execute(METHOD, {"user": ids["ana"], "now": now})).scalar_one()
    assert await contacts.mark_broken(conn, now, method, "no longer in use")
    assert not await opting_out.opt_in(conn, now, method, actor="user:ana")
    assert await opting_out.stopped(conn, 5) == []


def test_a_call_is_what_nobody_chose_last() -> None:
    methods = [contacts.UsableMethod(n, channel, "x") for n, channel in enumerate(("voice", "sms", "mail"))]
    ana = contacts.Person(1, "ana", "Ana", True, None, tuple(methods), ())
    assert [m.channel for m in ana.calls_last] == ["sms", "mail", "voice"]
    assert [(r.delay_s, r.method.channel) for r in ana.rules_for("loud")] == [
        (0, "sms"), (0, "mail"), (180, "voice"), (300, "sms"),
    ]  # fmt: skip
    assert [r.method.channel for r in contacts.default_rules(methods[:2], "quiet")] == ["sms"]
    assert [(r.delay_s, r.method.channel) for r in contacts.default_rules(methods[:1], "loud")] == [(0, "voice")]
