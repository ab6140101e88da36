"""The third time a disk fills, the page says so, and what helped the last time."""

from __future__ import annotations

from datetime import timedelta

from town import Town, hours, minutes

from app.alerts.routing_rules import ROUTING_RULES


async def test_the_third_time_says_what_helped_the_last_time(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=("sms", "mail"))
    await town.build.notification_rules(ana, [("loud", minutes(0), "sms"), ("loud", minutes(0), "mail")])
    await town.service("checkout", policy=[ana, hours(9)], runbook_url="https://wiki.example.org/checkout")
    advice = {"key": "disks", "name": "Disks", "when": "labels.alertname == 'DiskFull'",
              "then": {"runbook": "https://wiki.example.org/disks"}}  # fmt: skip
    await town.build.rule_set(ROUTING_RULES, [advice])

    await town.alertmanager.fires("DiskFull")
    text = await ana.phone.expects_sms("DiskFull")
    assert "time" not in text.body
    mail = await ana.expects_mail("https://wiki.example.org/disks")
    assert "https://wiki.example.org/checkout" not in mail.text, "a routing rule's runbook comes before the service's"
    await town.wait(minutes(30))
    await town.alertmanager.resolves("DiskFull")

    await town.wait(timedelta(days=20))
    await town.alertmanager.fires("DiskFull")
    text = await ana.phone.expects_sms("DiskFull")
    assert "2nd time in 30 days; last time, 20 days ago: took 30 min" in text.body.splitlines()
    await ana.expects_mail("2nd time in 30 days; last time, 20 days ago: took 30 min")
    await town.wait(minutes(14))
    second = (await town.incidents())[-1].number
    said = {"confirmed": True, "cause": "disk full", "fix": "rotating the logs"}
    await ana.asks("POST", f"/api/v1/incidents/{second}/resolve", said)
    await town.alertmanager.resolves("DiskFull")

    await town.wait(timedelta(days=3))
    await town.alertmanager.fires("DiskFull")
    third = (await town.incidents())[-1]
    text = await ana.phone.expects_sms("DiskFull")
    assert "3rd time in 30 days; last time fixed by rotating the logs" in text.body.splitlines()
    assert text.body.splitlines()[-1].startswith("https://tocsin.test/l/")
    told = "3rd time in 30 days; last time, 3 days ago: disk full, fixed by rotating the logs, took 14 min"
    mail = await ana.expects_mail(told)
    assert (mail.text.count(told), mail.html.count(told)) == (1, 1)
    screen = await ana.follows_link()
    assert told in screen.words
    assert len(screen.html.encode()) < 30_000
    similar = await ana.asks("GET", f"/api/v1/incidents/{third.number}/similar")
    assert next((s["number"], s["fix"]) for s in similar["items"]) == (second, "rotating the logs")
    assert third.recurrence_of_id is not None
