"""`/silences`: human rules with matchers, an owner, a comment and an end; and `/incidents/{number}/silence`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field, StringConstraints

from app.alerts import silence_store, silences, suppression_store
from app.alerts.silence_store import StoredSilence
from app.alerts.silences import Wanted
from app.alerts.suppression_store import Tally
from app.directory import service_store, store
from app.errors import Invalid, NotFound
from app.incidents import reading, silencing
from app.incidents.commands import Responder
from app.rules import matchers, matching
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, Instant, Key, example
from app.web.pages import Listed, Page

router = APIRouter(prefix="/silences", tags=["silences"], route_class=Route)
of_incidents = APIRouter(prefix="/incidents", tags=["incidents"], route_class=Route)

SilenceId = Annotated[UUID, Path(description="The id of the silence, as Alertmanager's API has it.")]
Comment = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
Editing = Annotated[Caller, needs("silences.edit")]


class MatcherDocument(Body):
    """As Alertmanager writes it."""

    name: Annotated[str, Field(min_length=1, max_length=1_024)]
    value: Annotated[str, Field(max_length=4_096)]
    isRegex: bool = False
    isEqual: bool = True


MatchersGiven = Annotated[
    str | list[MatcherDocument], Field(max_length=4_096, examples=['{alertname="DiskFull", host=~"db-.*"}'])
]
"""As text, or as a list of Alertmanager's objects."""


class SilencePreviewBody(Body):
    model_config = example(matchers='{alertname="DiskFull"}') | {"extra": "forbid", "strict": True}

    matchers: MatchersGiven
    service: Key | None = None


class SilenceBody(SilencePreviewBody):
    """`service`: only alerts of this service. `owner`: a user; without it the one who calls."""

    model_config = example(
        matchers='{alertname="DiskFull", host=~"db-.*"}', ends_at="2026-11-22T18:00:00Z", comment="disks are swapped"
    ) | {"extra": "forbid", "strict": True}

    starts_at: Instant | None = None
    ends_at: Instant
    comment: Comment
    owner: Key | None = None


class ExtendBody(Body):
    """Another end, later or earlier."""

    model_config = example(ends_at="2026-11-22T20:00:00Z") | {"extra": "forbid", "strict": True}

    ends_at: Instant
    comment: Comment | None = None


class IncidentSilenceBody(Body):
    model_config = example(for_minutes=120, comment="the vendor is on it") | {"extra": "forbid", "strict": True}

    for_minutes: Annotated[int, Field(ge=1, le=30 * 24 * 60)]
    comment: Comment
    owner: Key | None = None


class SilenceAnswer(Answer):
    """A silence. `suppressed`: occurrences that it kept from opening an incident so far; `firing`: alerts that it keeps
    quiet now, those of incidents included that were open already."""

    id: UUID
    state: Literal["active", "pending", "expired"]
    matchers: list[dict[str, Any]]
    text: str
    starts_at: datetime
    ends_at: datetime
    created_by: str
    owner: str | None
    comment: str
    service: str | None
    expired_at: datetime | None
    expired_by: str | None
    created_at: datetime
    updated_at: datetime
    suppressed: int
    firing: int


class MatchedAlert(Answer):
    id: UUID
    title: str
    severity: str
    service: str
    labels: dict[str, str]
    starts_at: datetime


class SilencePreviewAnswer(Answer):
    """What fires now and would be silenced if it came again: how many, and the first hundred."""

    firing: int
    alerts: list[MatchedAlert]


def answer(
    stored: StoredSilence, now: datetime, tally: Tally | None = None, quieted: Sequence[Any] = ()
) -> SilenceAnswer:
    """`quieted`: what fires in open incidents that page nobody for a while."""
    found, silence = tally or Tally(), stored.silence()
    shown = {name: getattr(stored, name) for name in StoredSilence.__dataclass_fields__}
    more = {
        "state": stored.state(now),
        "text": str(stored.matching),
        "suppressed": found.occurrences,
        "firing": found.firing + sum(silence.silences(row.seen, row.service_id, now) for row in quieted),
    }
    return SilenceAnswer.model_validate(shown | more)


async def answers(tx: Transaction, found: list[StoredSilence]) -> list[SilenceAnswer]:
    tallies = await suppression_store.tallies(tx.conn, silences.BY, [str(s.id) for s in found]) if found else {}
    quieted = await suppression_store.quieted(tx.conn) if found else []
    return [answer(s, tx.now, tallies.get(str(s.id)), quieted) for s in found]


def documents(given: str | list[MatcherDocument]) -> list[dict[str, Any]]:
    """Raises `Invalid` naming the field."""
    if not isinstance(given, str):
        return [m.model_dump() for m in given]
    try:
        return [matching.document(m) for m in matchers.parse(given)]
    except Invalid as e:
        raise Invalid(f"matchers: {e.message}", errors=[{"field": "matchers", "message": e.message}]) from e


