"""How loud, and what makes it louder."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from town import OFFICE, Town, hours, minutes

EVENING = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


async def test_a_raised_priority_pages_again_whoever_had_it(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("P3")
    await town.wait(minutes(5))
    await ben.expects_mail("P3")
    await ben.acknowledges()
    told = await town.alertmanager.repeats("HighErrorRate", severity="critical")
    assert told.events == {"changed": 1}
    await ana.expects_mail("P2")
    await ben.expects_mail("P2")  # he had it
    town.nothing_else_arrived()
    assert (await town.incident()).state == "triggered"
    assert any(line.startswith("Priority raised from P3 to P2") for line in await town.story())


async def test_a_lower_severity_lowers_nothing(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate", severity="critical")
    await ana.expects_mail("P2")
    await town.alertmanager.repeats("HighErrorRate", severity="warning")
    assert (await town.incident()).priority == 2


async def test_a_pinned_priority_is_not_raised(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate", severity="error")
    await ana.expects_mail("P3")
    await ana.sets_priority(3, 3, "only the staging shop")
    await town.alertmanager.repeats("HighErrorRate", severity="critical")
    incident = await town.incident()
    assert (incident.priority, incident.epoch) == (5, 1)


async def test_20_alerts_are_a_wider_impact(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    sender = town.alertmanager
    alerts = [
        sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "error", {"pod": str(n)}))
        for n in range(20)
    ]
    await sender.post("checkout", sender.body(*alerts[:19]))
    await ana.expects_mail("P3")
    await sender.post("checkout", sender.body(*alerts))
    await ana.expects_mail("P2")
    incident = await town.incident()
    assert (incident.firing, incident.occurrences) == (20, 20)


@pytest.mark.parametrize("town", [{"at": EVENING}], indirect=True)
async def test_a_quiet_incident_is_mailed_at_once_and_climbs_after_8_support_hours(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)], support_hours=OFFICE)
    await town.alertmanager.fires("DiskFilling", severity="warning")
    assert (await town.incident()).priority == 4
    await ana.expects_mail("P4")
    town.nothing_else_arrived()  # no text, and nobody else in the night
    await town.wait_until(datetime(2026, 11, 24, 15, 59, tzinfo=UTC))  # Tuesday, a minute before 17:00 in Berlin
    town.nothing_else_arrived()
    await town.wait(minutes(1))
    await ben.expects_mail("P4")
    town.nothing_else_arrived()


@pytest.mark.parametrize("town", [{"at": EVENING}], indirect=True)
async def test_p3_is_quiet_at_night_and_loud_when_support_hours_begin(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(600)], support_hours=OFFICE)
    await town.alertmanager.fires("SlowQueries", severity="error")
    await ana.expects_mail("P3")
    town.nothing_else_arrived()
    await town.wait_until(datetime(2026, 11, 24, 8, 0, tzinfo=UTC))  # 9:00 in Berlin
    await ana.phone.expects_sms("P3")
    await ana.expects_mail("P3")
    assert "Support hours began: pages are loud from now on" in await town.story()


@pytest.mark.parametrize("town", [{"at": datetime(2026, 11, 24, 7, 50, tzinfo=UTC)}], indirect=True)
async def test_p3_resolved_before_support_hours_and_reopened_in_them_is_loud(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.service("checkout", policy=[ana, minutes(600)], support_hours=OFFICE)
    await town.alertmanager.fires("SlowQueries", severity="error")
    await ana.expects_mail("P3")
    await town.alertmanager.resolves("SlowQueries", severity="error")
    await town.wait(minutes(12))
    town.nothing_else_arrived()
    await town.alertmanager.fires("SlowQueries", severity="error")
    await ana.phone.expects_sms("P3")
    await ana.expects_mail("P3")
    assert "Support hours began: pages are loud from now on" not in await town.story()


async def test_a_quiet_incident_of_a_service_always_worked_on_climbs_after_8_hours(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben])
    await town.alertmanager.fires("DiskFilling", severity="warning")
    await ana.expects_mail("P4")
    await town.wait(hours(7.9))
    town.nothing_else_arrived()
    await town.wait(hours(0.1))
    await ben.expects_mail("P4")
