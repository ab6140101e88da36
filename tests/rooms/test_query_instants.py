"""Wherever an address takes an instant, one without a time zone is refused in words that say what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from api_client import api
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine
from whole import Whole

from app.web.api import on_call, router


def instants(document: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(method, path, parameter) of every instant in a query of the API."""
    return [
        (method, path, parameter["name"])
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        if isinstance(operation, dict)
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "query" and "2026-11-22T12:00:00Z" in str(parameter)
    ]


def _document() -> dict[str, Any]:
    app = FastAPI(openapi_url=None)
    router.install(app)
    return app.openapi()


DOCUMENT = _document()


@pytest.mark.asyncio(loop_scope="module")
async def test_every_instant_of_an_address_says_what_it_needs(house: Whole) -> None:
    found = instants(DOCUMENT)
    assert {name for _, _, name in found} >= {"at", "from", "to", "since", "effective_from"}
    for method, path, name in found:
        address = path.replace("{schedule}", "primary").replace("{key}", "primary").replace("{user}", "ana")
        for wrong in ("2026-03-06T12:00:00", "2026-03-06T12:00:00 01:00", "tomorrow", "3"):
            body = {} if method == "get" else {"json": {}}
            who = house.as_person("cara")
            answer = await house.http.request(method, address, params={name: wrong}, headers=who, **body)
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), address
            [said] = [e for e in answer.json()["errors"] if e["field"] == name]
            assert said["in"] == "query"
            assert said["message"] == (
                "an instant with its time zone is needed, like 2026-11-22T12:00:00Z or 2026-11-22T13:00:00+01:00"
                " (+ is written %2B in an address)"
            ), (address, name)


@pytest.mark.parametrize("at", ["2026-03-06T12:00:00Z", "2026-03-06T13:00:00+01:00"])
async def test_one_with_a_zone_is_taken(engine: AsyncEngine, tmp_path: Path, at: str) -> None:
    async with api(engine, tmp_path, on_call.router) as client:
        answer = await client.get("/schedules/nowhere/on-call", params={"at": at})
        assert answer.json()["code"] == "not_found"
