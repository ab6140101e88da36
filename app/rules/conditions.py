"""Conditions: a CEL expression or Alertmanager matchers, compiled once, evaluated for each new alert.

Which of the two a source is, `matchers.looks_like` says; what a condition may read, `facts`; what it may not do,
`analysis`. An evaluation that fails (a number in a label that is none, too many turns of a loop) is no match and is
reported. The library gives an evaluation's error as a string, so only `True` itself is a match.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from cel_expr_python.cel import Activation, Expression, NewEnv, NewEnvConfigFromYaml, Type

from app.errors import Invalid
from app.rules import analysis, matchers, reports, syntax
from app.rules.facts import NAMES, Facts, Value

SOURCE_LIMIT = 4_096
_CACHED = 4_096
_STRINGS = Type.Map(Type.STRING, Type.STRING)
_TYPES: Mapping[str, Type] = {
    "service.criticality": Type.INT,
    "service.tags": Type.List(Type.STRING),
    "time.hour": Type.INT,
    "time.minute": Type.INT,
    "time.in_support_hours": Type.BOOL,
    "counts.alerts": Type.INT,
    "counts.services": Type.INT,
    "counts.events": Type.INT,
}
_ENV = NewEnv(
    config=NewEnvConfigFromYaml("stdlib: {exclude_macros: [map, filter]}"),
    variables={name: _TYPES.get(name, Type.STRING) for name in NAMES} | {"labels": _STRINGS, "annotations": _STRINGS},
)
_TOKEN = re.compile(
    r"""[rR][bB]?"[^"\n]*"|[rR][bB]?'[^'\n]*'|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*|\w+|&&|\|\||.""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`error` says why the expression could not be evaluated; it did not match then."""

    matched: bool
    error: str | None = None


_MATCHED, _UNMATCHED = Outcome(True), Outcome(False)


@dataclass(frozen=True, slots=True)
class Conjunct:
    """One part of a condition that is `and`ed: its text, the values it looked at, and whether it held."""

    text: str
    values: Mapping[str, Value]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Condition:
    """A compiled condition; safe to share between threads. Built by `compile`.

    `references`: what it reads, e.g. `{"labels.team", "service.key"}`. `equalities`: references that must equal a
    constant for it to hold, e.g. `{"labels.team": "db"}`; `""` means empty or missing.
    """

    source: str
    cel: str
    references: frozenset[str]
    equalities: Mapping[str, str]
    parts: tuple[tuple[str, str], ...]
    """(text, CEL) of each conjunct."""
    _program: Expression = field(repr=False, compare=False)

    def evaluate(self, facts: Facts) -> Outcome:
        """Never raises."""
        return self.evaluate_in(activation(facts, self.references))

    def evaluate_in(self, prepared: Activation) -> Outcome:
        """The same on an activation that holds at least `references`; for many conditions on the same facts."""
        try:
            value = self._program.eval(prepared).value()
        except RuntimeError as e:
            value = str(e)
        if value is True:
            return _MATCHED
        return _UNMATCHED if value is False else Outcome(False, str(value)[:500])

    def explain(self, facts: Facts) -> tuple[Conjunct, ...]:
        """Each conjunct on its own, for a person who asks why a rule did or did not apply."""
        parts = [(text, compile(source)) for text, source in self.parts]
        return tuple(Conjunct(text, part.values(facts), part.evaluate(facts)) for text, part in parts)

    def values(self, facts: Facts) -> Mapping[str, Value]:
        """What it reads, as it sees it."""
        return {reference: facts.read(reference) for reference in sorted(self.references)}


def activation(facts: Facts, references: frozenset[str]) -> Activation:
    """The facts as the library takes them, restricted to `references`. Cheap to evaluate often, dear to make (5 us)."""
    return _ENV.Activation(facts.bindings(references))


