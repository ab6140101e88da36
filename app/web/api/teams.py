"""`/teams`: teams and their members."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from app.directory import store, teams
from app.directory.documents import TeamDocument, TeamEdit
from app.web.api.stored import Versioned, answer, created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch

router = APIRouter(prefix="/teams", tags=["teams"], route_class=Route)


class TeamAnswer(TeamDocument, Versioned):
    """A team as it is now."""


@router.get("", dependencies=[permission("teams.read")])
async def list_teams(tx: Tx, page: Page) -> Listed[TeamAnswer]:
    """All teams in the order of their keys."""
    found = await store.teams(tx.conn, after=page.after_text, limit=page.fetch)
    return page.of([answer(TeamAnswer, team) for team in found], lambda team: team.key)


@router.post("", status_code=201, dependencies=[idempotent])
async def create_team(
    body: TeamDocument, tx: Tx, response: Response, caller: Annotated[Caller, needs("teams.create")]
) -> TeamAnswer:
    """A new team, members included."""
    made = await teams.create_team(tx.conn, tx.now, body, actor=caller.actor)
    created(response, f"teams/{body.key}")
    return answer(TeamAnswer, made, response)


@router.get("/{key}", dependencies=[permission("teams.read")])
async def read_team(key: Key, tx: Tx, response: Response) -> TeamAnswer:
    """One team."""
    return answer(TeamAnswer, await teams.read_team(tx.conn, key), response)


@router.put("/{key}")
async def edit_team(
    key: Key,
    body: TeamEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("teams.edit")],
) -> TeamAnswer:
    """Puts name and all members in place of what is stored. For admins and the team's managers."""
    caller.require_team((await teams.read_team(tx.conn, key)).id)
    edited = await teams.edit_team(tx.conn, tx.now, key, body, actor=caller.actor, version=expected)
    return answer(TeamAnswer, edited, response)


@router.delete("/{key}", status_code=204)
async def delete_team(key: Key, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("teams.create")]) -> None:
    """409 `in_use` while it owns services, schedules or policies, or a policy pages it."""
    await teams.delete_team(tx.conn, tx.now, key, actor=caller.actor, version=expected)
