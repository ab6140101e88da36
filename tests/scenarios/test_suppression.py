"""What is suppressed pages nobody, is kept with its reason, and pages when that ends while it still fires."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from town import Town, minutes, seconds

from app import flow
from app.alerts import silences, suppression_rules
from app.alerts.silence_store import StoredSilence
from app.alerts.silences import Wanted
from app.alerts.suppression_rules import INHIBITIONS, TIME_INTERVALS, WINDOWS
from app.ingest.event import Entrance
from app.ingest.requests import Door, Request
from app.standing import Standing, Standings


async def silenced(town: Town, lasts: timedelta, **labels: str) -> StoredSilence:
    """A silence for alerts with these labels, from now on."""
    matchers = [{"name": n, "value": v, "isRegex": False, "isEqual": True} for n, v in labels.items()]
    async with town.transaction() as (conn, now):
        wanted = Wanted(matchers, now, now + lasts, "Ana", "planned work")
        return await silences.create(conn, now, wanted, actor="user:ana")


async def made(town: Town, kind: Any, **members: Any) -> None:
    async with town.transaction() as (conn, now):
        await suppression_rules.create(conn, now, kind, kind.document.model_validate(members), actor="user:ana")


async def suppressed(town: Town) -> list[dict[str, Any]]:
    """By what the firing occurrences are suppressed, oldest first."""
    rows = await town.rows(
        "SELECT suppressed FROM occurrences WHERE suppressed IS NOT NULL AND ended_at IS NULL ORDER BY id"
    )
    return [r.suppressed for r in rows]


async def test_what_still_fires_when_its_silence_ends_pages_as_new(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    silence = await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.alertmanager.fires("HighErrorRate")
    [why] = await suppressed(town)
    assert (why["by"], why["name"], why["because"]) == ("silence", str(silence.id), "Ana silenced it: planned work")
    await town.wait(minutes(59))
    assert await town.incidents() == []
    await town.wait(minutes(1))
    await ana.expects_mail("HighErrorRate")
    assert (await town.incident()).firing == 1
    assert await suppressed(town) == []
    await town.alertmanager.resolves("HighErrorRate")
    assert (await town.incident()).state == "resolved"


async def test_resolves_pass_a_silence_and_nobody_hears_of_it(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.alertmanager.fires("HighErrorRate")
    told = await town.alertmanager.resolves("HighErrorRate")
    assert told.events == {"resolved": 1}
    await town.wait(minutes(120))
    assert await town.incidents() == []
    [kept] = await town.rows("SELECT ended_at, suppressed FROM occurrences")
    assert kept.ended_at is not None
    assert kept.suppressed["by"] == "silence"


async def test_a_silence_that_is_ended_early_or_extended(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    silence = await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.alertmanager.fires("HighErrorRate")
    async with town.transaction() as (conn, now):
        await silences.extend(conn, now, silence.id, now + minutes(120), None, actor="user:ana")
    await town.wait(minutes(100))
    assert await town.incidents() == []
    async with town.transaction() as (conn, now):
        await silences.expire(conn, now, silence.id, actor="user:ana")
    await town.settle()
    await ana.expects_mail("HighErrorRate")


async def test_another_silence_goes_on_where_one_ends(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.alertmanager.fires("HighErrorRate")
    second = await silenced(town, minutes(90), job="checkout")
    await town.wait(minutes(61))
    assert [why["name"] for why in await suppressed(town)] == [str(second.id)]
    await town.wait(minutes(30))
    await ana.expects_mail("HighErrorRate")


async def test_an_alert_that_comes_back_while_it_is_silenced_waits_for_the_end_of_the_silence(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.prometheus.fires("HighErrorRate", instance="a")
    await town.alertmanager.fires("HighErrorRate", instance="b")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(5))  # Prometheus fell silent: its alert has expired
    await ana.expects_mail("Source silent")
    assert (await town.incidents())[0].firing == 1
    await silenced(town, minutes(60), instance="a")
    await town.prometheus.renews("HighErrorRate", instance="a")
    assert [why["by"] for why in await suppressed(town)] == ["silence"]
    await town.prometheus.resolves("HighErrorRate", instance="a")
    incident = (await town.incidents())[0]
    assert (incident.state, incident.firing) == ("triggered", 1), "the silenced one never counted"


async def test_a_raise_of_what_was_silenced_meanwhile_pages_nobody_again(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.alertmanager.fires("HighErrorRate", severity="warning")
    await ana.expects_mail("HighErrorRate")
    before = await town.incident()
    await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.alertmanager.repeats("HighErrorRate", severity="critical")
    await town.wait(minutes(30))
    after = await town.incident()
    assert (after.priority, after.epoch, after.firing) == (before.priority, before.epoch, 1)
    await town.alertmanager.resolves("HighErrorRate")
    assert (await town.incident()).state == "resolved"


async def opened(town: Town, *instances: str) -> tuple[Any, Any]:
    """Ana was paged for an incident with alerts of these instances; Ben would be after five minutes."""
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(300)])
    for instance in instances:
        await town.alertmanager.fires("HighErrorRate", instance=instance)
    await ana.expects_mail("HighErrorRate")
    return ana, ben


async def test_a_silence_stops_the_ladder_of_an_incident_that_is_open(town: Town) -> None:
    ana, _ = await opened(town, "a")
    silence = await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.wait(minutes(59))
    incident = await town.incident()
    assert (incident.state, incident.firing, incident.acknowledged_by_id) == ("acknowledged", 1, None)
    assert any(f"Silenced by silence {silence.id} of Ana until" in said for said in await town.story())
    await town.wait(minutes(1))
    await ana.expects_mail("HighErrorRate")
    incident = await town.incident()
    assert (incident.state, incident.epoch) == ("triggered", 2)


async def test_a_silence_of_one_of_two_alerts_stops_nothing(town: Town) -> None:
    _, ben = await opened(town, "a", "b")
    await silenced(town, minutes(60), instance="a")
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")


async def test_an_alert_that_is_not_silenced_joins_and_pages(town: Town) -> None:
    ana, _ = await opened(town, "a")
    await silenced(town, minutes(60), instance="a")
    await town.settle()
    assert (await town.incident()).state == "acknowledged"
    await town.alertmanager.fires("HighErrorRate", instance="b")
    await ana.expects_mail("HighErrorRate")
    assert (await town.incident()).firing == 2


async def test_a_silence_of_an_open_incident_is_extended_and_ended_early(town: Town) -> None:
    ana, _ = await opened(town, "a")
    silence = await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.wait(minutes(10))
    async with town.transaction() as (conn, now):
        await silences.extend(conn, now, silence.id, now + minutes(120), None, actor="user:ana")
    await town.wait(minutes(100))
    incident = await town.incident()
    assert (incident.state, incident.epoch) == ("acknowledged", 1), "it goes on quietly"
    async with town.transaction() as (conn, now):
        await silences.expire(conn, now, silence.id, actor="user:ana")
    await town.settle()
    await ana.expects_mail("HighErrorRate")


async def test_a_silence_that_begins_later_stops_the_ladder_then(town: Town) -> None:
    _, ben = await opened(town, "a")
    async with town.transaction() as (conn, now):
        matchers = [{"name": "alertname", "value": "HighErrorRate", "isRegex": False, "isEqual": True}]
        wanted = Wanted(matchers, now + minutes(10), now + minutes(400), "Ana", "planned work")
        await silences.create(conn, now, wanted, actor="user:ana")
    await town.wait(minutes(6))
    await ben.expects_mail("HighErrorRate")
    await town.wait(minutes(380))
    assert (await town.incident()).state == "acknowledged"
    await town.alertmanager.resolves("HighErrorRate", instance="a")
    assert (await town.incident()).state == "resolved"


async def test_a_snooze_that_ends_while_all_is_silenced_pages_nobody(town: Town) -> None:
    ana, _ = await opened(town, "a")
    await ana.snoozes(town.now + minutes(20))
    await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.wait(minutes(10))
    assert (await town.incident()).acknowledged_by_id is not None, "hers as long as she has it"
    await town.wait(minutes(45))
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by_id) == ("acknowledged", None)
    await town.wait(minutes(5))
    await ana.expects_mail("HighErrorRate")


async def test_a_person_may_still_take_or_escalate_what_is_silenced(town: Town) -> None:
    ana, ben = await opened(town, "a")
    await silenced(town, minutes(60), alertname="HighErrorRate")
    await town.settle()
    await ana.escalates()
    await ben.expects_mail("HighErrorRate")
    await ana.acknowledges()
    assert (await town.incident()).acknowledged_by_id is not None


async def test_maintenance_of_a_service_ends_and_what_still_fires_pages(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.service("search", policy=[ana, minutes(300)])
    await made(
        town, WINDOWS, key="upgrade", name="Upgrade", comment="Postgres 18", owner="ana", services=["checkout"],
        starts_at=town.now.isoformat(), ends_at=(town.now + minutes(30)).isoformat(),
    )  # fmt: skip
    await town.alertmanager.fires("Down")
    await town.alertmanager.fires("Over")
    await town.alertmanager.resolves("Over")
    await town.alertmanager.fires("Slow", service="search")
    await ana.expects_mail("Slow")
    assert [why["by"] for why in await suppressed(town)] == ["maintenance window"]
    await town.wait(minutes(30))
    await ana.expects_mail("Down")
    assert [i.title for i in await town.incidents()] == ["Slow of search", "Down of checkout"]


async def test_what_an_alert_inhibited_pages_when_that_is_over(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await made(
        town, INHIBITIONS, key="host-down", name="Host down", source='{alertname="HostDown"}',
        target='{severity="warning"}', equal=["host"],
    )  # fmt: skip
    await town.alertmanager.fires("HostDown", host="a")
    await ana.expects_mail("HostDown")
    await town.alertmanager.fires("Slow", severity="warning", host="a")
    await town.alertmanager.fires("Slow", severity="warning", host="b")
    await ana.expects_mail("Slow")
    [why] = await suppressed(town)
    assert (why["by"], why["name"], why.get("until")) == ("inhibition", "host-down", None)
    assert "HostDown of checkout fires" in why["because"]
    await town.alertmanager.resolves("HostDown", host="a")
    await town.settle()
    assert await suppressed(town) == []
    assert sorted(i.title for i in await town.incidents()) == ["HostDown of checkout", "Slow of checkout"]
    slow = [i for i in await town.incidents() if i.title.startswith("Slow")]
    assert [i.firing for i in slow] == [2], "it joined the one of host b, as it would have at first"


async def test_an_inhibiting_alert_that_expires_lets_go_too(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await made(town, INHIBITIONS, key="down", name="Down", source='{alertname="Down"}', target='{alertname!="Down"}')
    await town.prometheus.fires("Down")
    await ana.expects_mail("Down")
    await town.alertmanager.fires("Slow")
    assert len(await suppressed(town)) == 1
    await town.wait(minutes(5))
    await ana.expects_mail("Slow")
    await ana.expects_mail("Source silent")


async def test_a_rule_that_is_made_while_its_source_fires_knows_it_and_lets_go_when_it_is_removed(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.alertmanager.fires("Down")
    await ana.expects_mail("Down")
    await made(town, INHIBITIONS, key="down", name="Down", source='{alertname="Down"}', target='{alertname!="Down"}')
    await town.alertmanager.fires("Slow")
    assert [why["name"] for why in await suppressed(town)] == ["down"]
    async with town.transaction() as (conn, now):
        await suppression_rules.delete(conn, now, INHIBITIONS, "down", actor="user:ana")
    await town.settle()
    await ana.expects_mail("Slow")


async def test_a_time_interval_ends(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    until = (town.now + minutes(90)).replace(second=0, microsecond=0)
    await made(
        town, TIME_INTERVALS, key="nights", name="Nights", services=["checkout"], matchers='{severity!="critical"}',
        intervals=[{"times": [{"start_time": "00:00", "end_time": f"{until:%H:%M}"}]}],
    )  # fmt: skip
    await town.alertmanager.fires("Slow", severity="warning")
    await town.alertmanager.fires("Down")
    await ana.expects_mail("Down")
    assert [why["by"] for why in await suppressed(town)] == ["time interval"]
    await town.wait_until(until)
    await ana.expects_mail("Slow")


SILENT = text("""
    INSERT INTO silent_sources (integration_id, receipt_id, heard_at, noticed_at, told)
    SELECT i.id, CAST('ffffffff-ffff-ffff-ffff-ffffffffffff' AS uuid), :now, :now, true FROM integrations i
    ORDER BY i.id LIMIT 1
