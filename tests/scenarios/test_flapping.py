"""Alerts that flap for an hour: one incident each, one page each, and the ladder climbs on as if they simply fired."""

from __future__ import annotations

from town import Town, minutes, seconds

HOUR = 120
"""Half minutes."""


async def flap(town: Town, count: int, until: int, first: int = 0) -> None:
    """Everything fires, resolves half a minute later, fires again."""
    sender = town.alertmanager
    for turn in range(first, until):
        alerts = []
        for n in range(count):
            name = f"Flapping{n:03}"
            labels = sender.labels(name, "checkout", "error", {})
            sender.began(name, labels, anew=turn % 2 == 0)
            alerts.append(sender.alert(name, labels, ended=sender.now if turn % 2 else None))
        told = await sender.send("checkout", sender.body(*alerts))
        assert told.status == 202
        await town.wait(seconds(30))


async def test_200_alerts_that_flap_for_an_hour_are_one_incident_and_one_page_each(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.build.storms_above(1000)
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(10)], repeats=3)
    await flap(town, 200, 1)
    for _ in range(3):
        await ana.phone.expects_sms("Flapping")
    for incident in await town.incidents():
        await ana.asks("POST", f"/api/v1/incidents/{incident.number}/acknowledge")
    await flap(town, 200, HOUR, first=1)
    assert len(await town.incidents()) == 200
    pages = await town.rows("SELECT incident_id, count(*) AS n FROM notifications GROUP BY incident_id")
    assert {p.n for p in pages} == {1}
    assert len(pages) == 200
    town.nothing_else_arrived()


async def test_the_ladder_of_what_flaps_climbs_on_while_nobody_answers(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(10), ben, minutes(120)])
    await flap(town, 1, 18)
    await ana.phone.expects_sms("Flapping000")
    town.nothing_else_arrived()
    await flap(town, 1, HOUR, first=18)
    await ben.phone.expects_sms("Flapping000")
    town.nothing_else_arrived()
    assert len(await town.incidents()) == 1
