"""Bounds regular expressions before they are saved.

RE2 never backtracks, but it compiles a pattern anew at each evaluation, and that cost has no bound of its own:
`[a-z]{0,999}` three hundred times took minutes, `\\pL` three hundred times half a second (measured). So a pattern has a
weight: the number of atoms after repetitions are written out, a Unicode class counting as 500; 3 to 5 us each.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from cel_expr_python.cel import NewEnv, Type

from app.errors import Invalid

WEIGHT_LIMIT = 1_000
"""Of one pattern: about 5 ms at worst."""

TOTAL_LIMIT = 5_000
"""Of all patterns of a condition, those in loops once per turn: about 20 ms at worst."""

_UNICODE_CLASS = 500
_TOKENS = re.compile(
    r"\\[pP](?:\{[^}]*\}|.)|\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\[:[^\]]*:\]|\\.|[^\]\\])*\]|\{(\d+)(?:,(\d*))?\}|.",
    re.DOTALL,
)
_SPECIAL = r"\\.+*?()|\[\]{}^$"
_CHOICE = re.compile(rf"(?:[^{_SPECIAL}]|\\[{_SPECIAL}]|\|)*")
_ENV = NewEnv(variables={"pattern": Type.STRING})
_PROBE = _ENV.compile('"".matches(pattern)')


def check(pattern: str) -> int:
    """The weight of the pattern. Raises `Invalid` when RE2 does not take it or it is too heavy."""
    weight = weigh(pattern)
    if weight > WEIGHT_LIMIT:
        raise Invalid(f"the regular expression is too heavy ({weight}, at most {WEIGHT_LIMIT}): use fewer repetitions")
    result = _PROBE.eval(data={"pattern": pattern}).value()
    if not isinstance(result, bool):
        raise Invalid(str(result).removeprefix("INVALID_ARGUMENT: "))
    return weight


def weigh(pattern: str) -> int:
    """Atoms of the pattern with `{n,m}` written out m times, nested ones multiplied. Never below 1."""
    groups, last = [0], 0
    for token in _TOKENS.finditer(pattern):
        text = token.group()
        if token.group(1) is not None:
            times = max(int(token.group(1)), int(token.group(2) or 0))
            groups[-1] += last * (max(times, 1) - 1)
            last *= max(times, 1)
        elif text == "(":
            groups.append(0)
        elif text == ")" and len(groups) > 1:
            last = groups.pop() + 1
            groups[-1] += last
        elif text not in ("*", "+", "?"):
            last = len(text) if text.startswith("\\Q") else 1
            if "\\p" in text or "\\P" in text:
                last += _UNICODE_CLASS
            groups[-1] += last
    return max(sum(groups), 1)


def one_of(texts: Iterable[str]) -> str:
    """A regular expression for exactly these texts."""
    return "|".join(re.sub(rf"([{_SPECIAL}])", r"\\\1", text) for text in sorted(set(texts)))


def choices(pattern: str) -> frozenset[str] | None:
    """The texts that a pattern without anything special but escapes is a choice of; None: it needs an engine."""
    if not _CHOICE.fullmatch(pattern):
        return None
    texts = [""]
    for piece in re.findall(r"\\.|[^\\]", pattern, re.DOTALL):
        if piece == "|":
            texts.append("")
        else:
            texts[-1] += piece[-1]
    return frozenset(texts)
