"""Of which incidents I am told without having to respond, line by line on one's account."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import ValidationError

from app.directory import subscriptions
from app.directory.documents import SubscriptionDocument, SubscriptionsEdit
from app.errors import Invalid
from app.web.screens.account import Editing, back, me
from app.web.screens.reader import Reader

router = APIRouter(prefix="/account/subscriptions", include_in_schema=False)

Service = Annotated[str, Form(max_length=64)]
"""Empty: all of them."""


@router.post("")
async def subscribe(reader: Editing, service: Service = "", priority: Annotated[int, Form(ge=1, le=5)] = 2) -> Response:
    """From this priority on; for a service that is there already it takes the place of what was said."""
    await _put(reader, service or None, priority)
    return back("subscribed")


@router.post("/remove")
async def unsubscribe(reader: Editing, service: Service = "") -> Response:
    await _put(reader, service or None, None)
    return back("unsubscribed")


async def _put(reader: Reader, service: str | None, priority: int | None) -> None:
    user_id, key = me(reader)
    conn = reader.tx.conn
    kept = [s for s in (await subscriptions.of_user(conn, user_id)).subscriptions if s.service != service]
    try:
        added = [] if priority is None else [SubscriptionDocument(service=service, priority_at_least=priority)]
        edit = SubscriptionsEdit(subscriptions=[*kept, *added])
    except ValidationError:
        raise Invalid("there is no such service, or these are more than 200 subscriptions") from None
    await subscriptions.put(conn, reader.tx.now, key, edit, actor=reader.caller.actor)
