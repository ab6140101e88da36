"""`/configuration`: export, plan, apply, and the schema of the document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from app.configuration import commands, document
from app.configuration.commands import Applied
from app.configuration.document import ConfigurationDocument
from app.configuration.plan import Change
from app.ingest.adapters import SOURCES
from app.web.auth import Caller, needs, permission, public
from app.web.dependencies import ChannelsGiven, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/configuration", tags=["configuration"], route_class=Route)

Prune = Annotated[bool, Query(description="Also remove what a section of the document does not name.")]


class Difference(Answer):
    """One member of an entry; null on a side means it has its default or is not there."""

    field: str
    before: Any
    after: Any


class ConfigurationChange(Answer):
    action: Literal["create", "edit", "delete", "deactivate"]
    kind: str
    key: str
    differences: list[Difference]


class KeptAnswer(Answer):
    """Something that should go and stays, since something needs it or it is on record."""

    kind: str
    key: str
    because: str


class PlanAnswer(Answer):
    """What an apply would do, in its order. Send `version` as `If-Match` to apply exactly this. `calls_given_up`: by
    webhook that is deleted, what it waits to be told, if anything."""

    version: int
    changes: list[ConfigurationChange]
    kept: list[KeptAnswer]
    calls_given_up: dict[str, int]


class ApplyAnswer(PlanAnswer):
    """What was done. `routing_keys` of new integrations and `ping_tokens` of new heartbeats are shown this once."""

    routing_keys: dict[str, str] | None
    ping_tokens: dict[str, str] | None


def _change(change: Change) -> ConfigurationChange:
    return ConfigurationChange(
        action=change.action,
        kind=change.kind,
        key=change.key,
        differences=[Difference(field=name, before=old, after=new) for name, old, new in change.differences],
    )


def _answer(applied: Applied) -> dict[str, Any]:
    return {
        "version": applied.version,
        "changes": [_change(change) for change in applied.changes],
        "kept": [KeptAnswer(kind=k.change.kind, key=k.change.key, because=k.because) for k in applied.kept],
        "calls_given_up": applied.calls_given_up,
    }


@router.get("/schema", dependencies=[public("it describes a format and nothing of this installation")])
async def read_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the configuration document."""
    return document.schema()


@router.get("/export", dependencies=[permission("configuration.export")])
async def export_configuration(tx: Tx) -> dict[str, Any]:
    """The whole configuration as one document, without secrets and overrides."""
    return document.plain(await commands.export(tx.conn))


@router.post("/plan")
async def plan_configuration(
    body: ConfigurationDocument,
    response: Response,
    tx: Tx,
    channels: ChannelsGiven,
    caller: Annotated[Caller, needs("configuration.apply")],
    prune: Prune = False,
) -> PlanAnswer:
    """What applying this document would change. It is done and taken back, so every check has been made."""
    planned = await commands.rehearse(
        tx.conn, tx.now, body, prune=prune, actor=caller.actor, channels=channels, sources=SOURCES
    )
    set_etag(response, planned.version)
    return PlanAnswer(**_answer(planned))


@router.post("/apply", dependencies=[idempotent])
async def apply_configuration(
    body: ConfigurationDocument,
    request: Request,
    tx: Tx,
    channels: ChannelsGiven,
    expected: IfMatch,
    caller: Annotated[Caller, needs("configuration.apply")],
    prune: Prune = False,
) -> ApplyAnswer:
    """Makes the configuration as the document says, all of it or nothing. Absent sections are left alone."""
    shown_once(request, "routing_keys", "ping_tokens")
    applied = await commands.apply(
        tx.conn,
        tx.now,
        body,
        prune=prune,
        actor=caller.actor,
        channels=channels,
        sources=SOURCES,
        version=expected,
    )
    return ApplyAnswer(**_answer(applied), routing_keys=applied.routing_keys, ping_tokens=applied.ping_tokens)
