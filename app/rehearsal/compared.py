"""What a run on shadow tables came to, and how two of them differ. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from app import hours

NIGHT: Final = (22, 7)
"""From and until, on the wall clock of whoever is paged."""
Key = tuple[str, str, datetime]
"""Integration, dedup key and start: an occurrence, whatever run it is of."""


@dataclass(frozen=True, slots=True)
class Person:
    """How often somebody was paged, and how often of these by night."""

    user: str
    name: str
    pages: int
    by_night: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of an occurrence. `incident`: `opened`, or which alert's incident it joined; empty: none."""

    service: str
    suppressed: str
    incident: str
    priority: int | None
    because: tuple[str, ...]

    @property
    def decided(self) -> tuple[Any, ...]:
        return self.service, self.suppressed, self.incident, self.priority


@dataclass(frozen=True, slots=True)
class Totals:
    """`by_priority`: incidents by the priority they ended with, `{"P1": 2}`."""

    incidents: int
    suppressed: int
    pages: int
    by_night: int
    by_priority: Mapping[str, int]
    by_person: Sequence[Person]


@dataclass(frozen=True, slots=True)
class Ran:
    totals: Totals
    verdicts: Mapping[Key, Verdict]
    titles: Mapping[Key, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """An occurrence that came to something else. None: the run has no such occurrence."""

    integration: str
    dedup_key: str
    starts_at: datetime
    title: str
    before: Verdict | None
    after: Verdict | None


def ran(occurrences: Sequence[Any], pages: Sequence[Any]) -> Ran:
    """From the rows of `shadow_store.verdicts` and `.pages`."""
    keys = [(o.integration, o.dedup_key, o.starts_at) for o in occurrences]
    priorities = {o.incident_id: o.priority for o in occurrences if o.incident_id is not None}
    counted = Counter((p.user, p.name) for p in pages)
    nights = Counter((p.user, p.name) for p in pages if _by_night(p.at, p.zone))
    by_priority = Counter(f"P{priority}" for priority in priorities.values())
    totals = Totals(
        incidents=len(priorities),
        suppressed=sum(o.suppressed is not None for o in occurrences),
        pages=counted.total(),
        by_night=nights.total(),
        by_priority=dict(sorted(by_priority.items())),
        by_person=[Person(*who, n, nights[who]) for who, n in sorted(counted.items())],
    )
    verdicts = {key: _verdict(o) for key, o in zip(keys, occurrences, strict=True)}
    return Ran(totals, verdicts, {key: o.title for key, o in zip(keys, occurrences, strict=True)})


def differences(before: Ran, after: Ran) -> list[Difference]:
    """In the order of the first run; what only the second has comes last."""
    found = []
    for key in dict.fromkeys([*before.verdicts, *after.verdicts]):
        old, new = before.verdicts.get(key), after.verdicts.get(key)
        if old is None or new is None or old.decided != new.decided:
            title = before.titles.get(key) or after.titles[key]
            found.append(Difference(*key, title, old, new))
    return found


def _verdict(row: Any) -> Verdict:
    suppressed = "" if row.suppressed is None else f"{row.suppressed.get('by')} {row.suppressed.get('name')}"
    incident = "" if row.incident_id is None else "opened" if row.opens else f"joined that of {row.opened_by}"
    because = [rule.get("because", "") for rule in (row.routed or {}).get("rules", ())]
    if row.suppressed is not None:
        because.append(row.suppressed.get("because", ""))
    because += [f"{i['what']} {i['value']}: {i['because']}" for i in (row.verdict or {}).get("inputs", ())]
    # The rule that suppresses is one of those that routed it.
    return Verdict(row.service, suppressed, incident, row.priority, tuple(dict.fromkeys(because)))


def _by_night(at: datetime, zone: str) -> bool:
    hour = hours.local(at, hours.zone(zone)).hour
    return hour >= NIGHT[0] or hour < NIGHT[1]
