"""Looks through a compiled expression: what it reads, what must hold for it, and that it holds nothing dangerous.

The rules of an expression, beyond CEL's own types:
* only the functions listed here. No concatenation of strings, lists or bytes and no `map` and `filter` (they build
  values of any size); that `+` has integers is checked on the resolved overload, since `dyn` hides types from names;
* labels and annotations are read by a constant name, so that a missing one can be empty: no `has`, no `in labels`;
* patterns of `matches` are constants (a sender must not bring a regular expression) and bounded (`patterns`);
* no value made of a map or message.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.errors import Invalid
from app.rules import patterns
from app.rules.facts import MAPS, NAMES, TAG_LIMIT
from app.rules.syntax import Node, Tree

_OPERATORS = (
    "_&&_",
    "_||_",
    "!_",
    "_?_:_",
    "@not_strictly_false",
    "_==_",
    "_!=_",
    "_<_",
    "_<=_",
    "_>_",
    "_>=_",
    "@in",
    "_+_",
    "_-_",
    "-_",
    "_*_",
    "_/_",
    "_%_",
    "_[_]",
)
_NAMED = ("size", "contains", "startsWith", "endsWith", "matches", "int", "double")
FUNCTIONS = frozenset(_OPERATORS + _NAMED)
_ROOTS = frozenset(name.partition(".")[0] for name in NAMES) | frozenset(MAPS)


class Objection(Exception):
    """Something in the tree is not allowed. `offset` in code points in the source."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.message, self.offset = message, offset


@dataclass(frozen=True, slots=True)
class Findings:
    references: frozenset[str]
    equalities: Mapping[str, str]


def inspect(tree: Tree) -> Findings:
    """Raises `Objection` at the first thing that is not allowed."""
    references = frozenset(_references(tree))
    if _weight(tree, tree.root) > patterns.TOTAL_LIMIT:
        raise Objection("the regular expressions of this condition are too heavy together", 0)
    equalities: dict[str, str] = {}
    for node in _conjuncts(tree.root):
        for reference, constant in _equality(tree, node):
            equalities.setdefault(reference, constant)
    return Findings(references, equalities)


def _references(tree: Tree) -> Iterator[str]:
    allowed_maps: set[int] = set()
    for node in tree.root.walk():
        _check_node(tree, node)
        name = tree.names.get(node.id, "")
        if (reading := _label(tree, node)) is not None:
            allowed_maps.add(node.parts[0].id)
            yield reading
        elif name in NAMES:
            yield name
        elif name in MAPS and node.id not in allowed_maps:
            raise Objection(
                f'{name} can only be read by a constant name, like {name}.team or {name}["team"]', tree.position(node)
            )


def _check_node(tree: Tree, node: Node) -> None:
    if node.kind == "struct":
        raise Objection("a condition cannot build maps or messages", tree.position(node))
    if node.kind == "comprehension" and node.name in _ROOTS:
        raise Objection(f"{node.name!r} has a meaning already; name the loop variable otherwise", tree.position(node))
    if node.has:
        raise Objection(
            f'has() is not needed: what is missing is empty; write {_shown(node)} != ""', tree.position(node)
        )
    if node.kind != "call":
        return
    overloads = tree.overloads.get(node.id, ())
    if node.name == "@in" and tree.names.get(node.parts[1].id) in MAPS:
        raise Objection(
            'a missing label is empty; write labels.team != "" instead of "team" in labels', tree.position(node)
        )
    if node.name not in FUNCTIONS:
        raise Objection(f"{node.name.strip('_')} is not available in conditions", tree.position(node))
    if node.name == "_+_" and overloads != ("add_int64",):
        raise Objection("+ adds integers only; texts and lists cannot be joined", tree.position(node))
    if node.name == "matches":
        check_pattern(tree, node)


def check_pattern(tree: Tree, node: Node) -> None:
    """Of a call of `matches`. Raises `Objection` unless its pattern is a constant that `patterns` takes."""
    pattern = node.parts[1].text
    if pattern is None:
        raise Objection("the regular expression of matches() must be a constant", tree.position(node))
    try:
        patterns.check(pattern)
    except Invalid as e:
        raise Objection(e.message, tree.position(node)) from e


def _weight(tree: Tree, node: Node) -> int:
    """Weight of all patterns below, those in loops times the length of what is looped over."""
    own = patterns.weigh(node.parts[1].text or "") if node.name == "matches" and node.kind == "call" else 0
    parts = [_weight(tree, part) for part in node.parts]
    if node.kind != "comprehension":
        return own + sum(parts)
    turns = len(node.parts[0].parts) if node.parts[0].kind == "list" else TAG_LIMIT
    return parts[0] + turns * sum(parts[1:])


def _conjuncts(node: Node) -> Iterator[Node]:
    if node.kind == "call" and node.name == "_&&_":
        for part in node.parts:
            yield from _conjuncts(part)
    else:
        yield node


def _equality(tree: Tree, node: Node) -> Iterator[tuple[str, str]]:
    if node.kind != "call" or node.name not in ("_==_", "@in"):
        return
    left, right = node.parts
    if node.name == "@in" and right.kind == "list" and len(right.parts) == 1:
        right = right.parts[0]
    elif node.name == "@in":
        return
    for subject, constant in ((left, right), (right, left)):
        reference = _label(tree, subject) or tree.names.get(subject.id, "")
        if constant.text is not None and (reference in NAMES or reference.partition(".")[0] in MAPS):
            yield reference, constant.text


def _label(tree: Tree, node: Node) -> str | None:
    """`labels.x` when the node reads a label by a constant name."""
    if node.kind == "select" and (root := tree.names.get(node.parts[0].id)) in MAPS:
        return f"{root}.{node.name}"
    if node.kind == "call" and node.name == "_[_]" and (root := tree.names.get(node.parts[0].id)) in MAPS:
        return None if node.parts[1].text is None else f"{root}.{node.parts[1].text}"
    return None


def _shown(node: Node) -> str:
    return f"{node.parts[0].name}.{node.name}"
