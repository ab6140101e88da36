"""`/integrations`: configured entrances and their routing keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from app.access import signing_store
from app.directory import integrations, service_store
from app.directory.changes import Stored
from app.directory.documents import IntegrationDocument, IntegrationEdit
from app.ingest import mappings
from app.ingest.adapters import SOURCES
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Body, Key, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/integrations", tags=["integrations"], route_class=Route)


class RoutingKeyAnswer(Answer):
    """A routing key that is valid now: its last four characters, and its end while it is being rotated out."""

    hint: str
    created_at: datetime
    expires_at: datetime | None


class SigningSecretAnswer(Answer):
    """That there is a secret which senders sign with, and its end while it is being rotated out."""

    created_at: datetime
    expires_at: datetime | None


class IntegrationAnswer(IntegrationDocument, Versioned):
    """An integration as it is now. Without `signing_secrets` nothing need be signed."""

    routing_keys: list[RoutingKeyAnswer]
    signing_secrets: list[SigningSecretAnswer]


class IntegrationCreated(IntegrationAnswer):
    """With its routing key, shown once: null when the answer is replayed."""

    routing_key: str | None


class Rotation(Body):
    """How long the routing key that is valid now stays so."""

    model_config = example(overlap_h=24)

    overlap_h: Annotated[int, Field(ge=0, le=integrations.MAX_OVERLAP_H, description="hours")] = 24


USUAL_ROTATION: Final = Rotation()
"""When nothing is sent."""


async def _answers(tx: Transaction, found: list[Stored[IntegrationDocument]]) -> list[IntegrationAnswer]:
    secrets = await _secrets(tx, [stored.id for stored in found])
    return [answer(IntegrationAnswer, stored, None, **secrets[stored.id]) for stored in found]


async def _created(tx: Transaction, response: Response, key: str, routing_key: str) -> IntegrationCreated:
    stored = await integrations.read(tx.conn, key)
    secrets = (await _secrets(tx, [stored.id]))[stored.id]
    return answer(IntegrationCreated, stored, response, **secrets, routing_key=routing_key)


async def _secrets(tx: Transaction, ids: list[int]) -> dict[int, dict[str, list[Any]]]:
    """What is shown of the secrets of each."""
    keys = await service_store.routing_keys(tx.conn, tx.now, ids)
    signing = await signing_store.valid(tx.conn, tx.now, ids)
    return {
        i: {
            "routing_keys": [RoutingKeyAnswer.model_validate(key) for key in keys[i]],
            "signing_secrets": [SigningSecretAnswer.model_validate(secret) for secret in signing[i]],
        }
        for i in ids
    }


async def _team_of(tx: Transaction, service: str) -> int | None:
    found = await service_store.services(tx.conn, [service])
    return found[0].team_id if found else None


@router.get("", dependencies=[permission("integrations.read")])
async def list_integrations(
    tx: Tx, page: Page, service: Annotated[Key | None, Query(description="Only those of this service.")] = None
) -> Listed[IntegrationAnswer]:
    """Integrations in the order of their keys."""
    found = await service_store.integrations(tx.conn, service=service, after=page.after_text, limit=page.fetch)
    return page.of(await _answers(tx, found), lambda integration: integration.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_integration(
    body: IntegrationDocument,
    request: Request,
    tx: Tx,
    response: Response,
    caller: Annotated[Caller, needs("integrations.edit")],
) -> IntegrationCreated:
    """A new entrance and its routing key, which is shown this once."""
    caller.require_team(await _team_of(tx, body.service))
    mappings.check(body.source, body.mapping)
    _, routing_key = await integrations.create(tx.conn, tx.now, body, SOURCES, actor=caller.actor)
    created(response, f"integrations/{body.key}")
    shown_once(request, "routing_key")
    return await _created(tx, response, body.key, routing_key)


@router.get("/{key}", dependencies=[permission("integrations.read")])
async def read_integration(key: Key, tx: Tx, response: Response) -> IntegrationAnswer:
    """One integration."""
    stored = await integrations.read(tx.conn, key)
    return answer(IntegrationAnswer, stored, response, **(await _secrets(tx, [stored.id]))[stored.id])


@router.put("/{key}")
async def edit_integration(
    key: Key,
    body: IntegrationEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("integrations.edit")],
) -> IntegrationAnswer:
    """Puts all that may change in place of what is stored; the source never changes."""
    before = await integrations.read(tx.conn, key)
    caller.require_team(before.team_id, await _team_of(tx, body.service))
    mappings.check(before.document.source, body.mapping)
    await integrations.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    return await read_integration(key, tx, response)


@router.delete("/{key}", status_code=204)
async def delete_integration(
    key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("integrations.edit")]
) -> None:
    """409 `in_use` while its alerts belong to incidents: set `enabled` to false instead."""
    caller.require_team((await integrations.read(tx.conn, key)).team_id)
    await integrations.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)


@router.post("/{key}/rotate", status_code=201, dependencies=[idempotent])
async def rotate_routing_key(
    key: Key,
    request: Request,
    tx: Tx,
    response: Response,
    caller: Annotated[Caller, needs("integrations.edit")],
    body: Rotation = USUAL_ROTATION,
) -> IntegrationCreated:
    """A new routing key, shown this once; the one before stays valid for `overlap_h` hours, any older one ends now."""
    caller.require_team((await integrations.read(tx.conn, key)).team_id)
    routing_key = await integrations.rotate(tx.conn, tx.now, key, actor=caller.actor, overlap_h=body.overlap_h)
    shown_once(request, "routing_key")
    return await _created(tx, response, key, routing_key)
