"""Nobody tells the worker when to look: it wakes by itself, and ends without leaving anything undone."""

from __future__ import annotations

import pytest
from town import Town, seconds


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
async def test_a_page_goes_out_when_the_alert_comes_and_the_next_when_it_is_due(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, seconds(60), ben, seconds(60_000)])
    async with town.metronome():
        await town.clock.run(speed=120)
        sender = town.alertmanager
        alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
        assert (await sender.send("checkout", sender.body(alert))).status == 202
        await ana.expects_mail("HighErrorRate")
        await ben.expects_mail("HighErrorRate")  # half a second of ours later; nothing told the worker
        await town.clock.stop_at(town.now)


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
async def test_two_metronomes_and_two_webs_page_once(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, seconds(600)], criticality=1)  # P1 is not bundled
    async with town.metronome(), town.metronome():
        sender = town.alertmanager
        for n in range(10):
            alert = sender.alert(f"Problem{n}", sender.labels(f"Problem{n}", "checkout", "critical", {}))
            await sender.send("checkout", sender.body(alert))
        mails = [await ana.expects_mail() for _ in range(10)]
    assert len({mail.subject for mail in mails}) == 10


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
async def test_stopped_while_the_provider_takes_its_time_it_records_the_answer_first(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, seconds(600)])
    town.exchange.troubles.dawdles(0.3, to=ana.number)
    async with town.metronome():
        sender = town.alertmanager
        alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
        await sender.send("checkout", sender.body(alert))
        await ana.phone.expects_sms("HighErrorRate")  # it has arrived, and the worker does not know yet
    (attempt,) = await town.rows("SELECT provider_id, finished_at FROM attempts")
    assert attempt.provider_id == town.exchange.texts[0].sid
    assert attempt.finished_at is not None


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
async def test_what_a_worker_is_still_sending_is_not_taken_for_lost_however_fast_the_clock(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="sms")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, seconds(600_000)])
    town.exchange.troubles.dawdles(0.3, to=ana.number)
    await town.clock.run(speed=1000)  # the lease of a minute is over after 0.06 s
    async with town.metronome():
        sender = town.alertmanager
        alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
        await sender.send("checkout", sender.body(alert))
        await ana.phone.expects_sms("HighErrorRate")
        await town.until(lambda: town.rows("SELECT 1 FROM attempts WHERE finished_at IS NOT NULL"))
    assert [r.method for r in town.exchange.requests] == ["POST"]
