"""Links in texts, as carriers and phones see them: where a number gets none, none that somebody wrote goes out either.

A link begins with `http://`, `https://` or `www.`, or is a host below a public top-level domain with a path behind it,
`example.org/x`. A bare host (`db-3.example.org`, `db1.internal:9100`) is what an alert is about, and stays; so do
versions, networks (`10.0.0.0/8`), units (`node.service`) and methods (`payments.v1.Payments/Charge`).
"""

from __future__ import annotations

import re
from typing import Final

import phonenumbers

LEFT_OUT: Final = "(link left out)"
_REST: Final = r"\S*[^\s.,;:!?'\")\]}>]"
"""Without the punctuation behind it."""
_LINK: Final = re.compile(
    rf"(?:https?://|www\.){_REST}"
    rf"|(?<![\w@./-])(?:[a-z0-9-]{{1,63}}\.)+(?P<top>[a-z]{{2,20}})(?::[0-9]{{1,5}})?(?:/(?:{_REST})?|[?#]{_REST})",
    re.IGNORECASE | re.ASCII,
)
_PUBLIC: Final = frozenset(region.lower() for region in phonenumbers.SUPPORTED_REGIONS) | {
    "uk", "eu", "com", "net", "org", "info", "biz", "edu", "gov", "mil", "int", "app", "dev", "page", "cloud", "online",
    "site", "website", "xyz", "top", "shop", "tech", "link", "live", "click", "club", "blog", "news", "wiki", "icu",
}  # fmt: skip
"""Top-level domains: those of countries, and generic ones that links have. Not all there are: a word that is one, too,
like `services` or `host`, is more often part of a name in an alert."""


def found_in(text: str) -> bool:
    """Whether there is one."""
    return any(_is_one(found) for found in _LINK.finditer(text))


def left_out(text: str) -> str:
    """The text without them, saying where each was."""
    return _LINK.sub(lambda found: LEFT_OUT if _is_one(found) else found[0], text)


def _is_one(found: re.Match[str]) -> bool:
    return found["top"] is None or found["top"].lower() in _PUBLIC
