"""Which matchers a silence of an incident gets: never wider than its problem."""

from __future__ import annotations

import pytest

from app.errors import Conflict
from app.incidents.silencing import covering
from app.rules import matching, patterns


def seen(dedup_key: str, **labels: str) -> dict[str, str]:
    return matching.seen(labels, dedup_key, "pd")


def text(*alerts: dict[str, str], one_by_one: bool = False) -> str:
    return str(matching.of(covering(alerts, one_by_one=one_by_one)))


def test_what_all_have_in_common() -> None:
    first, second = (seen(key, alertname="Down", host=key, job="db") for key in "ab")
    assert text(first, second) == '{alertname="Down", job="db"}'
    assert text(first) == '{alertname="Down", host="a", job="db"}'


def test_several_alertnames_are_named() -> None:
    several = text(seen("a", alertname="Down", severity="critical"), seen("b", alertname="Slow", severity="critical"))
    assert several == '{alertname=~"Down|Slow", severity="critical"}'


def test_without_alertname_it_is_the_dedup_key_alone() -> None:
    assert text(seen("disk", load="0.93")) == '{__dedup_key__="disk", __integration__="pd"}'
    mixed = text(seen("a.b", alertname="Down"), seen("c"))
    assert mixed == r'{__dedup_key__=~"a\\.b|c", __integration__="pd"}'


def test_of_several_services_it_is_one_by_one() -> None:
    assert text(seen("a", alertname="Down"), one_by_one=True) == '{__dedup_key__="a", __integration__="pd"}'


def test_too_many_problems_for_one_silence() -> None:
    with pytest.raises(Conflict, match="501 different problems"):
        covering([seen(str(i)) for i in range(501)], one_by_one=False)


def test_many_long_keys_fit_into_one_silence_and_nothing_else_does() -> None:
    keys = [f"{i}" + "k|(" * 80 for i in range(500)]
    documents = [matching.document(m) for m in covering([seen(k) for k in keys], one_by_one=False)]
    found = matching.parse(documents)
    assert all(found(seen(k)) for k in keys)
    assert not found(seen("k"))
    assert not found(seen(keys[0] + "x"))


def test_a_label_of_the_sender_does_not_pass_for_the_dedup_key() -> None:
    [matcher, *_] = covering([seen("mine")], one_by_one=False)
    assert not matching.of([matcher])(seen("other", __dedup_key__="mine"))


@pytest.mark.parametrize("texts", [["a"], ["", "b"], ["a|b", "a"], ["a\\", "b\n", "ü.*"]])
def test_a_choice_of_texts_and_back(texts: list[str]) -> None:
    assert patterns.choices(patterns.one_of(texts)) == frozenset(texts)


@pytest.mark.parametrize("pattern", ["a.", "(a)", r"\d", "a{2}", "^a", r"a\ "])
def test_what_is_no_choice_of_texts(pattern: str) -> None:
    assert patterns.choices(pattern) is None
