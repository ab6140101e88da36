"""Keys from names: the same export always gets the same keys."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Final

LONGEST: Final = 64
LONGEST_NAME: Final = 200


def key_of(name: str) -> str:
    """`Ana María` is `ana-maria`; empty for what has no Latin letters or digits."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST].strip("-")


def clean(name: object) -> str:
    """A name without control characters and blanks around it, as long as one may be."""
    text = "".join(" " if unicodedata.category(c) == "Cc" else c for c in str(name or ""))
    return " ".join(text.split())[:LONGEST_NAME]


def assigned(
    named: Iterable[tuple[str, str]], word: str, taken: Collection[str] = ()
) -> tuple[dict[str, str], Mapping[str, list[str]]]:
    """Keys by id, from (id, name); and which ids wanted the same key. Those all have their id in the key, so that it
    does not depend on the order in which they are listed. `word`: for what has neither; `taken`: keys of others."""
    wanted = {id_: key_of(name) or key_of(id_) or word for id_, name in named}
    counted = Counter(wanted.values())
    made: dict[str, str] = {}
    collided: dict[str, list[str]] = {}
    for id_, key in sorted(wanted.items()):
        if counted[key] > 1 or key in taken or key == "me":
            collided.setdefault(key, []).append(id_)
        else:
            made[id_] = key
    for key, ids in collided.items():
        for number, id_ in enumerate(ids, start=1):
            made[id_] = _free(key, key_of(id_) or str(number), {*made.values(), *taken})
    return made, collided


def _free(key: str, ending: str, taken: Collection[str]) -> str:
    ending = ending[-24:].strip("-")
    made = f"{key[: LONGEST - len(ending) - 1]}-{ending}"
    number = 2
    while made in taken:
        made = f"{key[: LONGEST - len(ending) - 4]}-{ending}-{number}"
        number += 1
    return made
