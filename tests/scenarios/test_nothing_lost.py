"""What was answered with 2xx is in the database, whatever happens to database, batch or body."""

from __future__ import annotations

import asyncio
from typing import Any

from sqlalchemy import make_url, text
from town import Town, minutes
from town.senders import Alertmanager

from app.db import engine as db

THROW_OUT = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = :database AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


async def test_a_database_that_throws_everybody_out_costs_no_answered_alert(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    sender = town.alertmanager

    async def send(n: int) -> tuple[str, int, str]:
        labels = sender.labels("HighErrorRate", "checkout", "critical", {"pod": str(n)})
        told = await sender.send("checkout", sender.body(sender.alert("HighErrorRate", labels)))
        return str(n), told.status, told.receipt

    async def throw_out() -> None:
        for _ in range(5):
            await town.rows(THROW_OUT, database=make_url(town.database_url).database)

    first = await asyncio.gather(*(send(n) for n in range(20)))
    assert {status for _, status, _ in first} == {202}
    *sent, _ = await asyncio.gather(
        *(send(n) for n in range(20, 220)), throw_out(), *(send(n) for n in range(220, 300))
    )
    told = [t for t in sent if t is not None]
    assert {status for _, status, _ in told} <= {202, 503}
    await town.engine.dispose()  # the connections of the story itself
    again = await asyncio.gather(*(send(int(n)) for n, status, _ in told if status == 503))
    assert {status for _, status, _ in again} <= {202}
    answered = {receipt for _, status, receipt in [*first, *told, *again] if status == 202}
    stored = {str(r.id) for r in await town.rows("SELECT id FROM receipts")}
    assert answered <= stored
    pods = {r.pod for r in await town.rows("SELECT labels ->> 'pod' AS pod FROM alerts WHERE state = 'firing'")}
    assert pods == {str(n) for n in range(300)}
    await town.settle()
    await ana.expects_mail("HighErrorRate")
    assert (await town.incident()).firing == 300


async def test_a_database_that_is_away_is_answered_with_503_until_it_is_back(town: Town, server: Any) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    assert (await town.alertmanager.fires("Before")).status == 202
    await ana.expects_mail("Before")
    database = make_url(town.database_url).database
    elsewhere = db.create(server.address("postgres"), size=1)
    async with elsewhere.connect() as conn:
        await conn.execution_options(isolation_level="AUTOCOMMIT")
        await conn.execute(text(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false"))
        await conn.execute(text(THROW_OUT), {"database": database})
        sender = town.alertmanager
        body = sender.body(sender.alert("Meanwhile", sender.labels("Meanwhile", "checkout", "critical", {})))
        told = await asyncio.gather(*(sender.send("checkout", body) for _ in range(3)))
        assert [t.status for t in told] == [503] * 3
        await conn.execute(text(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true"))
    await elsewhere.dispose()
    await town.engine.dispose()  # the connections of the story itself
    assert (await sender.post("checkout", body)).events == {"opened": 1}
    await ana.expects_mail("Meanwhile")


async def test_a_poison_request_of_a_batch_is_quarantined_alone_and_replayed_after_a_fix(town: Town) -> None:
    cara = town.residents["Cara"]
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.execute("ALTER TABLE alerts ADD CONSTRAINT poison CHECK (title NOT LIKE 'Poison%')")
    town.ears.expect("request_quarantined")
    names = ["Good1", "Poison", "Good2", "Good3"]
    sender = town.alertmanager
    bodies = [sender.body(sender.alert(n, sender.labels(n, "checkout", "critical", {}))) for n in names]
    told = await asyncio.gather(*(sender.send("checkout", body) for body in bodies))
    assert [t.status for t in told] == [202] * 4
    assert [t.events for t in told] == [{"opened": 1}, {"quarantined": 1}, {"opened": 1}, {"opened": 1}]
    await town.settle()
    for name in ("Good1", "Good2", "Good3"):
        await ana.expects_mail(name)
    (kept,) = (await cara.asks("GET", "/api/v1/quarantine"))["items"]
    assert (kept["kind"], kept["state"]) == ("batch", "waiting")
    assert "poison" in kept["error"]
    await town.execute("ALTER TABLE alerts DROP CONSTRAINT poison")
    await cara.asks("POST", f"/api/v1/quarantine/{kept['id']}/replay")
    await town.settle()
    await ana.expects_mail("Poison")


async def test_a_refused_alert_of_a_body_is_quarantined_and_the_others_are_taken(town: Town) -> None:
    cara = town.residents["Cara"]
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    sender = town.alertmanager
    good = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
    told = await sender.post("checkout", sender.body(good, {"status": "firing", "labels": {}}, 7))
    assert (told.status, told.events) == (202, {"opened": 1, "quarantined": 2})
    await ana.expects_mail("HighErrorRate")
    receipt = await cara.asks("GET", f"/api/v1/receipts/{told.receipt}")
    assert receipt["status"] == 202


async def test_a_body_that_is_no_body_is_kept_once_with_a_count(town: Town) -> None:
    cara = town.residents["Cara"]
    await town.service("checkout")
    for _ in range(3):
        told = await town.alertmanager.post("checkout", b'{"alerts": [', expect=4)
        assert told.status == 400
        assert told.receipt
    (kept,) = (await cara.asks("GET", "/api/v1/quarantine"))["items"]
    assert kept["count"] == 3


async def test_two_web_processes_racing_for_the_same_alert_and_key_open_one_incident(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    other = Alertmanager(town, port=(await town.another_web()).port)
    for n in range(5):
        name = f"Problem{n}"
        sends = []
        for sender in (town.alertmanager, other) * 4:
            alerts = [
                sender.alert(name, sender.labels(name, "checkout", "critical", {"pod": str(p)})) for p in range(6)
            ]
            shared, mine = alerts[:3], alerts[3 + len(sends) % 3]
            sends.append(sender.send("checkout", sender.body(mine, *shared)))
        told = await asyncio.gather(*sends)
        assert {t.status for t in told} == {202}
        opened = sum(t.events.get("opened", 0) for t in told)
        assert opened == 6
    await town.settle()
    for n in range(5):
        await ana.expects_mail(f"Problem{n}")
    incidents = await town.incidents()
    assert [(i.firing, i.occurrences) for i in incidents] == [(6, 6)] * 5
