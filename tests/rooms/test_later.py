"""The API and the screens are built after the start; what machines and people in a hurry ask is there before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from whole import Whole, whole

from app.web.auth import declared


def built(running: Whole) -> bool:
    return len(list(declared(running.tocsin.api))) > 100


@pytest.mark.parametrize("path", ["/readyz", "/healthz", "/metrics", "/l/nobody", "/ping/nobody", "/static/0/app.css"])
async def test_what_is_asked_in_a_hurry_waits_for_nothing(database_url: str, tmp_path: Path, path: str) -> None:
    async with whole(database_url, tmp_path) as running:
        answer = await running.http.get(path)
        assert (answer.status_code, built(running)) == (404 if "nobody" in path else 200, False)


async def test_an_alert_waits_for_nothing(database_url: str, tmp_path: Path) -> None:
    async with whole(database_url, tmp_path) as running:
        answer = await running.post("generic", {"title": "disk full", "dedup_key": "a"})
        assert (answer.status_code, built(running)) == (202, False)


async def test_the_first_requests_wait_and_are_answered(database_url: str, tmp_path: Path) -> None:
    async with whole(database_url, tmp_path) as running:
        paths = ["/api/v1/openapi.json", "/login", "/api/v2/status", "/nothing", "/login"]
        answers = await asyncio.gather(*(running.http.get(path) for path in paths))
        assert [a.status_code for a in answers] == [200, 200, 401, 404, 200]
        assert built(running)
        assert "/readyz" in answers[0].json()["paths"]