async def _service_id(tx: Transaction, key: str | None) -> int | None:
    if key is None:
        return None
    found = await service_store.services(tx.conn, [key])
    if not found:
        message = f"there is no service {key!r}"
        raise Invalid(f"service: {message}", errors=[{"field": "service", "message": message}])
    return found[0].id


async def _owner(tx: Transaction, caller: Caller, key: str | None) -> str:
    owner = key or caller.user_key
    if owner is None:
        raise Invalid(
            "owner: this API key acts for no user, so name one",
            errors=[{"field": "owner", "message": "is missing: this API key acts for no user"}],
        )
    if key is not None and not await store.user_ids(tx.conn, [key]):
        message = f"there is no user {key!r}"
        raise Invalid(f"owner: {message}", errors=[{"field": "owner", "message": message}])
    return owner


@router.get("", dependencies=[permission("silences.read")])
async def list_silences(
    tx: Tx,
    page: Page,
    state: Annotated[Literal["active", "pending", "expired", "all"], Query(description="Which ones.")] = "active",
) -> Listed[SilenceAnswer]:
    """Newest first."""
    wanted = None if state == "all" else state
    found = await silence_store.slice_(tx.conn, tx.now, state=wanted, before=page.after_uuid, limit=page.fetch)
    listed = page.of(found, lambda silence: silence.id)
    return Listed(items=await answers(tx, listed.items), next=listed.next)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_silence(
    body: SilenceBody, tx: Tx, response: Response, caller: Editing, request: Request
) -> SilenceAnswer:
    """Matching alerts page nobody until its end, nor do open incidents of which it silences all that fires."""
    starts_at = body.starts_at or tx.now
    owner = await _owner(tx, caller, body.owner)
    wanted = Wanted(
        documents(body.matchers), starts_at, body.ends_at, caller.name, body.comment, owner,
        await _service_id(tx, body.service),
    )  # fmt: skip
    made = await silences.create(tx.conn, tx.now, wanted, actor=caller.actor)
    tx.after_commit(request.app.state.wake)
    response.headers["Location"] = f"/api/v1/silences/{made.id}"
    return answer(made, tx.now)


@router.post("/preview", dependencies=[permission("silences.read")])
async def preview_silence(body: SilencePreviewBody, tx: Tx) -> SilencePreviewAnswer:
    """What matches now. Changes nothing."""
    service_id = await _service_id(tx, body.service)
    found = await silences.matching_now(tx.conn, documents(body.matchers), service_id)
    return SilencePreviewAnswer(firing=len(found), alerts=[MatchedAlert.model_validate(a) for a in found[:100]])


@router.get("/{silence_id}", dependencies=[permission("silences.read")])
async def read_silence(silence_id: SilenceId, tx: Tx) -> SilenceAnswer:
    """One silence, with how much it has suppressed."""
    return (await answers(tx, [await silences.read(tx.conn, silence_id)]))[0]


@router.post("/{silence_id}/extend")
async def extend_silence(
    silence_id: SilenceId, body: ExtendBody, tx: Tx, caller: Editing, request: Request
) -> SilenceAnswer:
    """409 `over` for one that is over."""
    await silences.extend(tx.conn, tx.now, silence_id, body.ends_at, body.comment, actor=caller.actor)
    tx.after_commit(request.app.state.wake)
    return await read_silence(silence_id, tx)


@router.post("/{silence_id}/expire")
async def expire_silence(silence_id: SilenceId, tx: Tx, caller: Editing, request: Request) -> SilenceAnswer:
    """Ends it now: what it silenced and still fires enters as new."""
    await silences.expire(tx.conn, tx.now, silence_id, actor=caller.actor)
    tx.after_commit(request.app.state.wake)
    return await read_silence(silence_id, tx)


@of_incidents.post("/{number}/silence", status_code=201, dependencies=[idempotent])
async def silence_incident(
    number: Annotated[int, Path(ge=1, le=2**63 - 1)],
    body: IncidentSilenceBody,
    tx: Tx,
    response: Response,
    caller: Editing,
    request: Request,
) -> SilenceAnswer:
    """Silences what its firing alerts have in common, and snoozes the incident as long: for whoever does it by hand."""
    if (incident_id := await reading.id_of(tx.conn, number)) is None:
        raise NotFound(f"there is no incident {number}", number=number)
    who = Responder(caller.user_id, caller.user_key or caller.actor.partition(":")[2], caller.name, "api")
    lasts = timedelta(minutes=body.for_minutes)
    owner = await _owner(tx, caller, body.owner)
    made = await silencing.silence(tx.conn, tx.now, incident_id, who, lasts, body.comment, owner)
    tx.after_commit(request.app.state.wake)
    response.headers["Location"] = f"/api/v1/silences/{made.id}"
    return answer(made, tx.now)
