"""What each stage of the road decided about an event, and because of what: rows of the road put into words. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from app.incidents.timeline import describe

StageName = Literal[
    "receipt", "event", "routing", "suppression", "correlation", "priority", "escalation", "notification", "response"
]
_ORDER: Final[tuple[StageName, ...]] = (
    "receipt", "event", "routing", "suppression", "correlation", "priority", "escalation", "notification", "response",
)  # fmt: skip
_OUTCOMES: Final[Mapping[str, str]] = {
    "opened": "a new alert, or one that had ended: it begins to fire",
    "revived": "it fires again, and goes on as the occurrence that had ended",
    "changed": "it fires already, and its severity or labels are others now",
    "resolved": "it ends",
    "repeated": "known already: only counted",
    "stale": "older than what is known: only counted",
    "unmatched_resolve": "the end of something that was not known: kept, and it opens nothing",
    "acknowledged_at_source": "somebody has it at the source",
    "quarantined": "it could not be processed: kept in quarantine",
}
_ENTRIES: Final[Mapping[StageName, tuple[str, ...]]] = {
    "correlation": (
        "opened", "joined", "reopened", "recurrence", "symptom_joined", "symptom_of", "symptom_from", "symptom_linked",
    ),
    "priority": ("priority_assigned", "priority_raised", "priority_pinned", "priority_unpinned", "became_loud"),
    "escalation": (
        "step", "last_resort", "nobody_reached", "last_resort_unreachable", "escalated_by_hand", "reassigned",
        "step_skipped", "handed_over", "escalated_to_tier",
    ),
}  # fmt: skip
_STAGES: Final = {kind: stage for stage, kinds in _ENTRIES.items() for kind in kinds}
"""By the kind of a timeline entry; what people did is a `response`."""
UNROUTED: Final = "no routing rule decided otherwise: the service of its integration"
NOT_DECISIONS: Final = ("note", "sent", "delivered", "not_sent", "cancelled", "alert_changed", "alert_resolved")
"""Timeline entries that say what events and notifications say themselves."""


@dataclass(frozen=True, slots=True)
class Stage:
    """`decided` and `because` are sentences. `rule` is its key, `scope` whose rule it is (`organisation`,
    `service:checkout`); all three are None where no rule decided."""

    stage: StageName
    at: datetime
    decided: str
    because: str = ""
    rule: str | None = None
    scope: str | None = None
    version: int | None = None
    alert: UUID | None = None
    incident: int | None = None

    @property
    def order(self) -> tuple[datetime, int]:
        return self.at, _ORDER.index(self.stage)


def of_receipt(row: Any) -> Iterator[Stage]:
    """The request, and its events that left no row of their own."""
    came = f"{row.size} bytes from {row.integration} ({row.source}), answered {row.status}"
    count = len(row.outcomes)
    yield Stage("receipt", row.at, came, row.error or f"{count} event{'s' if count != 1 else ''} in it")


def of_outcome(code: str, index: int, title: str | None, at: datetime, alert: UUID | None) -> Stage:
    """One event as its receipt names it."""
    subject = f"event {index}" + (f", “{title}”" if title else "")
    return Stage("event", at, f"{subject}: {code.replace('_', ' ')}", _OUTCOMES.get(code, ""), alert=alert)


def of_event(row: Any, incident: int | None) -> Stage:
    """A kept event."""
    decided = f"“{row.title}” from {row.integration}, {row.kind}, severity {row.severity}: " + row.outcome.replace(
        "_", " "
    )
    return Stage("event", row.at, decided, _OUTCOMES.get(row.outcome, ""), alert=row.alert_id, incident=incident)


def of_occurrence(row: Any, at: datetime, *, fired: bool = True) -> Iterator[Stage]:
    """What routing rules did to an occurrence, and what kept it quiet. `fired` False: all that is known of it is its
    end, which no rule is asked about."""
    rules = (row.routed or {}).get("rules", ())
    if fired and not rules and (row.suppressed or {}).get("by") != "routing rule":
        yield Stage("routing", at, f"service {row.service}", UNROUTED, alert=row.alert_id, incident=row.number)
    for rule in rules:
        yield Stage(
            "routing",
            at,
            _set(rule.get("set") or {}),
            rule.get("because", ""),
            rule.get("rule"),
            scope(rule.get("scope")),
            rule.get("version"),
            row.alert_id,
            row.number,
        )
    if (why := row.suppressed) is not None:
        until = f" until {why['until']}" if why.get("until") else ""
        yield Stage(
            "suppression",
            at,
            f"kept quiet by {why.get('by', 'something')} “{why.get('name', '')}”{until}",
            why.get("because", ""),
            # What was stored by older versions has the name alone.
            why.get("rule") or why.get("name"),
            scope(why.get("scope")),
            why.get("version"),
            row.alert_id,
            row.number,
        )


def of_entry(row: Any, incident: int | None) -> Iterator[Stage]:
    """A timeline entry; a priority with one more stage for each of its inputs."""
    data: Mapping[str, Any] = row.data
    alert = UUID(data["alert"]) if isinstance(data.get("alert"), str) else None
    stage = _STAGES.get(row.kind, "response")
    inputs = (data.get("verdict") or {}).get("inputs", ())
    decided = f"priority P{data['priority']}" if inputs else describe(row.kind, data)
    if inputs and data.get("was"):
        decided = f"priority raised from P{data['was']} to P{data['priority']}"
    because = data.get("because") or _path(data)
    yield Stage(stage, row.at, decided, because, *_rule(data), alert=alert, incident=incident)
    for given in inputs:
        because = given.get("because", "")
        yield Stage(stage, row.at, f"{given['what']} {given['value']}", because, *_rule(given), incident=incident)


def _path(data: Mapping[str, Any]) -> str:
    """Of a symptom: `checkout -> payments -> db-1` (`Topology.said`) in words."""
    first, *others = data.get("path", "").split(" -> ")
    return f"{first} depends on {', which depends on '.join(others)}" if others else ""


def of_policy(row: Any, incident: int | None) -> Stage:
    """A ladder that was started."""
    decided = f"the ladder of the policy “{row.name}” started" if row.key else "a ladder without a policy started"
    because = "to page" if row.purpose == "page" else "to inform those who need not respond"
    return Stage("escalation", row.started_at, decided, because, incident=incident)


def of_notification(row: Any, incident: int | None) -> Stage:
    """A message, and what became of it."""
    decided = f"{row.purpose} to {row.user_name} by {row.channel}, {row.loudness}: {row.state}"
    where = "" if row.step is None else f"step {row.step + 1} of round {row.round}"
    because = "; ".join(part for part in (where, row.why, row.because) if part)
    return Stage("notification", row.created_at, decided, because, incident=incident)


def scope(value: str | None) -> str | None:
    """As audit records write it; None: no rule set decided."""
    if value is None:
        return None
    return f"service:{value}" if value else "organisation"


def _rule(data: Mapping[str, Any]) -> tuple[str | None, str | None, int | None]:
    """Rule, scope and version. Rules of the organisation may be named without a scope; defaults have no version."""
    version = data.get("version")
    if not isinstance(data.get("rule"), str):
        return None, None, None
    return data["rule"], None if version is None else scope(data.get("scope") or ""), version


def _set(members: Mapping[str, Any]) -> str:
    """`hold minutes 5, labels area=network`."""
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in members.items()) or "nothing new"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{name}={inner}" for name, inner in value.items())
    return "yes" if value is True else str(value)
