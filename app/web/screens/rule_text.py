"""Rules as people edit them on a screen: YAML, with the line of everything that is wrong. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from app.configuration import yaml_text
from app.errors import Invalid, field_message
from app.web.api.rule_drafts import DraftRule, Rules

MEMBERS: Final = tuple(DraftRule.model_fields)
SHOWN: Final = 400
LONGEST: Final = 300_000
"""Characters of a text: a thousand rules fit, and it is read within a second or two."""
_RULES: TypeAdapter[list[DraftRule]] = TypeAdapter(Rules)
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
_INSIDE = re.compile(r"line (\d+), column \d+: ")


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` from 1, with what stands there; None: of the text as a whole. `rule`: its place from 0, where it is in
    one."""

    message: str
    field: str = ""
    line: int | None = None
    source: str = ""
    rule: int | None = None


def write(rules: Iterable[Mapping[str, Any]]) -> str:
    """The YAML of these rules, members in the order in which people read them; that one is enabled goes without
    saying."""
    shown = [{n: r[n] for n in MEMBERS if n in r and (n, r[n]) != ("enabled", True)} for r in rules]
    return yaml_text.write(shown) if shown else ""


def read(text: str) -> tuple[list[DraftRule], list[Mistake]]:
    """The rules, which may be unfinished; or what keeps the text from being rules."""
    if len(text) > LONGEST:
        return [], [Mistake(f"these are {len(text)} characters; a rule set has at most {LONGEST}")]
    try:
        value = yaml_text.read(text, aliases=False)
    except Invalid as refused:
        line = refused.fields.get("line")
        message = _INSIDE.sub("", refused.message, count=1)
        return [], [Mistake(message, line=line, source=_source(text, line))]
    value = [] if value is None else value
    if not isinstance(value, list):
        return [], [Mistake("these are not rules: a list is needed, each rule begins with - key: and its key", line=1)]
    try:
        return _RULES.validate_python(value), []
    except ValidationError as wrong:
        errors = [{"field": _field(e["loc"]), "message": field_message(dict(e))} for e in wrong.errors()]
        return [], mistakes(errors, text)


def tidied(text: str) -> str:
    """The same rules as `write` has them, so that two texts differ by what they say; a text that is not rules stays."""
    rules, wrong = read(text)
    return text if wrong else write(rule.model_dump() for rule in rules)


def mistakes(errors: Iterable[Mapping[str, str]], text: str) -> list[Mistake]:
    """What the check says of `rules[2].then.impact`, with lines of the text that holds these rules, in their order."""
    lines = yaml_text.lines(text)
    found = [_mistake(error["field"], error["message"], lines, text) for error in errors]
    return sorted(found, key=lambda mistake: mistake.line or 0)


def _mistake(field: str, message: str, lines: Mapping[yaml_text.Path, tuple[int, bool]], text: str) -> Mistake:
    path: list[str | int] = [int(index) if index else name for index, name in _STEP.findall(field)][1:]
    rule = path[0] if path and isinstance(path[0], int) else None
    while path and tuple(path) not in lines:
        path.pop()  # what is missing is said of what it is missing in
    if tuple(path) not in lines:
        return Mistake(message, field, rule=rule)
    line, below = lines[tuple(path)]
    if below and (inside := _INSIDE.match(message)):
        line += int(inside[1])
    return Mistake(message, field, line, _source(text, line), rule)


def _source(text: str, line: int | None) -> str:
    written = text.splitlines()
    return written[line - 1].strip()[:200] if line is not None and 0 < line <= len(written) else ""


def _field(location: tuple[int | str, ...]) -> str:
    return "rules" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)


def changes(before: str, after: str) -> list[tuple[str, str]]:
    """(`-` gone, `+` new, ` ` as it was or `@` where it is, the line): how two texts differ, with what stands around
    it; the first `SHOWN` lines of that."""
    if before == after:
        return []
    told = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    found = [(line[0], line[1:] if line[0] != "@" else line) for line in islice(told, 2, 2 + SHOWN)]
    return found if len(found) < SHOWN else [*found, ("@", "and more")]


def changed_rules(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """The same of two lists of rules."""
    return changes(write(before), write(after))
