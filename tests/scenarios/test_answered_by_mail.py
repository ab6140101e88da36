"""Answers by mail: a signed address that belongs to one mail, the same commands as by text message, notes, bounces."""

from __future__ import annotations

from town import Town, minutes


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
