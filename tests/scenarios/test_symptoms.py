"""behaviour.md 3, topology: one incident for the host, not one for each service; people have the last word."""

from __future__ import annotations

from typing import Any

from town import Town, minutes
from town.residents import Resident


async def _town(town: Town) -> Resident:
    """checkout depends on payments, payments on db-1; Ana is paged for all of them."""
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("db-1", policy=[ana, minutes(600)])
    await town.service("payments", policy=[ana, minutes(600)], depends_on=["db-1"])
    await town.service("checkout", policy=[ana, minutes(600)], depends_on=["payments"])
    return ana


async def _split_off(ana: Resident, number: int, title: str) -> dict[str, Any]:
    alerts = (await ana.asks("GET", f"/api/v1/incidents/{number}/alerts"))["items"]
    chosen = [a["alert_id"] for a in alerts if title in a["title"]]
    said: dict[str, Any] = await ana.asks("POST", f"/api/v1/incidents/{number}/split", {"alerts": chosen})
    await ana.town.settle()
    return said


async def test_what_fires_downstream_joins_as_a_symptom_and_pages_nobody(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    await town.wait(minutes(5))
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await town.alertmanager.fires("Slow", service="payments")
    incident = await town.incident()
    assert (incident.service, incident.firing, incident.occurrences) == ("db-1", 3, 3)
    assert "“HighErrorRate of checkout” joined as a symptom: checkout -> payments -> db-1" in await town.story()
    kept = await town.rows("SELECT symptom FROM occurrences ORDER BY id")
    assert [r.symptom for r in kept] == [False, True, True]
    for name, service in (("DiskFull", "db-1"), ("Slow", "payments"), ("HighErrorRate", "checkout")):
        await town.alertmanager.resolves(name, service=service)
    assert (await town.incident()).state == "resolved"


async def test_when_the_reason_opens_second_its_symptoms_are_merged_into_it(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    symptom, reason = await town.incidents()
    assert (symptom.state, symptom.firing, symptom.merged_into_id) == ("closed", 0, reason.id)
    assert (reason.service, reason.firing, reason.occurrences, reason.epoch) == ("db-1", 2, 2, 1)
    assert f"A symptom of incident {reason.number}: checkout -> payments -> db-1" in await town.story(symptom)
    await town.alertmanager.fires("HighErrorRate", service="checkout", pod="b")  # the same key joins it from now on
    assert [(i.state, i.firing) for i in await town.incidents()] == [("closed", 0), ("triggered", 3)]


async def test_a_chain_ends_at_its_last_reason(town: Town) -> None:
    ana = await _town(town)
    for name, service in (("A", "checkout"), ("B", "payments"), ("C", "db-1")):
        await town.alertmanager.fires(name, service=service)
        await ana.expects_mail(f"{name} of {service}")
    first, second, last = await town.incidents()
    assert (first.merged_into_id, second.merged_into_id) == (last.id, last.id)
    assert (last.firing, last.occurrences) == (3, 3)


async def test_what_somebody_has_is_only_linked(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    symptom, reason = await town.incidents()
    assert (symptom.state, reason.firing) == ("acknowledged", 1)
    assert f"May be a symptom of incident {reason.number}: checkout -> payments -> db-1" in await town.story(symptom)
    assert f"May be the reason of incident {symptom.number}: checkout -> payments -> db-1" in await town.story(reason)


async def test_a_less_important_reason_explains_nothing(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("DiskFull", service="db-1", severity="warning")
    await ana.expects_mail("DiskFull")
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    assert len(await town.incidents()) == 2
    await town.alertmanager.repeats("DiskFull", service="db-1", severity="critical")  # now it is no less important
    await ana.expects_mail("DiskFull")
    reason, symptom = await town.incidents()
    assert (symptom.merged_into_id, reason.firing) == (reason.id, 2)


async def test_after_the_window_it_is_an_incident_of_its_own(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    await town.wait(minutes(30.1))
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    assert [i.firing for i in await town.incidents()] == [1, 1]


async def test_a_wrong_symptom_is_split_off_pages_and_stays_so(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    said = await _split_off(ana, (await town.incident()).number, "HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    assert (said["result"], said["other"]["service"]) == ("split", "checkout")
    assert [i.firing for i in await town.incidents()] == [1, 1]
    await town.alertmanager.resolves("HighErrorRate", service="checkout")
    await town.wait(minutes(20))  # too late to be reopened; the other one is still open and would explain it
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    assert [(i.service, i.firing) for i in await town.incidents()] == [("db-1", 1), ("checkout", 0), ("checkout", 1)]


async def test_a_merge_by_automation_can_be_taken_back_and_stays_so(town: Town) -> None:
    ana = await _town(town)
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")
    await town.alertmanager.fires("DiskFull", service="db-1")
    await ana.expects_mail("DiskFull")
    symptom, reason = await town.incidents()
    await ana.asks("POST", f"/api/v1/incidents/{reason.number}/undo")
    await town.settle()
    symptom, reason = await town.incidents()
    assert (symptom.state, symptom.firing, symptom.merged_into_id, reason.firing) == ("triggered", 1, None, 1)
    await town.wait(minutes(5))  # else it would flap
    await town.alertmanager.resolves("HighErrorRate", service="checkout")
    await town.wait(minutes(1))
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await ana.expects_mail("HighErrorRate")  # reopened: it does not go to the reason any more
    assert [i.firing for i in await town.incidents()] == [1, 1]
