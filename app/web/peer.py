"""How this process stands, for the other Tocsin that watches it. Closed unless TOCSIN_PEER_TOKEN is set."""

from __future__ import annotations

from hmac import compare_digest
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.db.engine import dumps
from app.errors import NotFound
from app.vigil.peering import PATH
from app.web.auth import public
from app.web.dependencies import SettingsGiven
from app.web.problems import Unauthenticated

_bearer = HTTPBearer(auto_error=False, scheme_name="peer_token", description="TOCSIN_PEER_TOKEN of both sides.")

router = APIRouter(tags=["health"])


@router.get(
    PATH,
    include_in_schema=False,
    dependencies=[public("it checks the peer's token by itself: it must work without the database")],
)
async def show_standing(
    request: Request, settings: SettingsGiven, bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Response:
    """What the last look found: numbers, no names. Asks nothing of the database, which may be what is broken."""
    if not settings.peer_token:
        raise NotFound("nothing watches this installation")
    given = bearer.credentials if bearer is not None else ""
    if not compare_digest(given.encode(), settings.peer_token.encode()):
        raise Unauthenticated("send TOCSIN_PEER_TOKEN as Authorization: Bearer")
    content = dumps(request.app.state.peer_report())
    return Response(content, headers={"Content-Type": "application/json", "Cache-Control": "no-store"})
