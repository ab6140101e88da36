"""`/dry-runs`: what would happen if a payload arrived at some time. Nothing is stored, nobody is told."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from pydantic import Field

from app import hours
from app.directory import teams
from app.errors import Invalid
from app.rehearsal import dry_run
from app.rehearsal.dry_run import MOST_HOURS, Arrives
from app.rehearsal.simulation import Payload
from app.web.auth import permission
from app.web.dependencies import ChannelsGiven, Transaction, Tx, settings
from app.web.models import Answer, Body, Key, example

router = APIRouter(tags=["dry runs"])
FARTHEST: Final = timedelta(days=400)


class DryRunBody(Body):
    """A `payload` as the `integration` of this key would receive it. `at`: when, RFC 3339; without an offset it is the
    organisation's local time; absent: now. `hours`: for how long it is watched while nobody answers."""

    model_config = example(
        integration="checkout-prometheus",
        payload={"title": "Disk full", "labels": {"team": "db"}},
        at="2026-11-01T01:30",
        hours=2,
    )

    integration: Key
    payload: Any
    at: Annotated[str, Field(max_length=40)] | None = None
    hours: Annotated[int, Field(ge=1, le=MOST_HOURS)] = 2


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
    """`complete` false: there was more than is told here. `time_zone`: the organisation's, for reading."""

    at: datetime
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
    arrives = Arrives(
        Payload(body.integration, json.dumps(body.payload).encode()),
        _instant(body.at, zone, tx.now),
        timedelta(hours=body.hours),
    )
    found = await dry_run.dry_run(
        request.app.state.engine.url,
        arrives,
        list(channels),
        behind_pooler=bool(settings(request).database_listen_url),
    )
    return DryRunAnswer.model_validate(
        {name: getattr(found, name) for name in found.__dataclass_fields__} | {"time_zone": zone},
        from_attributes=True,
    )


async def _zone(tx: Transaction) -> str:
    return (await teams.read_organisation(tx.conn)).document.time_zone


def _instant(text: str | None, zone: str, now: datetime) -> datetime:
    """Raises `Invalid` (`at`)."""
    if text is None:
        return now
    try:
        given = datetime.fromisoformat(text)
        at = given if given.tzinfo is not None else hours.instant(given, hours.zone(zone))
        far = abs(at - now) > FARTHEST
    except (ValueError, OverflowError):
        message = "an instant like 2026-11-01T01:30 or 2026-11-01T01:30:00Z is needed"
        raise Invalid(f"at: {message}", errors=[{"field": "at", "message": message}]) from None
    if far:
        message = f"at most {FARTHEST.days} days from now"
        raise Invalid(f"at: {message}", errors=[{"field": "at", "message": message}])
    return at
