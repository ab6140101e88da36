"""The words senders use for how bad it is, mapped to ours."""

from __future__ import annotations

from typing import Any

from app.ingest.event import Severity

UNTOLD: Severity = "error"
"""What a missing or unknown word means. Not `none`, which pages nobody: doubt is no reason to sleep."""

_WORDS: dict[Severity, str] = {
    "critical": "critical crit fatal emergency emerg alert disaster page panic blocker p0 p1 sev0 sev1 severity1",
    "error": "error err high major urgent p2 sev2",
    "warning": "warning warn average medium moderate minor ticket p3 sev3",
    "info": "info information informational notice debug low trivial p4 p5 sev4 sev5",
    "none": "none",
}
_SEVERITIES: dict[str, Severity] = {word: severity for severity, words in _WORDS.items() for word in words.split()}


def severity_of(word: Any) -> Severity:
    """The severity a word means, in any case; `UNTOLD` for none, or for one nobody knows."""
    if type(word) is not str:
        return UNTOLD
    return _SEVERITIES.get(word) or _SEVERITIES.get(word.strip().lower().replace("-", ""), UNTOLD)
