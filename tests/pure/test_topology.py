"""behaviour.md 3, topology: which trouble explains which."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from app.configuration.document import ConfigurationDocument
from app.configuration.plan import plan
from app.directory.dependencies import cycle
from app.incidents import states
from app.incidents.correlation import correlate
from app.incidents.happenings import Happening, Ranking
from app.incidents.states import Incident
from app.incidents.topology import NOWHERE, explained, reason, topology
from app.priority.assign import PriorityVerdict, Provenance

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEYS = {1: "checkout", 2: "payments", 3: "db-1", 4: "rack", 5: "room", 6: "house", 7: "town"}
TOWN = topology([(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, 7), (1, 3)], KEYS)


def incident(service: int, number: int = 1, *, priority: int = 2, at: datetime = NOW) -> Incident:
    because = Provenance("impact", 1, "default", "default", None, "")
    ranking = Ranking(PriorityVerdict(priority, 1, 1, (because, because)), "loud", None)
    happening = Happening(
        "opened", UUID(int=number), UUID(int=number), service, f"{service}:X", "X", "error", "source:a"
    )
    (opened,) = correlate([], [happening], lambda h, alerts: ranking, at).opened.values()
    return replace(opened, id=UUID(int=number))


def test_the_shortest_path_counts_nearest_first_and_at_most_five_steps() -> None:
    assert [TOWN.said(p) for p in TOWN.upstreams[1][:3]] == [
        "checkout -> payments",
        "checkout -> db-1",
        "checkout -> db-1 -> rack",
    ]
    assert TOWN.path(1, 7) == (1, 3, 4, 5, 6, 7)
    far = topology([(n, n + 1) for n in range(1, 7)], KEYS)
    assert far.path(1, 6) is not None
    assert far.path(1, 7) is None
    assert TOWN.below([4]) == {1, 2, 3}
    assert topology([], KEYS) is NOWHERE


def test_of_the_nearest_upstream_service_the_oldest_incident_is_the_reason() -> None:
    older, newer, further = incident(2, 8), incident(2, 9), incident(3, 1)
    found = reason(1, 2, [newer, further, older], TOWN, NOW)
    assert found is not None
    assert (found[0].id, found[1]) == (older.id, (1, 2))
    assert reason(1, 2, [older], TOWN, NOW, {older.id}) is None
    assert reason(7, 2, [older], TOWN, NOW) is None


@pytest.mark.parametrize(
    ("change", "explains"),
    [
        ({}, True),
        ({"priority": 1}, True),
        ({"priority": 3}, False),
        ({"last_occurrence_at": NOW - timedelta(minutes=30)}, True),
        ({"last_occurrence_at": NOW - timedelta(minutes=30, seconds=1)}, False),
    ],
)
def test_it_is_no_less_important_and_within_the_window(change: dict[str, object], explains: bool) -> None:
    assert (reason(1, 2, [replace(incident(3), **change)], TOWN, NOW) is not None) is explains


def test_what_is_over_explains_nothing() -> None:
    assert reason(1, 2, [states.resolve(incident(3), NOW, "source")], TOWN, NOW) is None


def test_chains_end_at_their_last_reason_and_only_what_was_asked_about_is_said() -> None:
    a, b, c = incident(1, 1), incident(2, 2), incident(3, 3)
    for asked in ({c.id}, {a.id, b.id, c.id}):
        assert explained([a, b, c], asked, TOWN, NOW) == {a.id: (c.id, (1, 3)), b.id: (c.id, (2, 3))}
    assert explained([a, b, c], {a.id}, TOWN, NOW) == {a.id: (c.id, (1, 3))}
    assert explained([a, c], set(), TOWN, NOW) == {}
    old = replace(a, opened_at=NOW - timedelta(minutes=31))
    assert explained([old, c], {c.id}, TOWN, NOW) == {}


def test_a_cycle_is_found_with_a_shortest_path() -> None:
    edges = {"a": ["b", "c"], "b": ["d"], "c": ["a"], "d": ["a"]}
    assert cycle(edges, "a") == ["a", "c", "a"]
    assert cycle({"a": ["b"], "b": ["c"]}, "a") == []
    assert cycle({"a": ["a"]}, "a") == ["a", "a"]
    assert cycle({"a": ["b"], "b": ["c"], "c": ["b"]}, "a") == []


def test_apply_makes_services_after_those_that_they_depend_on() -> None:
    wanted = ConfigurationDocument.model_validate(
        {"services": [{"key": k, "name": k, "depends_on": d} for k, d in (("a", ["b", "c"]), ("b", ["c"]), ("c", []))]}
    )
    assert [c.key for c in plan(ConfigurationDocument(services=[]), wanted, prune=False)] == ["c", "b", "a"]
    turned = ConfigurationDocument.model_validate(
        {"services": [{"key": k, "name": k, "depends_on": d} for k, d in (("b", ["a"]), ("a", []), ("c", ["b"]))]}
    )
    assert [c.key for c in plan(wanted, turned, prune=False)] == ["a", "b", "c"]
