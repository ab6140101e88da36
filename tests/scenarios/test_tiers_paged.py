"""Steps that name a support tier page whoever is on call for it; what comes next is told once somebody has it."""

from __future__ import annotations

from town import Town, minutes
from town.browser import Screen

from app.escalation import concern_store
from app.escalation.policy_document import Target

SECOND = Target(type="tier", key="2")
WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ben"]]}


async def test_a_step_pages_whoever_is_on_call_for_a_tier_and_goes_on_at_once_without_one(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await town.team("payments", ana)
    experts = await town.schedule("experts", [WEEK])
    await town.build.policy("experts", {"targets": [experts]}, {"targets": [dan]})
    await town.build.policy("shared", {"targets": [SECOND]}, {"targets": [ana], "delay_s": 7200})
    await town.service("checkout", policy="shared", team="payments")
    await town.service("search", policy="shared")

    await town.alertmanager.fires("HighErrorRate", service="search")
    await ana.expects_mail("HighErrorRate")
    told = await town.story()
    assert "Step 1 reached nobody: there is no support tier 2 for service Search" in told
    town.nothing_else_arrived()
    await ana.acknowledges()

    await town.build.tiers({"team": "payments", "tier": 2, "policy": "experts"})
    await town.alertmanager.fires("DiskFull")
    await ben.expects_mail("DiskFull")
    town.nothing_else_arrived()
    rows = await town.rows("SELECT content ->> 'why' AS why FROM notifications ORDER BY id DESC LIMIT 1")
    assert rows[0].why.startswith("support tier 2 of team Payments: on call in schedule Experts")
    assert (await town.rows("SELECT max(tier) AS tier FROM ladders"))[0].tier == 1, "it was handed to nobody"
    (concerned,) = await town.rows("SELECT id FROM schedules")
    async with town.transaction() as (conn, _):
        found = await concern_store.open_incidents(conn, concerned.id)
    assert [i.service for i in found] == ["Checkout"]


async def test_what_comes_next_is_told_although_somebody_has_it(town: Town) -> None:
    ana, ben, dan, eve = await town.people("Ana", "Ben", "Dan", "Eve", each_with="mail")
    await town.build.policy(
        "checkout",
        {"targets": [ana]},
        {"targets": [ben], "delay_s": 600},
        {"targets": [dan], "when": {"state": "not_resolved"}},
    )
    await town.build.policy("leadership", {"targets": [eve], "delay_s": 600}, {"targets": [ben]})
    await town.service("checkout", policy="checkout", criticality=1)
    await town.build.matrix({"priority": 1, "policy": "leadership"})
    await town.alertmanager.fires("HighErrorRate")
    began = town.now
    await ana.expects_mail("HighErrorRate")
    await eve.expects_mail("For your information")
    number = (await town.incident()).number
    address = f"/api/v1/incidents/{number}"
    assert (await ana.asks("GET", address))["next_step"]["names"] == ["Ben"]
    await ana.acknowledges()

    seen = await ana.asks("GET", address)
    step, informed = seen["next_step"], seen["next_informed"]
    assert (step["names"], step["step"], step["round"]) == (["Dan"], 3, 1)
    assert step["at"].startswith((began + minutes(15)).isoformat()[:16])
    assert (informed["names"], informed["policy"]) == (["Ben"], "Leadership")
    screen = await ana.follows_link()
    assert "You have it" in screen.words
    assert "Next: Dan by mail at" in screen.words
    desk = await town.http.get(f"/incidents/{number}", headers={"Authorization": f"Bearer {ana.api_key}"})
    words = Screen("", desk).words
    assert "You have it" in words
    assert "Next: for information, Ben by mail (step 2 of round 1) in" in words
    assert "then: Dan by mail (step 3 of round 1) in" in words
    await town.wait(minutes(10))
    await ben.expects_mail("For your information")
    assert (await ana.asks("GET", address))["next_informed"] is None
    await town.wait(minutes(5))
    await dan.expects_mail("HighErrorRate")
    assert (await ana.asks("GET", address))["next_step"] is None
    await ana.resolves(confirmed=True)
