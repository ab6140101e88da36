"""Somebody takes it: escalation stops, pending messages are cancelled, and whoever comes later is told who has it."""

from __future__ import annotations

from town import Town, minutes


async def test_acknowledging_by_the_link_stops_everything_that_was_pending(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("HighErrorRate")
    screen = await ana.follows_link("Acknowledge")
    assert "You have it" in screen.words
    await town.wait(minutes(600))
    town.nothing_else_arrived()  # neither her own second text after 5 minutes nor Ben's page after 10
    pending = await town.rows("SELECT state, because FROM notifications WHERE state <> 'delivered'")
    assert [(n.state, n.because) for n in pending] == [
        ("cancelled", "the incident was acknowledged before this was sent")
    ]


async def test_a_link_opened_by_a_scanner_changes_nothing(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(10)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    screen = await ana.follows_link()
    assert (await town.http.head(screen.address.replace("https://tocsin.test", ""))).status_code == 200
    assert (await town.incident()).state == "triggered"
    assert screen.headers["referrer-policy"] == "no-referrer"


async def test_whoever_comes_second_is_told_who_was_faster(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(10)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    first = await ana.acknowledges()
    assert (first["result"], first["by"]) == ("acknowledged", "ana")
    second = await ben.acknowledges()
    assert (second["result"], second["by"]) == ("already_acknowledged", "ana")
    screen = await ben.follows_link()
    assert "Ana has it" in screen.words
    assert "Acknowledge" not in screen.buttons
    incident = await town.incident()
    assert (incident.acknowledged_by, incident.epoch) == ("ana", 1)
    assert sum("Acknowledged by" in line for line in await town.story()) == 1


async def test_two_links_pressed_in_the_same_moment_give_it_to_one(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(10)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    before = await ben.follows_link()  # Ben looks while nobody has it
    await ana.follows_link("Acknowledge")
    after = await town.browser.presses(before, "Acknowledge")
    assert "Ana was faster" in after.words
    assert (await town.incident()).acknowledged_by == "ana"


async def test_giving_it_back_pages_from_the_first_step(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    await ben.acknowledges()
    await town.wait(minutes(20))
    town.nothing_else_arrived()
    await ben.unacknowledges()
    await ana.expects_mail("HighErrorRate")
    assert (await town.incident()).epoch == 2


async def test_an_acknowledgement_of_p1_expires_and_pages_both_whoever_had_it_and_whoever_is_on_call(
    town: Town,
) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)], criticality=1)
    await town.alertmanager.fires("HighErrorRate")
    assert (await town.incident()).priority == 1
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    await ben.acknowledges()
    await town.wait(minutes(29))
    await ben.expects_mail("I still have it")
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.expects_mail("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    assert "The acknowledgement of Ben expired" in await town.story()


async def test_an_acknowledgement_of_p2_lasts_an_hour_and_of_p3_for_ever(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5)])
    await town.service("search", policy=[ana, minutes(5)])
    await town.alertmanager.fires("HighErrorRate", service="checkout", severity="critical")
    await town.alertmanager.fires("SlowQueries", service="search", severity="error")
    await ana.expects_mail("HighErrorRate")
    await ana.expects_mail("SlowQueries")
    for incident in await town.incidents():
        await ana.acknowledges(incident.number)
    await town.wait(minutes(59))
    await ana.expects_mail("HighErrorRate", "I still have it")
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.expects_mail("HighErrorRate")
    assert [i.state for i in await town.incidents()] == ["triggered", "acknowledged"]


async def test_a_snooze_ends(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.snoozes(town.now + minutes(120))
    await town.wait(minutes(119))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.expects_mail("HighErrorRate")
    assert "The snooze ended" in await town.story()
    town.nothing_else_arrived()


async def test_handing_it_over_pages_that_person_then_the_policy(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await ana.reassigns(dan)
    await dan.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    await town.wait(minutes(5))
    await ana.expects_mail("HighErrorRate")
    town.nothing_else_arrived()


async def test_whoever_is_on_call_is_paged_when_the_acknowledgement_of_an_assignee_expires(town: Town) -> None:
    ana, dan = await town.people("Ana", "Dan", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5)], criticality=1)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.reassigns(dan)
    await dan.expects_mail("HighErrorRate")
    await dan.acknowledges()
    await town.wait(minutes(30))
    await dan.expects_mail("I still have it")
    await dan.expects_mail("HighErrorRate")
    await ana.expects_mail("HighErrorRate")


async def test_a_service_says_how_long_acknowledgements_last(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    lasts = {"P1": 10, "P2": 0, "P3": 120}
    await town.service("checkout", policy=[ana, minutes(600)], acknowledgement_minutes=lasts, criticality=1)
    await town.alertmanager.fires("HighErrorRate", severity="critical")
    await ana.phone.expects_sms("P1 #1")
    await ana.acknowledges()
    await town.wait(minutes(5))
    await ana.phone.expects_sms("your acknowledgement ends at")
    await ana.acknowledges()  # as long again as this service says
    await town.wait(minutes(5))
    await ana.phone.expects_sms("your acknowledgement ends at")
    await town.wait(minutes(5))
    await ana.phone.expects_sms("P1 #1")
    assert (await town.incident()).state == "triggered"
    await ana.resolves()


async def test_a_service_may_let_an_acknowledgement_of_p2_last_for_ever(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(600)], acknowledgement_minutes={"P2": 0})
    await town.alertmanager.fires("HighErrorRate", severity="critical")
    await ana.phone.expects_sms("P2 #1")
    await ana.acknowledges()
    await town.wait(minutes(180))
    assert (await town.incident()).state == "acknowledged"
    town.nothing_else_arrived()
