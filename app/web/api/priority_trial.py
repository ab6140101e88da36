"""`POST /priority-rules/try`: which priority would this get, and why. Nothing is stored."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.errors import Invalid
from app.priority.assign import PriorityVerdict, raise_only
from app.priority.documents import PriorityRule, Row, plain
from app.rehearsal import priority_trial
from app.rehearsal.priority_trial import Subject, Tried
from app.rehearsal.store import TriedIncident
from app.rules.facts import Counts
from app.web.api.on_call_answers import this_era
from app.web.auth import permission
from app.web.dependencies import Tx
from app.web.models import Answer, Body, Instant, Key

router = APIRouter(tags=["priority rules"])

Count = Annotated[int, Field(ge=1, le=1_000_000)]
Texts = Annotated[dict[str, str], Field(max_length=500)]


class CountsWanted(BaseModel):
    """How much the incident has gathered."""

    model_config = ConfigDict(strict=True, extra="forbid")

    alerts: Count = 1
    services: Count = 1
    events: Count = 1


class FactsWanted(BaseModel):
    """An alert as a condition sees it; `service` is a service's key."""

    model_config = ConfigDict(strict=True, extra="forbid")

    labels: Texts = {}
    annotations: Texts = {}
    severity: str = "none"
    source: str = ""
    title: str = ""
    service: Key | None = None
    counts: CountsWanted = CountsWanted()


class Trial(Body):
    """One of `payload` (with the key of the `integration` that would receive it), `incident` (its number) and `facts`.
    `rules` and `matrix` are drafts in place of what is in force. `at`: as if it were then; now if left out. `explain`
    adds every rule, part by part."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "facts": {"labels": {"team": "db"}, "severity": "critical", "service": "checkout"},
                    "rules": [{"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}}],
                    "explain": True,
                }
            ]
        }
    )

    integration: Key | None = None
    payload: Any = None
    incident: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    facts: FactsWanted | None = None
    rules: Annotated[list[PriorityRule], Field(max_length=1000)] | None = None
    matrix: Annotated[list[Row], Field(min_length=3, max_length=3)] | None = None
    at: Instant | None = None
    explain: bool = False

    def check(self) -> None:
        """Raises `Invalid` unless exactly one thing is to be tried."""
        wrong = None
        if sum(given is not None for given in (self.payload, self.incident, self.facts)) != 1:
            wrong = ("payload", "give one of payload, incident and facts")
        elif (self.payload is None) != (self.integration is None):
            wrong = ("integration", "payload and integration belong together")
        if wrong:
            raise Invalid(f"{wrong[0]}: {wrong[1]}", errors=[{"field": wrong[0], "message": wrong[1]}])


class ProvenanceAnswer(Answer):
    """Where impact or urgency comes from: `rule` is a rule's key or `default`."""

    what: str
    value: int
    rule: str
    name: str
    version: int | None
    because: str


class FailureAnswer(Answer):
    """A rule whose condition could not be evaluated; it did not apply."""

    rule: str
    error: str


class PartAnswer(Answer):
    text: str
    values: dict[str, Any]
    matched: bool
    error: str | None


class ExplainedAnswer(Answer):
    rule: str
    matched: bool
    error: str | None
    parts: list[PartAnswer]


class VerdictAnswer(Answer):
    """What one alert would get. All null for an event that resolves; `suppressed`: it would page nobody, and why."""

    title: str
    dedup_key: str
    kind: str
    suppressed: str | None
    priority: int | None
    impact: int | None
    urgency: int | None
    loudness: str | None
    inputs: list[ProvenanceAnswer]
    failures: list[FailureAnswer]
    explained: list[ExplainedAnswer]


class RefusedAnswer(Answer):
    index: int
    error: str


class IncidentTrial(Answer):
    """What automation would do to the incident: it only raises, and never what a person pinned."""

    number: int
    priority: int
    would_be: int
    because: str


class TrialAnswer(Answer):
    """`rules_version` and `matrix_version` are null for drafts."""

    rules_version: int | None
    matrix_version: int | None
    verdicts: list[VerdictAnswer]
    refused: list[RefusedAnswer]
    incident: IncidentTrial | None


@router.post("/priority-rules/try", dependencies=[permission("priority_rules.try")])
async def try_priority_rules(body: Trial, tx: Tx) -> TrialAnswer:
    """Says which priority something would get and which rule or default decided it; at most 100 alerts of a payload or
    an incident. Nothing is stored, nobody is paged."""
    body.check()
    rules = None if body.rules is None else plain(body.rules)
    matrix = None if body.matrix is None else [list(row) for row in body.matrix]
    at = tx.now if body.at is None else this_era(body.at, "at")
    ground = await priority_trial.ground(tx.conn, at, rules=rules, matrix=matrix)
    subjects: list[Subject] = []
    refused: list[RefusedAnswer] = []
    incident: TriedIncident | None = None
    if body.incident is not None:
        subjects, incident = await priority_trial.from_incident(tx.conn, ground, body.incident)
    elif body.facts is not None:
        wanted = body.facts.model_dump(exclude={"counts"})
        counts = Counts(**body.facts.counts.model_dump())
        subjects = await priority_trial.from_facts(tx.conn, ground, counts=counts, **wanted)
    else:
        payload = json.dumps(body.payload).encode()
        subjects, found = await priority_trial.from_payload(tx.conn, ground, body.integration or "", payload)
        refused = [RefusedAnswer(index=r.index, error=r.error) for r in found]
    tried = await priority_trial.judge(ground, subjects, explain=body.explain)
    return TrialAnswer(
        rules_version=ground.rules_version,
        matrix_version=ground.matrix_version,
        verdicts=[_verdict(t) for t in tried],
        refused=refused,
        incident=None if incident is None else _incident(incident, tried),
    )


def _verdict(tried: Tried) -> VerdictAnswer:
    subject, verdict = tried.subject, tried.verdict
    explained = [
        ExplainedAnswer(
            rule=e.rule,
            matched=e.matched,
            error=e.error,
            parts=[
                PartAnswer(text=p.text, values=dict(p.values), matched=p.outcome.matched, error=p.outcome.error)
                for p in e.parts
            ],
        )
        for e in tried.explained
    ]
    return VerdictAnswer(
        title=subject.title,
        dedup_key=subject.dedup_key,
        kind=subject.kind,
        suppressed=subject.suppressed.because if subject.suppressed else None,
        priority=verdict.priority if verdict else None,
        impact=verdict.impact if verdict else None,
        urgency=verdict.urgency if verdict else None,
        loudness=tried.loudness,
        inputs=[ProvenanceAnswer.model_validate(i) for i in verdict.inputs] if verdict else [],
        failures=[FailureAnswer.model_validate(f) for f in verdict.failures] if verdict else [],
        explained=explained,
    )


def _incident(incident: TriedIncident, tried: list[Tried]) -> IncidentTrial:
    verdicts: list[PriorityVerdict] = [t.verdict for t in tried if t.verdict is not None]
    if not verdicts:
        would_be, because = incident.priority, "it has no alerts"
    else:
        outcome = raise_only(incident.priority, min(verdicts, key=lambda v: v.priority), pinned=incident.pinned)
        would_be, because = outcome.priority, getattr(outcome, "reason", "raised")
    return IncidentTrial(number=incident.number, priority=incident.priority, would_be=would_be, because=because)
