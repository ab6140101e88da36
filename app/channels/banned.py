"""What has no place in a message, as data, and how it is found. Pure. An organisation may have a list of its own.

A pattern is a piece of text, found anywhere inside a word whatever its case; `*` stands for any characters of the same
word. So `labels.*token` finds `{labels.api_token}` in a template, and `bit.ly/` a link in what it makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

BANNED: Final = (
    # Names of labels and annotations that hold secrets.
    "labels.*password", "labels.*secret", "labels.*token", "labels.*api_key", "labels.*apikey", "labels.*credential",
    "annotations.*password", "annotations.*secret", "annotations.*token", "annotations.*api_key",
    "annotations.*credential",
    # Shortened links: carriers filter them (Twilio's error 30007), and nobody sees where they lead.
    "bit.ly/", "tinyurl.com/", "/t.co/", "goo.gl/", "/is.gd/", "/ow.ly/", "rebrand.ly/", "cutt.ly/",
)  # fmt: skip
_WORDS: Final = re.compile(r"[^\s{}|\"]+")


def found_in(text: str, patterns: Iterable[str]) -> list[str]:
    """Those of the patterns that are in the text, in their order."""
    words = {word.lower() for word in _WORDS.findall(text)}
    return [pattern for pattern in patterns if any(_holds(word, pattern.lower()) for word in words)]


def _holds(word: str, pattern: str) -> bool:
    at = 0
    for piece in pattern.split("*"):
        found = word.find(piece, at)
        if found < 0:
            return False
        at = found + len(piece)
    return True
