"""`Idempotency-Key` on creates (draft-ietf-httpapi-idempotency-key-header): sent again, answered again, done once.

    router = APIRouter(prefix="/teams", tags=["teams"], route_class=Route)
    @router.post("", status_code=201, dependencies=[idempotent])

The second answer is the first one with the header `Idempotency-Replayed: true`. Another body under the same key is 422,
two at once are 409. An answer that shows a secret once keeps it out of the store (`shown_once`): the replay has null.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated, Any, Final

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.routing import APIRoute

from app.access import idempotency
from app.errors import Invalid
from app.web.auth import MaybeCaller
from app.web.dependencies import Transaction, Tx
from app.web.problems import Unauthenticated

HEADER: Final = "Idempotency-Key"
_KEPT_HEADERS: Final = ("content-type", "location", "etag")


@dataclass(frozen=True, slots=True)
class _Claim:
    tx: Transaction
    caller: str
    key: str
    request_hash: bytes


class _Replay(Exception):
    def __init__(self, answer: idempotency.KeptAnswer) -> None:
        super().__init__()
        self.answer = answer


async def _claim(
    request: Request,
    tx: Tx,
    caller: MaybeCaller,
    idempotency_key: Annotated[
        str | None,
        Header(description="Any text of yours, new for every create; kept for 24 hours."),
    ] = None,
) -> None:
    if (key := idempotency_key) is None:
        return
    if caller is None:
        raise Unauthenticated
    if not 1 <= len(key) <= 255 or not key.isascii() or not key.isprintable():
        message = "1 to 255 printable ASCII characters"
        raise Invalid(f"{HEADER}: {message}", errors=[{"in": "header", "field": HEADER, "message": message}])
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode()
    request_hash = sha256(head + await request.body()).digest()
    answer = await idempotency.claim(tx.conn, tx.now, caller.actor, key, request_hash)
    if answer is not None:
        raise _Replay(answer)
    request.state.idempotency = _Claim(tx, caller.actor, key, request_hash)


idempotent: Final[Any] = Depends(_claim)
"""For `dependencies` of a create, on a router with `route_class=Route`, beside the declared permission."""


def shown_once(request: Request, *members: str) -> None:
    """Names the members of this answer that are secrets: kept as null, since we only keep hashes of secrets."""
    request.state.shown_once = members


class Route(APIRoute):
    """A route that keeps the answer of a create in the create's own transaction."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_and_keep(request: Request) -> Response:
            try:
                response = await handle(request)
            except _Replay as replay:
                kept = replay.answer
                return Response(kept.body, kept.status, kept.headers | {"Idempotency-Replayed": "true"})
            claim: _Claim | None = getattr(request.state, "idempotency", None)
            if claim is not None and response.status_code < 500:
                await _keep(claim, response, getattr(request.state, "shown_once", ()))
            return response

        return handle_and_keep


async def _keep(claim: _Claim, response: Response, secret_members: tuple[str, ...]) -> None:
    body = bytes(response.body)
    if secret_members:
        document = msgspec.json.decode(body)
        body = msgspec.json.encode(document | dict.fromkeys(secret_members))
    headers = {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers}
    answer = idempotency.KeptAnswer(response.status_code, headers, body)
    await idempotency.keep(claim.tx.conn, claim.tx.now, claim.caller, claim.key, claim.request_hash, answer)
