"""The one line that names an alert to people. Never part of an identity."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice

MAX_TITLE = 250
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and the marks that turn the direction of the text after them."""


def one_line(text: str) -> str:
    """One line of visible characters, at most `MAX_TITLE`; may come out empty."""
    if not text.isprintable() or text != text.strip():
        text = _UNSEEN.sub("", " ".join(text[: 16 * MAX_TITLE].split())).strip()
    return text if len(text) <= MAX_TITLE else text[: MAX_TITLE - 1] + "…"


def title_of(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    """The summary, else the alert's name, else its first three labels."""
    return (
        one_line(annotations.get("summary", ""))
        or one_line(labels.get("alertname", ""))
        or one_line(", ".join(f"{name}={text}" for name, text in islice(labels.items(), 3)))
        or "Alert"
    )
