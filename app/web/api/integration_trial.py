"""Trying a mapping before it is saved, and the test button."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import Field

from app.directory import integrations
from app.directory.mapping_document import MappingDocument
from app.errors import Conflict, Invalid
from app.ingest import store
from app.ingest.adapters import mapping
from app.ingest.entrances import door_of
from app.ingest.event import Entrance
from app.ingest.marking import SAMPLES
from app.ingest.requests import Request as Sent
from app.rehearsal import intake_trial
from app.rehearsal.intake_trial import TriedBody
from app.standing import Standings
from app.web.api.receipts import OutcomeAnswer
from app.web.auth import Caller, needs, permission
from app.web.dependencies import StandingsGiven, Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, Key, example

router = APIRouter(prefix="/integrations", tags=["integrations"], route_class=Route)

Headers = Annotated[dict[str, Annotated[str, Field(max_length=2_000)]], Field(max_length=50)]
_PASTED: Final[dict[str, Any]] = {"payload": {"alerts": [{"id": 7, "text": "Disk full", "state": "down"}]}}


class Pasted(Body):
    """What a sender would send: `payload` as JSON, or `text` byte for byte; `headers` as far as they matter."""

    model_config = example(**_PASTED)

    payload: Any = None
    text: Annotated[str, Field(max_length=500_000)] | None = None
    headers: Headers = Field(default_factory=dict)

    def sent(self) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers; None when nothing was pasted. Raises `Invalid` when both were."""
        headers = {name.lower(): text for name, text in self.headers.items()}
        if self.text is not None and self.payload is not None:
            raise _wrong("payload", "give one of payload and text")
        if self.text is not None:
            return self.text.encode(), headers
        return None if self.payload is None else (json.dumps(self.payload).encode(), headers)


class TrialOfMapping(Pasted):
    """A mapping that is not saved yet, for one of the sources that take one."""

    model_config = example(
        mapping={"events": "body.alerts", "fields": {"title": "event.text", "dedup_key": "string(event.id)"}}, **_PASTED
    )

    source: Literal["generic", "grafana"] = "generic"
    mapping: MappingDocument | None = None
    ignored_labels: list[str] = Field(default_factory=list, max_length=50)
    service: Key | None = None


class FieldAnswer(Answer):
    """Where a value comes from: the expression, what it read (null: not there) and what it gave, or why it failed."""

    field: str
    expression: str
    reads: dict[str, Any]
    value: Any
    error: str | None


class TriedEventAnswer(Answer):
    """An event as it would come in. `suppressed`: it would page nobody, and why; a resolve gets no priority."""

    index: int
    kind: str
    title: str
    dedup_key: str
    fingerprint: str
    severity: str
    labels: dict[str, str]
    annotations: dict[str, str]
    links: list[list[str]]
    starts_at: datetime
    ends_at: datetime | None
    suppressed: str | None
    priority: int | None
    loudness: str | None
    fields: list[FieldAnswer]


class TriedRefusalAnswer(Answer):
    index: int
    error: str
    fields: list[FieldAnswer]


class TriedBodyAnswer(Answer):
    """What would become of a body. `left_out`: the events for which the mapping's `when` is not true."""

    events: list[TriedEventAnswer]
    refused: list[TriedRefusalAnswer]
    left_out: list[int]
    note: str | None


class TestAnswer(Answer):
    """The receipt of a test, and what would have happened had it been real."""

    receipt: UUID
    status: int
    detail: str | None
    events: list[OutcomeAnswer]
    would: TriedBodyAnswer


@router.post("/try", dependencies=[permission("integrations.read")])
async def try_mapping(body: TrialOfMapping, tx: Tx, standings: StandingsGiven) -> TriedBodyAnswer:
    """Which events a pasted body would make with this mapping, and where each value comes from. Nothing is stored."""
    ignored = frozenset(body.ignored_labels)
    made = Entrance(0, body.source, 0, ignored, mapping=None if body.mapping is None else _checked(body.mapping))
    return await _tried(tx, standings, made, body, body.service)


