"""What one event did to an occurrence, on what terms it looks for its incident, and what is to be written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.alerts.dedup import Decided
from app.alerts.suppression import Suppressed
from app.incidents.states import Incident
from app.incidents.timeline import Entry
from app.priority.assign import PriorityVerdict

WINDOW = timedelta(minutes=30)
CAP = timedelta(hours=24)
REOPEN_WITHIN = timedelta(minutes=15)


class Terms(Struct, frozen=True, gc=False):
    """How long an incident takes more occurrences, and from how many on it opens: a correlation rule's, or these."""

    window: timedelta = WINDOW
    cap: timedelta = CAP
    reopen_within: timedelta = REOPEN_WITHIN
    because: str = "same service and alertname"
    name: str = ""
    threshold: tuple[int, timedelta] | None = None
    """So many occurrences of the key within so long; fewer are held."""
    rule: str | None = None
    """The key of the correlation rule, with the service whose rule it is ('': the organisation's) and the version of
    its rule set; None: no rule decided."""
    scope: str = ""
    version: int | None = None

    @property
    def source(self) -> dict[str, Any]:
        """What the timeline keeps of the rule, for explanations."""
        return {} if self.rule is None else {"rule": self.rule, "scope": self.scope, "version": self.version}


DEFAULT_TERMS = Terms()
NOTHING_DECIDED = Decided()


class Happening(Struct, frozen=True, gc=False):
    """What one event did to an occurrence that counts: `opened`, `changed`, `resolved` or `acknowledged`."""

    kind: str
    occurrence_id: UUID
    alert_id: UUID
    service_id: int
    correlation_key: str
    title: str
    severity: str
    actor: str
    incident_id: UUID | None = None
    """To which incident the occurrence belonged before."""
    recovery_delay: timedelta = timedelta()
    facts: Any = None
    """What priority rules may look at; only `Rank` knows its shape."""
    terms: Terms = DEFAULT_TERMS
    flapping: bool = False
    """Its alert changes between firing and resolved too often to be believed."""
    decided: Decided = NOTHING_DECIDED

    @property
    def own_key(self) -> str:
        """Where it goes when a person parted it from the incident that its correlation key leads to."""
        decided = self.decided.key
        return decided if decided and decided != self.correlation_key else f"{self.correlation_key}~{self.alert_id}"


class Ranking(Struct, frozen=True, gc=False):
    """A priority verdict for an incident, and how loud that is: `loud_due_at` when quiet only until support hours."""

    verdict: PriorityVerdict
    loudness: str
    loud_due_at: datetime | None


Rank = Callable[[Happening, int], Ranking]
"""The priority of an incident with so many firing alerts, judged by this occurrence."""


@dataclass(slots=True)
class Correlated:
    """What to write: incidents made and changed, their timeline, and where each occurrence belongs now."""

    opened: dict[UUID, Incident] = field(default_factory=dict)
    changed: dict[UUID, Incident] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    belongs: dict[UUID, UUID] = field(default_factory=dict)
    priorities: dict[UUID, int] = field(default_factory=dict)
    """The priority that each occurrence would have by itself."""
    held: dict[UUID, tuple[str, Suppressed]] = field(default_factory=dict)
    """Occurrences that wait for others of their correlation key."""
    released: set[str] = field(default_factory=set)
    """Correlation keys of which enough have come: those that wait are looked at again at once."""
    symptoms: set[UUID] = field(default_factory=set)
    """Occurrences that joined the incident of a service which theirs depends on."""
    continued: set[UUID] = field(default_factory=set)
    """Incidents that are open again without a new epoch: their ladders go on where they were."""

    @property
    def pages(self) -> bool:
        """Whether anybody is to be paged now. Alerts that merely join or end wake no worker: there are many."""
        return bool(self.opened or self.released or self.continued) or any(
            i.paging_due_at is not None for i in self.changed.values()
        )
