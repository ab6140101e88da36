"""`/dry-runs`: what would happen if a payload arrived at some time. Nothing is stored, nobody is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field

from app import hours
from app.directory import teams
from app.errors import Invalid
from app.escalation.policy_document import PolicyDocument
from app.ingest.adapters import generic
from app.ingest.adapters.bounds import Unusable
from app.ingest.event import Event
from app.oncall.schedule_document import ScheduleDocument
from app.rehearsal import dry_run, store
from app.rehearsal.drafts import Drafts
from app.rehearsal.dry_run import MOST_HOURS, Arrives
from app.rehearsal.simulation import Payload
from app.web.auth import permission
from app.web.dependencies import ChannelsGiven, Transaction, Tx, settings
from app.web.models import Answer, Body, Instant, Key, example

router = APIRouter(tags=["dry runs"])
FARTHEST: Final = timedelta(days=400)
MOST_ALERTS: Final = 500
"""Of an incident that is played again."""


class DryRunBody(Body):
    """What arrives: a `payload` as the `integration` of this key would receive it, or one alert with these `labels`, or
    the alerts of a recorded `incident`, by number. `at`: when, RFC 3339; without an offset it is the organisation's
    local time; absent: now. `hours`: for how long it is watched while nobody answers.

    `schedule`, `policy`: drafts that count in place of what is saved; nothing of them is stored. A schedule counts from
    `effective_from` on, or since ever; a policy that is new is taken for that of the integration's service."""

    model_config = example(
        integration="checkout-prometheus",
        payload={"title": "Disk full", "labels": {"team": "db"}},
        at="2026-11-01T01:30",
        hours=2,
    )

    integration: Key | None = None
    payload: Any = None
    labels: Annotated[dict[str, str], Field(min_length=1, max_length=100)] | None = None
    incident: Annotated[int, Field(ge=1, lt=2**31)] | None = None
    at: Annotated[str, Field(max_length=40)] | None = None
    hours: Annotated[int, Field(ge=1, le=MOST_HOURS)] = 2
    schedule: ScheduleDocument | None = None
    policy: PolicyDocument | None = None
    effective_from: Instant | None = None


class DryRunAlert(Answer):
    title: str
    dedup_key: str
    service: str
    suppressed: str
    """By what it would be kept quiet; empty: by nothing."""


class DryRunIncident(Answer):
    """`state` at the end of the time that was watched."""

    number: int
    title: str
    service: str
    priority: int
    loudness: str
    state: str
    verdict: dict[str, Any]
    policy: str | None


class DryRunEntry(Answer):
    """What the incident's timeline would tell."""

    at: datetime
    incident: int
    kind: str
    text: str


class DryRunMessage(Answer):
    """What would be sent to whom. `user` null: to a webhook. `step` counts from 1; one more than the policy has is the
    last resort; null: it belongs to no step."""

    at: datetime
    incident: int
    purpose: str
    to: str
    user: str | None
    channel: str
    address: str
    round: int | None
    step: int | None
    why: str
    subject: str
    text: str


class DryRunAnswer(Answer):
    """`complete` false: there was more than is told here. `time_zone`: the organisation's, for reading. `at_taken_as`:
    what became of a local time that clocks skip or show twice that night; empty otherwise."""

    at: datetime
    at_taken_as: str
    until: datetime
    time_zone: str
    alerts: list[DryRunAlert]
    incidents: list[DryRunIncident]
    happened: list[DryRunEntry]
    messages: list[DryRunMessage]
    refused: list[str]
    complete: bool


@router.post("/dry-runs", dependencies=[permission("dry_runs.make")])
async def make_dry_run(body: DryRunBody, request: Request, tx: Tx, channels: ChannelsGiven) -> DryRunAnswer:
    """Every incident, step, person, contact method and text that this payload would lead to if nobody answered. 422
    `too_much` when it cannot be played in half a minute, 409 `busy` while something else is."""
    zone = await _zone(tx)
    at, taken_as = _instant(body.at, zone, tx.now)
    payload, events = await _arriving(tx, body, at)
    drafted = body.schedule is not None or body.policy is not None
    drafts = Drafts(body.schedule, body.policy, body.effective_from) if drafted else None
    arrives = Arrives(payload, at, timedelta(hours=body.hours), events, drafts)
    found = await dry_run.dry_run(
        request.app.state.engine.url,
        arrives,
        list(channels),
        behind_pooler=bool(settings(request).database_listen_url),
    )
    return DryRunAnswer.model_validate(
        {name: getattr(found, name) for name in found.__dataclass_fields__}
        | {"time_zone": zone, "at_taken_as": taken_as},
        from_attributes=True,
    )


async def _zone(tx: Transaction) -> str:
    return (await teams.read_organisation(tx.conn)).document.time_zone


async def _arriving(
    tx: Transaction, body: DryRunBody, at: datetime
) -> tuple[Payload | None, Sequence[tuple[str, Event]]]:
    """Raises `Invalid` unless it is just one of the three."""
    given = [name for name in ("payload", "labels", "incident") if getattr(body, name) is not None]
    if len(given) != 1:
        raise _invalid("payload", "give one of payload, labels and incident")
    if body.incident is not None:
        if not (events := await store.incident_events(tx.conn, body.incident, at, MOST_ALERTS)):
            raise _invalid("incident", f"there is no incident {body.incident} with an alert")
        return None, events
    if body.integration is None:
        raise _invalid("integration", "is missing")
    if body.labels is None:
        return Payload(body.integration, json.dumps(body.payload).encode()), ()
    entrance = await store.entrance(tx.conn, body.integration)
    ignored = entrance.ignored_labels if entrance is not None else frozenset[str]()
    try:
        return None, [(body.integration, generic.event_of({"labels": body.labels}, ignored, at))]
    except Unusable as wrong:
        raise _invalid("labels", str(wrong)) from None


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


def _instant(text: str | None, zone: str, now: datetime) -> tuple[datetime, str]:
    """And what is doubtful about the local time that was given. Raises `Invalid` (`at`)."""
    if text is None:
        return now, ""
    taken_as = ""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            where = hours.zone(zone)
            at, taken_as = hours.instant(at, where), hours.doubt(at, where)
        far = abs(at - now) > FARTHEST
    except (ValueError, OverflowError):
        raise _invalid("at", "an instant like 2026-11-01T01:30 or 2026-11-01T01:30:00Z is needed") from None
    if far:
        raise _invalid("at", f"at most {FARTHEST.days} days from now")
    return at, taken_as