@router.post("/{key}/try", dependencies=[permission("integrations.read")])
async def try_integration(key: Key, body: Pasted, tx: Tx, standings: StandingsGiven) -> TriedBodyAnswer:
    """The same as the integration is now, whatever its source."""
    await integrations.read(tx.conn, key)
    return await _tried(tx, standings, await intake_trial.entrance_of(tx.conn, key), body, None, key)


@router.post("/{key}/test", dependencies=[idempotent])
async def send_test(
    key: Key,
    request: Request,
    tx: Tx,
    caller: Annotated[Caller, needs("integrations.edit")],
    standings: StandingsGiven,
    body: Pasted | None = None,
) -> TestAnswer:
    """Sends a test along the road, from the adapter to the receipt: marked `tocsin_test=true`, so that it is stored and
    pages nobody. What was pasted, or what such a sender sends."""
    stored = await integrations.read(tx.conn, key)
    caller.require_team(stored.team_id)
    if not stored.document.enabled:
        raise Conflict(f"the integration {key!r} is disabled: it refuses what it is sent", code="disabled", key=key)
    door = door_of((await tx.conn.execute(store.ENTRANCE_OF, {"id": stored.id})).one())
    pasted, detail = body.sent() if body is not None else None, None
    if pasted is None:
        source = door.entrance.source
        if source not in SAMPLES or (source == "generic" and door.entrance.mapping):
            source, detail = "generic", "sent as our own JSON; paste what the sender sends to test how it is read"
            door = replace(door, entrance=replace(door.entrance, source=source, mapping=None))
        pasted = json.dumps(SAMPLES[source]).encode(), {"content-type": "application/json"}
    service = await intake_trial.service_of(tx.conn, door.entrance, None)
    _, standing = await standings.begin(tx.conn)
    would = await intake_trial.try_body(tx.conn, tx.now, door.entrance, service, standing, *pasted, key)
    received = await request.app.state.receive(tx.conn, [Sent(door, *pasted, test=True)])
    answer = received.answers[0]
    return TestAnswer(
        receipt=answer.receipt_id,
        status=answer.status,
        detail=answer.error or detail,
        events=[OutcomeAnswer(index=i, outcome=code, alert=alert) for i, code, alert in answer.outcomes],
        would=_answer(would),
    )


def _checked(document: MappingDocument) -> dict[str, Any]:
    """Raises `Invalid` naming the expression, line and column."""
    plain = document.plain()
    mapping.compiled(plain)
    return plain


async def _tried(
    tx: Transaction, standings: Standings, entrance: Entrance, pasted: Pasted, service: str | None, key: str = ""
) -> TriedBodyAnswer:
    if (sent := pasted.sent()) is None:
        raise _wrong("payload", "paste what the sender sends, as payload or text")
    found = await intake_trial.service_of(tx.conn, entrance, service)
    _, standing = await standings.begin(tx.conn)
    return _answer(await intake_trial.try_body(tx.conn, tx.now, entrance, found, standing, *sent, key))


def _answer(tried: TriedBody) -> TriedBodyAnswer:
    events = []
    for one in tried.events:
        verdict, suppressed = one.tried.verdict, one.tried.subject.suppressed
        named = {name: getattr(one.event, name) for name in _SHOWN}
        events.append(
            TriedEventAnswer(
                index=one.index,
                **named,
                labels=dict(one.event.labels),
                annotations=dict(one.event.annotations),
                links=[list(link) for link in one.event.links],
                suppressed=suppressed.because if suppressed else None,
                priority=verdict.priority if verdict else None,
                loudness=one.tried.loudness,
                fields=[FieldAnswer.model_validate(f) for f in one.fields],
            )
        )
    refused = [
        TriedRefusalAnswer(
            index=r.refused.index, error=r.refused.error, fields=[FieldAnswer.model_validate(f) for f in r.fields]
        )
        for r in tried.refused
    ]
    return TriedBodyAnswer(events=events, refused=refused, left_out=list(tried.left_out), note=tried.note)


_SHOWN = ("kind", "title", "dedup_key", "fingerprint", "severity", "starts_at", "ends_at")


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
