"""Phone calls: only a key answers them. What nobody answered, and what a machine did, moves on at once."""

from __future__ import annotations

from typing import Any

from town import Resident, Town, minutes, seconds


async def states(town: Town, who: Resident) -> list[tuple[str, str, str]]:
    rows = await town.rows(
        "SELECT n.channel, n.state, coalesce(a.status, '') FROM notifications n LEFT JOIN attempts a"
        " ON a.notification_id = n.id WHERE n.user_id = :id AND n.purpose = 'page' ORDER BY n.id",
        id=who.user_id,
    )
    return [tuple(r) for r in rows]


async def only_by_call(town: Town, *who: Resident, after: Any = seconds(0)) -> None:
    for one in who:
        await town.build.notification_rules(one, [("loud", after, "voice")])


async def test_four_acknowledges(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(10), ben])
    ana.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    call = await ana.phone.expects_call("Tocsin calls.", "Priority 3 on Checkout: High Error Rate", "Press 4")
    assert call.heard[-1] == "You have incident 1. Goodbye."
    assert call.complaints == []
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ana")
    story = await town.story()
    assert "Acknowledged by Ana by keypress" in story
    assert "Ana answered the call" in story
    assert await states(town, ana) == [("voice", "delivered", "read")]
    await town.wait(minutes(60))
    town.nothing_else_arrived()


async def test_whoever_presses_nothing_was_not_reached(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(60)])
    ana.phone.will_press("")
    ben.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    call = await ana.phone.expects_call("High Error Rate", "No key was pressed")
    assert sum("Press 4" in said for said in call.heard) == 3
    await ben.phone.expects_call("You have incident 1")
    assert await states(town, ana) == [("voice", "undelivered", "undelivered")]
    assert any(
        "call to Ana failed (somebody or something picked up and pressed no key)" in s for s in await town.story()
    )


async def test_a_machine_that_picks_up_is_nobody_and_the_next_method_follows(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "voice"))
    await town.build.notification_rules(ana, [("loud", seconds(0), "voice"), ("loud", minutes(10), "sms")])
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.picks_up = "machine"
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_call("High Error Rate")
    await ana.phone.expects_sms("HighErrorRate")  # now, not in ten minutes
    assert (await town.incident()).state == "triggered"
    assert await states(town, ana) == [("voice", "undelivered", "undelivered"), ("sms", "delivered", "delivered")]


async def test_busy_and_nobody_there_move_on_at_once(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(60), dan, minutes(60)])
    ana.phone.picks_up, ben.phone.picks_up = "busy", "no"
    dan.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    for who in (ana, ben):
        assert (await who.phone.expects_call()).heard == []
    await dan.phone.expects_call("You have incident 1")
    assert [await states(town, who) for who in (ana, ben)] == [
        [("voice", "undelivered", "busy")], [("voice", "undelivered", "no-answer")],
    ]  # fmt: skip
    story = await town.story()
    assert "The call to Ana failed (the line was busy)" in story
    assert "The call to Ben failed (nobody picked up)" in story
    assert (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"][0]["broken_at"] is None


async def test_it_is_a_call_after_three_minutes_unless_somebody_has_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "voice"))
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("HighErrorRate")
    await town.wait(seconds(179))
    town.nothing_else_arrived()
    await town.wait(seconds(1))
    await ana.phone.expects_call("High Error Rate")
    await town.alertmanager.fires("DiskFull", severity="error")
    await ana.phone.expects_sms("DiskFull")
    await ana.replies("a")
    await ana.phone.expects_sms("You have #2")
    await town.wait(minutes(10))
    town.nothing_else_arrived()


async def test_six_escalates_and_twice_nine_resolves(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(60)])
    ana.phone.will_press("6")
    ben.phone.will_press("99")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_call("Nobody has incident 1. The next step is being told.")
    call = await ben.phone.expects_call("1 alert still fires. Press 9 again", "Incident 1 is resolved. Goodbye.")
    assert (call.pressed, call.complaints) == ("99", [])
    story = await town.story()
    assert "Escalated to the next step by keypress" in story
    assert "Resolved (by Ben, by keypress)" in story


