"""Alertmanager matchers applied to labels, compiled once: what silences, inhibitions and filters are made of. Pure.

Semantics (Alertmanager pkg/labels/matcher.go): a missing label is empty; all matchers must hold; regular expressions
are RE2, anchored at both ends. RE2 never backtracks, but compiles anew at each evaluation (`patterns`), so answers are
remembered, and patterns that are only a text or a choice of texts need no regular expression at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cel_expr_python.cel import Expression, NewEnv, Type

from app.errors import Invalid
from app.rules import matchers, patterns
from app.rules.matchers import Matcher

MOST: Final = 50
"""Matchers in one list."""

DEDUP_KEY: Final = "__dedup_key__"
INTEGRATION: Final = "__integration__"
PSEUDO_LABELS: Final = frozenset({DEDUP_KEY, INTEGRATION})
"""What matchers of silences, inhibition rules and time intervals see beside the labels: which alert it is, for alerts
that have no label that says so. A label of the sender with such a name is not looked at; Prometheus and Alertmanager
reserve names that begin with two underscores."""

_ENV: Final = NewEnv(variables={"text": Type.STRING})

Test = Callable[[str], bool]


@lru_cache(2_048)
def _program(pattern: str) -> Expression:
    return _ENV.compile(f"text.matches({json.dumps(f'^(?:{pattern})$', ensure_ascii=False)})")


@lru_cache(16_384)
def _holds(pattern: str, text: str) -> bool:
    """An evaluation that fails is no match: what suppresses by mistake is worse than what pages by mistake."""
    try:
        return _program(pattern).eval(data={"text": text}).value() is True
    except RuntimeError:
        return False


def seen(labels: Mapping[str, str], dedup_key: str, integration: str) -> dict[str, str]:
    """What matchers see of an alert. `integration`: its key."""
    return {**labels, DEDUP_KEY: dedup_key, INTEGRATION: integration}


def _test(matcher: Matcher) -> Test:
    """Whether the value of the label fits."""
    value, wanted = matcher.value, matcher.is_equal
    if not matcher.is_regex:
        return lambda text: (text == value) is wanted
    if (choices := patterns.choices(value)) is not None:
        return lambda text: (text in choices) is wanted
    return lambda text: _holds(value, text) is wanted


@dataclass(frozen=True, slots=True)
class Matching:
    """A list of matchers, all of which must hold. Made by `of`."""

    matchers: tuple[Matcher, ...]
    _tests: tuple[tuple[str, Test], ...] = field(repr=False, compare=False)

    def __call__(self, labels: Mapping[str, str]) -> bool:
        get = labels.get
        return all(test(get(name, "")) for name, test in self._tests)

    @property
    def key(self) -> tuple[str, str] | None:
        """A label and the value that it must have, to look the list up by; None: there is no such label."""
        return next(((m.name, m.value) for m in self.matchers if m.operator == "=" and m.value), None)

    @property
    def matches_nothing_alone(self) -> bool:
        """Whether each of them holds for an alert without the label: such a list says nothing about what it is for."""
        return all(test("") for _, test in self._tests)

    def __str__(self) -> str:
        return "{" + ", ".join(str(m) for m in self.matchers) + "}"


def of(given: Iterable[Matcher]) -> Matching:
    """Cheap tests first."""
    found = tuple(given)
    ordered = sorted(found, key=lambda m: m.is_regex)
    return Matching(found, tuple((m.name, _test(m)) for m in ordered))


def parse(documents: Iterable[Mapping[str, Any]]) -> Matching:
    """From Alertmanager's JSON, as in `matchers.of`. Raises `Invalid` naming the matcher by its place."""
    found = []
    weight = 0
    for i, document in enumerate(documents):
        try:
            matcher = matchers.of(document)
        except Invalid as e:
            raise Invalid(f"invalid label matcher {i}: {e.message}", errors=[_error(f"matchers[{i}]", e)]) from e
        found.append(matcher)
        weight += patterns.weigh(matcher.value) if matcher.is_regex and patterns.choices(matcher.value) is None else 0
    if len(found) > MOST or weight > patterns.TOTAL_LIMIT:
        limit = f"at most {MOST} matchers, whose regular expressions weigh at most {patterns.TOTAL_LIMIT}"
        raise Invalid(f"matchers: {limit}", errors=[{"field": "matchers", "message": limit}])
    return of(found)


def document(matcher: Matcher) -> dict[str, Any]:
    """Alertmanager's JSON, complete."""
    return {
        "name": matcher.name,
        "value": matcher.value,
        "isRegex": matcher.is_regex,
        "isEqual": matcher.is_equal,
    }


def filtered(wanted: Iterable[Matcher], values: Mapping[str, str]) -> bool:
    """Alertmanager's filter of alerts and silences, which tells a missing name from an empty value.

    Source: api/v2/api.go, matchFilterLabels.
    """
    for matcher in wanted:
        there = matcher.name in values
        if matcher.value == "" and there is not matcher.is_equal:
            continue
        if not _test(matcher)(values.get(matcher.name, "")):
            return False
    return True


def _error(name: str, refused: Invalid) -> dict[str, str]:
    return {"field": name, "message": refused.message}
