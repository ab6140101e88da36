"""The mappings of docs/examples/mappings, each on the requests under tests/payloads/mapped: as a user would run them.

A request as in test_adapters; all fields of its events are compared, and the note that a receipt would have.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.configuration import document, yaml_text
from app.ingest import mappings
from app.ingest.adapters import ADAPTERS
from app.ingest.event import Entrance, Event

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples" / "mappings").glob("*.yaml"))
PAYLOADS = ROOT / "tests" / "payloads" / "mapped"


def integration(path: Path) -> Any:
    """The only one in a file that `tocsin apply` takes."""
    [found] = document.parse(yaml_text.read(path.read_text())).integrations or []
    return found


def requests() -> Iterator[Any]:
    for path in EXAMPLES:
        for request in json.loads((PAYLOADS / f"{path.stem}.json").read_text())["requests"]:
            yield pytest.param(path, request, id=f"{path.stem}/{request['name']}")


def shown(event: Event) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return made


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_may_be_applied(path: Path) -> None:
    found = integration(path)
    mappings.check(found.source, found.mapping)
    assert "alertname" in found.mapping.labels, "incidents are told apart by it"


@pytest.mark.parametrize(("path", "request_"), list(requests()))
def test_an_example_reads_what_its_sender_sends(path: Path, request_: dict[str, Any]) -> None:
    found = integration(path)
    body = request_["text"] if "text" in request_ else json.dumps(request_["body"], ensure_ascii=False)
    entrance = Entrance(1, found.source, 1, mapping=found.mapping.plain())
    parsed = ADAPTERS["generic"](
        body.encode(), request_["headers"], entrance, datetime.fromisoformat(request_["received_at"])
    )
    wanted = request_["events"]
    got = [shown(event) for _, event in parsed.events]
    assert [{name: event[name] for name in one} for event, one in zip(got, wanted, strict=True)] == wanted
    assert list(parsed.refused) == []
    assert parsed.note == request_.get("note")


def test_every_example_is_described() -> None:
    page = (ROOT / "docs" / "sending-alerts.md").read_text()
    assert [path.name for path in EXAMPLES if f"examples/mappings/{path.name}" not in page] == []
    assert {path.stem for path in EXAMPLES} == {path.stem for path in PAYLOADS.glob("*.json")}
