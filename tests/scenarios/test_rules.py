"""What routing and correlation rules do to the road, and what a flapping alert does not do."""

from __future__ import annotations

from typing import Any

import pytest
from town import Town, minutes, seconds

from app.alerts.routing_rules import ROUTING_RULES
from app.incidents.correlation_rules import CORRELATION_RULES
from app.rules import commands
from app.rules.rulesets import Kind


async def publish(town: Town, kind: Kind, *rules: tuple[str, dict[str, Any]], scope: str = "") -> None:
    document = [
        {"key": f"r{n}", "name": f"Rule {n}", "when": when, "then": then} for n, (when, then) in enumerate(rules, 1)
    ]
    async with town.transaction() as (conn, now):
        await commands.publish(conn, now, kind, document, actor="user:ana", scope=scope)


async def occurrences(town: Town) -> list[Any]:
    return await town.rows("SELECT * FROM occurrences ORDER BY id")


async def test_a_rule_chooses_service_labels_and_severity(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.service("database", policy=[ben, minutes(600)])
    await publish(
        town,
        ROUTING_RULES,
        ('{alertname=~"Pg.*"}', {"service": "database", "labels": {"team": "db"}, "note": "look at the replica first"}),
        ("labels.team == 'db'", {"severity": "info"}),
        ("true", {"severity": "critical"}),
    )
    await town.alertmanager.fires("PgDown", service="checkout", severity="warning")
    await ben.phone.expects_sms("PgDown")
    incident = await town.incident()
    assert (incident.service, incident.priority) == ("database", 2)
    (occurrence,) = await occurrences(town)
    assert occurrence.severity == "critical", "rules look at what came in, not at each other"
    assert occurrence.routed["note"] == "look at the replica first"
    assert [r["rule"] for r in occurrence.routed["rules"]] == ["r1", "r3"]
    assert "look at the replica first" in (await ben.follows_link()).html
    (alert,) = await town.rows("SELECT labels, severity FROM alerts")
    assert ("team" in alert.labels, alert.severity) == (False, "warning"), "the alert stays as it was sent"


async def test_a_service_s_own_rules_have_the_last_word(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, ROUTING_RULES, ("true", {"severity": "info", "labels": {"a": "1", "b": "1"}}))
    await publish(town, ROUTING_RULES, ("true", {"severity": "critical", "labels": {"b": "2"}}), scope="checkout")
    await town.alertmanager.fires("HighErrorRate", severity="warning")
    await ana.phone.expects_sms("P2")
    (occurrence,) = await occurrences(town)
    assert occurrence.routed["labels"] == {"a": "1", "b": "2"}
    assert [r["scope"] for r in occurrence.routed["rules"]] == ["", "checkout"]


async def test_a_rule_suppresses_and_says_so(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, ROUTING_RULES, ('{env="staging"}', {"suppress": True}))
    await town.alertmanager.fires("HighErrorRate", env="staging")
    town.nothing_else_arrived()
    assert await town.incidents() == []
    (occurrence,) = await occurrences(town)
    assert (occurrence.suppressed["by"], occurrence.suppressed["name"]) == ("routing rule", "Rule 1")
    assert "env" in occurrence.suppressed["because"]


async def test_what_resolves_within_its_hold_opens_nothing(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, ROUTING_RULES, ("true", {"hold_minutes": 5}))
    await town.alertmanager.fires("HighErrorRate")
    (held,) = await occurrences(town)
    assert held.suppressed["by"] == "hold"
    assert held.recheck_at - town.now == minutes(5)
    await town.wait(minutes(4))
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(10))
    assert await town.incidents() == []
    town.nothing_else_arrived()


