"""The OpenAPI document: complete for people, and true: whatever it allows is answered as it says, never with a 5xx."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import jsonschema_rs
import pytest
import requests
import schemathesis
from databases import TestServer
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from kept_logs import logs_as_they_were
from schemathesis import GenerationMode
from whole import shared

from app import logs
from app.web.api import router

EXAMPLES = int(os.environ.get("TOCSIN_TEST_EXAMPLES", "3"))
"""Of every kind for every operation; the seed is fixed, so that what passes here passes elsewhere;
TOCSIN_TEST_EXAMPLES=50 looks longer."""
CHECKS = [
    schemathesis.checks.not_a_server_error,
    schemathesis.checks.status_code_conformance,
    schemathesis.checks.content_type_conformance,
    schemathesis.checks.response_headers_conformance,
    schemathesis.checks.response_schema_conformance,
]


def _document() -> dict[str, Any]:
    app = FastAPI(title="Tocsin", version="0", openapi_url=None)
    router.install(app)
    return app.openapi()


DOCUMENT = _document()
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in ("get", "put", "post", "delete", "patch", "head", "options")
}
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
GENERATED = {made.ok().label: made.ok() for made in SCHEMA.get_all_operations()}


# -- for people


def test_it_is_openapi_3_1():
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert set(GENERATED) == set(OPERATIONS)


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len(ids) == len(set(ids))


def test_every_reference_resolves():
    known = DOCUMENT["components"]["schemas"]

    def references(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            if isinstance(ref := node.get("$ref"), str):
                yield ref
            for inner in node.values():
                yield from references(inner)
        elif isinstance(node, list):
            for inner in node:
                yield from references(inner)

    assert {r for r in references(DOCUMENT) if r.removeprefix("#/components/schemas/") not in known} == set()


@pytest.mark.parametrize("label", OPERATIONS)
def test_every_operation_says_what_it_is_for(label):
    operation = OPERATIONS[label]
    assert operation.get("summary"), "a name"
    assert operation.get("description"), "a sentence"
    assert operation.get("tags"), "a chapter"


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return dict(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:  # a body that may be left out
        return resolved(next(s for s in schema["anyOf"] if s.get("type") != "null"))
    return schema


BODIES = {
    label: operation["requestBody"]["content"]["application/json"]
    for label, operation in OPERATIONS.items()
    if "application/json" in operation.get("requestBody", {}).get("content", {})
}


@pytest.mark.parametrize("label", BODIES)
def test_every_body_has_an_example_that_fits(label):
    schema = BODIES[label]["schema"]
    examples = resolved(schema).get("examples") or BODIES[label].get("examples")
    assert examples, "an example"
    whole = schema | {"components": DOCUMENT["components"]}
    for example in examples:
        jsonschema_rs.Draft202012Validator(whole).validate(example)


# -- for programs


@pytest.fixture(scope="module")
def address(server: TestServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a service in a thread and a loop of its own: what asks it here is not asynchronous."""
    ready: Future[str] = Future()
    over = asyncio.Event()

    async def serve() -> None:
        async with shared(server, tmp_path_factory.mktemp("tocsin")) as house:
            ready.set_result(house.url)
            await over.wait()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.close()

    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=run, name="service")
    with logs_as_they_were():
        logs.configure("warning")  # as `tocsin serve` does: a traceback in colours and boxes takes seconds
        thread.start()
        yield ready.result(60)
        loop.call_soon_threadsafe(over.set)
        thread.join(60)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer tocsin_cara"
        yield session


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
@pytest.mark.parametrize("label", GENERATED)
def test_answers_are_as_documented(address, session, label, mode):
    cases = GENERATED[label].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        response = case.call(base_url=address, session=session, timeout=20)
        case.validate_response(response, checks=CHECKS)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there must be something to ask"
