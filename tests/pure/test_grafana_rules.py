"""Grafana's rules without data, payloads of the user's own beside a mapping, and what SNS asks."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app.ingest.adapters import ADAPTERS
from app.ingest.event import Entrance, Parsed, Unparsable

NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
RULE = {"grafana_folder": "Prod", "team": "blue"}


def alert(name: str, status: str = "firing", **labels: str) -> dict[str, Any]:
    return {"status": status, "labels": RULE | {"alertname": name} | labels, "fingerprint": name + "".join(labels)}


def read(alerts: Any, mapping: dict[str, Any] | None = None, ignored: frozenset[str] = frozenset()) -> Parsed:
    body = {"receiver": "pager", "status": "firing", "alerts": alerts} if isinstance(alerts, list) else alerts
    entrance = Entrance(1, "grafana", 1, ignored, mapping=mapping)
    return ADAPTERS["grafana"](json.dumps(body).encode(), {}, entrance, NOW)


def nodata(**labels: str) -> dict[str, Any]:
    given = {"rulename": "HighMemory", "datasource_uid": "P1", "ref_id": "A"} | labels
    return alert("DatasourceNoData", **given)


def test_a_rule_without_data_is_one_alert_whichever_query_it_was():
    error = alert("DatasourceError", rulename="HighMemory", datasource_uid="P2", ref_id="B")
    told = [nodata(), nodata(ref_id="B"), nodata(datasource_uid="P9"), error]
    keys = {e.dedup_key for _, e in read(told).events}
    assert len(keys) == 1
    resolved = nodata() | {"status": "resolved", "endsAt": "2026-03-01T08:30:00Z"}
    assert {e.dedup_key for _, e in read([resolved]).events} == keys
    assert {e.dedup_key for _, e in read(told, mapping={}).events} == keys


def test_it_goes_by_the_name_of_its_rule_and_is_not_another_rules():
    [(_, event)] = read([nodata()]).events
    assert (event.labels["alertname"], event.labels["grafana_state"]) == ("HighMemory", "no data")
    assert event.title.startswith("HighMemory: no data")
    others = [nodata(rulename="Other"), nodata(team="red"), nodata(grafana_folder="Dev"), alert("HighMemory")]
    assert event.dedup_key not in {e.dedup_key for _, e in read(others).events}


def test_the_end_of_the_rules_own_alert_does_not_end_that_it_has_no_data():
    own, none = [e for _, e in read([alert("HighMemory", status="resolved"), nodata()]).events]
    assert own.labels["alertname"] == none.labels["alertname"]
    assert own.dedup_key != none.dedup_key


def test_ignored_labels_do_not_count():
    ignoring = frozenset({"replica"})
    keys = {e.dedup_key for _, e in read([nodata(replica="a"), nodata(replica="b")], ignored=ignoring).events}
    assert len(keys) == 1


@pytest.mark.parametrize("labels", [{"rulename": ""}, {"rulename": "x" * 5000}])
def test_odd_names_of_rules(labels):
    assert len(read([nodata(**labels)]).events) == 1


CUSTOM = {"events": "body.problems", "fields": {"title": "event.name", "dedup_key": "event.name"}}


def test_a_payload_of_ones_own_is_read_with_the_mapping():
    assert [e.dedup_key for _, e in read({"problems": [{"name": "a"}]}, CUSTOM).events] == ["a"]
    assert [e.title for _, e in read({"alerts": [{"name": "b"}]}, CUSTOM | {"events": "body.alerts"}).events] == ["b"]
    with pytest.raises(Unparsable, match="give this integration a mapping"):
        read({"problems": [{"name": "a"}]})


def test_beside_a_mapping_the_usual_payload_is_read_as_ever():
    body = [alert("HighMemory"), {"labels": 5}]
    assert read(body, CUSTOM).events == read(body).events
    [kept] = read(body, CUSTOM).refused
    assert kept.fragment == {"receiver": "", "alerts": [{"labels": 5}]}
    fixed = kept.fragment | {"alerts": [alert("HighMemory")]}
    assert [e.dedup_key for _, e in read(fixed, CUSTOM).events] == ["HighMemory"]
    legacy = {"ruleId": 5, "ruleName": "x", "state": "alerting"}
    assert read(legacy, CUSTOM).events == read(legacy).events


SNS = {
    "Type": "SubscriptionConfirmation",
    "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
    "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "open this within three days: https://sns.us-west-2.amazonaws.com/"),
        ({"Type": "UnsubscribeConfirmation"}, "has ended the subscription"),
        ({"SubscribeURL": "https://sns.us-west-2.amazonaws.com.example.org/"}, "do not open it"),
        ({"SubscribeURL": "http://sns.us-west-2.amazonaws.com/"}, "do not open it"),
        ({"SubscribeURL": 5, "TopicArn": ["x"]}, "do not open it"),
    ],
)
@pytest.mark.parametrize("mapping", [None, {"fields": {"title": "event.Type"}}])
def test_sns_asks_and_pages_nobody(more, said, mapping):
    entrance = Entrance(1, "generic", 1, mapping=mapping)
    made = ADAPTERS["generic"](json.dumps(SNS | more).encode(), {"content-type": "text/plain"}, entrance, NOW)
    assert (made.events, made.refused) == ((), ())
    assert said in (made.note or "")
