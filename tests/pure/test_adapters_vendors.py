"""Adapters of vendors' own APIs under hostile input: storable events or `Unparsable` in words, nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_adapters_hostile import NOW, check, texts, values

from app.ingest.adapters import ADAPTERS, opsgenie, pagerduty
from app.ingest.adapters.details import MAX_DEPTH
from app.ingest.event import Entrance, Event, Unparsable

a_while = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
PAYLOAD: dict[str, Any] = {
    "summary": "Disk full", "source": "db-1", "severity": "critical", "component": "mysql", "class": "disk",
    "group": "prod", "timestamp": "2026-11-21T19:00:00Z", "custom_details": {"free": "1%"},
}  # fmt: skip
TRIGGER: dict[str, Any] = {
    "routing_key": "secret-routing-key", "event_action": "trigger", "dedup_key": "k", "payload": PAYLOAD,
    "links": [{"href": "https://l", "text": "l"}], "images": [{"src": "https://i"}], "client": "c",
    "client_url": "https://c",
}  # fmt: skip
CREATE: dict[str, Any] = {
    "message": "Disk full", "alias": "k", "description": "d", "priority": "P1", "tags": ["a"], "entity": "e",
    "details": {"alertname": "DiskFull"}, "responders": [{"name": "NOC", "type": "team"}], "source": "https://s",
}  # fmt: skip


def parse(source: str, body: bytes | str | dict[str, Any], now: datetime = NOW, **headers: str) -> Event | None:
    """The event, checked against all that is promised; None when the body was refused in words."""
    raw = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
    named = {f":{name}": text for name, text in headers.items()}
    try:
        ((_, event),) = ADAPTERS[source](raw, named, Entrance(1, source, 1), now).events
    except Unparsable as e:
        refused = e
    else:
        check(event)
        assert "secret-routing-key" not in repr(event)
        return event
    assert 0 < len(str(refused)) < 1_000
    assert refused.status in (400, 422)
    return None


@st.composite
def changed(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """The message with up to three members that are odd or missing."""
    message = dict(whole)
    for name in draw(st.lists(st.sampled_from([*whole, "unknown", ""]), max_size=3)):
        message[name] = draw(texts | values)
        if message[name] is None:
            del message[name]
    if draw(st.booleans()) and isinstance(message.get("payload"), dict):
        message["payload"] = draw(changed(PAYLOAD))
    return message


@given(body=changed(TRIGGER) | values, action=st.sampled_from(["alert", "change"]))
@a_while
def test_any_event_of_pagerduty(body: Any, action: str) -> None:
    parse("pagerduty", json.dumps(body), action=action, request="r")
    try:
        change = pagerduty.change(json.dumps(body).encode(), NOW)
    except Unparsable:
        return
    assert 0 < len(change.summary) <= 250
    assert change.at <= NOW
    assert change.at.tzinfo is UTC
    assert all(href.startswith(("http://", "https://")) for href, _ in change.links)
    json.dumps([change.details, change.source], allow_nan=False)


@given(
    body=changed(CREATE) | values,
    action=st.sampled_from(["create", "close", "acknowledge", "notes", "x"]),
    alias=texts.map(lambda text: text.replace("\0", "").encode(errors="replace").decode()),
)
@a_while
def test_any_request_of_opsgenie(body: Any, action: str, alias: str) -> None:
    parse("opsgenie", json.dumps(body), action=action, alias=alias, request="r")


@pytest.mark.parametrize(("source", "whole"), [("pagerduty", TRIGGER), ("opsgenie", CREATE)])
def test_deep_members_are_cut_off_not_lost(source: str, whole: dict[str, Any]) -> None:
    for levels in (MAX_DEPTH * 2, 300):
        event = parse(source, json.dumps(whole)[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}")
        assert event is not None
        assert "nested too deeply" in json.dumps(event.details, ensure_ascii=False)


@pytest.mark.parametrize("where", ["custom_details", "summary", "severity", "source", "timestamp", "class"])
def test_deep_members_of_a_payload(where: str) -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    body = json.dumps(TRIGGER | {"payload": PAYLOAD | {where: "HERE"}}).replace('"HERE"', deep)
    event = parse("pagerduty", body)
    refused = where in ("summary", "severity", "source")
    assert (event is None) is refused


def test_large_details_are_cut() -> None:
    event = parse(
        "pagerduty", TRIGGER | {"payload": PAYLOAD | {"custom_details": {f"n{i}": "x" * 900 for i in range(200)}}}
    )
    assert event is not None
    assert "bytes were cut" in event.details["custom_details"]
    assert len(event.annotations) == 100


def test_two_triggers_without_a_key_are_two_alerts() -> None:
    body = {name: value for name, value in TRIGGER.items() if name != "dedup_key"}
    keys = [parse("pagerduty", body, request="a"), parse("pagerduty", body, request="b"), parse("pagerduty", body)]
    keys.append(parse("pagerduty", body, NOW + timedelta(seconds=1)))
    assert len({event.dedup_key for event in keys if event}) == 4


def test_an_event_starts_when_we_hear_of_it_however_old_its_timestamp() -> None:
    """Else a trigger that follows a resolve would be stale, which at PagerDuty is a new alert."""
    event = parse("pagerduty", TRIGGER)
    assert event is not None
    assert (event.starts_at, event.details["timestamp"]) == (NOW, "2026-11-21T19:00:00Z")


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-11-21T19:00:00.315+0000", datetime(2026, 11, 21, 19, 0, 0, 315_000, UTC)),
        ("2026-11-21T19:00:00Z", datetime(2026, 11, 21, 19, tzinfo=UTC)),
        ("2026-11-21T19:00:00.123456+00:00Z", datetime(2026, 11, 21, 19, 0, 0, 123_456, UTC)),
        (1795287600, datetime(2026, 11, 21, 19, tzinfo=UTC)),
        ("2027-01-01T00:00:00Z", NOW),
        ("yesterday", NOW),
        (None, NOW),
        ({}, NOW),
    ],
)
def test_the_time_of_a_change(told: Any, at: datetime) -> None:
    body = {"payload": {"summary": "Build Success", "timestamp": told, "source": "ci", "custom_details": {"n": "220"}}}
    change = pagerduty.change(json.dumps(body).encode(), NOW)
    assert (change.at, change.summary, change.source) == (at, "Build Success", "ci")
    assert change.details["custom_details"] == {"n": "220"}
    assert ("timestamp" in change.details) is (at == NOW and told != "2027-01-01T00:00:00Z")


@pytest.mark.parametrize("body", [{}, {"payload": 5}, {"payload": {}}, {"payload": {"summary": ""}}, []])
def test_a_change_needs_a_summary(body: Any) -> None:
    with pytest.raises(Unparsable, match=r"missing or blank|must be an object"):
        pagerduty.change(json.dumps(body).encode(), NOW)


def test_what_is_json_and_cannot_be_right_is_422_at_opsgenie() -> None:
    for body, status in (({}, 422), ([], 400)):
        with pytest.raises(Unparsable) as refused:
            opsgenie.parse(json.dumps(body).encode(), {}, Entrance(1, "opsgenie", 1), NOW)
        assert refused.value.status == status
