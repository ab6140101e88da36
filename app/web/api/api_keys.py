"""`/api-keys`: credentials of programs."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import Field

from app.access import api_keys, store
from app.directory import store as directory
from app.directory.changes import invalid
from app.web.api.stored import created
from app.web.auth import Caller, needs
from app.web.dependencies import Tx
from app.web.idempotency import Route, idempotent, shown_once
from app.web.models import Answer, Body, Instant, Key, Name, example
from app.web.pages import Listed, Page
from app.web.versions import set_etag

router = APIRouter(prefix="/api-keys", tags=["API keys"], route_class=Route)


class ApiKeyNew(Body):
    """`user`: on whose behalf it acts, null: a machine's. A key never may more than its scopes, nor than its user."""

    model_config = example(key="ci", name="Deployments", scopes=["read", "configure"], expires_at=None)

    key: Key
    name: Name
    scopes: Annotated[
        list[Literal["read", "respond", "configure", "admin", "metrics"]], Field(min_length=1, max_length=10)
    ]
    user: Key | None = None
    expires_at: Instant | None = None


class ApiKeyAnswer(Answer):
    """`hint`: its last four characters."""

    key: str
    name: str
    hint: str
    scopes: list[str]
    user: str | None
    created_at: datetime
    expires_at: datetime | None
    version: int


class ApiKeyCreated(ApiKeyAnswer):
    """With the secret, shown once: null when the answer is replayed."""

    secret: str | None


@router.get("")
async def list_api_keys(tx: Tx, page: Page, caller: Annotated[Caller, needs("api_keys.edit")]) -> Listed[ApiKeyAnswer]:
    """For admins all, for others their own, in the order of their keys."""
    only = None if caller.role == "admin" else caller.user_id
    found = await store.api_keys(tx.conn, only, page.after_text, page.fetch)
    return page.of([ApiKeyAnswer.model_validate(row) for row in found], lambda found: found.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_api_key(
    body: ApiKeyNew, request: Request, tx: Tx, response: Response, caller: Annotated[Caller, needs("api_keys.edit")]
) -> ApiKeyCreated:
    """Admins make keys for anybody and for machines, others for themselves."""
    user_id = None
    if body.user is not None:
        user_id = (await directory.user_ids(tx.conn, [body.user])).get(body.user)
        if user_id is None:
            raise invalid(("user", f"there is no user {body.user!r}"))
    api_keys.may_handle(caller, user_id, frozenset(body.scopes))
    secret = await api_keys.create(
        tx.conn,
        tx.now,
        actor=caller.actor,
        key=body.key,
        name=body.name,
        scopes=list(body.scopes),
        user_id=user_id,
        expires_at=body.expires_at,
    )
    created(response, f"api-keys/{body.key}")
    shown_once(request, "secret")
    return ApiKeyCreated(**await api_keys.read(tx.conn, body.key), secret=secret)


@router.get("/{key}")
async def read_api_key(
    key: Key, tx: Tx, response: Response, caller: Annotated[Caller, needs("api_keys.edit")]
) -> ApiKeyAnswer:
    """One API key."""
    found = await api_keys.read(tx.conn, key)
    api_keys.may_handle(caller, found["user_id"])
    set_etag(response, found["version"])
    return ApiKeyAnswer.model_validate(found)


@router.delete("/{key}", status_code=204)
async def revoke_api_key(key: Key, tx: Tx, caller: Annotated[Caller, needs("api_keys.edit")]) -> None:
    """It stops counting at once."""
    found = await api_keys.read(tx.conn, key)
    api_keys.may_handle(caller, found["user_id"])
    await api_keys.revoke(tx.conn, tx.now, key, actor=caller.actor)
