"""Senders that were set up for another service and now have another address: nothing else of them is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pagerduty
import pytest
from certificates import certificate
from place import Place, opened
from programs import Program, alertmanager_of, wanted

ALERTMANAGER = """
route:
  receiver: both
  group_by: [alertname]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 1h
receivers:
- name: both
  pagerduty_configs:
  - routing_key: {pagerduty}
    url: {url}/v2/enqueue
    severity: '{{{{ .CommonLabels.severity }}}}'
  opsgenie_configs:
  - api_key: {opsgenie}
    api_url: {url}/
    priority: P2
    update_alerts: true
"""
WITHIN_S = 20.0


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(database_url, tmp_path) as place:
        yield place


async def states(place: Place) -> dict[str, str]:
    """The states of all incidents, by the source of their alert."""
    found = {}
    for line in (await place.asks("GET", "/incidents?state=all"))["items"]:
        [alert] = (await place.asks("GET", f"/incidents/{line['number']}/alerts"))["items"]
        found[alert["source"]] = line["state"]
    return found


async def become(place: Place, wanted_states: dict[str, str]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while await states(place) != wanted_states:
            pass


async def tell(program: Program, **alert: Any) -> None:
    """As Prometheus would."""
    labels = {"alertname": "HighErrorRate", "severity": "critical", "team": "größe"}
    annotations = {"summary": "25% of all requests fail", "runbook_url": "https://runbooks.example.org/x"}
    async with httpx.AsyncClient() as http:
        body = [{"labels": labels, "annotations": annotations} | alert]
        (await http.post(f"http://{program.address}/api/v2/alerts", json=body)).raise_for_status()


async def test_alertmanager_with_the_receivers_of_pagerduty_and_opsgenie(place, tmp_path):
    wanted("prometheus-alertmanager")
    keys = {"pagerduty": await place.furnish("pagerduty"), "opsgenie": await place.integrate("opsgenie")}
    program = alertmanager_of(tmp_path, ALERTMANAGER.format(url=place.url, **keys))
    async with program.running():
        await tell(program)
        await become(place, dict.fromkeys(keys, "triggered"))
        await place.phone.expects_sms("HighErrorRate", within_s=WITHIN_S)
        await tell(program, endsAt="2026-01-01T00:00:00Z", startsAt="2025-12-31T00:00:00Z")
        await become(place, dict.fromkeys(keys, "resolved"))
    alerts: dict[str, dict[str, Any]] = {}
    for line in (await place.asks("GET", "/incidents?state=all"))["items"]:
        [alert] = (await place.asks("GET", f"/incidents/{line['number']}/alerts"))["items"]
        alerts[alert["source"]] = alert
    assert alerts["pagerduty"]["severity"] == "critical"
    assert alerts["pagerduty"]["title"].startswith("[FIRING:1] HighErrorRate"), "not what the resolve calls it"
    assert alerts["pagerduty"]["annotations"]["num_firing"] == "1"
    assert alerts["opsgenie"]["severity"] == "error"
    assert alerts["opsgenie"]["labels"]["alertname"] == "HighErrorRate"
    log = (tmp_path / "prometheus-alertmanager.log").read_text()
    assert "level=error" not in log, log
    assert "level=warn" not in log, log


async def test_the_client_of_pagerduty_for_python(place, tmp_path, monkeypatch):
    key = await place.furnish("pagerduty")
    monkeypatch.setenv("SSL_CERT_FILE", str((made := certificate(tmp_path, "IP:127.0.0.1"))[0]))
    async with place.over_tls(*made) as url:
        client = pagerduty.EventsApiV2Client(key, base_url=url)
        link = {"href": "https://ci.example.org/220", "text": "build"}
        # 7.2.0 cannot make a timestamp itself: its own property looks for a time zone in the wrong place.
        at = datetime.now(UTC).isoformat()
        await asyncio.to_thread(client.submit, "Build Success", "ci", {"build": "220"}, [link], at)
        dedup_key = await asyncio.to_thread(client.trigger, "Disk full on db-1", "db-1", custom_details={"free": "1%"})
        assert len(dedup_key) == 32
        await place.phone.expects_sms("Disk full on db-1", within_s=WITHIN_S)
        assert (await place.incident())["state"] == "triggered"
        assert await asyncio.to_thread(client.acknowledge, dedup_key) == dedup_key
        assert await asyncio.to_thread(client.resolve, dedup_key) == dedup_key
        assert (await place.incident())["state"] == "resolved"
        with pytest.raises(pagerduty.HttpError, match="400"):
            await asyncio.to_thread(client.trigger, "Disk full", "db-1", severity="fatal")
        await asyncio.to_thread(client.close)
    assert "“Disk full on db-1” was acknowledged at its source" in await place.timeline()
    [change] = (await place.asks("GET", f"/incidents/{(await place.incident())['number']}/changes"))["items"]
    assert (change["summary"], change["source"], change["links"]) == ("Build Success", "ci", [list(link.values())])
