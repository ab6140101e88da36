"""Two webs, two workers, flapping alerts and people who press buttons, all in the same second."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
from town import Town, seconds
from town.senders import Alertmanager

COUNTS = """
    SELECT i.number, i.firing, i.state, count(o.id) FILTER (WHERE o.ended_at IS NULL) AS still
    FROM incidents i LEFT JOIN occurrences o ON o.incident_id = i.id GROUP BY i.id ORDER BY i.number
"""


@pytest.mark.parametrize("town", [{"workers": 0}], indirect=True)
async def test_counts_stay_right_and_nobody_waits_for_a_deadlock(town: Town) -> None:
    chance = Random(42)
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, seconds(30)], repeats=5)
    senders = [town.alertmanager, Alertmanager(town, port=(await town.another_web()).port)]

    async def flaps(pod: int) -> None:
        for turn in range(6):
            sender = chance.choice(senders)
            name = f"Problem{pod % 3}"
            labels = sender.labels(name, "checkout", chance.choice(["critical", "error"]), {"pod": str(pod)})
            sender.began(name, labels, anew=turn % 2 == 0)
            alert = sender.alert(name, labels, ended=sender.now if turn % 2 else None)
            assert (await sender.send("checkout", sender.body(alert))).status == 202

    async def presses() -> None:
        for _ in range(6):
            for incident in await town.incidents():
                what = chance.choice(["acknowledge", "unacknowledge", "escalate"])
                path = f"/api/v1/incidents/{incident.number}/{what}"
                headers = {"Authorization": f"Bearer {ana.api_key}"}
                answer = await town.http.post(path, headers=headers)
                assert answer.status_code in (200, 409), answer.text

    async with town.metronome(), town.metronome():
        await town.clock.run(speed=60)
        await asyncio.gather(*(flaps(pod) for pod in range(12)), presses())
        await town.clock.stop_at(town.now + seconds(600))
    for incident in await town.rows(COUNTS):
        assert incident.firing == incident.still == 0
        assert incident.state == "resolved"
    failed = [line for line in town.ears.lines if line["event"] in ("tick_failed", "batch_tried_one_by_one")]
    assert failed == []
    (deadlocks,) = await town.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    assert deadlocks[0] == 0
    while ana.inbox.unexpected():
        await ana.expects_mail()
    while town.residents["Cara"].phone.inbox.unexpected():
        await town.residents["Cara"].phone.expects_sms()
