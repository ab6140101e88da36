"""Whatever arrives, an adapter answers with storable events, refused alerts, or `Unparsable`; with nothing else."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.ingest.adapters import ADAPTERS
from app.ingest.adapters.bounds import MAX_ALERTS, MAX_ANNOTATION, MAX_LABEL_VALUE
from app.ingest.adapters.details import MAX_DEPTH, MAX_DETAILS
from app.ingest.adapters.labels import fingerprint
from app.ingest.event import Entrance, Event, Parsed, Unparsable

NOW = datetime(2026, 11, 21, 19, 13, tzinfo=UTC)
SOURCES = sorted(ADAPTERS)
each_source = pytest.mark.parametrize("source", SOURCES)
BY_KEY = {"opsgenie", "pagerduty"}
"""Whose alerts are known by a key, and have a form of their own: tests/pure/test_adapters_vendors.py."""
each_labelled = pytest.mark.parametrize("source", [s for s in SOURCES if s not in BY_KEY])
a_while = settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))


def parse(source: str, body: bytes | str, ignored: frozenset[str] = frozenset()) -> Parsed | None:
    """What the adapter makes of a body, checked against all that is promised; None for `Unparsable`."""
    body = body.encode(errors="surrogatepass") if isinstance(body, str) else body
    entrance = Entrance(integration_id=1, source=source, service_id=1, ignored_labels=ignored)
    try:
        parsed = ADAPTERS[source](body, {}, entrance, NOW)
    except Unparsable:
        return None
    indices = [index for index, _ in parsed.events] + [refused.index for refused in parsed.refused]
    assert len(set(indices)) == len(indices)
    for _, event in parsed.events:
        check(event)
    for refused in parsed.refused:
        assert 0 < len(refused.error) < 1_000
        storable(refused.fragment)
    return parsed


def check(event: Event) -> None:
    assert event.kind in ("firing", "resolved", "acknowledged")
    assert event.severity in ("critical", "error", "warning", "info", "none")
    assert 0 < len(event.dedup_key) <= 255
    assert 0 < len(event.fingerprint) <= 255
    assert 0 < len(event.title) <= 250
    assert event.title.splitlines() == [event.title]
    for at in (event.starts_at, event.ends_at):
        assert at is None or (at.tzinfo is UTC and 1971 <= at.year <= 2200)
    assert event.ends_at is None or event.starts_at <= event.ends_at
    assert event.kind != "resolved" or event.ends_at is not None
    assert event.kind != "firing" or event.ends_at is None or event.ends_at > NOW
    assert event.kind != "acknowledged" or event.ends_at is None
    assert len(event.labels) <= 100
    assert all(0 < len(name) <= 200 and len(text) <= MAX_LABEL_VALUE for name, text in event.labels.items())
    assert len(event.annotations) <= 100
    assert all(len(name) <= 200 and len(text) <= MAX_ANNOTATION for name, text in event.annotations.items())
    assert all(href.startswith(("http://", "https://")) and len(href) <= 4_096 and text for href, text in event.links)
    assert len(msgspec.json.encode(event.details)) <= MAX_DETAILS
    storable([event.dedup_key, event.title, event.labels, event.annotations, event.details, event.links])


def storable(value: Any) -> None:
    """As PostgreSQL and its drivers want it: UTF-8, no NUL, bounded nesting."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text.replace("\\\\", "")
    assert depth(value) <= MAX_DEPTH + 3


def depth(value: Any) -> int:
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth, value), default=0) if isinstance(value, list | tuple) else 0


