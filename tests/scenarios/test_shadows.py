"""Dan learns the job: he is told of what Ben is paged about, quietly, and nobody relies on him."""

from __future__ import annotations

from town import Town, minutes

WEEK = {"name": "week", "unit": "week", "length": 1, "anchor": "2026-11-23T09:00", "members": [["ben"]]}
LEARNING = WEEK | {"name": "learning", "members": [["dan"]], "mode": "shadow"}


async def test_a_shadow_is_told_once_and_holds_nothing_up(town: Town) -> None:
    ben, dan = await town.people("Ben", "Dan", each_with="mail")
    (eve,) = await town.people("Eve", each_with="mail")
    rota = await town.schedule("primary", [WEEK, LEARNING])
    await town.service("checkout", policy=[rota, minutes(5), eve, minutes(60)], repeats=1)
    await town.alertmanager.fires("Down")
    await ben.expects_mail("Down")
    mail = await dan.expects_mail("You shadow Ben", "Down")
    assert "/l/" not in mail.text, "nothing to acknowledge"
    assert "/incidents/1" in mail.text
    await town.wait(minutes(5))
    await eve.expects_mail("Down")  # Dan's message is no hope that somebody answers
    assert "Dan was told by mail" in await town.story()
    await eve.acknowledges()
    await town.wait(minutes(5))
    town.nothing_else_arrived()


async def test_a_shadow_alone_is_nobody(town: Town) -> None:
    await town.people("Dan", each_with="mail")
    empty = WEEK | {"members": [[]]}
    await town.service("checkout", policy=[await town.schedule("primary", [empty, LEARNING]), minutes(5)])
    await town.alertmanager.fires("Down")
    await town.residents["Cara"].phone.expects_sms("Down")
    town.nothing_else_arrived()


async def test_what_is_acknowledged_meanwhile_is_not_told(town: Town) -> None:
    ben, dan = await town.people("Ben", "Dan", each_with="mail")
    await town.service("checkout", policy=[await town.schedule("primary", [WEEK, LEARNING]), minutes(5)])
    town.mailbox.refuses("451 4.7.1 Try later", to=dan.address)
    await town.alertmanager.fires("Down", severity="warning")
    await ben.expects_mail("Down")
    await ben.acknowledges()
    await town.wait(minutes(5))
    town.nothing_else_arrived()
    [told] = await town.rows("SELECT state, because FROM notifications WHERE user_id = :id", id=dan.user_id)
    assert tuple(told) == ("cancelled", "the incident was acknowledged before this was sent")
