"""When a storm begins and ends, what its alerts have in common, and what is said about it. Pure.

behaviour.md 12: above N new incidents a minute a named storm state begins; it ends when the rate has been below a
quarter of N for five minutes. While it lasts one incident speaks for all: those that open are its children, and only
P1 and P2 among them page, bundled (`notifications.limits`); the ladders of the others wait until it is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from app.hours import local

MINUTE: Final = timedelta(minutes=1)
CALM: Final = timedelta(minutes=5)
SHARED: Final = 0.8
"""A label is common when so large a share of the alerts have it."""
AT_LEAST: Final = 2
"""The priority of a storm is P2, or P1 when one of its incidents is."""
PAGED_ALONE: Final = 2
"""Children of this priority or a higher one page while the storm lasts."""
MOST_LABELS: Final = 3
_SAYING_NOTHING: Final = frozenset({"severity", "alertname", "monitor", "prometheus", "replica"})


class Storm(Struct, frozen=True, gc=False):
    """A storm that lasts, as its row and its newest P1s are. `incidents` and `alerts` are as of the last look."""

    id: UUID
    key: str
    name: str
    threshold: int
    started_at: datetime
    calm_since: datetime | None
    priority: int
    incident_id: UUID
    labels: Mapping[str, str]
    incidents: int
    alerts: int
    number: int = 0
    """Of the incident that speaks for it."""
    worst: Sequence[Mapping[str, Any]] = ()
    """P1s in it that nobody has yet: number, title and service."""


class Look(Struct, frozen=True, gc=False):
    """What a look at a storm found: incidents opened in the last minute, and all of it so far."""

    last_minute: int
    incidents: int
    alerts: int
    priority: int
    labels: Mapping[str, str]


def begins(opened: int, threshold: int) -> bool:
    """`opened`: incidents of the last minute."""
    return opened > threshold


def after(storm: Storm, look: Look, now: datetime) -> tuple[Storm, bool]:
    """The storm after a look, and whether it is over."""
    calm = look.last_minute < storm.threshold / 4
    since = (storm.calm_since or now - MINUTE) if calm else None
    looked = replace(
        storm,
        calm_since=since,
        incidents=look.incidents,
        alerts=look.alerts,
        priority=min(storm.priority, look.priority),
        labels=look.labels or storm.labels,
    )
    return looked, since is not None and now - since >= CALM


def common_labels(labels: Sequence[Mapping[str, str]], share: float = SHARED) -> dict[str, str]:
    """Labels with one value that at least this share of the alerts have, the most common first, then by name."""
    if not labels:
        return {}
    counted = Counter((name, value) for one in labels for name, value in one.items())
    enough = [(-n, name, value) for (name, value), n in counted.items() if n >= share * len(labels)]
    return {name: value for _, name, value in sorted(enough)}


def in_words(labels: Mapping[str, str]) -> str:
    """`cluster=eu-1, namespace=shop`: what distinguishes it, cut to what a phone shows."""
    telling = [f"{name}={value:.60}" for name, value in labels.items() if name not in _SAYING_NOTHING]
    return ", ".join(telling[:MOST_LABELS])


def name_of(at: datetime, zone: ZoneInfo) -> str:
    """`Storm 2026-11-22 02:14`, as clocks show it in the organisation's zone."""
    return f"Storm {local(at, zone):%Y-%m-%d %H:%M}"


def key_of(at: datetime) -> str:
    """`2026-11-22-0114`, in UTC: two storms cannot begin in the same minute, for each lasts five."""
    return f"{at:%Y-%m-%d-%H%M}"


def title(name: str, labels: Mapping[str, str]) -> str:
    common = in_words(labels)
    return f"{name}: {common}" if common else name


def verdict(priority: int, because: str) -> dict[str, Any]:
    """Where the priority of a storm's incident comes from, in the shape of all incidents' verdicts."""
    told = {"rule": "default", "name": "", "version": 0, "because": because}
    value = 1 if priority == 1 else 2
    return {"inputs": [{"what": "impact", "value": 1, **told}, {"what": "urgency", "value": value, **told}]}


class Report(Struct, frozen=True, gc=False):
    """What came, when it is over. `withheld`: incidents that were not paged separately; `waiting`: those of them that
    nobody has yet and that are paged now. `services` and `alertnames`: the most frequent ones with their counts."""

    incidents: int
    alerts: int
    withheld: int
    waiting: int
    bundled: int
    services: Sequence[tuple[str, int]]
    alertnames: Sequence[tuple[str, int]]
    labels: Mapping[str, str]


def minutes(storm: Storm, ended_at: datetime) -> int:
    return max(round((ended_at - storm.started_at) / MINUTE), 1)


def report(storm: Storm, found: Report, ended_at: datetime) -> str:
    """The exit report, in plain text."""
    lines = [
        f"{storm.name} is over after {minutes(storm, ended_at)} minutes.",
        f"{found.incidents:,} incidents of {found.alerts:,} alerts.",
        f"{found.withheld:,} incidents were not paged separately, {found.bundled:,} pages went out with others.",
        f"{found.waiting:,} incidents still fire and nobody has them: they are paged now.",
        f"By service: {_counted(found.services)}.",
        f"By alert name: {_counted(found.alertnames)}.",
    ]
    if found.labels:
        lines.append(f"In common: {', '.join(f'{name}={value}' for name, value in found.labels.items())}.")
    return "\n".join(lines)


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts) or "nothing"