@lru_cache(maxsize=_CACHED)
def compile(source: str) -> Condition:
    """Compiles and checks a condition. Raises `Invalid`; its `errors` have the field `when` and say line and column."""
    check_source(source)
    if matchers.looks_like(source):
        return _from_matchers(source)
    program, findings = build(source)
    parts = tuple((part, part) for part in _split(source))
    return Condition(source, source, findings.references, findings.equalities, parts, program)


def check_source(source: str) -> None:
    """Raises `Invalid` for a text that is no expression whatever it says."""
    if not source.strip():
        raise _invalid("a condition is empty; write true for one that always holds")
    if len(source) > SOURCE_LIMIT:
        raise _invalid(f"a condition has at most {SOURCE_LIMIT} characters, this has {len(source)}")
    if any("\ud800" <= c <= "\udfff" or c == "\x00" for c in source):
        raise _invalid("a condition holds no NUL and no half of a surrogate pair")


def _from_matchers(source: str) -> Condition:
    try:
        found = matchers.parse(source)
    except Invalid as e:
        hint = "; equality in CEL is ==" if not source.lstrip().startswith("{") else ""
        raise _invalid(e.message + hint) from e
    if not found:
        raise _invalid("there is no matcher; write true for a condition that always holds")
    parts = tuple((str(matcher), matcher.cel()) for matcher in found)
    expression = " && ".join(part for _, part in parts)
    program, findings = build(expression)
    return Condition(source, expression, findings.references, findings.equalities, parts, program)


def build(
    expression: str, wanted: Type = Type.BOOL, must_be: str = "a condition is true or false"
) -> tuple[Expression, analysis.Findings]:
    """Compiles and inspects; what it gives must be of type `wanted`. Raises `Invalid`."""
    try:
        program = _ENV.compile(expression)
    except RuntimeError as e:
        raise _explained(str(e), expression) from e
    try:
        findings = analysis.inspect(syntax.decode(program.serialize()))
    except analysis.Objection as e:
        raise _invalid(e.message, *reports.line_and_column(expression, e.offset)) from e
    if program.return_type() != wanted:
        raise _invalid(f"{must_be}; this one is of type {program.return_type().name().lower()}")
    return program, findings


def _explained(report: str, expression: str) -> Invalid:
    """The compiler's report without its drawing, with a hint."""
    if "recursion" in report:
        return _invalid("the condition is nested too deeply")
    message, line, column = reports.first(report)
    return _invalid(message + _hint(message, expression), line, column)


def _hint(message: str, expression: str) -> str:
    if re.search(r"\.(map|filter)\s*\(", expression):
        return "; map and filter are not available, use exists or all"
    if (unknown := re.search(r"undeclared reference to '([^']*)'", message)) is not None:
        near = difflib.get_close_matches(unknown[1], NAMES, n=1)
        return f"; did you mean {near[0]}?" if near else f"; a label is read as labels.{unknown[1].rpartition('.')[2]}"
    if "'_+_'" in message:
        return "; texts and lists cannot be joined"
    if "yntax error" in message and re.search(r"[^=!<>]=[^=]", expression):
        return '; equality in CEL is ==, Alertmanager matchers go in braces: {team="db"}'
    return ""


def _invalid(message: str, line: int = 1, column: int = 1) -> Invalid:
    at = f"line {line}, column {column}: " if (line, column) > (1, 1) else ""
    errors = [{"field": "when", "message": at + message}]
    return Invalid(at + message, code="invalid_condition", errors=errors, line=line, column=column)


def _split(source: str) -> list[str]:
    """The conjuncts of the source as written: cut at `&&` outside of brackets, unless `||` or `?` stand there too."""
    depth, cuts = 0, [0]
    for token in _TOKEN.finditer(source):
        text = token.group()
        depth += (text in "([{") - (text in ")]}")
        if depth == 0 and text in ("||", "?"):
            return [source.strip()]
        if depth == 0 and text == "&&":
            cuts += [token.start(), token.end()]
    cuts.append(len(source))
    return [source[a:b].strip() for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
