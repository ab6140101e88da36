"""CloudEvents: three modes, one event; labels, keys and titles where the event itself tells none."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

import pytest

from app.ingest.adapters import ADAPTERS
from app.ingest.event import Entrance, Event, Parsed, Unparsable

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
STRUCTURED = {"content-type": "application/cloudevents+json; charset=utf-8"}
BATCH = {"content-type": "application/cloudevents-batch+json"}
DATA = {"title": "CPU", "status": "firing", "severity": "critical", "dedup_key": "cpu/web-1", "labels": {"team": "db"}}
ENVELOPE = {
    "specversion": "1.0",
    "id": "A234",
    "source": "/mycontext",
    "type": "com.example.alert",
    "time": "2026-03-01T08:00:00Z",
    "subject": "web-1",
    "region": "eu",
    "data": DATA,
}
LABELS = {"ce_type": "com.example.alert", "ce_source": "/mycontext", "ce_subject": "web-1"}


def read(body: Any, headers: dict[str, str], mapping: dict[str, Any] | None = None) -> Parsed:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTERS["generic"](raw, headers, Entrance(1, "generic", 1, mapping=mapping), NOW)


def one(body: Any, headers: dict[str, str], mapping: dict[str, Any] | None = None) -> Event:
    [(_, event)] = read(body, headers, mapping).events
    return event


def without(*names: str, **more: Any) -> dict[str, Any]:
    return {name: value for name, value in ENVELOPE.items() if name not in names} | more


def binary(**more: str) -> dict[str, str]:
    named = {f"ce-{name}": value for name, value in without("data").items()}
    return {"content-type": "application/json"} | named | more


def test_the_three_modes_are_the_same_event():
    told = [
        one(ENVELOPE, STRUCTURED),
        one([ENVELOPE], BATCH),
        one(DATA, binary()),
        one(ENVELOPE, {"content-type": "application/json"}),
        one(without("data", data_base64=b64encode(json.dumps(DATA).encode()).decode()), STRUCTURED),
    ]
    for event in told:
        assert (event.kind, event.dedup_key, event.title, event.severity) == ("firing", "cpu/web-1", "CPU", "critical")
        assert event.labels == LABELS | {"team": "db"}
        assert event.starts_at == datetime(2026, 3, 1, 8, tzinfo=UTC)


def test_source_and_id_are_the_key_of_what_has_none():
    bare = one(without("data"), STRUCTURED)
    assert (bare.dedup_key, bare.title) == ("/mycontext#A234", "com.example.alert: web-1")
    assert one(without("data", "subject"), STRUCTURED).title == "com.example.alert"
    assert one(without("data", id="B"), STRUCTURED).dedup_key != bare.dedup_key


@pytest.mark.parametrize("data", ["text", 5, [1, 2], None, True])
def test_data_that_is_no_object_is_kept(data):
    event = one(without(data=data), STRUCTURED)
    assert event.dedup_key == "/mycontext#A234"
    assert event.details.get("data") == data


def test_attributes_in_headers_are_percent_encoded():
    event = one({}, binary(**{"ce-subject": "caf%C3%A9%00", "ce-source": "%E2%98"}))
    assert event.labels["ce_subject"] == "café\ufffd"
    assert event.labels["ce_source"] == "\ufffd"


def test_a_mapping_reads_the_data_and_the_envelope():
    mapping = {
        "fields": {"title": "event.title + ' in ' + body.region", "dedup_key": "body.subject"},
        "labels": {"ce_source": "'mine'", "host": "body.subject"},
    }
    for event in (one(ENVELOPE, STRUCTURED, mapping), one(DATA, binary(), mapping), one([ENVELOPE], BATCH, mapping)):
        assert (event.title, event.dedup_key) == ("CPU in eu", "web-1")
        assert event.labels == LABELS | {"ce_source": "mine", "host": "web-1"}
        assert event.details["title"] == "CPU"


def test_a_mapping_that_gives_no_key_gets_source_and_id():
    assert one(ENVELOPE, STRUCTURED, {"fields": {"title": "event.title"}}).dedup_key == "/mycontext#A234"


def test_several_events_in_one_data():
    mapping = {"events": "body.data.problems", "fields": {"dedup_key": "event.id"}}
    made = read(without(data={"problems": [{"id": "a"}, {"id": "b"}, {"id": {}}]}), STRUCTURED, mapping)
    assert [e.dedup_key for _, e in made.events] == ["a", "b"]
    [refused] = made.refused
    assert refused.fragment["data"] == {"problems": [{"id": {}}]}
    assert refused.fragment["id"] == "A234"


@pytest.mark.parametrize(
    "wrong",
    [without("id"), without("type"), without(source=""), without(specversion="2.0"), without(specversion=1), 5, "x"],
)
def test_one_that_lacks_what_all_have_is_refused_alone(wrong):
    made = read([ENVELOPE, wrong], BATCH)
    assert [i for i, _ in made.events] == [0]
    assert [r.index for r in made.refused] == [1]


@pytest.mark.parametrize(("body", "headers"), [(ENVELOPE, BATCH), ([ENVELOPE], STRUCTURED), (5, STRUCTURED)])
def test_the_wrong_mode_is_said(body, headers):
    with pytest.raises(Unparsable):
        read(body, headers)


def test_a_batch_may_be_empty():
    assert read([], BATCH) == Parsed(())


@pytest.mark.parametrize("encoded", ["not base64!", "//79", 5])
def test_bytes_that_are_no_text_stay_as_they_came(encoded):
    assert one(without("data", data_base64=encoded), STRUCTURED).dedup_key == "/mycontext#A234"
