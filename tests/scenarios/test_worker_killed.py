"""A worker dies between claim, send and record: another one asks the provider, and says so when it must send again."""

from __future__ import annotations

import pytest
from town import Resident, Town, minutes, seconds


async def asked(town: Town) -> bool:
    return any(r.method == "POST" for r in town.exchange.requests)


async def claimed(town: Town) -> bool:
    return bool(await town.rows("SELECT 1 FROM notifications WHERE state = 'sending'"))


async def killed_while_mailing(town: Town, name: str, severity: str) -> Resident:
    """A worker that has claimed a mail to Ana dies; two minutes later."""
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(60)])
    town.mailbox.hangs(at="data", to=ana.address)
    sender = town.alertmanager
    alert = sender.alert(name, sender.labels(name, "checkout", severity, {}))
    await sender.send("checkout", sender.body(alert))
    async with town.doomed_worker() as doomed:
        await town.until(lambda: claimed(town))
        await doomed.kill()
    await town.wait(minutes(2))
    return ana


@pytest.mark.parametrize("stored", [True, False])
async def test_killed_between_claim_and_record(town: Town, stored: bool) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.build.notification_rules(ana, [("loud", minutes(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(60)])
    town.exchange.troubles.hangs(stored=stored, to=ana.number)
    await town.alertmanager.send("checkout", town.alertmanager.body(
        town.alertmanager.alert("HighErrorRate", town.alertmanager.labels("HighErrorRate", "checkout", "critical", {}))
    ))  # fmt: skip
    async with town.doomed_worker() as doomed:
        await town.until(lambda: asked(town))  # it has claimed and sends
        await doomed.kill()
    await town.wait(seconds(59))
    assert len(town.exchange.texts) == int(stored)  # its lease still runs
    await town.wait(seconds(1))
    if stored:
        await ana.phone.expects_sms("HighErrorRate")  # the provider knew of it: nothing is sent again
    await town.wait(seconds(30))
    if not stored:
        await ana.phone.expects_sms("HighErrorRate", "(repeat)")
    town.nothing_else_arrived()
    (notification,) = await town.rows("SELECT state, tries, repeated FROM notifications")
    assert tuple(notification) == ("delivered", 1 if stored else 2, not stored)


async def test_killed_while_sending_a_mail_which_nobody_can_be_asked_about(town: Town) -> None:
    ana = await killed_while_mailing(town, "HighErrorRate", "critical")
    await ana.expects_mail("HighErrorRate", "(repeat)")


async def test_what_is_quiet_is_not_sent_again_when_nobody_knows_whether_it_was(town: Town) -> None:
    await killed_while_mailing(town, "DiskFills", "info")
    pages = await town.rows(
        "SELECT u.key, n.state, n.loudness, n.tries FROM notifications n JOIN users u ON u.id = n.user_id"
        " ORDER BY n.created_at, n.id"
    )
    assert [tuple(p) for p in pages] == [("ana", "failed", "quiet", 1), ("cara", "delivered", "quiet", 1)]
    await town.residents["Cara"].phone.expects_sms("DiskFills")  # the last resort: silence is never the outcome
    assert any("mail to Ana failed (nobody knows whether it was sent)" in line for line in await town.story())
    town.nothing_else_arrived()
