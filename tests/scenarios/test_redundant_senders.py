"""Two Alertmanagers, two Prometheus servers, repeats, late and early messages: one problem stays one problem."""

from __future__ import annotations

from town import Town, minutes, seconds
from town.senders import Alertmanager


async def test_two_alertmanagers_are_one_alert_one_incident_one_page(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    twin = Alertmanager(town, skew=seconds(-4))
    assert (await town.alertmanager.fires("HighErrorRate")).events == {"opened": 1}
    assert (await twin.fires("HighErrorRate")).events == {"repeated": 1}
    await ana.expects_mail("HighErrorRate")
    for _ in range(3):
        await town.wait(minutes(5))
        assert (await town.alertmanager.repeats("HighErrorRate")).events == {"repeated": 1}
        assert (await twin.repeats("HighErrorRate")).events == {"repeated": 1}
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(seconds(20))
    assert (await twin.repeats("HighErrorRate")).events == {"stale": 1}  # the slower one has not noticed yet
    for _ in range(15):  # Prometheus tells of a resolved alert for 15 minutes, and both pass it on
        assert (await twin.resolves("HighErrorRate")).events == {"repeated": 1}
        assert (await town.alertmanager.resolves("HighErrorRate")).events == {"repeated": 1}
        await town.wait(minutes(1))
    incident = await town.incident()
    assert (incident.state, incident.occurrences, incident.reopened) == ("resolved", 1, 0)


async def test_resolve_before_fire_is_stale_at_first_and_fires_if_it_goes_on(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    sender = town.alertmanager
    labels = sender.labels("HighErrorRate", "checkout", "critical", {})
    sender.began("HighErrorRate", labels)
    await town.wait(seconds(30))
    assert (await sender.resolves("HighErrorRate")).events == {"unmatched_resolve": 1}
    assert await town.incidents() == []
    await town.wait(seconds(30))
    assert (await sender.repeats("HighErrorRate")).events == {"stale": 1}
    await town.wait(minutes(4))
    assert (await sender.repeats("HighErrorRate")).events == {"stale": 1}
    await town.wait(seconds(30))
    assert (await sender.repeats("HighErrorRate")).events == {"revived": 1}
    await ana.expects_mail("HighErrorRate")


async def test_prometheus_that_falls_silent_expires_its_alert_and_pages_again_when_it_is_back(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.prometheus.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    for _ in range(3):
        await town.wait(minutes(1))
        await town.prometheus.renews("HighErrorRate")
    await town.wait(minutes(3.9))
    assert (await town.incident()).state == "triggered"
    await town.wait(minutes(0.1))
    incident, silent = await town.incidents()
    assert (incident.state, silent.state) == ("resolved", "triggered")
    assert "No sign from the source since; 0 still firing" in await town.story(incident)
    await ana.expects_mail("Source silent")
    await town.wait(minutes(3))
    await town.prometheus.renews("HighErrorRate")  # the network is healed: it has fired all the time
    await ana.expects_mail("HighErrorRate")
    incident, silent = await town.incidents()
    assert (incident.state, incident.reopened, incident.firing) == ("triggered", 1, 1)
    assert silent.state == "resolved"


async def test_a_network_away_for_an_hour_is_a_recurrence(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.prometheus.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(60))
    await ana.expects_mail("Source silent")
    await town.prometheus.renews("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    states = [(i.state, "silent" in i.title) for i in await town.incidents()]
    assert states == [("resolved", False), ("resolved", True), ("triggered", False)]


async def test_a_hot_repeat_changes_nothing_but_counts(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    before, rows = await town.incident(), await _sizes(town)
    for _ in range(20):
        await town.alertmanager.repeats("HighErrorRate")
    assert await town.incident() == before
    after = await _sizes(town)
    assert after == rows | {"receipts": rows["receipts"] + 20}
    (alert,) = await town.rows("SELECT events, last_seen_at FROM alerts")
    assert alert.events == 21


async def _sizes(town: Town) -> dict[str, int]:
    tables = ("alerts", "occurrences", "events", "incidents", "timeline_entries", "notifications", "receipts")
    counts = " UNION ALL ".join(f"SELECT '{t}', count(*) FROM {t}" for t in tables)
    return dict([tuple(row) for row in await town.rows(counts)])


async def test_watchdogs_and_severity_none_page_nobody_and_are_kept(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("Watchdog")
    await town.alertmanager.fires("JustSaying", severity="none")
    assert await town.incidents() == []
    kept = await town.rows("SELECT suppressed ->> 'name' AS name FROM occurrences ORDER BY 1")
    assert [r.name for r in kept] == ["severity-none", "watchdog"]
    await town.alertmanager.repeats("JustSaying", severity="critical")  # it is serious now
    await ana.expects_mail("JustSaying")
    await town.alertmanager.resolves("Watchdog")
