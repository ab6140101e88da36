"""Any number of workers on one database: nobody is paged twice, and nothing is left lying."""

from __future__ import annotations

import asyncio

import pytest
from town import Town, minutes

INCIDENTS = 200


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_200_incidents_are_paged_once_each_by_two_workers(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.build.notification_rules(ana, [("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[ana, minutes(60)], criticality=1)  # a loud P1 is not bundled
    await town.build.storms_above(INCIDENTS)
    sender = town.alertmanager
    names = [f"Problem{n:03}" for n in range(INCIDENTS)]
    alerts = [sender.alert(name, sender.labels(name, "checkout", "critical", {})) for name in names]
    halves = [sender.send("checkout", sender.body(*alerts[n::4])) for n in range(4)]
    assert {told.status for told in await asyncio.gather(*halves)} == {202}
    await town.settle()
    mails = [await ana.expects_mail() for _ in names]
    assert len({mail.subject for mail in mails}) == INCIDENTS
    town.nothing_else_arrived()
    tried = await town.rows("SELECT max(number), count(*) FROM attempts")
    assert tuple(tried[0]) == (1, INCIDENTS)


async def test_more_ladders_than_a_pass_may_claim_climb_once_each(town: Town) -> None:
    """After a full pass two go on at once, in one worker."""
    (ana,) = await town.people("Ana", each_with="mail")
    await town.build.notification_rules(ana, [("loud", minutes(60), "mail")])
    await town.service("checkout", policy=[ana, minutes(120)], criticality=1)
    await town.build.storms_above(10_000)
    sender = town.alertmanager
    names = [f"Problem{n:04}" for n in range(1_700)]
    alerts = [sender.alert(name, sender.labels(name, "checkout", "critical", {})) for name in names]
    for n in range(4):
        assert (await sender.send("checkout", sender.body(*alerts[n::4]))).status == 202
    await town.settle()
    [written] = await town.rows("SELECT count(*), count(DISTINCT incident_id) FROM notifications")
    assert tuple(written) == (1_700, 1_700)
    [left] = await town.rows("SELECT count(*) FROM ladders WHERE next_step_at <= tocsin_now()")
    assert left[0] == 0
