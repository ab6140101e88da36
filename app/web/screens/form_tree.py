"""Forms with lists in them, as trees: what a browser sends as `layers.0.turns.1.users[]=ana`, and buttons that add,
remove and move entries, so that such a form works without scripts. Pure.

A name is a path of members and places; one that ends with `[]` is a list of texts. A button sends `press` as
`add:layers`, `remove:layers.1`, `up:layers.1` or `down:layers.1`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

Tree = dict[str, Any]
"""Texts, lists of texts, and lists of trees."""

DEEPEST: Final = 8
MOST: Final = 1_000
"""Entries of one list: more than any document takes."""
_STEP: Final = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def grown(pairs: Iterable[tuple[str, str]]) -> Tree:
    """The tree of these fields. Places say the order of entries only; what is no path is left out."""
    root: Tree = {}
    for name, text in pairs:
        *parents, leaf = name.split(".")
        if len(parents) >= DEEPEST or not leaf:
            continue
        node: Any = root
        for part in parents:
            node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if not isinstance(node, dict):
            continue
        value = text.replace("\x00", "").replace("\r\n", "\n")
        if not leaf.endswith("[]"):
            node[leaf] = value
        elif isinstance(texts := node.setdefault(leaf[:-2], []), list):
            texts.append(value)
    return {name: _listed(value) for name, value in root.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(name.isascii() and name.isdigit() and len(name) < 6 for name in value):
        entries = [_listed(value[place]) for place in sorted(value, key=int)]
        return [entry for entry in entries if isinstance(entry, dict)][:MOST]
    return {name: _listed(inner) for name, inner in value.items()}


def pressed(tree: Tree, press: str, empty: Callable[[str], Tree | None]) -> tuple[Tree, str] | None:
    """The tree after a button that adds, removes or moves an entry, and the path of the entry to go on with; None for
    another button. `empty`: what is added to the list of a path without places, `layers.turns`, or of a kind where
    there are several, `layers.restrictions:span`; None: nothing is."""
    what, _, rest = press.partition(":")
    path, _, kind = rest.partition(":")
    if what not in ("add", "remove", "up", "down"):
        return None
    after = copy.deepcopy(tree)
    if what == "add":
        added = empty(re.sub(r"\.\d+", "", path) + (f":{kind}" if kind else ""))
        found = None if added is None else _at(after, path, make=True)
        if not isinstance(found, list) or added is None or len(found) >= MOST:
            return after, path
        found.append(added)
        return after, f"{path}.{len(found) - 1}"
    parent, _, place = path.rpartition(".")
    entries = _at(after, parent)
    at = int(place) if place.isascii() and place.isdigit() and len(place) < 6 else -1
    if not isinstance(entries, list) or not 0 <= at < len(entries):
        return after, parent
    entry = entries.pop(at)
    if what == "remove":
        return after, parent
    to = max(at - 1, 0) if what == "up" else at + 1
    entries.insert(to, entry)
    return after, f"{parent}.{min(to, len(entries) - 1)}"


def _at(tree: Any, path: str, *, make: bool = False) -> Any:
    node: Any = tree
    parts = path.split(".")
    for n, part in enumerate(parts):
        if isinstance(node, list) and part.isascii() and part.isdigit() and len(part) < 6 and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        elif make and isinstance(node, dict) and n == len(parts) - 1:
            node[part] = node = []
        else:
            return None
    return node


class Shaped(dict[str, Any]):
    """A tree as a template reads it: what was not sent is empty."""

    def __missing__(self, name: str) -> str:
        return ""


def shaped(tree: Mapping[str, Any], lists: Collection[str], path: str = "") -> Shaped:
    """The tree without what no such form sends. `lists`: the paths of its lists of entries (`layers.turns`), and of its
    lists of texts (`layers.turns.users[]`); everything else is a text."""
    found = Shaped()
    for name, value in tree.items():
        here = f"{path}.{name}" if path else name
        if isinstance(value, str) and here not in lists and f"{here}[]" not in lists:
            found[name] = value
        elif here in lists:
            found[name] = [shaped(entry, lists, here) for entry in trees(tree, name)]
        elif f"{here}[]" in lists:
            found[name] = texts(tree, name)
    return found


def text(tree: Mapping[str, Any], name: str) -> str:
    """What was entered in a field, without blanks around it; empty: nothing."""
    value = tree.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def texts(tree: Mapping[str, Any], name: str) -> list[str]:
    """What was entered in a field that may be there several times, without what is blank."""
    value = tree.get(name, [])
    return [t.strip() for t in value if isinstance(t, str) and t.strip()] if isinstance(value, list) else []


def trees(tree: Mapping[str, Any], name: str) -> list[Tree]:
    """The entries of a list."""
    value = tree.get(name, [])
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def number(entered: str) -> int | str:
    """What is no number stays a text, of which the document says what it should be."""
    plain = entered.strip()
    return int(plain) if re.fullmatch(r"-?\d{1,9}", plain, re.ASCII) else plain


def placed(
    errors: Iterable[Mapping[str, str]], names: Mapping[str, str], known: Callable[[str], bool]
) -> dict[str, str]:
    """Messages by field of the form, from `{"field": "layers[0].members[1][0]", "message": ...}`; by `""` what belongs
    to none. `names`: what the form calls a member (`layers.members` is `layers.turns`). `known`: whether the form has a
    field or a list of this path; a message about what is not there is said of what it is in."""
    found: dict[str, str] = {}
    for error in errors:
        place = _renamed(error["field"], names)
        while place and not known(place):
            place = place.rpartition(".")[0]
        said = error["message"] if place or not error["field"] else f"{error['field']}: {error['message']}"
        found[place] = f"{found[place]}; {said}" if place in found else said
    return found


def _renamed(field: str, names: Mapping[str, str]) -> str:
    path, plain = "", ""
    for place, member in _STEP.findall(field):
        if place:
            path += f".{place}"
            continue
        plain = f"{plain}.{member}" if plain else member
        name = names.get(plain, member)
        path = f"{path}.{name}" if path else name
    return path
