"""Reads the syntax tree of a compiled CEL expression.

The library hands its tree out only as bytes: `cel.expr.CheckedExpr` (cel-spec, proto/cel/expr/checked.proto and
syntax.proto) inside a `google.protobuf.Any`. This file decodes the few members that the rule engine looks at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["const", "ident", "select", "call", "list", "struct", "comprehension"]
_KINDS: Mapping[int, Kind] = {
    3: "const",
    4: "ident",
    5: "select",
    6: "call",
    7: "list",
    8: "struct",
    9: "comprehension",
}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_INTEGER_CONSTANT, _STRING_CONSTANT = 3, 6
_NEGATIVE = 1 << 63


@dataclass(frozen=True, slots=True)
class Node:
    """One node. `name`: identifier, selected field, function or loop variable. `text`: a string constant, else None.
    `number`: an integer constant of at least 0, else None.

    `parts`: operand of a select; target and arguments of a call; elements of a list; range, initial value, condition,
    step and result of a comprehension.
    """

    kind: Kind
    id: int
    name: str = ""
    text: str | None = None
    parts: tuple[Node, ...] = ()
    has: bool = False
    """A select made by the macro `has()`."""
    number: int | None = None

    def walk(self) -> Iterator[Node]:
        """This node and all below, parents first."""
        pending = [self]
        while pending:
            node = pending.pop()
            yield node
            pending.extend(reversed(node.parts))


@dataclass(frozen=True, slots=True)
class Tree:
    """`names`: node id -> the declared variable it stands for. `overloads`: node id -> functions it may call."""

    root: Node
    names: Mapping[int, str]
    overloads: Mapping[int, tuple[str, ...]]
    _source_info: bytes

    def position(self, node: Node) -> int:
        """Offset of the node in the source, in code points. Decoded when asked for: only refusals need it."""
        entries = (_as_bytes(v) for n, v in _members(self._source_info) if n == 4)
        return dict(map(_position, entries)).get(node.id, 0)


def decode(serialized: bytes) -> Tree:
    """The tree in `Expression.serialize()`. The library bounds its depth (32 levels of nesting), so may recursion."""
    names: dict[int, str] = {}
    overloads: dict[int, tuple[str, ...]] = {}
    root = source_info = b""
    for number, value in _members(_one(serialized, 2)):
        if number == 2:
            key, reference = _entry(_as_bytes(value))
            names[key] = _one(reference, 1).decode()
            overloads[key] = tuple(_as_bytes(v).decode() for n, v in _members(reference) if n == 3)
        elif number == 4:
            root = _as_bytes(value)
        elif number == 5:
            source_info = _as_bytes(value)
    return Tree(_node(root), names, overloads, source_info)


def _node(raw: bytes) -> Node:
    identity, kind, body = 0, 0, b""
    for number, value in _members(raw):
        if number == 2:
            identity = _as_int(value)
        else:
            kind, body = number, _as_bytes(value)
    members = list(_members(body))
    if kind == 3:
        text = next((_as_bytes(v).decode() for n, v in members if n == _STRING_CONSTANT), None)
        number = next((_as_int(v) for n, v in members if n == _INTEGER_CONSTANT), _NEGATIVE)
        return Node("const", identity, text=text, number=number if number < _NEGATIVE else None)
    if kind == 5:
        return Node(
            "select", identity, _text(members, 2), parts=_nodes(members, 1), has=any(n == 3 and v for n, v in members)
        )
    if kind == 6:
        return Node("call", identity, _text(members, 2), parts=_nodes(members, 1) + _nodes(members, 3))
    if kind == 7:
        return Node("list", identity, parts=_nodes(members, 1))
    if kind == 9:
        parts = tuple(part for n in (2, 4, 5, 6, 7) for part in _nodes(members, n))
        return Node("comprehension", identity, _text(members, 1), parts=parts)
    return Node(_KINDS[kind], identity, _text(members, 1))


_Members = list[tuple[int, "int | bytes"]]


def _nodes(members: _Members, number: int) -> tuple[Node, ...]:
    return tuple(_node(_as_bytes(v)) for n, v in members if n == number)


def _text(members: _Members, number: int) -> str:
    return next((_as_bytes(v).decode() for n, v in members if n == number), "")


def _one(raw: bytes, number: int) -> bytes:
    return next((_as_bytes(v) for n, v in _members(raw) if n == number), b"")


def _entry(raw: bytes) -> tuple[int, bytes]:
    found = dict(_members(raw))
    return _as_int(found.get(1, 0)), _as_bytes(found.get(2, b""))


def _position(raw: bytes) -> tuple[int, int]:
    found = dict(_members(raw))
    return _as_int(found.get(1, 0)), _as_int(found.get(2, 0))


def _as_bytes(value: int | bytes) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("not the wire type that checked.proto has here")
    return value


def _as_int(value: int | bytes) -> int:
    if not isinstance(value, int):
        raise TypeError("not the wire type that checked.proto has here")
    return value


def _members(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers and values of one protobuf message, in order; fixed-width values as bytes."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if wire == _BYTES:
            size, at = _varint(raw, at)
        else:
            size = {_FIXED64: 8, _FIXED32: 4}[wire]
        yield number, raw[at : at + size]
        at += size


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    if raw[at] < 0x80:
        return raw[at], at + 1
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
