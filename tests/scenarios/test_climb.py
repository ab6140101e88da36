"""Nobody answers: up the policy, round again, then the last resort, again and again."""

from __future__ import annotations

from town import Town, minutes, seconds


async def test_a_policy_is_repeated_then_the_last_resort_is_paged_until_somebody_answers(town: Town) -> None:
    cara = town.residents["Cara"]
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(10)], repeats=1)
    await town.alertmanager.fires("HighErrorRate")
    for _ in range(2):
        await ana.expects_mail("HighErrorRate")
        await town.wait(minutes(5))
        await ben.expects_mail("HighErrorRate")
        town.nothing_else_arrived()
        await town.wait(minutes(10))
    for _ in range(3):
        await cara.phone.expects_sms("HighErrorRate")
        await town.wait(minutes(5))
        await cara.phone.expects_sms("HighErrorRate")  # her notification rules apply to a last resort, too
        town.nothing_else_arrived()
        await town.wait(minutes(25))
    await cara.phone.expects_sms("HighErrorRate")
    await cara.follows_link("Acknowledge")
    await town.wait(minutes(29))
    assert "Last resort: paging Cara" in await town.story()


async def test_a_person_found_twice_is_paged_once_per_step(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    pair = await town.team("payments", ana, ben)
    rota = await town.schedule(
        "primary", [{"name": "l", "unit": "day", "length": 1, "anchor": "2026-01-01T09:00", "members": [["ana"]]}]
    )
    await town.service("checkout", policy=[[ana, pair, rota], minutes(5), ana, minutes(30)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    await town.wait(minutes(5))
    await ana.expects_mail("HighErrorRate")


async def test_a_step_that_reaches_nobody_goes_on_at_once(town: Town) -> None:
    (dan,) = await town.people("Dan", each_with=())
    (ben,) = await town.people("Ben", each_with="mail")
    nobody = await town.schedule("night", [])
    await town.service("checkout", policy=[dan, minutes(5), nobody, minutes(5), ben, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    story = await town.story()
    assert "Step 1 reached nobody: Dan has no usable contact method" in story
    assert "Step 2 reached nobody: nobody is on call in schedule Night" in story
    assert "Step 3 of round 1: paging Ben" in story


async def test_a_round_that_reached_nobody_goes_straight_to_the_last_resort(town: Town) -> None:
    cara = town.residents["Cara"]
    (dan,) = await town.people("Dan", each_with=())
    await town.service("checkout", policy=[dan, minutes(5)], repeats=20)
    await town.alertmanager.fires("HighErrorRate")
    await cara.phone.expects_sms("HighErrorRate")
    await town.wait(seconds(90))


async def test_who_comes_on_call_later_is_found_when_the_last_resort_did_not_answer(town: Town) -> None:
    cara = town.residents["Cara"]
    (dan,) = await town.people("Dan", each_with=())
    await town.service("checkout", policy=[dan, minutes(5)])
    await town.alertmanager.fires("HighErrorRate")
    await cara.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(6))
    await cara.phone.expects_sms("HighErrorRate")
    await town.build.contact_method(dan, "mail")
    await town.wait(minutes(25))
    await dan.expects_mail("HighErrorRate")


async def test_a_service_without_a_policy_pages_the_last_resort(town: Town) -> None:
    await town.service("checkout")
    await town.alertmanager.fires("HighErrorRate")
    await town.residents["Cara"].phone.expects_sms("HighErrorRate")


async def test_escalate_now_pages_the_next_step_and_takes_it_from_whoever_had_it(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(30), ben, minutes(30)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await ana.escalates()
    await ben.expects_mail("HighErrorRate")
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("triggered", None)
    town.nothing_else_arrived()
