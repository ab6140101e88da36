"""A worker that was away for longer than its lease, and then goes on: what it learned late counts for its own attempt,
never for the one that another worker has begun meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from town import Resident, Town, minutes, seconds

from app.channels.channel import SendFailed, Sent
from app.db.engine import transaction
from app.notifications import outcome, store
from app.notifications.failover import Undelivered

TRIED = "SELECT state, tries, repeated FROM notifications"
NOT_TAKEN = SendFailed("is not in service", code="30005", permanent=True, broken_address=True)
TAKEN = Sent("twilio", "SM00000000000000000000000000000001", "queued")


@pytest.fixture
async def ana(town: Town) -> Resident:
    """Her text hangs at the provider, and the worker that sends it is stopped with it."""
    (ana,) = await town.people("Ana")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(60)])
    town.exchange.troubles.hangs(stored=False, to=ana.number)
    sender = town.alertmanager
    alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
    await sender.send("checkout", sender.body(alert))
    async with town.doomed_worker() as doomed:
        await town.until(lambda: asked(town))
        await doomed.kill()
    return ana


async def asked(town: Town) -> bool:
    return any(r.method == "POST" for r in town.exchange.requests)


async def comes_back(town: Town, told: Sent | SendFailed) -> Any:
    """The stopped worker writes down what it was told; the notification after that."""
    [attempt] = await town.rows("SELECT id, notification_id FROM attempts WHERE number = 1")
    async with transaction(town.engine) as (conn, now):
        rows = await conn.execute(store.DETAILS, {"ids": [attempt.notification_id], "now": now})
        carries = [Undelivered.of(r, r.id) for r in rows]
        await outcome.record(conn, now, attempt.id, carries, 1, told, ["sms"], repeated=False)
    [after] = await town.rows(TRIED)
    return tuple(after)


@asynccontextmanager
async def another_tries(town: Town, who: Resident) -> AsyncIterator[None]:
    """Another worker has taken over, and its own attempt is under way."""
    await town.wait(minutes(1))
    town.exchange.callbacks_come = "never"
    town.exchange.troubles.dawdles(1, to=who.number)
    await town.clock.stop_at(town.now + seconds(5))
    worker = town.workers[0].worker
    assert worker is not None
    await worker.tick()
    [under_way] = await town.rows(TRIED)
    assert tuple(under_way) == ("sending", 2, True)
    yield
    await town.settle()


@pytest.mark.parametrize("told", [NOT_TAKEN, TAKEN], ids=["bad", "good"])
async def test_the_newest_attempt_decides(town: Town, ana: Resident, told: Sent | SendFailed) -> None:
    async with another_tries(town, ana):
        assert await comes_back(town, told) == ("sending", 2, True)
    await ana.phone.expects_sms("HighErrorRate", "(repeat)")
    [ended] = await town.rows(TRIED)
    assert tuple(ended) == ("sent", 2, True)
    [method] = await town.rows("SELECT broken_at FROM contact_methods WHERE user_id = :id", id=ana.user_id)
    assert method.broken_at is None
    town.nothing_else_arrived()


async def test_what_did_go_out_is_not_sent_again(town: Town, ana: Resident) -> None:
    """The other worker has found nothing at the provider, and waits before it sends once more."""
    await town.wait(minutes(1))
    assert tuple((await town.rows(TRIED))[0]) == ("pending", 1, True)
    assert await comes_back(town, TAKEN) == ("sent", 1, True)
    await town.wait(minutes(2))
    town.nothing_else_arrived()
