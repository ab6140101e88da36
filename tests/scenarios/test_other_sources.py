"""Somebody's script, and keys that are not what they should be."""

from __future__ import annotations

import base64

from town import Town, minutes


async def test_a_script_fires_and_resolves_with_its_own_key(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("backup", policy=[ana, minutes(600)])
    say = town.generic.says
    disk = {"service": "backup", "dedup_key": "disk/db-1", "title": "Disk full on db-1"}
    assert (await say(**disk, severity="error")).events == {"opened": 1}
    await ana.expects_mail("Disk full on db-1")
    assert (await say(**disk, severity="error")).events == {"repeated": 1}
    assert (await say(**disk, status="acknowledged")).events == {"acknowledged_at_source": 1}
    assert (await town.incident()).state == "acknowledged"  # who may resolve it may stop its ladder, too
    assert (await say(**disk, status="resolved")).events == {"resolved": 1}
    assert (await town.incident()).state == "resolved"


async def test_two_integrations_with_the_same_key_are_two_alerts_of_one_incident(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.prometheus.fires("HighErrorRate")
    incident = await town.incident()
    assert (incident.firing, incident.occurrences) == (2, 2)


async def test_a_routing_key_opens_its_own_door_only(town: Town) -> None:
    await town.service("checkout")
    key = town.routing_keys["checkout", "alertmanager"]
    body = town.alertmanager.body()
    assert (await town.http.post(f"/v1/intake/{key}/grafana", json=body)).status_code == 403
    assert (await town.http.post("/v1/intake/nonsense/alertmanager", json=body)).status_code == 401
    bearer = {"Authorization": f"Bearer {key}"}
    assert (await town.http.post("/v1/intake/alertmanager", json=body, headers=bearer)).status_code == 202
    basic = {"Authorization": "Basic " + base64.b64encode(f"x:{key}".encode()).decode()}
    assert (await town.http.post("/v1/intake/alertmanager", json=body, headers=basic)).status_code == 202
