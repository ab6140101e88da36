"""Alertmanager matchers: `{severity="critical", service=~"pay.*"}`, parsed and written as CEL: there is one engine.

Grammar (Alertmanager 0.27 and newer in its default mode, pkg/labels/parse.go and matcher/parse): matchers separated by
commas, a trailing comma allowed, braces optional but paired. Operators `=`, `!=`, `=~`, `!~`. A label name is bare or
in double quotes (any UTF-8); a value in double quotes, in which `\\"`, `\\\\` and `\\n` are escapes and any other
backslash stays, or bare up to the next comma. Regular expressions are RE2 and anchored at both ends. A missing label is
empty. One strictness is ours: a bare value does not begin with `=`, `~` or `!` (`a==b` is a slip).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.errors import Invalid
from app.rules import patterns

Operator = Literal["=", "!=", "=~", "!~"]
_NAME = r"[^\s{}!=~,\\\"'`]+"
_QUOTED = r'"(?:\\.|[^"\\])*"'
_MATCHER = re.compile(rf"\s*(?:({_NAME})|({_QUOTED}))\s*(=~|!~|!=|=)\s*", re.DOTALL)
_VALUE = re.compile(rf"({_QUOTED})\s*|(?![=~!])([^,\"]*)", re.DOTALL)
_ESCAPE = re.compile(r'\\([\\n"])')
_LITERAL = re.compile(r"[\w \-/:@%#,;<>&'\"!~=]*")
_PIECE = re.compile(r"(\.\*)?([\w \-/:@%#,;<>&'\"!~=]+)(\.\*)?")
_LOOKS = re.compile(rf"\s*(?:\{{|(?:[a-zA-Z_:][a-zA-Z0-9_:]*|{_QUOTED})\s*(?:=~|!~|=(?!=)))")


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher. Built by `parse`, or by `of` from Alertmanager's JSON; both check the regular expression."""

    name: str
    operator: Operator
    value: str

    @property
    def is_regex(self) -> bool:
        return self.operator in ("=~", "!~")

    @property
    def is_equal(self) -> bool:
        return self.operator in ("=", "=~")

    def __str__(self) -> str:
        name = self.name if re.fullmatch(_NAME, self.name) else _quote(self.name)
        return f"{name}{self.operator}{_quote(self.value)}"

    def cel(self) -> str:
        """The same as a CEL expression. Literal patterns avoid the regular expression, which costs ten times more."""
        field = f"labels[{_literal(self.name)}]"
        if not self.is_regex:
            return f"{field} {'==' if self.is_equal else '!='} {_literal(self.value)}"
        held = _regex_cel(field, self.value)
        return held if self.is_equal else f"!({held})"


def looks_like(source: str) -> bool:
    """Whether a rule's source is matchers, not CEL. It is when it begins with `{`, or with a plain or quoted name and
    one of `=`, `=~`, `!~`, which CEL does not have. So `severity != "info"` alone is CEL; braces make it a matcher.
    """
    return _LOOKS.match(source) is not None


def parse(source: str) -> tuple[Matcher, ...]:
    """All matchers of the text, in order; none for `{}`. Raises `Invalid` with the position (1-based, characters)."""
    text, start = source.strip(), len(source) - len(source.lstrip())
    if text.startswith("{") and not (text.endswith("}") and len(text) > 1):
        raise Invalid("braces must be paired", position=start + 1)
    end = start + len(text)
    if text.startswith("{"):
        start, end = start + 1, end - 1
    found: list[Matcher] = []
    while source[start:end].strip():
        matcher, start = _matcher(source, start, end)
        found.append(matcher)
        if start < end and source[start] != ",":
            raise _expected("a comma or the end", source, start, end)
        start += 1
    return tuple(found)


