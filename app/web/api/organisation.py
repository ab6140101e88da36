"""`/organisation`: the one owner of the database."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.directory import teams
from app.directory.documents import OrganisationEdit
from app.web.api.stored import Versioned, answer
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.versions import IfMatch

router = APIRouter(prefix="/organisation", tags=["organisation"])


class OrganisationAnswer(OrganisationEdit, Versioned):
    """The organisation as it is now."""


@router.get("", dependencies=[permission("organisation.read")])
async def read_organisation(tx: Tx, response: Response) -> OrganisationAnswer:
    """Name, zone and catch-all policy."""
    return answer(OrganisationAnswer, await teams.read_organisation(tx.conn), response)


@router.put("")
async def edit_organisation(
    body: OrganisationEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("organisation.edit")],
) -> OrganisationAnswer:
    """Puts all of it in place of what is stored."""
    edited = await teams.edit_organisation(tx.conn, tx.now, body, actor=caller.actor, version=expected)
    return answer(OrganisationAnswer, edited, response)