""")


class Overtaken(Standings):
    """Somebody's transaction commits just after a pass of the clock has read the configuration."""

    def __init__(self, meanwhile: Callable[[], Awaitable[Any]]) -> None:
        super().__init__()
        self._meanwhile: Callable[[], Awaitable[Any]] | None = meanwhile

    async def begin(self, conn: AsyncConnection) -> tuple[datetime, Standing]:
        read = await super().begin(conn)
        if self._meanwhile is not None:
            meanwhile, self._meanwhile = self._meanwhile, None
            await meanwhile()
        return read


async def overtaken(town: Town, meanwhile: Callable[[], Awaitable[Any]]) -> None:
    """In a pass that has something else to do: a source is silent, and may speak at any time."""
    async with town.transaction() as (conn, now):
        await conn.execute(SILENT, {"now": now})
        await flow.climb(conn, ["mail"], Overtaken(meanwhile))


async def test_a_silence_that_begins_during_a_pass_of_the_clock_stops_the_ladder(town: Town) -> None:
    await opened(town, "a")
    await overtaken(town, lambda: silenced(town, minutes(60), alertname="HighErrorRate"))
    await town.settle()
    assert (await town.incident()).state == "acknowledged"


async def test_what_fires_when_its_silence_is_ended_during_a_pass_of_the_clock_pages(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    silence = await silenced(town, minutes(600), alertname="HighErrorRate")
    await town.alertmanager.fires("HighErrorRate")

    async def ends() -> None:
        async with town.transaction() as (conn, now):
            await silences.expire(conn, now, silence.id, actor="user:ana")

    await overtaken(town, ends)
    await town.settle()
    await ana.expects_mail("HighErrorRate")


async def test_what_a_batch_kept_quiet_while_its_silence_was_ended_pages(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    await town.alertmanager.fires("Other")  # so that there is a door
    await ana.expects_mail("Other")
    silence = await silenced(town, minutes(600), alertname="HighErrorRate")
    sender = town.alertmanager
    body = sender.body(sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {})))

    async def ends() -> None:
        async with town.transaction() as (conn, now):
            await silences.expire(conn, now, silence.id, actor="user:ana")

    async with town.transaction() as (conn, _):
        (row,) = await conn.execute(text("SELECT id, key, service_id FROM integrations WHERE source = 'alertmanager'"))
        door = Door(Entrance(row.id, "alertmanager", row.service_id), row.key, 300, True)
        await flow.receive(conn, [Request(door, json.dumps(body).encode(), {})], Overtaken(ends))
    assert [why["name"] for why in await suppressed(town)] == [str(silence.id)]
    await town.wait(seconds(2))
    await ana.expects_mail("HighErrorRate")


async def test_what_a_batch_kept_quiet_pages_when_the_change_is_over_however_long_it_takes(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(300)])
    silence = await silenced(town, minutes(600), alertname="HighErrorRate")
    async with town.transaction() as (conn, now):
        await silences.expire(conn, now, silence.id, actor="user:ana")
        await town.alertmanager.fires("HighErrorRate")
        await town.wait(seconds(7))
        assert [why["name"] for why in await suppressed(town)] == [str(silence.id)]
        town.nothing_else_arrived()
    await town.wait(seconds(2))
    await ana.expects_mail("HighErrorRate")
