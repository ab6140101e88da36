"""`/services`: the monitored things."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from app.directory import service_store, services, store
from app.directory.documents import ServiceDocument, ServiceEdit
from app.incidents.rule_kinds import KINDS
from app.rules import commands as rules
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Transaction, Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Body, Key, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/services", tags=["services"], route_class=Route)


class ServiceAnswer(ServiceDocument, Versioned):
    """A service as it is now."""


class DependenciesBody(Body):
    """Keys of the services whose incidents explain its own."""

    model_config = example(depends_on=["payments", "db-1"]) | {"extra": "forbid", "strict": True}

    depends_on: Annotated[list[Key], Field(max_length=100)]


async def _team_id(tx: Transaction, key: str | None) -> int | None:
    """None for no team, and for one that does not exist: that is an admin's mistake to hear about."""
    found = await store.teams(tx.conn, [key]) if key else []
    return found[0].id if found else None


@router.get("", dependencies=[permission("services.read")])
async def list_services(
    tx: Tx, page: Page, team: Annotated[Key | None, Query(description="Only those of this team.")] = None
) -> Listed[ServiceAnswer]:
    """Services in the order of their keys."""
    found = await service_store.services(tx.conn, team=team, after=page.after_text, limit=page.fetch)
    return page.of([answer(ServiceAnswer, service) for service in found], lambda service: service.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_service(
    body: ServiceDocument, tx: Tx, response: Response, caller: Annotated[Caller, needs("services.edit")]
) -> ServiceAnswer:
    """A new service; managers make them for their teams."""
    caller.require_team(await _team_id(tx, body.team))
    made = await services.create(tx.conn, tx.now, body, actor=caller.actor)
    created(response, f"services/{body.key}")
    return answer(ServiceAnswer, made, response)


@router.get("/{key}", dependencies=[permission("services.read")])
async def read_service(key: Key, tx: Tx, response: Response) -> ServiceAnswer:
    """One service."""
    return answer(ServiceAnswer, await services.read(tx.conn, key), response)


@router.put("/{key}")
async def edit_service(
    key: Key,
    body: ServiceEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("services.edit")],
) -> ServiceAnswer:
    """Puts all that may change in place of what is stored; a manager must manage the team before and after."""
    before = await services.read(tx.conn, key)
    caller.require_team(before.team_id, await _team_id(tx, body.team))
    edited = await services.edit(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    return answer(ServiceAnswer, edited, response)


@router.put("/{key}/dependencies")
async def put_dependencies(
    key: Key,
    body: DependenciesBody,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("services.edit")],
) -> ServiceAnswer:
    """Puts all services that it depends on in place of those that are stored. A cycle is refused, and named."""
    before = await services.read(tx.conn, key)
    caller.require_team(before.team_id)
    edit = ServiceEdit.model_construct(**dict(before.document) | {"depends_on": sorted(set(body.depends_on))})
    edited = await services.edit(tx.conn, tx.now, key, edit, actor=caller.actor, version=expected)
    return answer(ServiceAnswer, edited, response)


@router.delete("/{key}", status_code=204)
async def delete_service(
    key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("services.edit")]
) -> None:
    """409 `in_use` while it has integrations or incidents, or routing rules name it. Its rule sets and their drafts go
    with it."""
    caller.require_team((await services.read(tx.conn, key)).team_id)
    await rules.refuse_if_named(tx.conn, KINDS.values(), key)
    await services.delete(tx.conn, tx.now, key, actor=caller.actor, version=expected)
    await rules.forget(tx.conn, tx.now, KINDS.values(), key, actor=caller.actor)
