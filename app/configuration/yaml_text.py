"""YAML in and out. In: only what looks like JSON is a number, a boolean or null; `17:00`, `no` and `2026-03-02` are
texts, unlike in YAML 1.1. Out: whatever YAML 1.1 would take for something else is quoted, so every reader agrees."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from app.errors import Invalid

_UNSEEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\xa0\u2028\u2029\ufeff]")
"""Characters that only an escape shows; some of them are line breaks to YAML 1.1."""


Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """Refuses a member that is written twice: one of the two would be lost."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a member has a plain name", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} is there twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"^(~|null|)$", ["~", "n", ""]),
    ("bool", r"^(true|false)$", ["t", "f"]),
    ("int", r"^-?(0|[1-9][0-9]*)$", list("-0123456789")),
    ("float", r"^-?[0-9]+\.[0-9]+$", list("-0123456789")),
    ("merge", r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), _first)


class _Dumper(yaml.SafeDumper):
    """Members that hold only plain values in one line, texts of several lines as such, never an alias."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if _UNSEEN.search(value) else "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def read(text: str, *, aliases: bool = True) -> Any:
    """JSON values from YAML (and so from JSON). Raises `Invalid` with line and column. `aliases`: False for texts from
    strangers, since a few lines of anchors and aliases make a value that fills the memory when it is written out."""
    try:
        for event in () if aliases else yaml.parse(text, _Loader):
            if isinstance(event, yaml.AliasEvent):
                mark: Any = event.start_mark  # the stubs know two kinds of marks
                raise yaml.MarkedYAMLError(None, None, "write it out: aliases are not taken here", mark)
        return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark
        at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise Invalid(
            f"{at}{wrong.problem or wrong.context}", code="invalid_yaml", line=mark.line + 1 if mark else None
        ) from None
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        raise Invalid(f"this is no YAML: {str(wrong).splitlines()[0]}", code="invalid_yaml") from None


def lines(text: str) -> dict[Path, tuple[int, bool]]:
    """Where every value of a text that `read` takes begins, by its path from the root `()`: the line, from 1, and
    whether its own text begins only on the next one, as after `when: |`."""
    root = yaml.compose(text, _Loader)
    found: dict[Path, tuple[int, bool]] = {}
    waiting: list[tuple[Path, Any]] = [((), root)] if root is not None else []
    seen: set[int] = set()
    while waiting:
        path, node = waiting.pop()
        if id(node) in seen:
            continue  # an alias: it may hold itself
        seen.add(id(node))
        found[path] = (node.start_mark.line + 1, isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"))
        if isinstance(node, yaml.MappingNode):
            waiting += [((*path, key.value), value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += [((*path, at), value) for at, value in enumerate(node.value)]
    return found


def write(value: Any) -> str:
    """YAML of JSON values; `read` gives them back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
