"""The source says it is over; it comes back; a person says it is over while it is not."""

from __future__ import annotations

from town import Town, minutes


async def test_resolved_by_its_source_it_pages_nobody_any_more(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(5), ben])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(2))
    told = await town.alertmanager.resolves("HighErrorRate")
    assert told.events == {"resolved": 1}
    await town.wait(minutes(60))
    incident = await town.incident()
    assert (incident.state, incident.resolved_by, incident.firing) == ("resolved", "source", 0)


async def test_it_resolves_when_the_last_of_its_alerts_is_over(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(30)])
    await town.alertmanager.fires("HighErrorRate", instance="a")
    await ana.expects_mail("HighErrorRate")
    await town.alertmanager.fires("HighErrorRate", instance="b")
    town.nothing_else_arrived()  # it joined, and pages nobody again
    await town.alertmanager.resolves("HighErrorRate", instance="a")
    assert (await town.incident()).state == "triggered"
    await town.alertmanager.resolves("HighErrorRate", instance="b")
    assert (await town.incident()).state == "resolved"


async def test_the_recovery_delay_of_a_service_holds_it_open(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)], recovery_delay_s=600)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(9))
    await town.alertmanager.fires("HighErrorRate")
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(9))
    assert (await town.incident()).state == "triggered"
    await town.wait(minutes(1))
    assert (await town.incident()).state == "resolved"


async def test_within_15_minutes_the_same_incident_is_reopened_and_triggered_whoever_had_it(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(3))
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(14))
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate", "Reopened")
    incident = await town.incident()
    assert (incident.state, incident.reopened, incident.epoch) == ("triggered", 1, 2)
    assert incident.acknowledged_by is None


async def test_after_15_minutes_it_is_a_recurrence(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(15))
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    first, second = await town.incidents()
    assert second.recurrence_of_id == first.id
    assert f"Happened before: incident {first.number}" in await town.story(second)


async def test_a_person_who_resolves_what_still_fires_is_asked_and_it_reopens_after_15_minutes(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    screen = await ana.follows_link("Resolve")
    assert "1 alert of it still fires" in screen.words
    assert (await town.incident()).state == "triggered"
    await town.browser.presses(screen, "Resolve anyway")
    assert (await town.incident()).state == "resolved"
    await town.wait(minutes(14))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.phone.expects_sms("HighErrorRate")
    assert "Reopened (1 alerts still fire)" in await town.story()


async def test_a_person_who_resolves_what_then_stops_firing_hears_no_more_of_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    assert (await ana.resolves())["result"] == "still_firing"
    assert (await ana.resolves(confirmed=True))["result"] == "resolved"
    await town.wait(minutes(5))
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(60))
    assert (await town.incident()).state == "resolved"


async def test_closing_it_does_not_hide_that_it_still_fires(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.resolves(confirmed=True)
    await ana.closes()
    await town.wait(minutes(15))
    await ana.expects_mail("HighErrorRate")
    assert (await town.incident()).state == "triggered"


async def test_pinned_open_only_a_person_resolves_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.pins_open()
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(30))
    assert (await town.incident()).state == "triggered"
    await ana.pins_open(pinned=False)
    assert (await town.incident()).state == "resolved"


async def test_reopened_because_it_still_fires_it_takes_new_occurrences_again(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.alertmanager.fires("HighErrorRate", instance="a")
    await ana.expects_mail("HighErrorRate")
    await ana.resolves(confirmed=True)
    await town.wait(minutes(16))
    await ana.expects_mail("HighErrorRate", "Reopened")
    await town.alertmanager.fires("HighErrorRate", instance="b")
    assert [(i.state, i.firing) for i in await town.incidents()] == [("triggered", 2)]
