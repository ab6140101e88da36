"""Every route says who may use it, and the API's description holds together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from app import settings
from app.access.permissions import PERMISSIONS
from app.db import engine as db
from app.web import application
from app.web.api.router import install
from app.web.auth import declared
from app.web.idempotency import Route, idempotent


@pytest.fixture(scope="module")
def app() -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    install(app)
    return app


@pytest.fixture(scope="module")
def everything() -> FastAPI:
    """API, screens, links, health: described here, so that what only requests need may be missing."""
    app = application.build(
        engine=db.create("postgresql://nobody@127.0.0.1:1/none"),
        settings=settings.read({}),
        secrets=None,
        channels={},
        links=None,
        wake=lambda: None,
        receive=None,
        replay=None,
        worker_seen_at=None,
    )
    application.furnish(app)
    return app


def test_every_route_declares_one_permission_or_why_it_is_open(everything):
    wrong = []
    for method, path, declarations in declared(everything):
        permissions = {d.permission for d in declarations if d.permission}
        open_because = [d.open_because for d in declarations if d.open_because]
        if len(permissions) + len(open_because) != 1:
            wrong.append((method, path, permissions, open_because))
    assert wrong == []
    assert {"/incidents", "/l/{token}", "/readyz", "/api/v1/teams"} <= {path for _, path, _ in declared(everything)}


def test_unsafe_routes_need_more_than_reading(app):
    reading = {name for name, p in PERMISSIONS.items() if p.scope == "read"}
    only_asks = re.compile(r"/(try|preview|simulate|dry-runs)$")
    wrong = [
        (method, path)
        for method, path, declarations in declared(app)
        if method not in ("GET", "HEAD") and not only_asks.search(path)
        for d in declarations
        if d.permission in reading
    ]
    assert wrong == []


def test_creates_that_take_an_idempotency_key_keep_their_answers(app):
    for route in iter_route_contexts(app.routes):
        if any(inner.call is idempotent.dependency for inner in route.dependant.dependencies):
            assert isinstance(route.original_route, Route), route.path


def members(value: Any, schemas: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every object in a part of the document; with `schemas` also those that it refers to."""
    if isinstance(value, dict):
        yield value
        if schemas and isinstance(ref := value.get("$ref"), str):
            yield from members(schemas[ref.rsplit("/", 1)[1]], schemas)
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from members(inner, schemas)


def test_the_openapi_document_resolves(app):
    document = app.openapi()
    for member in members(document, {}):
        if isinstance(ref := member.get("$ref"), str):
            assert ref.removeprefix("#/components/schemas/") in document["components"]["schemas"], ref


def test_generated_clients_get_names_that_people_would_choose(app):
    document = app.openapi()
    names = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(set(names)) == len(names)
    assert [name for name in names if "api_v1" in name] == []
    assert [name for name in document["components"]["schemas"] if "__" in name] == [], "two models of one name"


def test_every_body_shows_an_example(app):
    document = app.openapi()
    bare = [
        (method, path)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if not any("examples" in m or "example" in m for m in members(content, document["components"]["schemas"]))
    ]
    assert bare == []
