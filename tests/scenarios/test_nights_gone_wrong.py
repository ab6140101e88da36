"""A digest whose way is lost: STOP, an address that refuses, somebody who left, a worker that dies. Nothing is lost,
and nobody is woken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import Resident, Town, hours, minutes, seconds

from app.notifications import digest_store
from app.notifications.claiming import Room, claim

THREE = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
NINE = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
at_three = pytest.mark.parametrize("town", [{"at": THREE}], indirect=True)


async def asks_for_digests(who: Resident, at: str | None = "09:00") -> None:
    await who.asks("PUT", "/api/v1/users/me", {"name": who.name, "time_zone": None, "digest_at": at})


async def a_night(town: Town, ana: Resident, *names: str, then: Resident | None = None) -> None:
    """Three o'clock: each of these is quiet, and Ana asked for digests by text."""
    await town.build.notification_rules(ana, [("quiet", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(60), *([then] if then else [])])
    await asks_for_digests(ana)
    for name in names:
        await town.alertmanager.fires(name, severity="info")


@at_three
async def test_stop_wakes_nobody_and_the_digest_goes_another_way(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await a_night(town, ana, "Disk", "Certificate")
    await ana.replies("STOP")
    await town.wait_until(NINE - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    mail = await ana.expects_mail("Quiet last night: 2 incidents wait for you", "Disk", "Certificate")
    town.nothing_else_arrived()
    await ana.answers_mail(mail, "a all")
    await ana.expects_mail("You have #1, #2 (Checkout).")


@at_three
async def test_a_contact_method_that_was_removed_is_passed_by_in_the_morning(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await a_night(town, ana, "Disk", "Certificate")
    await ana.asks("DELETE", f"/api/v1/users/ana/contact-methods/{ana.methods['sms']}")
    await town.wait_until(NINE)
    await ana.expects_mail("Quiet last night: 2 incidents wait for you")
    town.nothing_else_arrived()


@at_three
async def test_a_number_that_refuses_moves_the_whole_digest_on(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await a_night(town, ana, "Disk", "Certificate")
    town.exchange.troubles.refuses(21211, to=ana.number)
    await town.wait_until(NINE)
    await ana.expects_mail("A contact method of yours is broken")
    await ana.expects_mail("Quiet last night: 2 incidents wait for you")
    town.nothing_else_arrived()


@at_three
async def test_who_left_in_the_night_is_not_waited_for_after_the_morning(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate", then=ben)
    await town.execute("UPDATE users SET active = false WHERE key = 'ana'")
    await town.wait_until(NINE - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ben.phone.expects_sms("Disk")
    await ben.phone.expects_sms("Certificate")
    town.nothing_else_arrived()


@at_three
async def test_what_fails_for_a_moment_is_tried_again_as_one_message(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate")
    town.exchange.troubles.refuses(20429, to=ana.number)
    await town.wait_until(NINE)
    town.nothing_else_arrived()
    await town.wait(seconds(5))
    await ana.phone.expects_sms("Quiet last night: 2 incidents wait for you")
    await town.wait(minutes(5))
    town.nothing_else_arrived()


@at_three
@pytest.mark.parametrize("stored", [True, False])
async def test_killed_between_claim_and_record(town: Town, stored: bool) -> None:
    """At most once by one way: what the provider has is not sent again, what nobody knows of goes the next way."""
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await a_night(town, ana, "Disk", "Certificate")
    town.exchange.troubles.hangs(stored=stored, to=ana.number)

    async def asked() -> bool:
        return any(r.method == "POST" for r in town.exchange.requests)

    await town.clock.stop_at(NINE)
    async with town.doomed_worker() as doomed:
        await town.until(asked)
        await doomed.kill()
    await town.wait(seconds(59))
    assert len(town.exchange.texts) == int(stored)
    await town.wait(seconds(61))
    if stored:
        await ana.phone.expects_sms("Quiet last night: 2 incidents wait for you")
    else:
        await ana.expects_mail("Quiet last night: 2 incidents wait for you")
    await town.wait(minutes(10))
    town.nothing_else_arrived()


@at_three
async def test_a_worker_that_comes_late_sends_one_message(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate")
    await town.clock.stop_at(NINE + hours(3))  # nothing ran meanwhile
    await town.settle()
    await ana.phone.expects_sms("Quiet last night: 2 incidents wait for you")
    town.nothing_else_arrived()


@at_three
async def test_a_loud_page_in_the_very_second_of_the_digest_does_not_send_it_twice(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate")
    await town.clock.stop_at(NINE)
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("Quiet last night: 2 incidents wait for you")
    await ana.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()


@at_three
async def test_while_one_worker_claims_digests_another_leaves_them_and_waits_for_nothing(town: Town) -> None:
    """Two that took some of each other's nights would wait for one another."""
    (ana,) = await town.people("Ana", each_with="sms")
    await a_night(town, ana, "Disk", "Certificate")
    await town.clock.stop_at(NINE)
    room = Room(["sms"], 1)

    async def claimed() -> tuple[list[int], int]:
        async with town.engine.connect() as conn:  # and rolled back
            found = await claim(conn, NINE, room, ["sms"])
            return [len(parcel) for parcel in found.parcels], found.looked

    async with town.transaction() as (conn, _):
        assert await digest_store.take(conn)
        assert await claimed() == ([], 1)
    assert await claimed() == ([2], 1), "all of it, though there was room for one"
