"""A policy hands its incident over to a support tier of the service, as the tiers are then."""

from __future__ import annotations

from town import Town, minutes


async def test_the_tier_takes_over_and_has_it_from_then_on(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana]}, hand_over_to_tier=2)
    await town.build.policy("experts", {"targets": [ben]})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    # made after the incident opened: it is looked up when the rounds are over
    await town.build.tiers({"service": "checkout", "tier": 2, "policy": "experts"})
    path = f"/api/v1/incidents/{(await town.incident()).number}"
    told = await town.residents["Cara"].asks("GET", path)
    assert (told["next_step"]["policy"], told["next_step"]["names"], told["tier"]) == ("Experts", ["Ben"], 1)
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    assert (await town.residents["Cara"].asks("GET", path))["tier"] == 2
    assert "The rounds of “Checkout” are over: support tier 2, “Experts”, takes over" in await town.story()
    await ben.acknowledges()


async def test_where_there_is_none_the_last_resort_is_paged_and_the_timeline_says_so(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana]}, hand_over_to_tier=3)
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(5))
    await town.residents["Cara"].phone.expects_sms("HighErrorRate")
    assert "“Checkout” cannot hand over to support tier 3: the service has none" in await town.story()