async def test_zero_and_a_wrong_key_repeat(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.will_press("0*14")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    call = await ana.phone.expects_call("You have incident 1")
    assert sum("Press 4" in said for said in call.heard) == 4


async def test_whoever_picks_up_late_hears_that_it_is_taken_care_of(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="voice")
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    ana.phone.will_press("4")
    ben.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    heard = [(await who.phone.expects_call()).heard for who in (ana, ben)]
    faster = (await town.incident()).acknowledged_by.capitalize()
    later = heard[1 if faster == "Ana" else 0]
    assert any(f"{faster} has" in said for said in later)
    assert sum("Acknowledged by" in line for line in await town.story()) == 1


async def test_several_incidents_are_one_call(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.will_press("0")
    for name in ("One", "Two", "Three"):
        await town.alertmanager.fires(name, severity="error")
    await ana.phone.expects_call("One")
    ana.phone.will_press("4")
    await town.wait(minutes(2))
    call = await ana.phone.expects_call("Tocsin calls about 2 incidents.", "Two", "Three", "acknowledge all of them")
    assert call.heard[-1] == "You have incident 2. You have incident 3. Goodbye."
    assert [i.state for i in await town.incidents()] == ["triggered", "acknowledged", "acknowledged"]


async def test_a_phone_is_verified_by_a_code_that_is_spoken(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=())
    added = await ana.asks(
        "POST", "/api/v1/users/ana/contact-methods", {"channel": "voice", "address": ana.number, "label": "desk"}
    )
    at = f"/api/v1/users/ana/contact-methods/{added['id']}"
    ana.phone.will_press("")
    await ana.asks("POST", f"{at}/code")
    await town.settle()
    call = await ana.phone.expects_call("Your Tocsin verification code is")
    code = "".join(c for c in call.heard[0] if c.isdigit())
    assert len(code) == 6
    await ana.asks("POST", f"{at}/verify", {"code": code})
    (method,) = (await ana.asks("GET", "/api/v1/users/ana/contact-methods"))["items"]
    assert method["verified_at"] is not None
    (sent,) = await town.rows("SELECT state FROM notifications WHERE purpose = 'verification'")
    assert sent.state == "delivered"


async def test_refused_calls_move_on(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "voice"))
    await town.build.notification_rules(ana, [("loud", seconds(0), "voice")])
    await town.service("checkout", policy=[ana, minutes(60)])
    town.exchange.troubles.refuses(21215, to=ana.number)
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("HighErrorRate")
    assert any("calls to this country are not enabled at Twilio" in line for line in await town.story())


async def test_a_second_call_says_that_it_is_one(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60)])
    town.exchange.troubles.breaks(stored=False, to=ana.number)
    ana.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await town.wait(minutes(2))
    await ana.phone.expects_call("Tocsin tries again. Priority 3 on Checkout: High Error Rate", "Press 4")
    assert (await town.incident()).acknowledged_by == "ana"


async def test_callbacks_out_of_order_change_nothing(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="voice")
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.will_press("4")
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_call("You have incident 1")
    (call,) = town.exchange.switchboard.calls
    for late in ("ringing", "initiated", "completed", "no-answer"):
        call.status = late
        await town.exchange.hooks.call(call.callback, town.exchange.switchboard._fields(call))
    await town.settle()
    assert await states(town, ana) == [("voice", "delivered", "read")]
    town.nothing_else_arrived()


async def test_a_call_whose_answer_got_lost_and_that_rings_is_not_placed_again(town: Town) -> None:
    """Two calls within a second to one number cannot be told apart by asking; what its callbacks say, counts."""
    (ana,) = await town.people("Ana", each_with="voice")
    (ben,) = await town.people("Ben", each_with="sms")
    await only_by_call(town, ana)
    await town.service("checkout", policy=[ana, minutes(60), ben], criticality=1)
    await town.service("search", policy=[ana, minutes(60), ben], criticality=1)
    await town.alertmanager.fires("HighErrorRate", service="checkout", severity="critical")
    town.exchange.troubles.breaks(stored=True, to=ana.number)
    await town.alertmanager.fires("DiskFull", service="search", severity="critical")
    await town.exchange.settled()
    await town.settle()
    await town.wait(minutes(2))
    assert [c.to for c in town.exchange.switchboard.calls] == [ana.number] * 2
    assert await states(town, ana) == [("voice", "undelivered", "no-answer")] * 2
    rows = await town.rows("SELECT provider, ask_at IS NOT NULL AS asked FROM attempts WHERE prefix <> ''")
    assert {tuple(r) for r in rows} == {("twilio", True)}, "what callbacks do not tell is asked for"
    for _ in range(2):
        await ana.phone.calls.expects()
        await ben.phone.expects_sms("P1")
    town.nothing_else_arrived()
