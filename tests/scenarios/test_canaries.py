"""Canaries: marked messages along the real way, whose arrival is measured; a late one is a quiet incident."""

from __future__ import annotations

from typing import Any

from town import Town, minutes, seconds

from app import metrics
from app.main import Tocsin


async def carried_by(town: Town, channel: str) -> Tocsin:
    """A worker with canaries, whose user has one contact method; incidents about them are the service pager's."""
    await town.people("Canary", each_with=channel)
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("pager", policy=[ana])
    town.workers.clear()
    return await town.another_worker(canary_user="canary", vigil_service="pager")


async def look(town: Town, process: Tocsin) -> None:
    assert process.vigil.canaries is not None
    await process.vigil.canaries.look()
    await town.settle()


def counted(outcome: str, channel: str = "sms", provider: str = "twilio") -> float:
    labels = f'{{channel="{channel}",outcome="{outcome}",provider="{provider}"}}'
    found = [line for line in metrics.render()[0].decode().splitlines() if line.startswith("tocsin_canaries_total")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in found if labels in line)


async def test_one_an_hour_and_none_in_anybodys_statistics(town: Town) -> None:
    process = await carried_by(town, "sms")
    before = counted("arrived")
    for _ in range(5):
        await look(town, process)
        await town.wait(seconds(15))
    canary = town.residents["Canary"]
    await canary.phone.expects_sms("CANARY", "No alert")
    town.nothing_else_arrived()
    assert counted("arrived") == before + 1
    assert await town.incidents() == []
    assert [r.purpose for r in await town.rows("SELECT purpose FROM notifications")] == ["drill"]
    await town.wait(minutes(60))
    await look(town, process)
    await canary.phone.expects_sms("CANARY")


async def test_two_workers_send_one(town: Town) -> None:
    process = await carried_by(town, "sms")
    other = await town.another_worker(canary_user="canary", vigil_service="pager")
    await look(town, process)
    await look(town, other)
    await town.residents["Canary"].phone.expects_sms("CANARY")


async def test_mail_arrived_when_the_server_took_it(town: Town) -> None:
    process = await carried_by(town, "mail")
    before = counted("arrived", "mail", "smtp")
    await look(town, process)
    await look(town, process)
    await town.residents["Canary"].expects_mail("CANARY")
    assert counted("arrived", "mail", "smtp") == before + 1


async def test_one_that_is_lost_is_a_quiet_incident_which_the_next_resolves(town: Town) -> None:
    process = await carried_by(town, "sms")
    town.exchange.troubles.loses(30003)
    await look(town, process)
    await look(town, process)
    await look(town, process)
    incident = await town.incident()
    assert (incident.service, incident.loudness, incident.priority) == ("pager", "quiet", 5)
    assert "twilio for sms lost a canary" in incident.title
    await _told_quietly(town, "lost a canary")
    await town.wait(minutes(60))
    await look(town, process)
    await look(town, process)
    assert (await town.incident()).state == "resolved"
    town.exchange.phone(town.residents["Canary"].number, "Canary").inbox.items.clear()


async def _told_quietly(town: Town, words: str) -> None:
    await town.residents["Ana"].expects_mail(words)


async def test_one_that_comes_late_says_how_late(town: Town) -> None:
    process = await carried_by(town, "sms")
    assert process.vigil.canaries is not None
    await process.vigil.canaries.look()  # queued; no worker sends for a while
    town.workers.clear()
    await town.clock.stop_at(town.now + minutes(6))
    await process.vigil.canaries.look()
    signs = await town.rows("SELECT wrong, title FROM own_signs")
    assert [(s.wrong, s.title) for s in signs] == [("missing", "The channel sms has not taken a canary within 5 min")]
    await town.clock.stop_at(town.now + minutes(8))
    town.workers.append(process)
    await town.settle()
    await look(town, process)
    await town.residents["Canary"].phone.expects_sms("CANARY")
    titles: list[Any] = await town.rows("SELECT title FROM own_signs")
    assert titles[0].title == "Provider twilio for sms took 14 min for a canary"
    assert (await town.incident()).loudness == "quiet"
    await _told_quietly(town, "canary")


async def test_a_contact_method_that_breaks_is_told_and_one_that_goes_is_forgotten(town: Town) -> None:
    process = await carried_by(town, "sms")
    await town.execute("UPDATE contact_methods SET broken_at = tocsin_now(), broken_because = 'landline' "
                       "WHERE id = :id", id=town.residents["Canary"].methods["sms"])  # fmt: skip
    await look(town, process)
    assert "is broken: landline" in (await town.incident()).title
    await _told_quietly(town, "landline")
    await town.execute("DELETE FROM contact_methods WHERE id = :id", id=town.residents["Canary"].methods["sms"])
    await look(town, process)
    assert (await town.incident()).state == "resolved"
