"""Answers by mail: a signed address that belongs to one mail, the same commands as by text message, notes, bounces."""

from __future__ import annotations

import smtplib

import pytest
from town import Town, minutes

from app.dev import mail_program


async def test_a_page_is_acknowledged_by_an_answer_which_is_answered_in_the_thread(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(10), ben])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    page = await ana.expects_mail("HighErrorRate", "You may answer this mail")
    await ana.answers_mail(page, "A\n\nlooking into it", times=2)
    answer = await ana.expects_mail("You have #1: P", "HighErrorRate")
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by) == ("acknowledged", "ana")
    assert "Acknowledged by Ana by mail" in await town.story()
    assert answer.subject == f"Re: {page.subject}"
    root = str(page.message["References"]).split()[0]
    assert str(answer.message["References"]).split()[0] == root
    assert str(answer.message["Auto-Submitted"]) == "auto-replied"
    await ana.answers_mail(answer, "s 10")
    await ana.expects_mail("You have #1 until 11:10, then it pages again")
    town.nothing_else_arrived()


async def test_prose_becomes_a_note_and_is_no_acknowledgement(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    await ana.answers_mail(page, "The disk of db-3 is full again.\nI ask the storage people.", program="outlook")
    await ana.expects_mail("Noted on #1: “The disk of db-3 is full again.", "no acknowledgement", "Nobody has #1 yet")
    assert (await town.incident()).state == "triggered"
    assert "The disk of db-3 is full again.\nI ask the storage people." in await town.story()
    await ana.answers_mail(
        page, "The disk of db-3 is full again.\nI ask the storage people."
    )  # a machine says it twice
    assert sum("The disk of db-3" in line for line in await town.story()) == 1


@pytest.mark.parametrize("program", ["gmail", "apple", "outlook", "thunderbird", "html_only"])
async def test_whatever_program_it_is_written_with(town: Town, program: mail_program.Program) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.answers_mail(await ana.expects_mail("HighErrorRate"), "a 15", program=program)
    await ana.expects_mail("You have #1 until 11:15")


async def test_all_words_of_text_messages(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60), ben, minutes(60)], runbook_text="Restart it.")
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    await ana.answers_mail(page, "?")
    await ana.expects_mail("HighErrorRate", "You were paged as", "Nobody has #1 yet")
    await ana.answers_mail(page, "r")
    await ana.expects_mail("The runbook of #1", "Restart it.")
    await ana.answers_mail(page, "e")
    await ana.expects_mail("The next step of #1 is paged now")
    await ben.expects_mail("HighErrorRate")
    await ana.answers_mail(page, "n")
    await ana.expects_mail("Noted as not actionable. You have #1")
    await ana.answers_mail(page, "c")
    await ana.expects_mail("#1 is not resolved: 1 alert of it still fires", "1cc")
    await ana.answers_mail(page, "1cc")
    await ana.expects_mail("#1 was resolved by Ana")
    assert any("by Ana, by mail" in line for line in await town.story())
    await ana.answers_mail(page, "help")
    await ana.expects_mail("Answer with one of these in the first line", "#1 P2 HighErrorRate")


