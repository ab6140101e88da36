"""Inhibition against a naive oracle that reads as Alertmanager's inhibit.go does."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.alerts import inhibition
from app.alerts.inhibition import Inhibition
from app.rules import matchers, matching

MATCHERS = ('a="x"', 'a=~"x|y"', 'b!=""', 'a="x",b="x"', 'c!="x"', 'a=""')
labels = st.dictionaries(st.sampled_from("abc"), st.sampled_from(("x", "y", "")), max_size=3)
rules = st.builds(
    lambda s, t, e: Inhibition("rule", "Rule", _of(s), _of(t), tuple(e)),
    st.sampled_from(MATCHERS),
    st.sampled_from(MATCHERS),
    st.lists(st.sampled_from("abc"), unique=True),
)


def _of(text: str) -> matching.Matching:
    return matching.of(matchers.parse(text))


def naive(rule: Inhibition, target: dict[str, str], firing: list[dict[str, str]]) -> bool:
    """inhibit.go, Mutes and hasEqual."""
    if not rule.target(target):
        return False
    exclude_two_sided = rule.source(target)
    for source in firing:
        if not rule.source(source):
            continue
        if any(source.get(n, "") != target.get(n, "") for n in rule.equal):
            continue
        if exclude_two_sided and rule.target(source):
            continue
        return True
    return False


@given(rules, labels, st.lists(labels, max_size=5))
def test_it_inhibits_as_alertmanager_does(
    rule: Inhibition, target: dict[str, str], others: list[dict[str, str]]
) -> None:
    """The target fires too, so it is among the sources where it matches them."""
    firing = [target, *others]
    sources = [s for n, each in enumerate(firing) if (s := rule.as_source(UUID(int=n), each, str(n), "")) is not None]
    found = rule.inhibited_by(target, inhibition.firing(sources))
    assert (found is not None) is naive(rule, target, firing)
    if found is not None:
        assert rule.source(firing[int(found.fingerprint)])


@given(rules, labels)
def test_no_alert_inhibits_itself(rule: Inhibition, alert: dict[str, str]) -> None:
    own = rule.as_source(UUID(int=0), alert, "own", "")
    assert own is None or rule.inhibited_by(alert, inhibition.firing([own])) is None


def test_a_missing_label_equals_an_empty_one() -> None:
    rule = Inhibition("r", "R", _of('a="x"'), _of('a="y"'), ("host",))
    source = rule.as_source(UUID(int=1), {"a": "x"}, "f", "")
    assert source is not None
    assert rule.inhibited_by({"a": "y", "host": ""}, inhibition.firing([source])) is not None
    assert rule.inhibited_by({"a": "y", "host": "b"}, inhibition.firing([source])) is None
