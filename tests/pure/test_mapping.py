"""Mappings: what expressions see, what they may not do, what becomes of an event whose expression fails."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.directory.mapping_document import MappingDocument
from app.errors import Invalid
from app.ingest import mappings
from app.ingest.adapters import ADAPTERS, mapping
from app.ingest.event import Entrance, Parsed, Unparsable
from app.rules import expressions
from app.rules.expressions import Failed

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
EVENT: dict[str, Any] = {
    "name": "disk",
    "n": 5,
    "half": 0.5,
    "yes": True,
    "none": None,
    "list": ["p", "q"],
    "host": {"name": "db-1", "odd name": "x"},
    "pairs": [["environment", "prod"], ["region", "eu"]],
    "tags": [{"key": "team", "value": "blue"}, {"other": 1}],
    "huge": 2**70,
    "nul": "a\ufffdb",
}


def value(source: str, event: Any = EVENT, **told: Any) -> Any:
    expression = expressions.compile(source)
    variables = {"event": event, "body": None, "headers": {}} | told
    prepared = expressions.activation(expressions.shape_of([expression]), variables)
    return expression.evaluate(variables, prepared)


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("event.name", "disk"),
        ("event.host.name + ': ' + event.name", "db-1: disk"),
        ('event.host["odd name"]', "x"),
        ("event['host']['odd name'] + ''", "x"),
        ("string(event.n) + '/' + string(event.half)", "5/0.5"),
        ("event.n > 3 ? 'critical' : 'warning'", "critical"),
        ("event.n + 1", 6),
        ("event.yes ? 1 : 2", 1),
        ("event.list[1]", "q"),
        ("'p' in event.list", True),
        ("event.pairs.exists(p, p[0] == 'environment' && p[1] == 'prod')", True),
        ("event.tags.exists(t, t.key == 'team' && t.value == 'blue')", True),
        ("event.tags.all(t, t.key == 'team')", False),
        ("['disk', 'cpu'].exists(w, event.name.contains(w))", True),
        ("event.host.exists(k, k == 'name')", True),
        ("event.name.matches('^d.s[kK]$')", True),
        ("event.huge + ''", str(2**70)),
        ("headers['user-agent'] + ''", "curl"),
        ("body.x == event.name", False),
    ],
)
def test_what_expressions_give(source, wanted):
    assert value(source, body={"x": 1}, headers={"user-agent": "curl"}) == wanted


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("event.nope", None),
        ("event.nope == ''", True),
        ("event.none == ''", True),
        ("event.none", None),
        ("event.nope.deep.deeper == 'x'", False),
        ("event.name.deep == ''", True),
        ("event.list[7] == ''", True),
        ("event.nope[3].x == ''", True),
        ("event.nope.exists(t, t.key == 'team')", False),
        ("event.nope.all(t, t == 'x')", True),
        ("'x' in event.nope", False),
        ("size(event.nope)", 0),
        ("event.nope.contains('x')", False),
        ("headers['x-nope'] == ''", True),
        ("string(event.nope)", ""),
    ],
)
@pytest.mark.parametrize("event", [EVENT, {}, None, 5, "text", [1]])
def test_what_is_missing_is_empty(source, wanted, event):
    if source.startswith("event.none") or event is EVENT or "name" not in source:
        assert value(source, event) == wanted


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("", "empty"),
        ("x" * 4_097, "at most 4096"),
        ("event.a +", "line 1, column 10"),
        ("event.a\n  + evnt.b", "line 2, column 9"),
        ("evnt.a", "did you mean event?"),
        ("critical", "a text stands in quotes"),
        ("has(event.a)", "has() is not needed"),
        ("event[event.a]", "a name in quotes"),
        ("event.a[100]", "a place from 0 to 99"),
        ("event.l.map(x, x)", "map and filter are not available"),
        ("event.l.filter(x, x == 1)", "map and filter are not available"),
        ("{'a': event.a}", "cannot build objects"),
        ("timestamp(event.a)", "timestamp is not available"),
        ("type(event.a)", "type is not available"),
        ("event.a.matches(event.b)", "must be a constant"),
        ("event.a.matches('(a{1,99}){1,99}')", "too heavy"),
        ("event.l.exists(x, x + x == 'aa')", "joined in a loop"),
        ("event.l.exists(body, body == 'a')", "name the loop variable otherwise"),
        ("event.l.all(a, event.l.all(b, event.l.all(c, a == b || b == c)))", "too costly"),
        (" + ".join(["event.a"] * 22), "20 times at most"),
        ("(" * 300 + "1" + ")" * 300, "nested too deeply"),
        ("'\ud800'", "surrogate"),
    ],
)
def test_what_expressions_may_not_be(source, said):
    with pytest.raises(Invalid) as refused:
        expressions.compile(source)
    assert said in refused.value.message
    assert refused.value.fields["line"] >= 1


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("event.nope > 3", "empty: event.nope"),
        ("event.name > 3", "No matching overloads"),
        ("int(event.name)", "cannot convert"),
        ("event.n / 0", "divide by zero"),
        ("event.name ? 1 : 2", "No matching overloads"),
        ("event.list + event.list", "it gives a list"),
    ],
)
def test_an_error_is_an_error_and_never_a_text(source, said):
    with pytest.raises(Failed) as failed:
        value(source)
    assert said in str(failed.value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("abcx"), inner, max_size=4),
    max_leaves=15,
)
SOURCES = [
    "event.a.b + event.c", "event.a[0].b == 'x' ? event.b : event.c", "string(event.a)", "event.a.exists(x, x.b == 1)",
    "'x' in event.a", "size(event.a) > 1", "event.a == event.b", "event.a < event.b", "event.x[2][1] + 'x'",
    "event.a.all(x, x.b[0].c == 'c')", "['x', 'y'].exists(w, event.a.exists(x, x.b == w))",
]  # fmt: skip


@given(JSON, st.sampled_from(SOURCES))
def test_an_evaluation_gives_a_value_or_says_why_not(event, source):
    try:
        given = value(source, event)
    except Failed:
        return
    assert isinstance(given, str | int | float | bool | None)


def parsed(told: dict[str, Any], body: Any, headers: dict[str, str] | None = None, source: str = "generic") -> Parsed:
    mappings.check(source, MappingDocument.model_validate(told))
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ADAPTERS[source](raw, headers or {}, Entrance(1, source, 1, mapping=told), NOW)


ALERTS = {
    "events": "body.alerts",
    "fields": {"title": "event.text", "dedup_key": "string(event.id)", "severity": "event.level > 3 ? 'critical' : ''"},
    "labels": {"host": "event.host", "*": "event.labels", "site": "body.site"},
    "annotations": {"note": "event.note"},
    "links": {"Board": "event.url"},
    "required": ["dedup_key"],
}


def test_a_failing_expression_refuses_its_event_alone_and_can_be_replayed():
    body = {
        "site": "b",
        "alerts": [
            {"id": 1, "text": "one", "level": 5, "host": "h", "labels": {"team": "db", "host": "not this", "n": 7}},
            {"id": 2, "text": "two", "level": "high"},
            {"text": "three", "level": 1},
            {"id": 4, "text": "four", "level": 1, "url": "https://example.org/x", "note": {"a": 1}},
        ],
    }
    made = parsed(ALERTS, body)
    assert [(i, e.dedup_key, e.severity) for i, e in made.events] == [(0, "1", "critical"), (3, "4", "error")]
    assert made.events[0][1].labels == {"team": "db", "host": "h", "n": "7", "site": "b"}
    assert made.events[1][1].links == (("https://example.org/x", "Board"),)
    assert made.events[1][1].annotations == {"note": '{"a":1}'}
    assert made.events[0][1].details["site"] == "b"
    assert [(r.index, r.error.partition(":")[0]) for r in made.refused] == [
        (1, "fields.severity"),
        (2, "fields.dedup_key"),
    ]
    fixed = ALERTS | {"fields": ALERTS["fields"] | {"severity": "event.level == 'high' ? 'critical' : ''"}}
    again = parsed(fixed, [made.refused[0].fragment])
    assert [(e.dedup_key, e.severity, e.labels["site"]) for _, e in again.events] == [("2", "critical", "b")]


@pytest.mark.parametrize("body", [{}, {"alerts": None}, {"alerts": "x"}, {"alerts": 5}, [{}], {"alerts": [None, 5]}])
def test_a_body_without_its_events_is_kept_with_the_reason(body):
    made = parsed(ALERTS, body)
    assert made.events == ()
    assert made.refused or body == {"alerts": []}


def test_a_list_of_bodies_is_many_and_one_object_is_one():
    assert len(parsed(ALERTS, [{"alerts": [{"id": 1}]}, {"alerts": {"id": 2}}]).events) == 0
    easy = {"events": "body.alerts", "fields": {"dedup_key": "string(event.id)"}}
    made = parsed(easy, [{"alerts": [{"id": 1}]}, {"alerts": {"id": 2}}])
    assert [e.dedup_key for _, e in made.events] == ["1", "2"]
    assert [e.dedup_key for _, e in parsed({"fields": easy["fields"]}, [{"id": 1}, {"id": 2}]).events] == ["1", "2"]


def test_what_when_leaves_out_is_said():
    made = parsed({"when": "event.state != 'pending'", "fields": {"dedup_key": "'k'"}}, [{"state": "pending"}, {}])
    assert [i for i, _ in made.events] == [1]
    assert made.note == "the mapping's `when` left 1 of 2 events out"


def test_json_in_a_text_is_decoded_where_the_mapping_says_so():
    told = {"decode": ["body.m"], "events": "body.m.alerts", "fields": {"dedup_key": "event.id"}}
    assert [e.dedup_key for _, e in parsed(told, {"m": '{"alerts": [{"id": "a"}]}'}).events] == ["a"]
    assert parsed(told, {"m": "{no json"}).refused[0].error == "events: there is nothing at body.m.alerts"
    assert [e.dedup_key for _, e in parsed(told, {"m": {"alerts": [{"id": "b"}]}}).events] == ["b"]


@pytest.mark.parametrize("body", [b"5", b'"x"', b"null", b"true"])
def test_what_is_no_object_is_refused_as_a_whole(body):
    with pytest.raises(Unparsable):
        parsed(ALERTS, body)


def test_headers_that_may_hold_a_credential_are_not_read():
    told = {"fields": {"dedup_key": "'k'"}, "labels": {"a": "headers.authorization", "b": "headers['user-agent']"}}
    made = parsed(told, {}, {"authorization": "Bearer x", "user-agent": "curl", "cookie": "c"})
    assert made.events[0][1].labels == {"b": "curl"}
    assert mapping.safe_headers({"x-grafana-alerting-signature": "s", "ce-id": "1", "cookie": "c"}) == {"ce-id": "1"}


@pytest.mark.parametrize(
    ("told", "field", "said"),
    [
        ({"fields": {"title": "event.a +"}}, "mapping.fields.title", "line 1, column 10"),
        ({"labels": {"host": "host"}}, "mapping.labels.host", "a text stands in quotes"),
        ({"events": "event.alerts"}, "mapping.events", "a member of the body"),
        ({"events": "body.a + 'x'"}, "mapping.events", "a member of the body"),
        ({"decode": ["body.a", "1"]}, "mapping.decode[1]", "a member of the body"),
        ({"when": "'yes'"}, "mapping.when", "true or false"),
        ({"labels": {"*": "'x' + event.a"}}, "mapping.labels.*", "the name of an object"),
        ({"when": "event.a == '' || event.a.b == 'x'"}, "mapping", "compare event.a.b with ''"),
        ({"labels": dict.fromkeys("abcdef", "event.l.all(x, x.matches('[a-z]{1,20}'))")}, "mapping", "too costly"),
    ],
)
def test_what_is_wrong_with_a_mapping_is_said_where_it_is(told, field, said):
    with pytest.raises(Invalid) as refused:
        mappings.check("generic", MappingDocument.model_validate(told))
    assert refused.value.errors[0]["field"] == field
    assert any(said in e["message"] for e in refused.value.errors)


def test_all_that_is_wrong_is_told_at_once():
    with pytest.raises(Invalid) as refused:
        mappings.check("generic", MappingDocument(fields={"title": "a", "status": "b"}, when="c"))
    assert len(refused.value.errors) == 3


def test_only_some_sources_take_a_mapping():
    with pytest.raises(Invalid, match="takes no mapping"):
        mappings.check("prometheus", MappingDocument())


def test_a_mapping_that_does_not_compile_any_more_loses_nothing():
    entrance = Entrance(1, "generic", 1, mapping={"fields": {"title": "what("}})
    made = ADAPTERS["generic"](b'{"a": 1}', {}, entrance, NOW)
    assert made.refused[0].fragment == {"a": 1}
    assert "is broken" in made.refused[0].error


def test_a_body_may_cost_so_much_and_what_is_over_is_kept():
    told = {"fields": {"dedup_key": "string(event.id)"}, "when": "event.l.all(x, x.matches('^[a-z]{1,20}$'))"}
    most = mapping.compiled(told).most
    assert most < 1_000
    made = parsed(told, [{"id": i, "l": []} for i in range(most + 3)])
    assert len(made.events) == most
    [rest] = made.refused
    assert (rest.index, [e["id"] for e in rest.fragment]) == (most, [most, most + 1, most + 2])


def test_refused_events_of_a_large_body_are_kept_without_all_that_surrounds_them():
    body = {"big": "x" * 100_000, "small": 1, "alerts": [{"n": i} for i in range(2_000)]}
    made = parsed(ALERTS, body)
    assert len(made.refused) == 2_000
    assert made.refused[7].fragment == {"small": 1, "alerts": [{"n": 7}]}
