"""Stakeholders are told of an incident, need not respond, and are not what escalation waits for."""

from __future__ import annotations

from town import Town, minutes


async def subscribe(town: Town, who: str, service: str | None, priority: int) -> None:
    await town.execute(
        "INSERT INTO subscriptions (user_id, service_id, priority_at_least) SELECT u.id, s.id, :priority "
        "FROM users u LEFT JOIN services s ON s.key = :service WHERE u.key = :who",
        who=who, service=service, priority=priority,
    )  # fmt: skip


async def test_whoever_subscribed_is_told_once_and_of_updates(town: Town) -> None:
    ana, ben, cho, _ = await town.people("Ana", "Ben", "Cho", "Dan", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(60)])
    await town.service("search", policy=[ana, minutes(60)])
    await subscribe(town, "cho", "checkout", 3)
    await subscribe(town, "dan", None, 1)
    await town.alertmanager.fires("HighErrorRate", service="checkout", severity="error")  # a P3
    await ana.expects_mail("HighErrorRate")
    told = await cho.expects_mail("HighErrorRate", "For your information")
    assert "/l/" not in told.text, "nothing to answer"
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    town.nothing_else_arrived()  # Cho once, however far it climbs; Dan not at all
    assert "Cho was informed by mail" in await town.story()
    await ben.acknowledges()
    await ben.asks("POST", "/api/v1/incidents/1/notes", {"text": "We know the cause.", "update": True})
    await town.settle()
    await cho.expects_mail("We know the cause.")


async def test_whoever_is_paged_is_not_told_beside_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await subscribe(town, "ana", None, 5)
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("HighErrorRate")
    town.nothing_else_arrived()


async def test_a_raise_tells_whom_it_concerns_only_now(town: Town) -> None:
    ana, dan = await town.people("Ana", "Dan", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await subscribe(town, "dan", None, 1)
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    await ana.sets_priority(1, 1, "the whole shop is down")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("HighErrorRate", "P1")
