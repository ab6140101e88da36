"""Shapes of `/incidents`: what is asked for and what is answered."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.escalation.reading import Beside
from app.incidents import recurrence
from app.incidents.reading import IncidentDetail
from app.incidents.recurrence import Recurrence
from app.web.models import Answer, Body, Instant, Key, example
from app.web.pages import Listed

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Said = Annotated[str, StringConstraints(strip_whitespace=True, max_length=recurrence.LONGEST)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class IncidentLineAnswer(Answer):
    """An incident in a list. `number` is its name for people and in addresses."""

    number: int
    title: str
    state: Literal["triggered", "acknowledged", "mitigated", "resolved", "closed"]
    priority: Annotated[int, Field(ge=1, le=5, description="1 (P1) to 5 (P5)")]
    loudness: Literal["loud", "quiet"]
    service: str
    team: str | None
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    wakes_at: datetime | None
    """When an acknowledgement expires or a snooze ends."""
    resolved_at: datetime | None
    resolved_by: str | None
    closed_at: datetime | None
    firing: int
    """Alerts of it that still fire."""
    occurrences: int
    reopened: int
    version: int
    drill: bool
    """A test page: no trouble, and no part of statistics."""


class NextStepAnswer(Answer):
    """What the ladder does next if nothing changes. `step` null: the last resort. `names` empty: it reaches nobody."""

    at: datetime
    policy: str
    round: int
    step: int | None
    names: list[str]


class EarlierAnswer(Answer):
    """The newest earlier incident of the same correlation key that is over."""

    number: int
    opened_at: datetime
    resolved_at: datetime
    lasted_s: int
    cause: str
    fix: str


class RecurrenceAnswer(Answer):
    """`times` the correlation key came back in the 30 days up to this incident, this one included, counted to 1000."""

    times: int
    last: EarlierAnswer | None
    text: str
    """The same in one line, as pages say it."""


class IncidentAnswer(IncidentLineAnswer):
    """An incident with where its priority comes from and what happens next."""

    impact: int
    urgency: int
    verdict: dict[str, Any]
    """`inputs`: what decided impact and urgency, each with rule, version and reason."""
    priority_pin: dict[str, Any] | None
    pinned_open: bool
    """Only a person resolves it."""
    epoch: int
    triggered_at: datetime
    mitigated_at: datetime | None
    wakes_because: str | None
    assigned_to: str | None
    recurrence_of: int | None
    merged_into: int | None
    """The incident that has its alerts now."""
    correlation_key: str
    runbook_url: str
    runbook_text: str
    responder_note: str
    """What a routing rule has to say to whoever responds; its runbook comes before the service's."""
    category: str | None
    cause: str
    """What it was, as a person said; empty where nobody did."""
    fix: str
    next_step: NextStepAnswer | None = None
    """Whom the ladder pages next, though somebody may have it by a step until it is resolved; null: nobody."""
    next_informed: NextStepAnswer | None = None
    """Whom the escalation matrix informs next; null: nobody."""
    tier: int = 1
    """The support tier that has it."""
    acknowledged_partly_by: list[str] = Field(default=[])
    """Where all whom a step paged must acknowledge: the names of those who have."""
    acknowledgement_missing: list[str] = Field(default=[])
    """And of those who have not."""
    update_due_at: datetime | None = None
    """When whoever has it is reminded to post an update."""
    recurrence: RecurrenceAnswer | None = None
    """Null for the first time; as `next_step` only where one incident is read."""


class TimelineAnswer(Answer):
    """One thing that happened. `text` is a sentence for people; `kind` and `data` are for programs."""

    id: UUID
    at: datetime
    kind: str
    actor: str
    text: str
    data: dict[str, Any]


class Timeline(Listed[TimelineAnswer]):
    """`dropped`: says that the oldest entries are gone, kept as long as the installation keeps them; null: all are
    there."""

    dropped: str | None


class AlertAnswer(Answer):
    """An occurrence of an alert in an incident."""

    alert_id: UUID
    title: str
    severity: str
    integration: str
    source: str
    labels: dict[str, str]
    annotations: dict[str, str]
    links: list[Any]
    firing: bool
    symptom: bool
    """It joined because its service depends on that of the incident."""
    starts_at: datetime
    ended_at: datetime | None
    end_kind: str | None
    events: int
    last_seen_at: datetime


