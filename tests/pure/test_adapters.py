"""Every payload under tests/payloads gives the events written beside it. A new source adds a folder, no code here.

A request of a payload file: `body` (JSON) or `text` (anything), `headers`, `received_at`, optional `entrance`; and what
must become of it: `events` (the named fields only), `refused` (index and a part of the reason), or `unparsable`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.ingest.adapters import ADAPTERS
from app.ingest.event import Entrance, Event, Unparsable

PAYLOADS = Path(__file__).resolve().parent.parent / "payloads"


def requests() -> Iterator[Any]:
    for source in ADAPTERS:
        for path in sorted((PAYLOADS / source).glob("*.json")):
            for index, request in enumerate(json.loads(path.read_text())["requests"]):
                yield pytest.param(source, request, id=f"{source}/{path.stem}/{request.get('name', index)}")


def parse(source: str, request: dict[str, Any]) -> Any:
    told = dict(request.get("entrance", {}))
    told["ignored_labels"] = frozenset(told.get("ignored_labels", ()))
    entrance = Entrance(integration_id=1, source=source, service_id=1, **told)
    # Go's encoder, as these senders use it, writes no ASCII escapes for letters.
    body = request["text"] if "text" in request else json.dumps(request["body"], ensure_ascii=False)
    now = datetime.fromisoformat(request["received_at"])
    return ADAPTERS[source](body.encode(), request.get("headers", {}), entrance, now)


def field(event: Event, name: str) -> Any:
    """A field as JSON; `details.x` looks inside."""
    value: Any = event
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else getattr(value, part)
    return value if isinstance(value, datetime) else json.loads(msgspec.json.encode(value))


def expected(told: dict[str, Any]) -> dict[str, Any]:
    return {n: datetime.fromisoformat(v) if n in ("starts_at", "ends_at") and v else v for n, v in told.items()}


@pytest.mark.parametrize(("source", "request_"), list(requests()))
def test_payload_gives_its_events(source: str, request_: dict[str, Any]) -> None:
    if "unparsable" in request_:
        with pytest.raises(Unparsable, match=re.escape(request_["unparsable"])):
            parse(source, request_)
        return
    parsed = parse(source, request_)
    told, refused = request_["events"], request_.get("refused", [])
    assert (len(parsed.events), len(parsed.refused)) == (len(told), len(refused))
    got = [{name: field(event, name) for name in one} for (_, event), one in zip(parsed.events, told, strict=True)]
    assert got == [expected(one) for one in told]
    assert [r.index for r in parsed.refused] == [r["index"] for r in refused]
    for one, reason in zip(parsed.refused, refused, strict=True):
        assert reason["error"] in one.error
    indices = [index for index, _ in parsed.events] + [r.index for r in parsed.refused]
    assert sorted(indices) == list(range(len(indices)))


def test_every_source_has_payloads() -> None:
    assert {path.name for path in PAYLOADS.iterdir() if any(path.iterdir())} >= ADAPTERS.keys()
