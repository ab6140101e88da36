"""Drills: a marked test page along the real path, scored, and no part of anything that counts real trouble."""

from __future__ import annotations

from typing import Any

from town import Resident, Town, minutes, seconds


async def drill(town: Town, by: Resident, type_: str, key: str, **more: Any) -> dict[str, Any]:
    """Begins one, and lets the workers page."""
    body = {"target": {"type": type_, "key": key}} | more
    begun: dict[str, Any] = await by.asks("POST", "/api/v1/drills", body)
    await town.settle()
    return begun


async def shown(by: Resident, begun: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await by.asks("GET", f"/api/v1/drills/{begun['id']}")
    return found


async def test_a_drill_of_a_service_climbs_and_is_scored(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana, minutes(5), ben], repeats=3)
    begun = await drill(town, cara, "service", "checkout", note="after the move")
    text = await ana.phone.expects_sms("DRILL", "after the move", "no real incident")
    assert text.body.startswith("DRILL"), "a phone shows the first words only"
    await town.wait(minutes(5))
    await ben.phone.expects_sms("DRILL")
    await ana.phone.expects_sms("DRILL")  # her default rules: SMS again after 5 minutes
    await town.wait(seconds(40))
    screen = await ben.follows_link("Acknowledge")
    assert "this was a drill" in screen.words.lower()

    await town.settle()
    over = await shown(cara, begun)
    assert (over["outcome"], over["paged"], over["reached"], over["acknowledged"], over["missed"]) == (
        "acknowledged", 2, 2, 1, 0,
    )  # fmt: skip
    first, second = over["people"]
    assert (first["user"]["key"], first["result"], first["by"]) == ("ana", "delivered", "sms")
    assert (second["user"]["key"], second["result"], second["acknowledged_after_s"]) == ("ben", "acknowledged", 40.0)
    assert over["first_answer_s"] == 40.0
    incident = await cara.asks("GET", f"/api/v1/incidents/{over['incident']}")
    assert (incident["drill"], incident["state"]) == (True, "resolved")
    await town.wait(minutes(60))
    town.nothing_else_arrived()


async def test_an_unanswered_drill_ends_without_repeats_and_without_the_last_resort(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(5)], repeats=3)
    begun = await drill(town, town.residents["Cara"], "service", "checkout")
    await ana.phone.expects_sms("DRILL")
    await town.wait(minutes(5))
    await ana.phone.expects_sms("DRILL")
    await town.wait(minutes(60))
    town.nothing_else_arrived()
    over = await shown(town.residents["Cara"], begun)
    assert (over["outcome"], over["reached"], over["acknowledged"]) == ("unanswered", 1, 0)


async def test_the_last_resort_is_reached_when_asked(town: Town) -> None:
    await town.people("Ana", each_with=())
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[cara])
    begun = await drill(town, cara, "user", "ana", last_resort=True, wait_minutes=5)
    await cara.phone.expects_sms("DRILL", "Ana")
    await cara.acknowledges(begun["incident"])
    over = await shown(cara, begun)
    assert over["unreachable"] == ["Ana has no usable contact method"]
    assert (over["outcome"], over["missed"], over["acknowledged"]) == ("acknowledged", 1, 1)


async def test_a_drill_takes_nobodys_turn_calls_no_webhook_and_begins_no_storm(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    cara = town.residents["Cara"]
    hook = await town.build.webhook("tickets", "https://tickets.example.org/")
    turn = {"targets": [ana, ben, hook], "whom": "round_robin"}
    await town.service("checkout", policy=await town.build.policy("in-turn", turn))
    await town.build.storms_above(1)
    for _ in range(3):
        begun = await drill(town, cara, "service", "checkout")
        await ana.expects_mail("DRILL")
        await ana.acknowledges(begun["incident"])
    assert await town.rows("SELECT 1 FROM storms") == []
    assert await town.rows("SELECT 1 FROM notifications WHERE webhook_id IS NOT NULL") == []
    await town.alertmanager.fires("Real")
    await ana.expects_mail("Real")
    town.nothing_else_arrived()


async def test_nothing_real_joins_a_drill(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("database", policy=[ana])
    await town.service("checkout", policy=[ben], depends_on=["database"])
    await drill(town, town.residents["Cara"], "service", "database", priority=1)
    await ana.expects_mail("DRILL")
    await town.alertmanager.fires("Slow", service="checkout")
    await ben.expects_mail("Slow")


async def test_one_drill_at_a_time_and_a_proof_of_the_contact_method(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    body = {"target": {"type": "user", "key": "ana"}}
    await drill(town, cara, "user", "ana")
    head = {"Authorization": f"Bearer {cara.api_key}"}
    again = await town.http.post("/api/v1/drills", json=body, headers=head)
    assert (again.status_code, again.json()["code"]) == (409, "drill_under_way")
    await ana.expects_mail("DRILL")
    await town.wait(minutes(2))
    await ana.follows_link("Acknowledge")
    reach = await cara.asks("GET", "/api/v1/users/ana/reachability")
    assert reach["level"] == "partly"
    assert reach["methods"][0]["proven_at"] == town.now.isoformat().replace("+00:00", "Z")
    second = await drill(town, cara, "user", "ana")
    await ana.expects_mail("DRILL")
    ended = await cara.asks("POST", f"/api/v1/drills/{second['id']}/end")
    assert ended["outcome"] == "ended"
