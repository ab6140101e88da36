"""A storm: everything is stored, one incident speaks for all, and nobody gets more than one message in two minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from town import Resident, Town, minutes, seconds

ALERTS, NAMES, REQUEST = 6_000, 300, 500
WINDOW = timedelta(minutes=2)


async def pour(town: Town, alerts: int, names: int, *, first: int = 0, severity: str = "error") -> None:
    """So many alerts over so many alert names, in requests as Alertmanager sends them."""
    sender = town.alertmanager
    made = []
    for n in range(first, first + alerts):
        labels = {"alertname": f"Trouble{n % names:04}", "severity": severity, "cluster": "eu-1", "pod": f"pod-{n}"}
        made.append(sender.alert(labels["alertname"], labels))
    for start in range(0, len(made), REQUEST):
        told = await sender.send("checkout", sender.body(*made[start : start + REQUEST]))
        assert told.status == 202
    await town.settle()


async def storm(town: Town) -> Any:
    (row,) = await town.rows("SELECT * FROM storms")
    return row


async def test_thousands_of_alerts_are_stored_and_page_once_in_two_minutes_with_p1s_named(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with=("sms", "mail"))
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", seconds(0), "sms"), ("quiet", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(60)])
    await town.service("database", policy=[ben, minutes(60)], criticality=1)
    await pour(town, ALERTS, NAMES)
    first = await ana.phone.expects_sms("Storm 2026-11-23 11:00", "cluster=eu-1")
    assert len(ana.phone.inbox.items) == 1
    assert "/l/" in first.body
    stored = await town.rows("SELECT count(*) FROM occurrences")
    assert stored[0][0] == ALERTS
    children = [i for i in await town.incidents() if i.storm_id is not None]
    assert len(children) == NAMES
    await town.wait(seconds(30))
    await town.alertmanager.fires("PrimaryGone", service="database")
    await ben.phone.expects_sms("P1", "PrimaryGone")
    await town.wait(seconds(70))
    await town.alertmanager.fires("ReplicaGone", service="database")
    await town.wait(seconds(50))
    assert not ben.phone.inbox.unexpected()
    await town.wait(seconds(5))
    await ben.phone.expects_sms("ReplicaGone")
    row = await storm(town)
    assert (row.priority, row.incidents >= NAMES, row.alerts >= ALERTS) == (1, True, True)
    assert row.labels["cluster"] == "eu-1"
    while ana.phone.inbox.unexpected():
        await ana.phone.expects_sms("Storm", "P1 ", "PrimaryGone")
    for person in (ana, ben):
        assert all(later - earlier >= WINDOW for earlier, later in pairwise(await sent_to(town, person)))


async def sent_to(town: Town, person: Resident) -> list[datetime]:
    """When messages to them were handed to a provider."""
    rows = await town.rows(
        "SELECT a.started_at FROM attempts a JOIN notifications n ON n.id = a.notification_id "
        "WHERE n.user_id = :user ORDER BY 1",
        user=person.user_id,
    )
    return [r.started_at for r in rows]


async def test_when_it_is_over_a_report_goes_out_and_what_still_fires_is_paged_bundled(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms"), ("quiet", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(600)])
    await pour(town, 40, 40)
    await ana.phone.expects_sms("Storm 2026-11-23 11:00")
    speaker = next(i for i in await town.incidents() if i.title.startswith("Storm"))
    await ana.acknowledges(speaker.number)
    (lasting,) = (await ana.asks("GET", "/api/v1/storms"))["items"]
    assert (lasting["name"], lasting["incident"], lasting["ended_at"]) == (speaker.title[:22], speaker.number, None)
    screen = await town.http.get("/incidents", headers={"Authorization": f"Bearer {ana.api_key}"})
    assert "Storm 2026-11-23 11:00 lasts" in screen.text
    gone = [f"Trouble{n:04}" for n in range(10)]
    for n, name in enumerate(gone):
        labels = {"alertname": name, "severity": "error", "cluster": "eu-1", "pod": f"pod-{n}"}
        await town.alertmanager.send(
            "checkout", town.alertmanager.body(town.alertmanager.alert(name, labels, ended=town.now))
        )
    await town.wait(minutes(5))
    town.nothing_else_arrived()
    await town.wait(minutes(2))
    mail = await ana.expects_mail("Storm 2026-11-23 11:00 is over")
    assert "40 incidents were not paged separately" in mail.text
    assert "30 incidents still fire" in mail.text
    assert "By service: Checkout 40" in mail.text
    await ana.phone.expects_sms("28 new incidents on Checkout")
    await ana.phone.expects_sms("P3 #", "Trouble")
    await ana.phone.expects_sms("P3 #", "Trouble")
    key = (await storm(town)).key
    over = await ana.asks("GET", f"/api/v1/storms/{key}")
    assert (over["withheld"], over["report"]["waiting"], over["report"]["services"]) == (40, 30, [["Checkout", 40]])
    screen = await town.http.get(f"/storms/{key}", headers={"Authorization": f"Bearer {ana.api_key}"})
    assert "40 incidents were not paged separately" in screen.text
    children = [i.number for i in await town.incidents() if i.storm_id is not None]
    assert [f'href="/incidents/{n}"' in screen.text for n in children] == [True] * 40
    for number in (children[0], speaker.number):
        screen = await town.http.get(f"/incidents/{number}", headers={"Authorization": f"Bearer {ana.api_key}"})
        assert f'<a href="/storms/{key}">Storm 2026-11-23 11:00</a>' in screen.text
    after = next(i for i in await town.incidents() if i.number == speaker.number)
    assert after.state == "resolved"
    assert any("is over after" in line for line in await town.story(after))


async def test_below_the_threshold_nothing_is_a_storm_and_the_threshold_is_a_setting(town: Town) -> None:
    (ana,) = await town.people("Ana")
    await town.build.notification_rules(ana, [("loud", seconds(0), "sms"), ("quiet", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(600)])
    await pour(town, 20, 20)
    assert await town.rows("SELECT 1 FROM storms") == []
    cara = town.residents["Cara"]
    organisation = await cara.asks("GET", "/api/v1/organisation")
    edit = {n: organisation[n] for n in ("name", "time_zone", "catch_all_policy")} | {"storm_threshold": 3}
    await cara.asks("PUT", "/api/v1/organisation", edit)
    await town.wait(minutes(2))
    await pour(town, 4, 2000, first=1000)
    assert (await storm(town)).threshold == 3
    while ana.phone.inbox.unexpected():
        await ana.phone.expects_sms()


async def test_a_person_who_escalates_a_child_by_hand_is_heard(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben")
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", seconds(0), "sms"), ("quiet", seconds(0), "sms")])
    await town.service("checkout", policy=[ana, minutes(600), ben])
    await pour(town, 30, 30)
    await ana.phone.expects_sms("Storm")
    child = next(i for i in await town.incidents() if i.storm_id is not None)
    await ana.escalates(child.number)
    await town.wait(minutes(3))
    await ana.phone.expects_sms(child.title)
