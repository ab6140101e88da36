"""Debian's amtool, unmodified: every kind of command that was recorded."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from place import Place, opened
from programs import wanted

FIRES = {"alertname": "Watchdog", "cluster": "eu-1", "severity": "warning"}


@pytest.fixture
async def place(database_url: str, tmp_path: Path) -> AsyncIterator[Place]:
    wanted("amtool")
    async with opened(database_url, tmp_path) as place:
        yield place


class Amtool:
    """`url` as a person would put it in the configuration file."""

    def __init__(self, url: str, home: Path) -> None:
        self._arguments = [f"--alertmanager.url={url}"]
        self._home = home

    async def says(self, *arguments: str, code: int = 0) -> str:
        """What it writes; it must end with this code."""
        env = {"HOME": str(self._home), "PATH": "/usr/bin:/bin"}
        process = await asyncio.create_subprocess_exec(
            "amtool", *self._arguments, *arguments, env=env,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, warned = [text.decode() for text in await process.communicate()]
        assert process.returncode == code, f"amtool {' '.join(arguments)}: {said} {warned}"
        return said

    async def json(self, *arguments: str) -> Any:
        return json.loads(await self.says(*arguments, "--output=json"))


async def alerts(amtool: Amtool, *arguments: str) -> list[str]:
    """Names of the alerts that a query shows."""
    return sorted(a["labels"]["alertname"] for a in await amtool.json("alert", "query", *arguments))


async def test_every_command_of_amtool(place: Place, tmp_path: Path) -> None:
    key = await place.furnish("prometheus")
    amtool = Amtool(f"{place.url}/v1/intake/{key}", tmp_path)
    assert 'receiver: "checkout"' in await amtool.says("config", "show")
    assert "checkout" in await amtool.says("config", "routes", "show")
    assert (await amtool.says("config", "routes", "test", "severity=critical")).strip() == "checkout"
    assert "Cluster Status:" in await amtool.says("cluster", "show")

    said = ["--annotation=summary=from amtool", "--generator-url=http://x.example.org/g", "--end=2030-01-01T00:00:00Z"]
    await amtool.says("alert", "add", "FromAmtool", "severity=critical", "host=h1", *said)
    await amtool.says("alert", "add", "Slow", "severity=warning", "cluster=eu-1")
    await place.phone.expects_sms("from amtool")
    await place.phone.expects_sms("Slow")
    assert await alerts(amtool) == ["FromAmtool", "Slow"]
    assert await alerts(amtool, "alertname=Slow") == ["Slow"]
    assert await alerts(amtool, "--inhibited", "severity=~warn.*") == []
    assert await alerts(amtool, "--receiver=checkout") == ["FromAmtool", "Slow"]
    assert await alerts(amtool, "--receiver=other") == []
    assert await alerts(amtool, "--silenced") == []


async def test_silences_by_amtool_are_silences(place: Place, tmp_path: Path) -> None:
    key = await place.furnish("prometheus")
    amtool = Amtool(f"{place.url}/v1/intake/{key}", tmp_path)
    matchers = ["alertname=Slow", "cluster=~eu-.*", "team!=web"]
    made = (
        await amtool.says("silence", "add", "--duration=30m", "--author=ann", "--comment=planned work", *matchers)
    ).strip()
    ours = await place.asks("GET", f"/silences/{made}")
    assert (ours["state"], ours["created_by"], ours["comment"]) == ("active", "ann", "planned work")
    assert ours["text"] == '{alertname="Slow", cluster=~"eu-.*", team!="web"}'

    await amtool.says("alert", "add", "Slow", "severity=critical", "cluster=eu-1")
    assert (await place.asks("GET", "/incidents?state=all"))["items"] == []
    assert await alerts(amtool) == []
    assert await alerts(amtool, "--silenced") == ["Slow"]
    [kept] = (await place.asks("GET", "/suppressed"))["items"]
    assert (kept["title"], kept["suppressed"]["by"], kept["suppressed"]["name"]) == ("Slow", "silence", made)

    assert made in await amtool.says("silence", "query")
    assert made in await amtool.says("silence", "query", "alertname=Slow")
    assert (await amtool.says("silence", "query", "--quiet", "--created-by=ann")).strip() == made
    assert (await amtool.says("silence", "query", "--quiet", "--expired")).strip() == ""
    assert made in await amtool.says("silence", "update", "--duration=1h", made)
    later = await place.asks("GET", f"/silences/{made}")
    assert (later["state"], later["ends_at"] > ours["ends_at"]) == ("active", True)
    exported = tmp_path / "silences.json"
    exported.write_text(await amtool.says("silence", "query", "--output=json"))
    again = (await amtool.says("silence", "import", "--force", str(exported))).strip()
    assert again == made or len(again) == 36

    for silence in {made, again}:
        await amtool.says("silence", "expire", silence)
    await amtool.says("silence", "expire", made)  # once more: it is over already
    await amtool.says("silence", "expire", "00000000-0000-0000-0000-000000000000", code=1)
    await place.phone.expects_sms("Slow")  # it fires still, and enters as new
    assert (await place.incident())["state"] == "triggered"
    assert await alerts(amtool) == ["Slow"]


async def test_an_alert_without_labels_is_silenced_by_its_dedup_key(place: Place, tmp_path: Path) -> None:
    key = await place.furnish("prometheus")
    amtool = Amtool(f"{place.url}/v1/intake/{key}", tmp_path)
    await amtool.says("alert", "add", "severity=critical", "host=h1")
    [alert] = await amtool.json("alert", "query")
    matcher = f"__dedup_key__={alert['fingerprint']}"
    assert await amtool.json("alert", "query", matcher) == [alert]
    made = (await amtool.says("silence", "add", "--comment=no name", matcher)).strip()
    assert made in await amtool.says("silence", "query", matcher)
    assert matcher.replace("=", '="') in await amtool.says("silence", "query")
    assert [a["status"]["silencedBy"] for a in await amtool.json("alert", "query", "--silenced")] == [[made]]


async def test_a_silence_of_everything_takes_an_api_key(place: Place, tmp_path: Path) -> None:
    await place.furnish("prometheus")
    secret = str(place.http.headers["Authorization"]).removeprefix("Bearer ")
    amtool = Amtool(place.url.replace("http://", f"http://amtool:{secret}@"), tmp_path)
    made = (await amtool.says("silence", "add", "--comment=everywhere", "severity=none")).strip()
    ours = await place.asks("GET", f"/silences/{made}")
    assert (ours["service"], ours["owner"]) == (None, "cara")
