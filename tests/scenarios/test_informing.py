"""P1 and P2 inform people who need not respond, and updates fall due (behaviour.md 4)."""

from __future__ import annotations

import pytest
from town import Resident, Town, minutes
from town.building import Builder

ROW = {"priority": 1, "policy": "leadership", "loudness": "quiet", "first_update_s": 900, "update_interval_s": 1800}


async def informs(town: Town, *rows: dict[str, object], **service: object) -> tuple[Resident, Resident]:
    """Ana responds; Dan, then Eve 10 minutes later, are informed of P1."""
    ana, dan, eve = await town.people("Ana", "Dan", "Eve", each_with="mail")
    build: Builder = town.build
    await build.policy("leadership", {"targets": [dan], "delay_s": 600}, {"targets": [eve]}, repeats=0)
    await build.policy("checkout", {"targets": [ana], "delay_s": 7200})
    await town.service("checkout", policy="checkout", **{"criticality": 1, **service})
    await build.matrix(*(rows or (ROW,)))
    return ana, dan


async def test_an_acknowledgement_does_not_stop_it_resolution_does(town: Town) -> None:
    ana, dan = await informs(town, ROW | {"first_update_s": None, "update_interval_s": None})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    mail = await dan.expects_mail("For your information", "You need not do anything")
    assert "/l/" not in mail.text, "what is only for information has no button"
    await ana.acknowledges()
    await town.wait(minutes(10))
    await town.residents["Eve"].expects_mail("For your information", "it is acknowledged")
    told = await town.story()
    assert "Step 1 of round 1: informing Dan" in told
    assert "Dan was informed by mail" in told
    await ana.resolves(confirmed=True)


async def test_what_is_resolved_informs_nobody_else(town: Town) -> None:
    ana, dan = await informs(town, ROW | {"first_update_s": None, "update_interval_s": None})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information")
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(60))


async def test_only_the_priorities_of_the_matrix_are_told_and_a_raise_tells_then(town: Town) -> None:
    ana, dan = await informs(town, ROW | {"first_update_s": None, "update_interval_s": None}, criticality=3)
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    await ana.sets_priority(1, 1, "everybody is affected")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information", "P1")
    await ana.acknowledges()
    await town.wait(minutes(10))
    await town.residents["Eve"].expects_mail("For your information")


async def test_a_service_may_have_rows_of_its_own(town: Town) -> None:
    ana, _ = await informs(town, ROW, {"service": "checkout", "priority": 1})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(29))


async def test_whoever_has_it_is_reminded_until_an_update_is_posted(town: Town) -> None:
    ana, _ = await informs(town, ROW | {"policy": None})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(15))
    await ana.expects_mail("An update is due")
    await town.wait(minutes(10))
    await ana.expects_mail("An update is due")
    await ana.expects_mail("I still have it")  # what she acknowledged 25 minutes ago expires soon
    await ana.mitigates()
    number = (await town.incident()).number
    note = {"text": "We roll back.", "update": True}
    await ana.asks("POST", f"/api/v1/incidents/{number}/notes", note)
    told = await ana.asks("GET", f"/api/v1/incidents/{number}")
    assert told["update_due_at"].startswith((town.now + minutes(30)).strftime("%Y-%m-%dT%H:%M"))
    await town.wait(minutes(29))
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ana.expects_mail("An update is due")
    assert "Update: We roll back." in await town.story()
    await ana.resolves(confirmed=True)
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(60))


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_inform_and_remind_once(town: Town) -> None:
    ana, dan = await informs(town)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information")
    await ana.acknowledges()
    await town.wait(minutes(15))
    await town.residents["Eve"].expects_mail("For your information")
    await ana.expects_mail("An update is due")


async def test_reopened_within_a_quarter_of_an_hour_it_informs_anew(town: Town) -> None:
    ana, dan = await informs(town, ROW | {"first_update_s": None, "update_interval_s": None})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information")
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(11))
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information")
    await ana.resolves(confirmed=True)


async def test_the_text_of_an_update_goes_to_everybody_who_was_informed(town: Town) -> None:
    ana, dan = await informs(town, ROW | {"first_update_s": None, "update_interval_s": None})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.expects_mail("For your information")
    await ana.acknowledges()
    for words in ("We roll back.", "It is over."):
        await ana.asks("POST", "/api/v1/incidents/1/notes", {"text": words, "update": True})
        await town.settle()
        assert f"by Ana:\n\n{words}" in (await dan.expects_mail("HighErrorRate", words)).text
        town.nothing_else_arrived()  # Eve was not informed yet
        await ana.resolves(confirmed=True)
    await ana.asks("POST", "/api/v1/incidents/1/notes", {"text": "A note for ourselves."})
    await town.settle()
    town.nothing_else_arrived()


async def test_what_is_loud_for_information_is_told_once_by_each_first_contact_method(town: Town) -> None:
    """Calls and repeats are for pages that nobody answers."""
    (dan,) = await town.people("Dan", each_with=("sms", "mail", "voice"))
    (ana,) = await town.people("Ana", each_with="mail")
    everybody = await town.team("everybody", dan, ana)
    await town.build.policy(
        "leadership", {"targets": [dan], "delay_s": 600}, {"targets": [everybody], "delay_s": 600}, repeats=3
    )
    await town.service("checkout", policy=[ana, minutes(240)], criticality=1)
    await town.build.matrix({"priority": 1, "policy": "leadership", "loudness": "loud"})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await dan.phone.expects_sms("For your information")
    await dan.expects_mail("For your information")
    await town.wait(minutes(10))
    await ana.expects_mail("For your information")
    await town.wait(minutes(180))
    town.nothing_else_arrived()
    await ana.acknowledges()


async def test_whom_informing_did_not_reach_is_on_the_timeline_as_for_pages(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    (eve,) = await town.people("Eve", each_with=())
    await town.build.policy("leadership", {"targets": [ana, eve]})
    await town.service("checkout", policy=[[ana, eve], minutes(60)], criticality=1)
    await town.build.matrix({"priority": 1, "policy": "leadership", "loudness": "quiet"})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("For your information")
    await ana.expects_mail("HighErrorRate")
    told = await town.story()
    for did in ("informing", "paging"):
        assert f"Step 1 of round 1: {did} Ana; not reached: Eve has no usable contact method" in told