def of(document: Mapping[str, Any]) -> Matcher:
    """From Alertmanager's JSON, `{"name", "value", "isRegex", "isEqual"}`; `isEqual` may be missing.

    Raises `Invalid`.
    """
    name, value = document.get("name"), document.get("value")
    is_regex, is_equal = document.get("isRegex", False), document.get("isEqual", True)
    if not isinstance(name, str) or not isinstance(value, str):
        raise Invalid("a matcher needs name and value as text")
    if not isinstance(is_regex, bool) or not isinstance(is_equal, bool):
        raise Invalid("isRegex and isEqual of a matcher are true or false")
    operator: Operator = ("=~" if is_equal else "!~") if is_regex else ("=" if is_equal else "!=")
    return _checked(name, operator, value)


def _matcher(source: str, start: int, end: int) -> tuple[Matcher, int]:
    head = _MATCHER.match(source, start, end)
    if head is None:
        raise _expected('a matcher like team="payments"', source, start, end)
    tail = _VALUE.match(source, head.end(), end)
    if tail is None:
        raise _expected("a value, in double quotes or beginning with a letter", source, head.end(), end)
    name = head.group(1) if head.group(1) is not None else _unquote(head.group(2))
    value = _unquote(tail.group(1)) if tail.group(1) is not None else tail.group(2).strip()
    operators: dict[str, Operator] = {"=": "=", "!=": "!=", "=~": "=~", "!~": "!~"}
    if tail.group(1) is None and value.count("{") != value.count("}"):
        raise Invalid(f"put the value {value!r} in double quotes", position=head.end() + 1)
    try:
        return _checked(name, operators[head.group(3)], value), tail.end()
    except Invalid as e:
        raise Invalid(e.message, position=head.start() + 1) from e


def _checked(name: str, operator: Operator, value: str) -> Matcher:
    if not name:
        raise Invalid("a matcher needs a label name")
    if any("\ud800" <= c <= "\udfff" or c == "\x00" for c in name + value):
        raise Invalid("a matcher holds no NUL and no half of a surrogate pair")
    if operator in ("=~", "!~") and patterns.choices(value) is None:
        try:
            patterns.check(value)
            patterns.check(_anchored(value))
        except Invalid as e:
            raise Invalid(f"invalid regular expression {_quote(value)}: {e.message}") from e
    return Matcher(name, operator, value)


def _regex_cel(field: str, pattern: str) -> str:
    """`.` does not match a line feed, in RE2 as in Go: hence the guard where a `.*` is left out."""
    one_line = f'!{field}.contains("\\n")'
    if _LITERAL.fullmatch(pattern):
        return f"{field} == {_literal(pattern)}"
    if pattern in (".*", ".+"):
        return one_line if pattern == ".*" else f'({field} != "" && {one_line})'
    branches = pattern.split("|")
    if all(_LITERAL.fullmatch(branch) for branch in branches):
        return f"{field} in [{', '.join(_literal(branch) for branch in branches)}]"
    if (piece := _PIECE.fullmatch(pattern)) is not None:
        before, text, after = piece.groups()
        function = "contains" if before and after else "endsWith" if before else "startsWith"
        return f"({field}.{function}({_literal(text)}) && {one_line})"
    return f"{field}.matches({_literal(_anchored(pattern))})"


def _anchored(pattern: str) -> str:
    return f"^(?:{pattern})$"


def _literal(text: str) -> str:
    """A CEL string: JSON's escapes are a subset of CEL's (langdef.md, string literals)."""
    return json.dumps(text, ensure_ascii=False)


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _unquote(text: str) -> str:
    return _ESCAPE.sub(lambda m: "\n" if m.group(1) == "n" else m.group(1), text[1:-1])


def _expected(what: str, source: str, start: int, end: int) -> Invalid:
    at = start + len(source[start:end]) - len(source[start:end].lstrip())
    got = f"not {source[at : min(at + 20, end)]!r}" if at < end else "but it ends there"
    return Invalid(f"expected {what} at position {at + 1}, {got}", position=at + 1)
