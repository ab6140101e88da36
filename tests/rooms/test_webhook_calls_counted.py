"""Calls to webhooks that are given up: counted when that is committed, not when it is tried."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db import ids
from app.db.engine import transaction
from app.escalation import webhooks
from app.escalation.webhook_documents import WebhookDocument
from app.metrics import REGISTRY
from app.notifications import calling

CALL = text("""
    INSERT INTO webhook_calls (entry_id, webhook_id, incident_id, happening, because, at, due_at, state, tries)
    SELECT :id, w.id, :id, 'triggered', '', :now, :now, 'sending', 9 FROM webhooks w RETURNING *, 'Tickets' AS name
""")


def given_up() -> float:
    return REGISTRY.get_sample_value("tocsin_webhook_calls_total", {"result": "given_up"}) or 0.0


class Lost(Exception):
    """The database went away."""


async def give_up(engine: AsyncEngine, call: Any, *, then: Exception | None = None) -> None:
    async with transaction(engine) as (conn, now):
        await calling.give_up(conn, now, call, calling.DIED, "died", tried=0)
        if then is not None:
            raise then


async def test_a_pass_that_is_rolled_back_counts_nothing(engine: AsyncEngine) -> None:
    async with transaction(engine) as (conn, now):
        await webhooks.create(conn, now, WebhookDocument(key="tickets", name="Tickets"), actor="cli")
        call = (await conn.execute(CALL, {"id": ids.new(now), "now": now})).one()
    before = given_up()
    with pytest.raises(Lost):
        await give_up(engine, call, then=Lost())
    assert given_up() == before
    await give_up(engine, call)
    await give_up(engine, call)  # another worker was faster
    assert given_up() == before + 1
