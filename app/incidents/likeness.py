"""How much two incidents are alike, and why. Pure: what they have in common in, a rank and words out.

| in common | counts |
|---|---|
| the correlation key: the same problem by the correlation rules | 50 |
| an alert: the same dedup key fired in both | 40 |
| labels with the same value, beside those that say little | 6 each, at most 30 |
| words of titles, causes and fixes | 30 x the share of this one's words |

What is below 16 is not shown: two common labels, or half of the words, may be chance. A cause or fix that somebody
wrote down adds 8 to what is alike anyway: it is what the reader is looking for. Of equals the newest comes first. At
most three of the same correlation key come before others, which would else never be seen beside a problem that often
returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

SHOWN: Final = 5
OF_SAME_KEY: Final = 3
KEY, ALERT, LABEL, LABELS, WORDS, EXPLAINED, LEAST = 50, 40, 6, 30, 30, 8, 16

SAY_LITTLE: Final = frozenset(
    {
        *("severity", "priority", "level", "team", "service", "job", "endpoint"),
        *("env", "environment", "stage", "region", "cluster"),
        *("monitor", "prometheus", "prometheus_replica", "replica", "receiver", "alertgroup"),
    }
)
"""Labels that half of all alerts share, or that say what the service says already."""

IDLE: Final = frozenset(
    {"the", "and", "for", "from", "with", "has", "was", "are", "not", "than", "more", "all", "over"}
)
"""Words of every second English title, for a database too young to know how frequent they are."""
MOST_WORDS: Final = 8
COMMON: Final = 1_000
"""A word that stands in more incidents than this tells nothing and would cost much to look up."""


@dataclass(frozen=True, slots=True)
class Common:
    """Another incident, and what it has in common with this one. `words`: those of this one's that are in it."""

    id: UUID
    same_key: bool
    same_alerts: int
    labels: Sequence[str]
    words: Sequence[str]
    explained: bool
    """Somebody said what its cause was, or what fixed it."""


@dataclass(frozen=True, slots=True)
class Similar:
    """`why`: reasons for people, the strongest first."""

    id: UUID
    score: float
    why: tuple[str, ...]


def ranked(found: Iterable[Common], words: int) -> list[Similar]:
    """The most similar first, at most `SHOWN`. `words`: how many were looked for."""
    alike = [(score, c) for c in found if (score := _score(c, words)) >= LEAST]
    alike.sort(key=lambda pair: (pair[0] + EXPLAINED * pair[1].explained, pair[1].id), reverse=True)
    same_key = [pair for pair in alike if pair[1].same_key]
    surplus = {c.id for _, c in same_key[OF_SAME_KEY:]}
    alike.sort(key=lambda pair: pair[1].id in surplus)
    return [Similar(c.id, round(score, 1), _why(c)) for score, c in alike[:SHOWN]]


def telling(labels: Mapping[str, str]) -> set[str]:
    """The label pairs that say something, as `name=value`."""
    return {f"{name}={value}" for name, value in labels.items() if name not in SAY_LITTLE and value}


def rare(lexemes: Iterable[str], in_incidents: Mapping[str, float]) -> list[str]:
    """The words to search for, the rarest first. `in_incidents`: in about how many incidents the frequent ones are; one
    that is missing there is rare. Numbers and words of one or two letters are left out."""
    words = {w for w in lexemes if len(w) > 2 and any(c.isalpha() for c in w)} - IDLE
    kept = [w for w in words if in_incidents.get(w, 0) <= COMMON]
    return sorted(kept, key=lambda w: (in_incidents.get(w, 0.0), -len(w), w))[:MOST_WORDS]


def any_of(lexemes: Iterable[str]) -> str:
    """A `tsquery` of quoted lexemes: nothing that a sender wrote is read as syntax (PostgreSQL's manual, 8.11.2)."""
    quoted = (w.replace("\\", "\\\\").replace("'", "''") for w in lexemes)
    return " | ".join(f"'{w}'" for w in quoted)


def _score(common: Common, words: int) -> float:
    labels = min(LABEL * len(common.labels), LABELS)
    share = len(common.words) / words if words else 0.0
    return KEY * common.same_key + ALERT * (common.same_alerts > 0) + labels + WORDS * share


def _why(common: Common) -> tuple[str, ...]:
    alerts = f"{common.same_alerts} of the same alerts" if common.same_alerts > 1 else "the same alert"
    reasons = (
        (common.same_key, "the same correlation key"),
        (common.same_alerts, alerts),
        (common.labels, f"the same label{'s' * (len(common.labels) > 1)}: {_listed(common.labels)}"),
        (common.words, f"the same word{'s' * (len(common.words) > 1)}: {_listed(common.words)}"),
    )
    return tuple(reason for holds, reason in reasons if holds)


def _listed(things: Sequence[str]) -> str:
    more = len(things) - 4
    return ", ".join(t[:60] for t in things[:4]) + (f" and {more} more" if more > 0 else "")
