"""A shift changes hands: who comes learns it with what is open, who leaves learns who has it; nobody twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from town import MONDAY, Resident, Town, minutes, seconds

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ana"], ["ben"]]}
NEXT_MONDAY = MONDAY.replace(hour=8) + timedelta(days=7)  # 09:00 in Berlin

an_hour_before = pytest.mark.parametrize("town", [{"at": NEXT_MONDAY - timedelta(hours=1)}], indirect=True)


async def primary(town: Town, notices: dict[str, Any], layers: list[dict[str, Any]] | None = None) -> Any:
    document = {"time_zone": "Europe/Berlin", "layers": layers or [WEEK], "handoff_notices": notices}
    return await town.build.schedule("primary", document)


async def on_call(town: Town, asker: Resident) -> list[str]:
    answer = await asker.asks("GET", "/api/v1/schedules/primary/on-call")
    return [user["key"] for user in answer["users"]]


@an_hour_before
async def test_both_are_told_with_what_is_open(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[await primary(town, {"minutes_before": 30}), minutes(60)])
    await town.alertmanager.fires("DiskFull", severity="warning")
    await ana.expects_mail("DiskFull")
    await ana.acknowledges()
    await town.wait_until(NEXT_MONDAY - minutes(30) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    mail = await ben.expects_mail("You are on call for Primary")
    assert "From Mon 30 Nov 09:00 CET you are on call for Primary until Mon 07 Dec 09:00 CET" in mail.text
    for word in ("#1", "DiskFull", "acknowledged"):
        assert word in mail.text
    await town.wait(minutes(30) - seconds(1))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    mail = await ana.expects_mail("Your shift in Primary is over")
    assert "Ben has it now." in mail.text
    await town.wait(timedelta(days=2))
    town.nothing_else_arrived()


@an_hour_before
async def test_unconfirmed_whoever_leaves_stays_until_somebody_confirms(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    (ben,) = await town.people("Ben", each_with=("mail", "sms"))
    rota = await primary(town, {"minutes_before": 15, "confirm_within_minutes": 10})
    await town.service("checkout", policy=[rota, minutes(60)])
    await town.wait_until(NEXT_MONDAY - minutes(15))
    assert "Confirm that you have it" in (await ben.expects_mail("You are on call for Primary")).text
    await town.wait(minutes(10))
    await ben.phone.expects_sms("you are on call for Primary")
    await town.wait(minutes(5))
    assert await on_call(town, ana) == ["ben", "ana"]  # 09:00: nobody has confirmed
    town.nothing_else_arrived()
    await town.wait(minutes(5))
    assert "Ben did not confirm: you stay on call for Primary" in (await ana.expects_mail("You stay on call")).text

    await town.alertmanager.fires("Down", severity="warning")
    await ana.expects_mail("Down")
    await ben.expects_mail("Down")
    await ana.acknowledges()
    await town.wait(minutes(15))
    town.nothing_else_arrived()

    link = ben.phone.last_link
    screen = await ben.follows_link(link=link)
    assert "Ana" in screen.words
    assert await on_call(town, ana) == ["ben", "ana"], "opening a link changes nothing"
    await ben.follows_link("I have it", link=link)
    assert await on_call(town, ana) == ["ben"]
    assert "Ben has it now." in (await ana.expects_mail("Your shift in Primary is over")).text
    await town.wait(timedelta(days=2))
    town.nothing_else_arrived()
    then = NEXT_MONDAY + minutes(10)
    was = await ana.asks("GET", f"/api/v1/schedules/primary/on-call?at={then:%Y-%m-%dT%H:%M:%SZ}")
    assert [user["because"] for user in was["users"]][1].startswith("stays until the handoff is confirmed")


@an_hour_before
async def test_confirmed_in_time_nobody_stays(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await primary(town, {"minutes_before": 15, "confirm_within_minutes": 10})
    await town.wait_until(NEXT_MONDAY - minutes(15))
    await ben.expects_mail("You are on call for Primary")
    await ben.follows_link("I have it")
    await town.wait_until(NEXT_MONDAY - seconds(1))
    assert await on_call(town, ana) == ["ana"]
    await town.wait(seconds(1))
    assert await on_call(town, ana) == ["ben"]
    await ana.expects_mail("Your shift in Primary is over")
    await town.wait(timedelta(days=1))
    screen = await ben.follows_link("")
    assert "It is confirmed" in screen.words
    assert [row.state for row in await town.rows("SELECT state FROM handshakes")] == ["confirmed"]


@an_hour_before
async def test_a_shift_that_was_given_away_is_not_announced(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await primary(town, {"minutes_before": 30, "confirm_within_minutes": 10})
    await town.wait_until(NEXT_MONDAY - minutes(30))
    await ben.expects_mail("You are on call for Primary")
    week = {"starts_at": "2026-11-30T08:00:00Z", "ends_at": "2026-12-07T08:00:00Z"}
    swap = await ben.asks("POST", "/api/v1/schedules/primary/swaps", week | {"to": "dan"})
    await town.settle()
    await dan.expects_mail("Ben offers you a swap")
    await dan.asks("POST", f"/api/v1/schedules/primary/swaps/{swap['id']}/take")
    await town.settle()
    await ben.expects_mail("Dan takes your shift")
    await dan.expects_mail("You are on call for Primary")
    screen = await ben.follows_link("", link=ben.inbox.last_link)
    assert "There is nothing to confirm any more" in screen.words
    await town.wait_until(NEXT_MONDAY + seconds(1))
    assert "Dan did not confirm" in (await ana.expects_mail("You stay on call for Primary")).text
    assert await on_call(town, ana) == ["dan", "ana"]
    states = [(row.state, row.incoming) for row in await town.rows("SELECT * FROM handshakes ORDER BY id")]
    assert states == [("closed", [ben.user_id]), ("open", [dan.user_id])]
    await dan.asks("POST", "/api/v1/schedules/primary/handshakes/2/confirm")
    await town.settle()
    await ana.expects_mail("Dan has it now.")
    assert await on_call(town, ana) == ["dan"]


BEFORE_THE_NIGHT = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
NIGHT = {"name": "l", "unit": "day", "length": 1, "anchor": "2026-10-24T02:30", "members": [["ana"], ["ben"]]}


@pytest.mark.parametrize("town", [{"at": BEFORE_THE_NIGHT, "workers": 2}], indirect=True)
async def test_in_the_night_when_clocks_change_two_workers_tell_everybody_once(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await primary(town, {"minutes_before": 10}, [NIGHT])
    await town.wait(minutes(20))
    text = (await ben.expects_mail("You are on call for Primary")).text
    assert "From Sun 25 Oct 02:30 CEST you are on call for Primary until Mon 26 Oct 02:30 CET" in text
    await town.wait(minutes(10))
    await ana.expects_mail("Your shift in Primary is over")
    await town.wait(minutes(60))  # the clock shows 02:30 again
    town.nothing_else_arrived()
    again = await town.another_worker()
    town.workers[:] = [again]  # the others were restarted
    await town.wait(timedelta(hours=12))
    town.nothing_else_arrived()


@an_hour_before
async def test_only_whoever_comes_confirms_and_only_from_our_screen(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await primary(town, {"minutes_before": 15, "confirm_within_minutes": 60})
    await town.wait_until(NEXT_MONDAY - minutes(15))
    await ben.expects_mail("You are on call for Primary")
    link = urlsplit(ben.inbox.last_link).path
    assert (await town.http.get(link[:-1] + "-")).status_code == 404
    assert (await town.http.get("/h/nonsense")).status_code == 404
    for _ in range(2):
        assert (await town.http.head(link)).status_code == 200
        assert "Europe/Berlin" in (await town.http.get(link)).text
        assert (await town.http.post(link, data={"signature": "0" * 64})).status_code == 403
    path = "/api/v1/schedules/primary/handshakes"
    [listed] = (await ana.asks("GET", path))["items"]
    assert (listed["state"], listed["incoming"][0]["key"], listed["outgoing"][0]["key"]) == ("open", "ben", "ana")
    assert (await ana.asks("GET", "/api/v1/schedules/primary/on-call"))["handshakes"] == [listed]
    confirm = f"{path}/{listed['id']}/confirm"
    headers = {"Authorization": f"Bearer {ana.api_key}"}
    refused = await town.http.post(confirm, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    assert (await town.http.post(f"{path}/99/confirm", headers=headers)).status_code == 404
    as_ben = {"Authorization": f"Bearer {ben.api_key}"}
    for asking, there in ((headers, False), (as_ben, True)):
        screen = (await town.http.get("/on-call", headers=asking)).text
        assert "did not confirm the handoff" in screen
        assert ("I have it" in screen) is there
    cara = town.residents["Cara"]
    assert (await cara.asks("POST", confirm))["state"] == "confirmed", "an admin may for Ben"
    assert (await ben.asks("POST", confirm))["decided_by"] == "api_key:cara-key", "once is enough"
    pressed = await town.http.post(f"/on-call/primary/handshakes/{listed['id']}/confirm", headers=as_ben)
    assert (pressed.status_code, pressed.headers["location"]) == (303, "/on-call")
    await town.wait_until(NEXT_MONDAY)
    await ana.expects_mail("Your shift in Primary is over")


@an_hour_before
async def test_without_confirmation_during_a_whole_shift_everybody_stays(town: Town) -> None:
    """Ana and Ben are both on call until Dan confirms the handoff after Ben's."""
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    days = WEEK | {"unit": "day", "members": [["ana"], ["ben"], ["dan"]]}
    await primary(town, {"confirm_within_minutes": 30}, [days])
    await town.wait_until(NEXT_MONDAY)
    await ben.expects_mail("You are on call for Primary")
    assert await on_call(town, ana) == ["ben", "ana"]
    await town.wait(minutes(30))
    await ana.expects_mail("You stay on call for Primary")
    await town.wait_until(NEXT_MONDAY + timedelta(days=1))
    await dan.expects_mail("You are on call for Primary")
    assert await on_call(town, ana) == ["dan", "ana", "ben"]
    town.nothing_else_arrived()
    await town.wait(minutes(30))
    for person in (ana, ben):
        assert "Dan did not confirm" in (await person.expects_mail("You stay on call for Primary")).text
    await dan.follows_link("I have it")
    for person in (ana, ben):
        await person.expects_mail("Your shift in Primary is over", "Dan has it now.")
    assert await on_call(town, ana) == ["dan"]
    states = await town.rows("SELECT state FROM handshakes ORDER BY id")
    assert [row.state for row in states] == ["closed", "confirmed"]
