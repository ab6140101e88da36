"""When somebody wants the quiet pages of a night, as one message."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from app.directory import people
from app.directory.documents import UserEdit
from app.web.dependencies import SettingsGiven
from app.web.screens.account import Editing, back, me, show

router = APIRouter(prefix="/account/digest", include_in_schema=False)


@router.post("")
async def set_digest(
    request: Request, reader: Editing, settings: SettingsGiven, at: Annotated[str, Form(max_length=40)] = ""
) -> Response:
    """`at`: `09:00` by their clock; empty: each quiet page goes out at once."""
    _, key = me(reader)
    given = UserEdit.model_dump((await people.read_user(reader.tx.conn, key)).document, exclude={"key"})
    try:
        edit = UserEdit.model_validate(given | {"digest_at": at.strip() or None})
    except ValidationError:
        wrong = "The time of the digest is one of the day, like 09:00."
        return await show(request, reader, settings, wrong=wrong, status=422, digest_at=at)
    await people.edit_user(reader.tx.conn, reader.tx.now, key, edit, actor=reader.caller.actor)
    return back("digest" if edit.digest_at else "no_digest")