class NotificationAnswer(Answer):
    """A message about the incident and what became of it. `because` says why it waits or ended as it did."""

    id: UUID
    purpose: str
    loudness: str
    state: str
    because: str
    user: str | None
    webhook: str | None
    """The webhook that was called, where it is no user's."""
    channel: str
    epoch: int | None
    round: int | None
    step: int | None
    why: str | None
    created_at: datetime
    due_at: datetime
    finished_at: datetime | None
    tries: int
    repeated: bool
    carried_by: UUID | None
    """It went out in the message of this other notification; while it is `pending`, it may have."""
    provider: str | None
    provider_id: str | None
    provider_status: str | None
    code: str | None
    error: str | None
    price: str | None
    """What the provider takes for it, a decimal number; null where it has not said (yet)."""
    currency: str | None


class ActionAnswer(Answer):
    """What an action came to. `result` `already_...` is no error: somebody was faster, `by` and `at` say who."""

    result: Literal[
        "acknowledged", "already_acknowledged", "partly_acknowledged", "resolved", "already_resolved", "still_firing",
        "done",
    ]  # fmt: skip
    by: str | None = None
    at: datetime | None = None
    firing: int | None = None
    missing: list[str] = Field(default=[])
    """Names of those who must acknowledge as well."""
    incident: IncidentAnswer


class EscalateBody(Body):
    """Nothing: the next step. A tier and why: that support tier has it from now on."""

    model_config = example(tier=2, reason="needs somebody who knows the database") | {
        "extra": "forbid",
        "strict": True,
    }

    tier: Literal[2, 3] | None = None
    reason: Text = ""


class ResolveBody(Body):
    model_config = example(confirmed=True, cause="disk full", fix="rotating the logs") | {
        "extra": "forbid",
        "strict": True,
    }

    confirmed: bool = False
    """Resolve although alerts still fire; it is looked at once more after 15 minutes."""
    because: Text = ""
    cause: Said = ""
    """What it was: one line, for whoever it happens to next."""
    fix: Said = ""
    """What fixed it, to be read after "fixed by"."""


class SnoozeBody(Body):
    model_config = example(until="2026-11-22T14:30:00Z") | {"extra": "forbid", "strict": True}

    until: Instant


class ReassignBody(Body):
    model_config = example(user="ben") | {"extra": "forbid", "strict": True}

    user: Key


class NoteBody(Body):
    model_config = example(text="The primary is back, replication catches up.") | {"extra": "forbid", "strict": True}

    text: Annotated[str, StringConstraints(min_length=1, max_length=10_000)]
    update: bool = False
    """It is the update that those who wait for are due."""


class PriorityBody(Body):
    model_config = example(impact=1, urgency=1, reason="all customers are affected") | {
        "extra": "forbid",
        "strict": True,
    }

    impact: Annotated[int, Field(ge=1, le=3)]
    urgency: Annotated[int, Field(ge=1, le=3)]
    reason: Reason


def incident_answer(
    detail: IncidentDetail,
    next_step: object = None,
    returned: RecurrenceAnswer | None = None,
    beside: Beside | None = None,
    next_informed: object = None,
) -> IncidentAnswer:
    """`beside`: what its ladders know; where it is not asked for, the defaults."""
    steps = {"next_step": next_step, "next_informed": next_informed}
    following = {name: step and NextStepAnswer.model_validate(step) for name, step in steps.items()}
    said = {name: detail.row[name] or "" for name in ("cause", "fix")} | {"pinned_open": detail.row["held_open"]}
    known = said | ({} if beside is None else asdict(beside))
    return IncidentAnswer.model_validate(dict(detail.row) | known | following | {"recurrence": returned})


def recurrence_answer(known: Recurrence | None, now: datetime) -> RecurrenceAnswer | None:
    if known is None:
        return None
    last = None
    if (was := known.last) is not None:
        last = EarlierAnswer(
            number=was.number,
            opened_at=was.opened_at,
            resolved_at=was.resolved_at,
            lasted_s=round(was.lasted.total_seconds()),
            cause=was.cause,
            fix=was.fix,
        )
    return RecurrenceAnswer(times=known.times, last=last, text=recurrence.line(known, now))
