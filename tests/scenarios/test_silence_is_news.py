"""Silence is news too: what is overdue pages, what returns resolves, and a dead Prometheus is no recovery."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.db.engine import transaction
from app.directory import integrations
from app.directory.documents import IntegrationDocument
from app.heartbeats import commands, signs
from app.heartbeats.documents import HeartbeatDocument
from app.incidents.correlation_rules import CORRELATION_RULES
from app.ingest.adapters import SOURCES
from app.rules import commands as rules


def minutes(n: float) -> timedelta:
    return timedelta(minutes=n)


class Job:
    """Something with a crontab and curl."""

    def __init__(self, town: Any, token: str, key: str) -> None:
        self.town, self.token, self.key = town, token, key

    async def says(self, what: str = "", **query: str) -> None:
        answer = await self.town.http.get(f"/ping/{self.token}{what}", params=query)
        assert (answer.status_code, answer.text) == (200, "OK")
        await self.town.settle()


async def job(town: Any, key: str = "backup", **members: Any) -> Job:
    async with transaction(town.engine) as (conn, now):
        if ("checkout", "heartbeat") not in town.routing_keys:
            beats = IntegrationDocument(key="beats", name="Beats", source="heartbeat", service="checkout")
            _, ping_key = await integrations.create(conn, now, beats, SOURCES, actor="cli")
            town.routing_keys["checkout", "heartbeat"] = ping_key
        given = {"interval_s": 300, "grace_s": 60} | members
        document = HeartbeatDocument(key=key, name=key.capitalize(), integration="beats", **given)
        _, token = await commands.create(conn, now, document, actor="cli")
    return Job(town, token, key)


async def one_incident_a_service(town: Any) -> None:
    """By a correlation rule; without one each heartbeat is an incident of its own."""
    rule = {"key": "one", "name": "One", "when": "true", "then": {"key": ["service.key"]}}
    async with transaction(town.engine) as (conn, now):
        await rules.publish(conn, now, CORRELATION_RULES, [rule], actor="cli")


async def everything_is_acknowledged(town: Any, by: Any) -> None:
    for incident in await town.incidents():
        await by.acknowledges(incident.number)


async def alerts(town: Any) -> list[tuple[str, str]]:
    rows = await town.rows("SELECT labels, state FROM alerts ORDER BY first_seen_at, labels ->> 'heartbeat'")
    return [(r.labels.get("heartbeat", r.labels["alertname"]), r.state) for r in rows]


async def test_an_overdue_heartbeat_pages_and_its_return_resolves(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town)
    await town.wait(timedelta(days=3))
    await backup.says()
    await town.wait(minutes(4))
    await backup.says()
    await town.wait(minutes(5.9))
    town.nothing_else_arrived()
    await town.wait(minutes(0.2))
    await ana.phone.expects_sms("Backup: no ping since 11:04 (Europe/Berlin), expected every 5 minutes, 1 minute grace")
    incident = await town.incident()
    [(labels, annotations)] = await town.rows("SELECT labels, annotations FROM alerts")
    assert labels["alertname"] == "HeartbeatMissed"
    assert annotations["description"].startswith("No ping since 11:04")
    await town.wait(minutes(1))
    await backup.says()
    assert (await town.incident()).state == "resolved"
    assert await alerts(town) == [("backup", "resolved")]
    kinds = await town.rows("SELECT kind, receipt_id FROM events ORDER BY id")
    assert [(e.kind, e.receipt_id) for e in kinds] == [("firing", None), ("resolved", None)]
    await town.wait(minutes(6))
    assert (await town.incident()).number == incident.number, "it came back within a quarter of an hour: reopened"
    await ana.phone.expects_sms("Backup")


async def test_a_failed_job_pages_at_once_and_only_once(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town, severity="critical")
    await backup.says("/start", rid="0b8d2f1e-3f4e-4d0e-9a51-7a4f3f0f0001")
    await backup.says("/3", rid="0b8d2f1e-3f4e-4d0e-9a51-7a4f3f0f0001")
    await ana.phone.expects_sms("Backup: it ended with exit status 3")
    await ana.acknowledges()
    await backup.says("/fail")
    await town.wait(minutes(4))
    await backup.says("/4")
    await backup.says("/0")
    assert (await town.incident()).state == "resolved"


async def test_a_run_that_never_ends(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town, interval_s=86_400, grace_s=600)
    await backup.says()
    await town.wait(timedelta(hours=23))
    await backup.says("/start")
    await town.wait(minutes(9.9))
    town.nothing_else_arrived()
    await town.wait(minutes(0.2))
    await ana.phone.expects_sms("Backup: a run has not finished within 10 minutes of its start")


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_and_many_heartbeats_page_each_person_once(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    await one_incident_a_service(town)
    jobs = [await job(town, f"job-{n:02}") for n in range(12)]
    for each in jobs:
        await town.http.get(f"/ping/{each.token}")
    await town.wait(minutes(6))
    await ana.phone.expects_sms("Job-")
    assert {state for _, state in await alerts(town)} == {"firing"}
    assert len(await alerts(town)) == 12
    assert (await town.incident()).firing == 12
    for each in jobs:
        await each.says()
    assert (await town.incident()).state == "resolved"


async def test_a_failure_between_two_ticks_is_not_lost(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town)
    for what in ("", "/2", ""):
        assert (await town.http.get(f"/ping/{backup.token}{what}")).text == "OK"
    await town.settle()
    assert await alerts(town) == [("backup", "resolved")]
    assert "exit status 2" in (await town.incident()).title
    assert (await town.incident()).state == "resolved"


async def test_pausing_resolves_and_resuming_counts_from_then(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town)
    await backup.says("/fail")
    await ana.phone.expects_sms("Backup: it reported a failure")
    headers = {"Authorization": f"Bearer {town.residents['Cara'].api_key}"}
    used = await town.http.delete("/api/v1/heartbeats/backup", headers=headers)
    assert (used.status_code, used.json()["code"]) == (409, "in_use")
    assert (await town.http.post("/api/v1/heartbeats/backup/pause", headers=headers)).status_code == 200
    await town.settle()
    assert (await town.incident()).state == "resolved"
    await town.wait(timedelta(hours=1))
    await backup.says()
    assert (await town.http.post("/api/v1/heartbeats/backup/resume", headers=headers)).json()["state"] == "up"
    await town.wait(minutes(5.9))
    town.nothing_else_arrived()
    await town.wait(minutes(0.2))
    await ana.phone.expects_sms("Backup: no ping since")


@pytest.mark.parametrize("town", [{"at": datetime(2026, 3, 27, 12, tzinfo=UTC)}], indirect=True)
async def test_over_the_night_on_which_an_hour_is_skipped(town):
    """Berlin, 29 March 2026: there is no 02:30; the job runs at 03:00, and is overdue half an hour later."""
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    backup = await job(town, interval_s=None, cron="30 2 * * *", time_zone="Europe/Berlin", grace_s=1800)
    for night in (datetime(2026, 3, 28, 1, 31, tzinfo=UTC), datetime(2026, 3, 29, 1, 20, tzinfo=UTC)):
        await town.wait_until(night)
        await backup.says()
    await town.wait_until(datetime(2026, 3, 30, 0, 59, tzinfo=UTC))
    town.nothing_else_arrived()
    await town.wait_until(datetime(2026, 3, 30, 1, 0, tzinfo=UTC))
    await ana.phone.expects_sms("no ping since Sun 29 Mar 03:20 (Europe/Berlin), expected by 30 2 * * *")


async def test_a_watchdog_is_a_heartbeat(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    await job(town, "watchdog", fed_by={"integration": "checkout-alertmanager"})
    await town.alertmanager.fires("Other")
    await ana.phone.expects_sms("Other")
    await ana.acknowledges()
    for _ in range(3):
        await town.alertmanager.fires("Watchdog", severity="none")
        await town.wait(minutes(5))
    [(state, via)] = await town.rows(
        "SELECT h.state, array_agg(DISTINCT p.via) FROM heartbeats h JOIN heartbeat_pings p ON p.heartbeat_id = h.id "
        "GROUP BY h.state"
    )
    assert (state, via) == ("up", ["alert"])
    await town.wait(minutes(1))
    await ana.phone.expects_sms("Watchdog: no ping since")
    await town.alertmanager.resolves("Watchdog", severity="none")
    assert ("watchdog", "firing") in await alerts(town), "the end of a Watchdog is no sign of life"
    await town.alertmanager.fires("Watchdog", severity="none")
    assert ("watchdog", "resolved") in await alerts(town)


async def test_the_death_of_prometheus_is_told_apart_from_recovery(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    await town.prometheus.fires("A")
    await town.prometheus.fires("B")
    await town.prometheus.fires("Watchdog", severity="none")
    await ana.phone.expects_sms("A")
    await ana.phone.expects_sms("B")
    await everything_is_acknowledged(town, ana)
    await town.wait(minutes(3.9))
    town.nothing_else_arrived()
    await town.wait(minutes(0.2))
    await ana.phone.expects_sms("Source silent: nothing from checkout-prometheus since Mon 23 Nov 11:00")
    silent = [i for i in await town.incidents() if "silent" in i.title]
    assert [i.state for i in silent] == ["triggered"]
    assert {i.state for i in await town.incidents() if "silent" not in i.title} == {"resolved"}
    await ana.acknowledges(silent[0].number)
    await town.wait(timedelta(hours=2))
    town.nothing_else_arrived()
    await town.prometheus.renews("Watchdog", severity="none")
    assert [i.state for i in await town.incidents() if "silent" in i.title] == ["resolved"]
    assert await town.rows("SELECT 1 FROM silent_sources") == []


async def test_a_prometheus_that_takes_back_what_it_said_is_not_silent(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    await town.prometheus.fires("A")
    await ana.phone.expects_sms("A")
    await town.wait(minutes(2))
    await town.prometheus.fires("B")
    await ana.phone.expects_sms("B")
    await everything_is_acknowledged(town, ana)
    await town.wait(minutes(3))  # A has expired: its rule was removed; B still fires
    await town.prometheus.resolves("B")
    await town.wait(timedelta(hours=1))
    assert [i.state for i in await town.incidents()] == ["resolved"] * 2


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_notice_one_silence_once(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    given = [town.prometheus.labels("A", "checkout", "info", {"n": str(n)}) for n in range(1100)]
    body = [town.prometheus.alert("A", labels, town.now + minutes(4)) for labels in given]
    await town.prometheus.post("checkout", body)
    await ana.phone.expects_sms("A")
    await ana.acknowledges()
    await town.wait(minutes(4))
    await ana.phone.expects_sms("Source silent")
    [(fired,)] = await town.rows("SELECT events FROM alerts WHERE dedup_key = 'tocsin/source-silent'")
    assert fired == 1


async def test_another_door_pings_by_key(town):
    """As the drop-in for Opsgenie does."""
    await town.service("checkout")
    await job(town)
    generic = (await town.rows("SELECT id FROM integrations WHERE key = 'checkout-generic'"))[0].id
    async with transaction(town.engine) as (conn, now):
        assert await signs.ping_by_key(conn, now, "backup", generic)
        assert not await signs.ping_by_key(conn, now, "nothing", generic)
        assert not await signs.ping_by_key(conn, now, "back\ufffdup", generic)
    assert [(r.state, r.last_kind) for r in await town.rows("SELECT state, last_kind FROM heartbeats")] == [
        ("up", "success")
    ]


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_that_open_the_same_incident_at_once_open_one(town):
    """More are due than one claim takes, so both workers have some, and both want the incident's key."""
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    await one_incident_a_service(town)
    await job(town)
    await town.execute(
        """INSERT INTO heartbeats (key, name, integration_id, interval_s, grace_s, severity, token_hash, token_hint,
                                   created_at, updated_at, state, expected_at, due_at)
           SELECT 'job-' || n, 'Job ' || n, integration_id, 300, 60, 'error', sha256(CAST('' || n AS bytea)), 'xxxx',
                  created_at, updated_at, 'up', tocsin_now() + interval '5 min', tocsin_now() + interval '6 min'
           FROM heartbeats, generate_series(1, 900) n"""
    )
    await town.wait(minutes(6))
    await ana.phone.expects_sms("Job")
    assert (await town.incident()).firing == 900
    assert await town.rows("SELECT state, firing, count(*) FROM heartbeats GROUP BY 1, 2 ORDER BY 3") == [
        ("new", False, 1),
        ("down", True, 900),
    ]
    assert (await town.rows("SELECT count(*) FROM events"))[0][0] == 900


async def test_each_heartbeat_is_an_incident_of_its_own(town):
    (ana,) = await town.people("Ana")
    await town.service("checkout", policy=[ana])
    for key in ("backup", "queue"):
        await (await job(town, key)).says("/fail")
        await ana.phone.expects_sms(key.capitalize())
    assert len(await town.incidents()) == 2