async def test_what_outlives_its_hold_enters_as_new(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, ROUTING_RULES, ("true", {"hold_minutes": 5}))
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(minutes(2))
    await town.alertmanager.repeats("HighErrorRate", severity="error")  # changed while held: the hold goes on
    await town.wait(minutes(3) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ana.phone.expects_sms("HighErrorRate")
    (occurrence,) = await occurrences(town)
    assert (occurrence.suppressed, occurrence.recheck_at) == (None, None)
    await town.alertmanager.resolves("HighErrorRate")
    assert (await town.incident()).state == "resolved"


async def test_a_key_of_a_correlation_rule_joins_services(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.service("database", policy=[ben, minutes(600)])
    await publish(
        town,
        CORRELATION_RULES,
        ('{node!=""}', {"key": ["labels.cluster", "labels.node"], "across_services": True, "window_minutes": 10}),
    )
    await town.alertmanager.fires("NodeDown", service="checkout", cluster="eu", node="n1")
    await ana.phone.expects_sms("NodeDown")
    await town.alertmanager.fires("PodDown", service="database", cluster="eu", node="n1")
    town.nothing_else_arrived()
    incident = await town.incident()
    assert incident.occurrences == 2
    assert any("same labels.cluster, labels.node, within 10 minutes" in line for line in await town.story())
    await town.alertmanager.fires("PodDown", service="database", cluster="eu", node="n2")
    await ben.phone.expects_sms("PodDown")


async def test_a_service_s_correlation_rule_comes_before_the_organisation_s(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, CORRELATION_RULES, ("true", {"key": ["labels.alertname"]}))
    await publish(town, CORRELATION_RULES, ("true", {"key": ["service.key"]}), scope="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await town.alertmanager.fires("Slow")
    assert (await town.incident()).occurrences == 2


async def test_a_key_that_is_empty_leaves_it_to_the_default(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    await publish(town, CORRELATION_RULES, ("true", {"key": ["labels.rack"]}))
    for name in ("HighErrorRate", "Slow"):
        await town.alertmanager.fires(name)
        await ana.phone.expects_sms(name)
    assert len(await town.incidents()) == 2


@pytest.mark.parametrize("together", [True, False])
async def test_a_threshold_holds_until_enough_came(town: Town, together: bool) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    then = {"key": ["labels.alertname"], "threshold": {"count": 3, "within_minutes": 5}}
    await publish(town, CORRELATION_RULES, ("true", then))
    sender = town.alertmanager
    alerts = [sender.alert("Slow", sender.labels("Slow", "checkout", "critical", {"pod": str(n)})) for n in range(3)]
    for batch in [alerts] if together else [[alert] for alert in alerts]:
        if alerts[2] in batch:
            await sender.post("checkout", sender.body(*batch))
            break
        await sender.post("checkout", sender.body(*batch))
        town.nothing_else_arrived()
        held = (await occurrences(town))[-1]
        assert held.suppressed["by"] == "hold"
        assert "of 3 within 5 minutes" in held.suppressed["because"]
    await ana.phone.expects_sms("Slow")
    incident = await town.incident()
    assert (incident.occurrences, incident.firing) == (3, 3)
    assert [o.suppressed for o in await occurrences(town)] == [None] * 3


async def test_below_the_threshold_nothing_opens_however_long_it_fires(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana, minutes(600)])
    then = {"key": ["labels.alertname"], "threshold": {"count": 2, "within_minutes": 5}}
    await publish(town, CORRELATION_RULES, ("true", then))
    await town.alertmanager.fires("Slow", pod="1")
    await town.wait(minutes(6))
    await town.alertmanager.fires("Slow", pod="2")
    await town.wait(minutes(30))
    assert await town.incidents() == []
    town.nothing_else_arrived()
    assert [o.suppressed["by"] for o in await occurrences(town)] == ["hold", "hold"]


async def test_a_flapping_alert_pages_once(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.acknowledges()
    for _ in range(20):
        await town.wait(seconds(30))
        await town.alertmanager.resolves("HighErrorRate")
        await town.wait(seconds(30))
        await town.alertmanager.fires("HighErrorRate")
    town.nothing_else_arrived()
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by, incident.epoch) == ("acknowledged", "ana", 1)
    assert incident.reopened == 1, "once it is known to flap, it is held open"
    assert any("flaps" in line for line in await town.story())
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(6))
    assert (await town.incident()).state == "resolved"


async def test_a_flapping_alert_that_nobody_takes_climbs_on(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    await town.service("checkout", policy=[ana, minutes(3), ben, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    for _ in range(4):
        await town.wait(seconds(29))
        await town.alertmanager.resolves("HighErrorRate")
        await town.wait(seconds(29))
        await town.alertmanager.fires("HighErrorRate")
    await ben.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()
