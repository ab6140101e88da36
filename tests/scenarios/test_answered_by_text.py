"""Answers by text message: a code that belongs to one number, the same commands as the link, one act for one text."""

from __future__ import annotations

import re
from typing import Any

import pytest
from town import Resident, Town, minutes, seconds


async def code_of(who: Resident, *parts: str) -> str:
    """The code in the next text that has these parts."""
    body = (await who.phone.expects_sms(*parts)).body
    found = re.search(r"Reply ([0-9]+)a\b", body)
    assert found is not None, f"no code in {body!r}"
    return found[1]


async def test_a_page_is_acknowledged_by_its_code_and_the_answer_says_so(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    code = await code_of(ana, "HighErrorRate")
    await ana.replies(f" {code} A. ")
    await ana.phone.expects_sms("You have #1: P", "HighErrorRate", "(Checkout)")
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ana")
    assert "Acknowledged by Ana by SMS" in await town.story()
    await town.wait(minutes(60))
    town.nothing_else_arrived()
    (kept,) = await town.rows("SELECT channel, notification_id FROM acknowledgements")
    assert kept.channel == "sms"
    (answer,) = await town.rows("SELECT state, loudness, content FROM notifications WHERE purpose = 'notice'")
    assert (answer.state, answer.loudness) == ("delivered", "quiet")


async def test_without_a_code_the_only_one_is_meant(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.replies("ack")
    await ana.phone.expects_sms("You have #1 until 12:00, then it pages again")  # P2: an hour, in Berlin
    await ana.replies("a")
    await ana.phone.expects_sms("You have #1")
    assert sum("Acknowledged by" in line for line in await town.story()) == 1


async def test_with_two_open_and_no_code_it_is_asked_which(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.service("search", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", service="checkout")
    await town.alertmanager.fires("SlowQueries", service="search")
    first, second = await code_of(ana, "HighErrorRate"), await code_of(ana, "SlowQueries")
    assert first != second
    await ana.replies("a")
    await ana.phone.expects_sms("Which one?", f"{first}a P", "HighErrorRate", f"{second}a P", "SlowQueries")
    assert {i.state for i in await town.incidents()} == {"triggered"}
    await ana.replies(f"{second}a")
    await ana.phone.expects_sms("You have #2", "SlowQueries")
    await ana.replies("a")  # only one is left that nobody has
    await ana.phone.expects_sms("You have #1", "HighErrorRate")
    assert {i.acknowledged_by for i in await town.incidents()} == {"ana"}


async def test_a_code_counts_only_from_the_number_it_was_sent_to(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    code = await code_of(ana, "HighErrorRate")
    await ben.replies(f"{code}a")
    await ben.phone.expects_sms(f"{code} is no code of this number. Nothing is open for you.")
    assert (await town.incident()).state == "triggered"


async def test_a_number_that_nobody_has_gets_no_answer(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    code = await code_of(ana, "HighErrorRate")
    assert await town.exchange.phone("+15558675310").replies(f"{code}a") == []
    await town.settle()
    town.nothing_else_arrived()
    assert (await town.incident()).state == "triggered"
    assert not await town.rows("SELECT * FROM replies")
    (told,) = [line for line in town.ears.lines if line["event"] == "reply_from_unknown_number"]
    assert told["number"] == "+15*****310"


async def test_a_text_that_is_handed_over_twice_acts_and_is_answered_once(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(60)], repeats=3)
    await town.alertmanager.fires("HighErrorRate")
    code = await code_of(ana, "HighErrorRate")
    await ana.replies(f"{code}e", times=3)
    await ana.phone.expects_sms("The next step of #1 is paged now")
    await ben.phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()
    assert (await town.story()).count("Escalated to the next step by SMS") == 1


async def test_whoever_is_second_learns_who_was_faster_and_takes_nothing(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[[ana, ben], minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.phone.expects_sms("HighErrorRate")
    code = await code_of(ben, "HighErrorRate")
    await ana.acknowledges()
    for said in ("a", f"{code}s 30", f"{code}a 15"):
        await ben.replies(said)
        await ben.phone.expects_sms("Ana has #1 since 11:00.")
    assert (await town.incident()).acknowledged_by == "ana"


async def test_a_promise_is_held_to(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="error")  # a P3, whose acknowledgement would not expire
    code = await code_of(ana, "HighErrorRate")
    await ana.replies(f"{code}a 15")
    await ana.phone.expects_sms("You have #1 until 11:15, then it pages again")
    assert any(line.startswith("Ana promised by SMS to have it until") for line in await town.story())
    await town.wait(minutes(14))
    await ana.phone.expects_sms("your acknowledgement ends at 11:15", f"Reply {code}a to keep it")
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    assert await code_of(ana, "HighErrorRate") == code


async def test_a_number_after_a_that_is_a_code_is_not_taken_for_a_promise(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    code = await code_of(ana, "HighErrorRate")
    await ana.replies(f"a {code}")
    await ana.phone.expects_sms(f"Reply {code}a to acknowledge #1, or {code}a 15 to promise")
    assert (await town.incident()).state == "triggered"


async def test_snooze_resolve_and_the_rest(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60), ben], runbook_url="https://wiki.test/errors",
                       runbook_text="Look at the error budget.")  # fmt: skip
    await town.alertmanager.fires("HighErrorRate", severity="error")
    code = await code_of(ana, "HighErrorRate")
    await ana.replies("?")
    await ana.phone.expects_sms("You were paged as", "Nobody has #1 yet. The next step is due at 12:00.")
    await ana.replies("r")
    await ana.phone.expects_sms("Look at the error budget. https://wiki.test/errors")
    await ana.replies("s")
    await ana.phone.expects_sms("Say for how many minutes, 1 to 10080: s 10")
    await ana.replies("s 10")
    await ana.phone.expects_sms("You have #1 until 11:10, then it pages again")
    await town.wait(minutes(10))
    await ana.phone.expects_sms("HighErrorRate")
    await ana.replies(f"{code}n")
    await ana.phone.expects_sms("Noted as not actionable. You have #1")
    assert "Not actionable, says Ana by SMS" in await town.story()
    await ana.replies(f"{code}c")
    await ana.phone.expects_sms("#1 is not resolved: 1 alert of it still fires.", f"Reply {code}cc")
    assert (await town.incident()).state == "acknowledged"
    await ana.replies(f"{code}cc")
    await ana.phone.expects_sms("#1 was resolved by Ana at 11:10.")
    assert (await town.incident()).state == "resolved"
    await ana.replies(f"{code}a")
    await ana.phone.expects_sms("#1 was resolved by Ana at 11:10.")


async def test_aa_takes_all_of_a_service_and_nothing_else(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.service("search", policy=[ana, minutes(60)])
    for name, service in (("HighErrorRate", "checkout"), ("DiskFull", "checkout"), ("SlowQueries", "search")):
        await town.alertmanager.fires(name, service=service)
    code = await code_of(ana, "HighErrorRate")
    await ana.phone.expects_sms("DiskFull")
    await ana.phone.expects_sms("SlowQueries")
    await ana.replies("aa")
    await ana.phone.expects_sms("Which one?")
    await ana.replies(f"{code}aa")
    await ana.phone.expects_sms("You have #1, #2 (Checkout).")
    assert [i.state for i in await town.incidents()] == ["acknowledged", "acknowledged", "triggered"]


async def test_a_bundle_names_a_code_for_each(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    for n in range(5):
        await town.alertmanager.fires(f"Trouble{n}", severity="error")
    for n in range(3):
        await ana.phone.expects_sms(f"Trouble{n}")
    await town.wait(minutes(2))
    bundle = (await ana.phone.expects_sms("2 new incidents on Checkout", "Trouble3", "Trouble4")).body
    codes = re.findall(r"P3 (Trouble[34])[^(]*\(([0-9]+)\)", bundle)
    assert len(codes) == 2
    assert re.search(r"Reply [0-9]+a", bundle)
    code = dict(codes)["Trouble4"]
    await ana.replies(f"{code}a")
    await ana.phone.expects_sms("You have #5", "Trouble4")
    assert [i.state for i in await town.incidents()] == ["triggered"] * 4 + ["acknowledged"]


async def test_prose_gets_a_short_help_once_and_machines_get_no_loop(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    code = await code_of(ana, "HighErrorRate")
    for _ in range(4):
        await ana.replies("I am driving right now and will answer later.")
    await ana.phone.expects_sms("Reply with a code and one of", f"Open: {code} P")
    town.nothing_else_arrived()
    for n in range(6):
        await ana.replies(f"Out of office until day {n}")
    await ana.phone.expects_sms("Reply with a code")
    await ana.phone.expects_sms("Reply with a code")
    town.nothing_else_arrived()
    for _ in range(20):
        await ana.replies(f"{code}?")
    assert 5 <= len(await _answers(town)) <= 12
    await ana.replies(f"{code}a")  # done, although the answer is withheld
    assert (await town.incident()).acknowledged_by == "ana"
    for _ in range(len(await _answers(town)) - 3):
        await ana.phone.expects_sms()


@pytest.mark.parametrize("words", ["OK", "Yes", "start"])
async def test_an_ok_at_night_is_told_that_nothing_was_acknowledged(town: Town, words: str) -> None:
    """Once for each page: whoever says so thinks that they have it. "Yes" undoes a STOP only where there was one."""
    (ana,) = await town.people("Ana", each_with="sms")
    await town.service("checkout", policy=[ana, minutes(600)])
    for name in ("HighErrorRate", "DiskFull"):
        await town.alertmanager.fires(name, severity="error")
        await ana.phone.expects_sms(name)
        for _ in range(2):
            await ana.replies(words)
        await ana.phone.expects_sms("Nothing acknowledged. Reply with a code and one of", name)
        town.nothing_else_arrived()
        await town.wait(minutes(1))
    assert {i.state for i in await town.incidents()} == {"triggered"}


async def _answers(town: Town) -> list[Any]:
    return await town.rows("SELECT id FROM notifications WHERE purpose = 'notice'")


async def test_stop_takes_the_next_contact_method_and_start_brings_the_phone_back(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms"), ("loud", minutes(20), "sms")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.phone.expects_sms("HighErrorRate")
    await ana.replies("Stop")
    await ana.expects_mail("HighErrorRate")  # now, instead of her second text
    method = await _method(town, ana)
    assert method.opted_out_at == town.now
    assert "STOP" in method.broken_because
    await ana.replies("a")  # whoever stopped it still answers, but is not answered
    assert (await town.incident()).acknowledged_by == "ana"
    await town.alertmanager.fires("DiskFull", severity="error")
    await ana.expects_mail("DiskFull")
    town.nothing_else_arrived()
    await ana.replies("START")
    assert (await _method(town, ana)).broken_at is None
    await town.alertmanager.fires("SlowQueries", severity="error")
    await ana.phone.expects_sms("SlowQueries")
    audited = await town.rows("SELECT action, actor FROM audit_records WHERE action LIKE 'contact_method.opted%'")
    assert [tuple(a) for a in audited] == [
        ("contact_method.opted_out", "user:ana"), ("contact_method.opted_in", "user:ana"),
    ]  # fmt: skip


async def test_a_stop_that_only_twilio_heard_of_is_undone_by_start_as_well(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(60)])
    ana.phone.stopped.add(town.exchange.numbers[0])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("HighErrorRate")
    await ana.expects_mail("contact method of yours is broken")
    assert (await _method(town, ana)).opted_out_at is not None
    await ana.replies("UNSTOP")
    assert (await _method(town, ana)).opted_out_at is None


async def _method(town: Town, who: Resident) -> Any:
    (found,) = await town.rows("SELECT * FROM contact_methods WHERE user_id = :id AND channel = 'sms'", id=who.user_id)
    return found


async def test_a_number_that_is_broken_otherwise_may_be_a_strangers(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    code = await code_of(ana, "HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.execute("UPDATE contact_methods SET broken_at = tocsin_now(), broken_because = 'no longer in use' "
                       "WHERE channel = 'sms'")  # fmt: skip
    await ana.replies(f"{code}a")
    await ana.replies("START")
    assert (await town.incident()).state == "triggered"
    assert (await _method(town, ana)).broken_at is not None


async def test_no_code_where_carriers_take_no_answers(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=())
    ana.number = "+911234567890"
    await town.build.contact_method(ana, "sms")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    assert "Reply" not in (await ana.phone.expects_sms("HighErrorRate")).body
