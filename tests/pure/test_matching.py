"""Matchers on labels: as Alertmanager's, by a naive oracle, and by CEL, to which the same matchers are transpiled."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid
from app.rules import matchers, matching
from app.rules.matchers import Matcher

NAMES = ("a", "b", "c")
VALUES = ("", "x", "y", "xy", "x\n", "x|y", "X")
PATTERNS = ("x", "x|y", "x.*", ".*y", ".+", ".*", "", "[xy]+", "(?i:x)", "x|", "^x$", "a|b.*c")

labels = st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES))
exact = st.builds(Matcher, st.sampled_from(NAMES), st.sampled_from(("=", "!=")), st.sampled_from(VALUES))
regex = st.builds(Matcher, st.sampled_from(NAMES), st.sampled_from(("=~", "!~")), st.sampled_from(PATTERNS))


def naive(found: Matcher, values: dict[str, str]) -> bool:
    """By Python's own regular expressions, which agree with RE2 on these patterns."""
    value = values.get(found.name, "")
    held = re.search(rf"\A(?:{found.value})\Z", value) is not None if found.is_regex else value == found.value
    return held is found.is_equal


@given(st.lists(exact | regex, max_size=4), labels)
def test_a_list_holds_when_each_of_it_does(given_: list[Matcher], values: dict[str, str]) -> None:
    assert matching.of(given_)(values) is all(naive(m, values) for m in given_)


@given(st.lists(exact | regex, min_size=1, max_size=3), labels)
def test_the_label_to_look_it_up_by_must_be_there(given_: list[Matcher], values: dict[str, str]) -> None:
    found = matching.of(given_)
    if found.key is not None and found(values):
        assert found.key in values.items()


@pytest.mark.parametrize(
    ("text", "values", "shown"),
    [
        ('team="web"', {"team": "web"}, True),
        ('team=""', {}, True),
        ('team=""', {"team": ""}, True),
        ('team!=""', {"team": ""}, True),  # it is there: Alertmanager tells a missing name from an empty value here
        ('team!=""', {"team": "web"}, True),
        ('team!=""', {}, False),
        ('team!="web"', {}, True),
        ('team=~"w.*"', {"team": "web"}, True),
        ('team!~"w.*"', {"team": "web"}, False),
    ],
)
def test_filters(text: str, values: dict[str, str], shown: bool) -> None:
    assert matching.filtered(matchers.parse(text), values) is shown


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([{"name": "x", "value": "[", "isRegex": True}], "invalid label matcher 0: invalid regular expression"),
        ([{"name": "", "value": "x"}], "a matcher needs a label name"),
        ([{"name": f"x{n}", "value": "x"} for n in range(51)], "at most 50 matchers"),
        ([{"name": "x", "value": "[a-z]{900}", "isRegex": True}] * 6, "weigh at most"),
    ],
)
def test_lists_that_cannot_be(documents: list[dict[str, object]], message: str) -> None:
    with pytest.raises(Invalid, match=re.escape(message)):
        matching.parse(documents)


def test_a_list_that_says_nothing() -> None:
    assert matching.of(matchers.parse('x=~".*",y!="z"')).matches_nothing_alone
    assert not matching.of(matchers.parse('x=~".+",y!="z"')).matches_nothing_alone


def test_what_is_written_is_read_again() -> None:
    found = matching.of(matchers.parse('{a="x", b!~"y.*", "odd name"="\\"quoted\\""}'))
    again = matching.parse([matching.document(m) for m in found.matchers])
    assert again.matchers == found.matchers == matchers.parse(str(found))
