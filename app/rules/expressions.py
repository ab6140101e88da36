"""Expressions that make a value of what a sender told: the CEL in an integration's mapping.

They read `event`, `body` and `headers`, whose members have no types known ahead. The rules beyond CEL's own:
* members are read by constant names and places, so that a missing one can be empty (`shapes`): no `has`;
* only the functions of conditions, and `string`. Texts may be joined by `+`, `JOINS` times and never in a loop: there
  is no `map`, no `filter` and no name for a value, so that what is built stays within what was read;
* patterns of `matches` are constants and bounded (`patterns`).
What an evaluation costs is known when it is compiled; an evaluation that fails raises `Failed`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from cel_expr_python.cel import Activation, NewEnv, NewEnvConfigFromYaml, Type
from cel_expr_python.cel import Expression as Program

from app.errors import Invalid
from app.rules import patterns, reports, shapes, syntax
from app.rules.analysis import FUNCTIONS, Objection, check_pattern
from app.rules.conditions import SOURCE_LIMIT
from app.rules.facts import TAG_LIMIT
from app.rules.shapes import EACH, Path
from app.rules.syntax import Node, Tree

ROOTS: Final = ("event", "body", "headers")
JOINS: Final = 20
COST_LIMIT: Final = 20_000
"""Of one expression, in microseconds as measured: about 1 for a node, 4 for an atom of a pattern."""
_PATTERN_COST = 4
_CACHED = 4_096
_SCALARS = frozenset({"STRING", "INT", "UINT", "DOUBLE", "BOOL", "NULL"})
_ALLOWED = FUNCTIONS | {"string"}
_ENV = NewEnv(
    config=NewEnvConfigFromYaml("stdlib: {exclude_macros: [map, filter]}"),
    variables=dict.fromkeys(ROOTS, Type.DYN),
)


class Failed(Exception):
    """An expression could not be evaluated on this event, for this reason."""


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression; safe to share between threads. Built by `compile`.

    `reads`: what it looks at. `path`: set when it is nothing but the name of a member. `cost`: at worst, microseconds.
    `boolean`: it cannot be anything but true or false.
    """

    source: str
    reads: frozenset[Path]
    looped: frozenset[Path]
    path: Path | None
    cost: int
    boolean: bool
    _program: Program = field(repr=False, compare=False)

    def evaluate(self, told: Mapping[str, Any], prepared: Activation) -> Any:
        """A text, a number, a boolean or None; a bare path gives whatever is there. Raises `Failed`.

        `told`: the variables as they came; `prepared`: the same by `activation`, with at least what this one reads.
        """
        if self.path is not None:
            return shapes.read(told, self.path)
        try:
            result = self._program.eval(prepared)
            kind, value = result.type().name(), result.value()
        except RuntimeError as e:
            raise Failed(self._because(str(e), told)) from e
        if kind == "ERROR":
            raise Failed(self._because(str(value), told))
        if kind not in _SCALARS:
            raise Failed(f"it gives a {kind.partition('<')[0].lower()}; a text, a number or a boolean is needed")
        return value

    def _because(self, error: str, told: Mapping[str, Any]) -> str:
        empty = sorted(shapes.text(p) for p in self.reads if EACH not in p and shapes.read(told, p) in (None, ""))
        reason = error.partition(": ")[2][:300] or error[:300]
        return reason + (f"; empty: {', '.join(empty)[:200]}" if empty else "")

    def values(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """What it reads, and what is there."""
        return {shapes.text(path): shapes.read(told, path) for path in sorted(self.reads, key=str) if EACH not in path}


def shape_of(expressions: list[Expression]) -> shapes.Shape:
    """What all of them read together."""
    shape = shapes.Shape()
    for expression in expressions:
        if expression.path is None:
            for path in expression.reads:
                shape.add(path, looped=path in expression.looped)
    return shape


def activation(shape: shapes.Shape, told: Mapping[str, Any]) -> Activation:
    """The variables as the library takes them, restricted to what `shape` has."""
    return _ENV.Activation({root: shape.members[root].of(told.get(root)) for root in shape.members})


@lru_cache(maxsize=_CACHED)
def compile(source: str) -> Expression:
    """Compiles and checks an expression. Raises `Invalid` with `line` and `column`; its message says both."""
    if not source.strip():
        raise _invalid("an expression is empty")
    if len(source) > SOURCE_LIMIT:
        raise _invalid(f"an expression has at most {SOURCE_LIMIT} characters, this has {len(source)}")
    if any("\ud800" <= c <= "\udfff" or c == "\x00" for c in source):
        raise _invalid("an expression holds no NUL and no half of a surrogate pair")
    try:
        program = _ENV.compile(source)
    except RuntimeError as e:
        raise _explained(str(e), source) from e
    try:
        reader = _Reader(syntax.decode(program.serialize()))
        path = reader.path_of(reader.tree.root, {})
        cost = reader.look(reader.tree.root, {}, 0)
        if cost > COST_LIMIT:
            raise Objection("this expression is too costly: use fewer loops and lighter regular expressions", 0)
    except Objection as e:
        raise _invalid(e.message, *reports.line_and_column(source, e.offset)) from e
    boolean = program.return_type() == Type.BOOL
    return Expression(source, frozenset(reader.reads), frozenset(reader.looped), path, cost, boolean, program)


_Scope = dict[str, Path | None]


class _Reader:
    """Goes through a tree once: what it reads, what it costs, and that nothing in it is dangerous."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.reads: set[Path] = set()
        self.looped: set[Path] = set()
        self._joins = 0

    def path_of(self, node: Node, scope: _Scope) -> Path | None:
        """The path that a node is, through constant names and places, else None. Raises `Objection`."""
        if node.kind == "ident":
            return scope.get(node.name, (node.name,) if node.name in ROOTS else None)
        if node.kind == "select":
            inner = self.path_of(node.parts[0], scope)
            if node.has:
                raise self._objection("has() is not needed: what is missing is empty; compare it with ''", node)
            return None if inner is None else (*inner, node.name)
        if node.kind != "call" or node.name != "_[_]":
            return None
        inner, index = self.path_of(node.parts[0], scope), node.parts[1]
        if inner is None:
            return None
        if index.text is not None:
            return (*inner, index.text)
        if index.number is not None and index.number < TAG_LIMIT:
            return (*inner, index.number)
        raise self._objection(f"in [ ] stands a name in quotes or a place from 0 to {TAG_LIMIT - 1}", node)

    def look(self, node: Node, scope: _Scope, loops: int, *, looped: bool = False) -> int:
        """Notes what is read below the node. Returns its cost. Raises `Objection`."""
        if (path := self.path_of(node, scope)) is not None:
            self.reads.add(path)
            if looped:
                self.looped.add(path)
            return 1
        if node.kind == "struct":
            raise self._objection("an expression cannot build objects", node)
        if node.kind == "comprehension":
            return self._loop(node, scope, loops)
        if node.kind == "call":
            return self._call(node, scope, loops)
        return 1 + sum(self.look(part, scope, loops) for part in node.parts)

    def _loop(self, node: Node, scope: _Scope, loops: int) -> int:
        if node.name in ROOTS:
            raise self._objection(f"{node.name!r} has a meaning already; name the loop variable otherwise", node)
        over, *rest = node.parts
        path = self.path_of(over, scope)
        own = self.look(over, scope, loops, looped=True)
        inner = scope | {node.name: None if path is None else (*path, EACH)}
        turns = len(over.parts) if over.kind == "list" else TAG_LIMIT
        return own + turns * sum(self.look(part, inner, loops + 1) for part in rest)

    def _call(self, node: Node, scope: _Scope, loops: int) -> int:
        if node.name not in _ALLOWED:
            raise self._objection(f"{node.name.strip('_')} is not available in mappings", node)
        if node.name == "_+_" and self.tree.overloads.get(node.id, ()) not in (("add_int64",), ("add_double",)):
            self._joins += 1
            if self._joins > JOINS or loops:
                why = "texts cannot be joined in a loop" if loops else f"texts can be joined {JOINS} times at most"
                raise self._objection(why, node)
        cost = 1
        if node.name == "matches":
            check_pattern(self.tree, node)
            cost += _PATTERN_COST * patterns.weigh(node.parts[1].text or "")
        for place, part in enumerate(node.parts):
            cost += self.look(part, scope, loops, looped=node.name == "@in" and place == 1)
        return cost

    def _objection(self, message: str, node: Node) -> Objection:
        return Objection(message, self.tree.position(node))


def _explained(report: str, source: str) -> Invalid:
    if "recursion" in report:
        return _invalid("the expression is nested too deeply")
    message, line, column = reports.first(report)
    hint = ""
    if re.search(r"\.(map|filter)\s*\(", source):
        hint = "; map and filter are not available, use exists or all"
    elif (unknown := re.search(r"undeclared reference to '([^']*)'", message)) is not None:
        near = difflib.get_close_matches(unknown[1].partition(".")[0], ROOTS, n=1)
        names = f"did you mean {near[0]}?" if near else "there are event, body and headers; a text stands in quotes"
        hint = f"; {names}"
    return _invalid(message + hint, line, column)


def _invalid(message: str, line: int = 1, column: int = 1) -> Invalid:
    at = f"line {line}, column {column}: "
    errors = [{"field": "", "message": at + message}]
    return Invalid(at + message, code="invalid_expression", errors=errors, line=line, column=column)
