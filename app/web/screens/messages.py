"""What pages say: every part, one of them edited, tried on real alerts and saved, or put back to its default."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Form, Path, Query, Response
from pydantic import ValidationError

from app.directory import service_store
from app.errors import Conflict, Invalid, NotFound, Refusal
from app.notifications import template_language
from app.notifications.template_document import MessageTemplateDocument, MessageTemplateEdit
from app.notifications.template_parts import PARTS, split
from app.web.api import message_templates as api
from app.web.dependencies import SettingsGiven
from app.web.pages import PageWanted
from app.web.problems import status_of
from app.web.screens import editing
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/escalation/messages", include_in_schema=False)

Reading = Annotated[Reader, reads("message_templates.read")]
Editing = Annotated[Reader, reads("message_templates.edit")]
Key = Annotated[str, Path(max_length=100)]
Seen = Annotated[int, Form(alias="version", ge=0, lt=2**31)]
ALL: Final = PageWanted(10_000, None)
TOLD: Final = {"saved": "Saved: pages say it from now on.", "reset": "Back to the default."}


class MessageForm(Entered):
    text: str = ""
    press: Literal["preview", "save"] = "preview"


@router.get("")
async def show_messages(reader: Reading, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    """The parts with their texts, and what services have of their own below them."""
    listed = (await api.list_message_templates(reader.tx, ALL)).items
    own = [t for t in listed if t.service]
    return reader.shows(
        "messages",
        parts=[(PARTS[t.key], t, [o for o in own if o.part == t.key]) for key in PARTS for t in listed if t.key == key],
        services=[s.document for s in await service_store.services(reader.tx.conn)],
        told=TOLD.get(told, ""),
        may=reader.caller.may("message_templates.edit"),
    )


@router.get("/of")
async def choose(
    reader: Reading, part: Annotated[str, Query(max_length=30)], service: Annotated[str, Query(max_length=64)] = ""
) -> Response:
    """To the editor of a part for a service."""
    return editing.to(f"/escalation/messages/{split(f'{part}:{service}' if service else part)[0].key}"
                      + (f":{service}" if service else ""))  # fmt: skip


@router.get("/{key}")
async def show_message(
    key: Key, reader: Reading, settings: SettingsGiven, told: Annotated[str, Query(max_length=30)] = ""
) -> Response:
    """The editor of one part, for somebody who may; else how it stands. After it was saved with what is said of it."""
    if told != "saved" or not reader.caller.may("message_templates.edit"):
        return await _show(reader, key)
    stored = await api.read_message_template(key, reader.tx, Response())
    document = MessageTemplateDocument.model_construct(key=key, text=stored.text)
    lint = await api.try_message_template(document, reader.tx, settings, reader.caller)
    return await _show(reader, key, lint=lint, told=TOLD[told])


@router.post("/{key}")
async def edit(
    key: Key, reader: Editing, settings: SettingsGiven, version: Seen, form: Annotated[MessageForm, Form()]
) -> Response:
    """`preview` shows what would become of it and stores nothing; `save` saves it unless its lint has an error."""
    given: dict[str, Any] = {"entered": form.text}
    try:
        body = MessageTemplateEdit(text=form.text)
        if form.press == "save":
            await api.put_message_template(key, body, reader.tx, Response(), version, settings, reader.caller)
            return editing.to(f"/escalation/messages/{key}?told=saved")
    except ValidationError as refused:
        return await _show(reader, key, 422, errors=wrongs(refused, ("text",)), **given)
    except Conflict as refused:
        given |= {"outdated": refused.message, "status": status_of(refused)}
    except Invalid as refused:
        given |= {"errors": {"": "Nothing was saved"}, "status": status_of(refused)}
    document = MessageTemplateDocument.model_construct(key=key, text=body.text)
    lint = await api.try_message_template(document, reader.tx, settings, reader.caller)
    return await _show(reader, key, given.pop("status", 200), lint=lint, **given)


@router.post("/{key}/reset")
async def reset(key: Key, reader: Editing, version: Seen) -> Response:
    """Deletes the template, so that the default applies."""
    try:
        await api.delete_message_template(key, reader.tx, version, reader.caller)
    except NotFound:
        pass  # somebody else did
    except Refusal as refused:
        return await _show(reader, key, status_of(refused), outdated=refused.message)
    return editing.to("/escalation/messages?told=reset")


async def _show(reader: Reader, key: str, status: int = 200, **given: Any) -> Response:
    template = await api.read_message_template(key, reader.tx, Response())
    nothing: dict[str, Any] = {"entered": template.text, "errors": {}, "lint": None, "outdated": "", "told": ""}
    return reader.shows(
        "message",
        status,
        **nothing | given,
        template=template,
        part=PARTS[template.part],
        longest=template_language.LONGEST,
        filters=template_language.FILTERS,
        may=reader.caller.may("message_templates.edit"),
    )
