"""The rota lives in somebody's Google Calendar: who stands in it is paged, whatever becomes of the feed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_httpserver import HTTPServer
from town import MONDAY, Town, minutes
from werkzeug import Response

DAY = timedelta(days=1)


def event(who: str, start: str, end: str) -> str:
    return f"BEGIN:VEVENT\r\nUID:{who}{start}\r\nSUMMARY:{who}\r\nDTSTART:{start}\r\nDTEND:{end}\r\nEND:VEVENT\r\n"


ROTA = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"
    + event("Ana", "20261123T080000Z", "20261124T080000Z")
    + event("Ben", "20261124T080000Z", "20261125T080000Z")
    + event("Zoe", "20261125T080000Z", "20261126T080000Z")
    + event("Ana", "20261126T080000Z", "20261127T080000Z")
    + "END:VCALENDAR\r\n"
)
FALLBACK = {"name": "fallback", "unit": "week", "length": 1, "anchor": "2026-11-02T09:00", "members": [["dan"]]}


@pytest.fixture
def answers(httpserver: HTTPServer) -> list[Response]:
    """What the calendar's server answers, the last of them."""
    found = [Response(ROTA)]
    httpserver.expect_request("/secret/rota.ics").respond_with_handler(lambda _: found[-1])
    return found


async def reads(town: Town) -> None:
    """The worker looks after calendars that are due."""
    for process in town.workers:
        await process.calendars.refresh_due()


@pytest.mark.parametrize("town", [{"settings": {"allow_private_networks": True}}], indirect=True)
async def test_who_stands_in_the_calendar_is_paged(town: Town, answers: list[Response], httpserver: HTTPServer) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    as_cara = {"Authorization": f"Bearer {town.residents['Cara'].api_key}"}
    body = {"key": "rota", "name": "Rota", "address": httpserver.url_for("/secret/rota.ics")}
    made = await town.http.post("/api/v1/calendars", json=body, headers=as_cara)
    assert made.status_code == 201, made.text
    await reads(town)
    layers = [FALLBACK, {"name": "imported", "calendar": "rota"}]
    await town.service("checkout", policy=[await town.schedule("primary", layers), minutes(60)])

    await town.alertmanager.fires("OnMonday")
    await ana.expects_mail("OnMonday")
    await town.alertmanager.resolves("OnMonday")

    answers.append(Response("gone", 503))
    await town.wait_until(MONDAY + DAY)
    await reads(town)
    state = (await town.http.get("/api/v1/calendars/rota", headers=as_cara)).json()["state"]
    assert (state["error"], state["failing_since"]) == ("its server answered 503", "2026-11-24T10:00:00Z")
    await town.alertmanager.fires("WhileTheFeedIsBroken")
    await ben.expects_mail("WhileTheFeedIsBroken")
    await town.alertmanager.resolves("WhileTheFeedIsBroken")

    await town.wait_until(MONDAY + 2 * DAY)
    assert [unknown["name"] for unknown in state["unknown"]] == ["Zoe"]
    await town.alertmanager.fires("WhenNobodyKnowsZoe")
    await dan.expects_mail("WhenNobodyKnowsZoe")
    await town.alertmanager.resolves("WhenNobodyKnowsZoe")

    answers.append(Response(ROTA.replace("SUMMARY:Ana", "SUMMARY:Ben")))
    await town.wait_until(MONDAY + 3 * DAY)
    await reads(town)
    await town.alertmanager.fires("AfterAnEdit")
    await ben.expects_mail("AfterAnEdit")
    await town.alertmanager.resolves("AfterAnEdit")
    town.nothing_else_arrived()
