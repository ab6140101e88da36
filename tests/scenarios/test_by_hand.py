"""Merge, split off, move, undo, and incidents without an alert: what a person decides stays decided."""

from __future__ import annotations

from typing import Any

from town import Town, minutes
from town.residents import Resident


async def _ana(town: Town) -> Resident:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    return ana


async def _fires(town: Town, ana: Resident, *names: str) -> None:
    for name in names:
        await town.alertmanager.fires(name)
        await ana.expects_mail(name)


async def _does(ana: Resident, number: int, what: str, body: Any = None) -> dict[str, Any]:
    said: dict[str, Any] = await ana.asks("POST", f"/api/v1/incidents/{number}/{what}", body)
    await ana.town.settle()
    return said


async def _alerts(ana: Resident, number: int, *labels: str) -> list[str]:
    items = (await ana.asks("GET", f"/api/v1/incidents/{number}/alerts"))["items"]
    return [a["alert_id"] for a in items if set(labels) & set(a["labels"].values())]


async def _standing(town: Town) -> list[tuple[str, int, int]]:
    return [(i.state, i.firing, i.occurrences) for i in await town.incidents()]


async def test_merged_they_are_one_and_stay_one(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A", "B")
    first, second = await town.incidents()
    said = await _does(ana, second.number, "merge", {"into": first.number, "reason": "the same cable"})
    assert (said["result"], said["incident"]["merged_into"], said["other"]["firing"]) == ("merged", first.number, 2)
    assert (await _does(ana, second.number, "merge", {"into": first.number}))["result"] == "already"
    assert await _standing(town) == [("triggered", 2, 2), ("closed", 0, 0)]
    assert f"Merged into incident {first.number} by Ana: the same cable" in await town.story(second)
    told = f"Incident {second.number} was merged into this by Ana (“B of checkout”): the same cable"
    assert told in await town.story(first)
    await town.alertmanager.fires("B", pod="another")  # its key leads to the other one now
    assert await _standing(town) == [("triggered", 3, 3), ("closed", 0, 0)]
    await town.wait(minutes(5))  # else it would flap
    await town.alertmanager.resolves("A")
    await town.alertmanager.resolves("B")
    await town.alertmanager.resolves("B", pod="another")
    assert await _standing(town) == [("resolved", 0, 3), ("closed", 0, 0)]
    await town.wait(minutes(1))
    await town.alertmanager.fires("B")
    await ana.expects_mail("A of checkout")  # reopened under its own title
    assert await _standing(town) == [("triggered", 1, 4), ("closed", 0, 0)]


async def test_a_merge_is_undone_without_a_page_and_both_resolve_by_themselves(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A", "B")
    first, second = await town.incidents()
    await ana.acknowledges(second.number)
    await _does(ana, second.number, "merge", {"into": first.number})
    await _does(ana, first.number, "undo")
    assert await _standing(town) == [("triggered", 1, 1), ("acknowledged", 1, 1)]
    await town.alertmanager.resolves("B")
    await town.alertmanager.resolves("A")
    assert await _standing(town) == [("resolved", 0, 1), ("resolved", 0, 1)]


async def test_split_off_it_pages_and_does_not_come_back(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A")
    await town.alertmanager.fires("A", pod="b")
    first = await town.incident()
    chosen = await _alerts(ana, first.number, "b")
    said = await _does(ana, first.number, "split", {"alerts": chosen, "title": "Only b"})
    await ana.expects_mail("Only b")
    assert (await _does(ana, first.number, "split", {"alerts": chosen}))["result"] == "already"
    assert await _standing(town) == [("triggered", 1, 1), ("triggered", 1, 1)]
    await town.wait(minutes(5))  # else it would flap
    await town.alertmanager.resolves("A", pod="b")
    await town.wait(minutes(1))
    await town.alertmanager.fires("A", pod="b")
    await ana.expects_mail("Only b")  # its own one is reopened
    await town.alertmanager.resolves("A", pod="b")
    await town.wait(minutes(20))
    await town.alertmanager.fires("A", pod="b")  # too late for that, and not into the first one, which is open
    await ana.expects_mail("A of checkout")
    assert [(i.state, i.firing) for i in await town.incidents()] == [
        ("triggered", 1),
        ("resolved", 0),
        ("triggered", 1),
    ]
    await town.alertmanager.fires("A", pod="c")  # what was not split off goes where it went
    assert (await town.incidents())[0].firing == 2
    assert said["other"]["title"] == "Only b"


async def test_a_split_is_undone(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A")
    await town.alertmanager.fires("A", pod="b")
    first = await town.incident()
    said = await _does(ana, first.number, "split", {"alerts": await _alerts(ana, first.number, "b")})
    await ana.expects_mail("A of checkout")
    await _does(ana, said["other"]["number"], "undo")
    assert await _standing(town) == [("triggered", 2, 2), ("closed", 0, 0)]
    await town.alertmanager.resolves("A", pod="b")
    await town.wait(minutes(1))
    await town.alertmanager.fires("A", pod="b")  # nothing is decided about it any more
    assert await _standing(town) == [("triggered", 2, 3), ("closed", 0, 0)]


async def test_moved_it_stays_where_it_was_put_until_that_is_over(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A")
    await town.alertmanager.fires("A", pod="b")
    await _fires(town, ana, "B")
    first, other = await town.incidents()
    await _does(ana, first.number, "move", {"alerts": await _alerts(ana, first.number, "b"), "to": other.number})
    assert await _standing(town) == [("triggered", 1, 1), ("triggered", 2, 2)]
    await town.alertmanager.resolves("A", pod="b")
    await town.wait(minutes(1))
    await town.alertmanager.fires("A", pod="b")
    assert await _standing(town) == [("triggered", 1, 1), ("triggered", 2, 3)]
    await _does(ana, first.number, "undo")
    assert await _standing(town) == [("triggered", 2, 3), ("triggered", 1, 1)]


async def test_what_is_done_last_is_undone_first_and_for_15_minutes(town: Town) -> None:
    ana = await _ana(town)
    await _fires(town, ana, "A", "B", "C")
    a, b, c = [i.number for i in await town.incidents()]
    await _does(ana, a, "merge", {"into": b})
    await _does(ana, b, "merge", {"into": c})
    for number, code in ((a, "not_last"), (99, "not_found")):
        answer = await town.http.post(
            f"/api/v1/incidents/{number}/undo", headers={"Authorization": f"Bearer {ana.api_key}"}
        )
        assert answer.json()["code"] == code
    await town.alertmanager.fires("A", pod="b")  # two merges away
    assert [i.firing for i in await town.incidents()] == [0, 0, 4]
    await _does(ana, c, "undo")
    await town.wait(minutes(16))
    answer = await town.http.post(f"/api/v1/incidents/{a}/undo", headers={"Authorization": f"Bearer {ana.api_key}"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_late")


async def test_an_incident_by_hand_pages_and_only_a_person_ends_it(town: Town) -> None:
    ana = await _ana(town)
    body = {"title": "Customers cannot log in", "service": "checkout", "impact": 1, "urgency": 1}
    made = await ana.asks("POST", "/api/v1/incidents", body)
    await town.settle()
    await ana.expects_mail("Customers cannot log in", "P1")
    assert (made["priority"], made["firing"], made["pinned_open"], made["priority_pin"]) == (1, 0, True, None)
    assert (await town.story())[0] == "Opened by Ana, severity critical"
    await ana.acknowledges()
    await town.wait(minutes(10))
    assert (await town.incident()).state == "acknowledged"
    assert (await ana.resolves())["result"] == "resolved"
