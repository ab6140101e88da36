"""This device as a contact method: the browser's subscription comes as a form, and a code goes back to it at once."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response

from app.directory import contact_methods
from app.directory.documents import ContactMethodDocument
from app.errors import Refusal
from app.web.dependencies import ChannelsGiven, SettingsGiven
from app.web.screens.account import Editing, back, me, queue_code, show

router = APIRouter(prefix="/account/devices", include_in_schema=False)


@router.post("")
async def add_device(
    request: Request,
    reader: Editing,
    settings: SettingsGiven,
    channels: ChannelsGiven,
    subscription: Annotated[str, Form(min_length=1, max_length=2000)],
    label: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """`subscription`: JSON as the browser gives it. What is refused leaves nothing behind."""
    user_id, _ = me(reader)
    document = ContactMethodDocument(channel="push", address=subscription, label=label.strip())
    tx, actor = reader.tx, reader.caller.actor
    try:
        added = await contact_methods.add(tx.conn, tx.now, user_id, document, channels, actor=actor)
        await queue_code(request, reader, added.id)
    except Refusal as refused:
        return await show(request, reader, settings, wrong=refused.message.removeprefix("address: "), status=422)
    return back("device")