texts = st.text(max_size=12) | st.sampled_from(
    ["firing", "resolved", "ok", "ack", "critical", "", "\0", "https://example.org", "javascript:x", "\ud800",
     "\\u0000", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "2026-11-21T19:12:00.123456789+05:30", "alerting"]
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
labels = st.dictionaries(texts, texts, max_size=4) | values
times = st.datetimes(min_value=datetime(1, 1, 1)).map(lambda t: t.isoformat() + "Z") | st.integers() | texts
WHOLE: dict[str, Any] = {
    "status": "resolved", "labels": {"alertname": "X"}, "annotations": {"summary": "s", "runbook_url": "https://r"},
    "startsAt": "2026-11-21T19:00:00Z", "endsAt": "2026-11-21T19:12:00Z", "fingerprint": "7fab502ef1220673",
    "generatorURL": "https://g", "dashboardURL": "https://d", "title": "t", "dedup_key": "k", "severity": "info",
    "starts_at": 1772352000, "ends_at": None, "links": ["https://l"], "source": "s", "description": "d",
}  # fmt: skip
LEGACY: dict[str, Any] = {"ruleId": 1, "orgId": 1, "state": "alerting", "ruleName": "r", "tags": {}, "title": "t"}
ODD = {"labels": labels, "annotations": labels, "tags": labels} | dict.fromkeys(
    ("startsAt", "endsAt", "starts_at", "ends_at"), times
)


@st.composite
def alerts(draw: st.DrawFn, whole: dict[str, Any]) -> dict[str, Any]:
    """An alert of which up to three members are odd or missing, and one may be unknown."""
    alert = dict(whole)
    for name in draw(st.lists(st.sampled_from([*whole, "unknown"]), max_size=3)):
        alert[name] = draw(ODD.get(name, texts | values))
        if alert[name] is None:
            del alert[name]
    return alert


bodies = st.lists(alerts(WHOLE) | values, max_size=2) | alerts(LEGACY)


@each_source
@given(body=st.binary(max_size=200))
@a_while
def test_any_bytes(source: str, body: bytes) -> None:
    parse(source, body)


@each_source
@given(body=bodies, ascii_only=st.booleans(), ignored=st.sampled_from([frozenset(), frozenset({"", "alertname"})]))
@a_while
def test_any_json(source: str, body: Any, ascii_only: bool, ignored: frozenset[str]) -> None:
    parse(source, as_sent(source, body, ascii_only), ignored)


@each_source
@given(body=bodies, at=st.integers(0, 300), byte=st.integers(0, 255))
@a_while
def test_a_flipped_byte(source: str, body: Any, at: int, byte: int) -> None:
    raw = bytearray(as_sent(source, body, True).encode())
    raw[at % len(raw)] = byte
    parse(source, bytes(raw))


def as_sent(source: str, body: Any, ascii_only: bool) -> str:
    listed = source in ("alertmanager", "grafana") and isinstance(body, list)
    return json.dumps({"groupKey": "g", "alerts": body} if listed else body, ensure_ascii=ascii_only)


HOPELESS = {
    "nothing": b"",
    "blanks": b" \r\n\t",
    "a mebibyte of [": b"[" * (1 << 20),
    'a mebibyte of {"a":': b'{"a":' * (1 << 18),
    "backslashes": b'"' + b"\\" * (1 << 20),
    "UTF-16": '{"alerts": []}'.encode("utf-16"),
    "UTF-16 without a mark": '{"alerts": []}'.encode("utf-16-be"),
    "Latin-1": '{"alerts": [], "title": "Bücher", "dedup_key": "k"}'.encode("latin-1"),
    "a raw surrogate": b'[{"dedup_key": "\xed\xa0\x80"}]',
    "1e400": b'{"alerts": [], "n": 1e400}',
    "5,000 digits": b'{"alerts": [], "n": ' + b"9" * 5_000 + b"}",
    "Infinity": b"[-Infinity]",
    "two values": b"[] []",
    "a form": b"title=Disk+full&status=firing",
    "text": b"Disk full",
    "null": b"null",
}


@each_source
@pytest.mark.parametrize("name", HOPELESS)
def test_hopeless_bodies_are_unparsable(source: str, name: str) -> None:
    with pytest.raises(Unparsable, match=r"^.{10,300}$"):
        ADAPTERS[source](HOPELESS[name], {}, Entrance(1, source, 1), NOW)


def wrap(source: str, alert: dict[str, Any] | str) -> str:
    """One alert in the body of its source."""
    text = alert if isinstance(alert, str) else json.dumps(alert)
    return f"[{text}]" if source in ("prometheus", "generic") else f'{{"alerts": [{text}]}}'


GOOD: dict[str, Any] = {"status": "firing", "labels": {"alertname": "X"}, "annotations": {}}


def only(source: str, alert: dict[str, Any] | str) -> Event:
    parsed = parse(source, wrap(source, alert))
    assert parsed is not None
    assert not parsed.refused
    ((_, event),) = parsed.events
    return event


@each_labelled
def test_deep_members_are_cut_off_not_lost(source: str) -> None:
    for levels in (MAX_DEPTH * 2, 300):
        event = only(source, json.dumps(GOOD)[:-1] + ', "deep": ' + "[" * levels + "]" * levels + "}")
        assert "nested too deeply" in json.dumps(event.details, ensure_ascii=False)


@each_labelled
def test_deep_members_of_a_refused_alert(source: str) -> None:
    parsed = parse(source, wrap(source, '{"labels": ' + '{"a":' * 300 + "1" + "}" * 301))
    assert parsed is not None
    assert len(parsed.refused) == 1


@each_labelled
def test_last_of_duplicate_members_counts(source: str) -> None:
    event = only(source, '{"status": "firing", "labels": {"alertname": "A", "alertname": "B"}}')
    assert event.labels == {"alertname": "B"}


@each_labelled
def test_byte_order_mark_is_skipped(source: str) -> None:
    parsed = parse(source, "\ufeff" + wrap(source, GOOD))
    assert parsed is not None
    assert len(parsed.events) == 1


@each_labelled
def test_long_texts_are_cut_with_a_mark_and_hashed_whole(source: str) -> None:
    long = [{**GOOD, "labels": {"alertname": "X", "text": "x" * 5_000 + end}} for end in "ab"]
    one, two = (only(source, alert) for alert in long)
    assert one.labels["text"].endswith("…[cut]")
    assert one.labels == two.labels
    assert one.dedup_key != two.dedup_key
    assert one.fingerprint == fingerprint(long[0]["labels"])


@pytest.mark.parametrize("source", ["alertmanager", "grafana", "prometheus"])
def test_too_many_and_too_long_annotations_are_cut(source: str) -> None:
    event = only(source, GOOD | {"annotations": {f"a{i}": "x" * 20_000 for i in range(150)}})
    assert len(event.annotations) == 100
    assert all(text.endswith("…[cut]") for text in event.annotations.values())


@each_labelled
def test_large_details_lose_their_largest_members(source: str) -> None:
    event = only(source, GOOD | {"small": "kept", "large": ["x" * 70_000]})
    assert event.details["small"] == "kept"
    assert "bytes were cut" in event.details["large"]


@each_labelled
def test_countless_details_are_dropped(source: str) -> None:
    event = only(source, GOOD | {f"member{i}": i for i in range(10_000)})
    assert list(event.details) == ["cut"]


@pytest.mark.parametrize("source", ["alertmanager", "generic"])
def test_alerts_beyond_the_limit_are_refused_as_one(source: str) -> None:
    text = json.dumps(GOOD)
    parsed = parse(source, wrap(source, ",".join([text] * (MAX_ALERTS + 2))))
    assert parsed is not None
    assert len(parsed.events) == MAX_ALERTS
    assert [(refused.index, refused.fragment) for refused in parsed.refused] == [(MAX_ALERTS, [GOOD, GOOD])]


@pytest.mark.parametrize("source", ["alertmanager", "grafana"])
def test_same_alert_same_key_whatever_people_read(source: str) -> None:
    """behaviour.md 2: never a group key, a title or any rendered text."""
    told = GOOD | {"annotations": {"summary": "42 % full"}, "startsAt": (NOW - timedelta(hours=1)).isoformat()}
    assert only(source, GOOD).dedup_key == only(source, told).dedup_key


ALERT: dict[str, Any] = {
    "status": "firing",
    "labels": {"alertname": "DiskFull", "instance": "db-1"},
    "annotations": {"summary": "Disk full"},
    "startsAt": "2026-11-21T19:06:35.568Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "generatorURL": "http://prometheus.example.org/graph",
    "fingerprint": "c2f5d8a1b7e3f409",
}
WEBHOOKS = pytest.mark.parametrize("source", ["alertmanager", "grafana"])


def webhook(alert: dict[str, Any], **members: Any) -> bytes:
    return json.dumps({"version": "4", "receiver": "tocsin", "alerts": [alert], **members}).encode()


def read(source: str, body: bytes, now: datetime = NOW, ignored: frozenset[str] = frozenset()) -> Event:
    entrance = Entrance(integration_id=1, source=source, service_id=1, ignored_labels=ignored)
    ((_, event),) = ADAPTERS[source](body, {}, entrance, now).events
    return event


@WEBHOOKS
@pytest.mark.parametrize(
    "untold", [{}, {"startsAt": ""}, {"status": "resolved"}, {"status": "resolved", "startsAt": ""}]
)
def test_an_alert_that_tells_no_instant_takes_it_from_each_request(source, untold):
    body, later = webhook(ALERT | untold), NOW + timedelta(hours=1)
    first, second, again = read(source, body), read(source, body, later), read(source, body)
    assert again == first
    if untold:
        assert second != first
        assert (second.ends_at or second.starts_at) == later
    else:
        assert second is first, "it is remembered"


@WEBHOOKS
def test_equal_bytes_of_another_body_or_entrance_are_another_event(source):
    plain = read(source, webhook(ALERT))
    assert read(source, webhook(ALERT, groupKey="g")).details == plain.details | {"groupKey": "g"}
    assert read(source, webhook(ALERT), ignored=frozenset({"instance"})).dedup_key != plain.dedup_key
    assert read(source, webhook(ALERT)) == plain


@WEBHOOKS
@given(st.data())
@a_while
def test_what_is_remembered_is_what_is_read_anew(source, data):
    """The quick way and the long one agree, whichever comes first. A body that is only mended goes the long way."""
    strange = st.none() | st.text(max_size=5) | st.integers() | st.lists(st.integers(), max_size=2)
    changes = data.draw(st.dictionaries(st.sampled_from([*ALERT, "more"]), strange, max_size=2))
    members = data.draw(st.dictionaries(st.sampled_from(["groupKey", "commonLabels", "more"]), strange, max_size=2))
    quick = webhook(ALERT | changes, **members)
    long = b"\xef\xbb\xbf" + quick
    entrance = Entrance(integration_id=1, source=source, service_id=1)
    for first, second in ((quick, long), (long, quick), (quick, quick)):
        one, other = (ADAPTERS[source](body, {}, entrance, NOW) for body in (first, second))
        assert one == other


@pytest.mark.parametrize("name", ["starts_at", "ends_at"])
@pytest.mark.parametrize("number", [10**400, -(10**400), 1e300, 10**20])
def test_a_number_that_no_clock_tells_counts_as_no_time(name, number):
    parsed = parse("generic", json.dumps([{"dedup_key": "odd", name: number}, {"dedup_key": "good"}]))
    assert parsed is not None
    assert [(event.dedup_key, event.starts_at, event.ends_at) for _, event in parsed.events] == [
        ("odd", NOW, None), ("good", NOW, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-06-30T23:59:60Z", datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC)),
        ("2026-07-01T01:59:60.5+02:00", datetime(2026, 6, 30, 23, 59, 59, 500_000, tzinfo=UTC)),
    ],
)
def test_a_leap_second_is_the_second_before(told: str, at: datetime) -> None:
    parsed = parse("generic", json.dumps([{"dedup_key": "leap", "starts_at": told}]))
    assert parsed is not None
    assert [event.starts_at for _, event in parsed.events] == [at]
    assert not parsed.refused


def test_a_sixtieth_second_of_no_time_is_refused() -> None:
    parsed = parse("generic", json.dumps([{"dedup_key": "odd", "starts_at": "2026-06-31T23:59:60Z"}]))
    assert parsed is not None
    assert parsed.events == ()
