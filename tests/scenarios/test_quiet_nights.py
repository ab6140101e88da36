"""The quiet pages of a night as one message in the morning, with one answer for all of it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import Resident, Town, hours, minutes, seconds

THREE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
STATES = (
    "SELECT state, because, channel, carried_by_id FROM notifications WHERE purpose = 'page' ORDER BY created_at, id"
)


async def asks_for_digests(who: Resident, at: str | None = "09:00") -> None:
    await who.asks("PUT", "/api/v1/users/me", {"name": who.name, "time_zone": None, "digest_at": at})


async def a_night(town: Town, ana: Resident, *names: str) -> None:
    """Three o'clock: each of these is quiet."""
    await town.service("checkout", policy=[ana, minutes(60)])
    await asks_for_digests(ana)
    for name in names:
        await town.alertmanager.fires(name, severity="info")
    assert {i.loudness for i in await town.incidents()} == {"quiet"}


@pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)
async def test_a_night_by_text_with_one_answer(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.build.notification_rules(ana, [("quiet", seconds(0), "sms")])
    await a_night(town, ana, "Disk", "Certificate", "Queue", "Backup")
    waiting = await town.rows(STATES)
    assert {(w.state, w.because) for w in waiting} == {("pending", "waits for the digest of 2026-11-24 at 09:00")}
    await town.alertmanager.resolves("Queue")
    await town.wait_until(NINE - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    text = await ana.phone.expects_sms("Quiet last night: 3 incidents wait for you", "Disk", "Certificate", "Backup")
    assert "Reply a all" in text.body
    assert "Queue" not in text.body
    town.nothing_else_arrived()
    await ana.replies("a all")
    await ana.phone.expects_sms("You have #1, #2, #4 (Checkout).")
    assert [i.state for i in await town.incidents()].count("acknowledged") == 3
    first = next(i for i in await town.incidents() if i.number == 1)
    assert "Acknowledged by Ana by SMS" in await town.story(first)
    await town.wait_until(NINE + hours(23))
    town.nothing_else_arrived()  # nothing waits, so nothing goes out