async def test_only_a_verified_address_of_that_person_counts(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    await ben.answers_mail(page, "a", sender=ben.address)  # forwarded to him
    await ben.answers_mail(page, "a", sender="mallory@elsewhere.example")
    assert (await town.incident()).state == "triggered"
    town.nothing_else_arrived()
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await town.mail_comes(ana.address, "reply+" + "a" * 42 + "@in.example.org", mail_program.answer(page, "a"))
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await town.mail_comes(ana.address, "somebody@elsewhere.example", mail_program.answer(page, "a"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated (rejected)"},
        {"Precedence": "bulk"},
        {"Precedence": "list"},
        {"Precedence": "junk"},
        {"X_Autoreply": "yes"},
        {"X_Autorespond": "on holiday"},
        {"Subject": "Automatic reply: [Checkout] Incident 1"},
        {"List_Id": "<team.example.org>"},
        {"sender": "tocsin@example.org"},
    ],
    ids=str,
)
async def test_what_a_program_writes_by_itself_is_ignored(town: Town, headers: dict[str, str]) -> None:
    """contracts/email/headers.json, inbound.ignore_when."""
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.answers_mail(await ana.expects_mail("HighErrorRate"), "a", **headers)
    assert (await town.incident()).state == "triggered"
    town.nothing_else_arrived()


async def test_an_autoresponder_that_does_not_say_so_is_cut_off(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    mail = await ana.expects_mail("HighErrorRate")
    for n in range(3):
        await ana.answers_mail(mail, f"I am away until Monday, ticket {n}.")
        mail = await ana.expects_mail(f"ticket {n}")
    for n in range(3, 30):
        await ana.answers_mail(mail, f"I am away until Monday, ticket {n}.")
    town.nothing_else_arrived()
    assert sum("I am away" in line for line in await town.story()) == 20


async def test_a_mail_about_several_is_answered_by_number(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    for n in range(9):
        await town.alertmanager.fires(f"Alert{n}", severity="warning")
    for n in range(5):
        await ana.expects_mail(f"Alert{n}")
    await town.wait(minutes(10))
    together = await ana.expects_mail("4 new incidents on Checkout", "#6 a in the first line acknowledges that one")
    await ana.answers_mail(together, "a")
    await ana.expects_mail("Which one? 6a P4 #6 Alert5", "9a P4 #9")
    await ana.answers_mail(together, "#1 a")
    await ana.expects_mail("The mail that you answered was not about #1")
    await ana.answers_mail(together, "the disks are full")
    await ana.expects_mail("nothing acknowledged", "#6 a and nothing else", "Begin it with its number, like #6")
    await ana.answers_mail(together, "#7 the disks are full")
    await ana.expects_mail("Noted on #7: “the disks are full”")
    await ana.answers_mail(together, "#7 a")
    await ana.expects_mail("You have #7")
    assert [i.number for i in await town.incidents() if i.state == "acknowledged"] == [7]
    await ana.answers_mail(together, "#6 aa")
    await ana.expects_mail("You have #6, #8, #9 (Checkout)")


async def test_a_hard_bounce_turns_the_address_off_and_pages_another_way_now(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    assert page.sender.startswith("bounces+")
    assert page.sender.endswith("@in.example.org")
    raw = mail_program.bounce(page, "5.1.1", "550 5.1.1 <ana@example.org>: Recipient address rejected")
    for _ in range(2):
        await town.mail_comes("", page.sender, raw)
    await ana.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("Your mail address on Tocsin does not work any more", "no such mailbox")
    (method,) = await town.rows("SELECT broken_because FROM contact_methods WHERE channel = 'mail'")
    assert "there is no such mailbox (bounced with 5.1.1" in method.broken_because
    (attempt,) = await town.rows("SELECT a.code, a.status FROM attempts a WHERE a.provider = 'smtp'")
    assert (attempt.code, attempt.status) == ("5.1.1", "undelivered")
    assert any("mail to Ana" in line and "no such mailbox (bounced with 5.1.1" in line for line in await town.story())
    town.nothing_else_arrived()


@pytest.mark.parametrize("status", ["4.2.2", "5.2.2", "5.7.1"])
async def test_a_soft_bounce_moves_on_and_keeps_the_address(town: Town, status: str) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60), ben])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    await town.mail_comes("", page.sender, mail_program.bounce(page, status, f"{status[0]}52 {status} not now"))
    await ben.expects_mail("HighErrorRate")
    (method,) = await town.rows("SELECT broken_at FROM contact_methods WHERE user_id = :id", id=ana.user_id)
    assert method.broken_at is None
    codes = await town.rows("SELECT code FROM attempts WHERE status = 'undelivered'")
    assert [c.code for c in codes] == [status]


async def test_a_delay_is_kept_and_changes_nothing_else(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60), ben])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    raw = mail_program.bounce(page, "4.4.1", "connect to mail.example.org: timed out", action="delayed")
    await town.mail_comes("", page.sender, raw)
    (attempt,) = await town.rows("SELECT code, status, error FROM attempts")
    assert (attempt.code, attempt.status) == ("4.4.1", "sent")
    assert attempt.error.startswith("it waits: ")
    town.nothing_else_arrived()


async def test_a_complaint_is_bad_news_too(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    await town.mail_comes("feedback@isp.example", page.sender, mail_program.complaint(page))
    await ana.phone.expects_sms("HighErrorRate")
    await ana.phone.expects_sms("Your mail address on Tocsin does not work any more", "marked our mail as spam")


async def test_a_bounce_to_the_address_for_answers_counts_as_well(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60), ben])
    await town.alertmanager.fires("HighErrorRate")
    page = await ana.expects_mail("HighErrorRate")
    raw = mail_program.bounce(page, "5.1.1", "550 5.1.1 unknown")
    await town.mail_comes("", mail_program.reply_address(page), raw)
    await ben.expects_mail("HighErrorRate")
