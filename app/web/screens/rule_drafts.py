"""Drafts of rule sets: begun, edited as YAML or rule by rule, checked, published, thrown away.

Every form carries the version of the draft that its screen showed. When somebody else edited it meanwhile nothing is
done, and the screen shows how what was entered differs from what is there now. All of it goes through the API's own
functions: same permissions, same commands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Form, Query, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.errors import Conflict, Invalid
from app.incidents.rule_kinds import KINDS, SHAPES
from app.rules import drafts, store
from app.rules.draft_store import Draft
from app.web.api import rule_drafts as api
from app.web.api.rule_drafts import CheckAnswer, DraftBegun, DraftEdit, DraftRule, Id, KindName
from app.web.problems import status_of
from app.web.screens import rule_adding, rule_text, rules
from app.web.screens.entered import wrongs
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS, who
from app.web.screens.rule_adding import RuleForm
from app.web.screens.rule_text import Mistake

router = APIRouter(prefix="/rules", include_in_schema=False)

Reading = Annotated[Reader, reads("rule_drafts.read")]
Editing = Annotated[Reader, reads("rule_drafts.edit")]
Seen = Annotated[int, Form(alias="version", ge=1, lt=2**31)]

TOLD: Final = {
    "begun": "This is a draft: nothing comes into force until it is published.",
    "saved": "Saved. Nothing is in force yet.",
    "same": "There was nothing to save.",
    "rebased": "The draft takes account of what is in force now.",
}
EXAMPLES: Final = {shape.kind.name: rule_text.write(cast(Any, shape.rule.model_config)["json_schema_extra"]["examples"])
                   for shape in SHAPES}  # fmt: skip
"""A rule of each kind, as its document shows it."""


class DraftForm(RuleForm):
    """The whole draft as one form, so that no button loses what another field holds. `press`: `save`, `add`, or
    `up:2:key`, `down:2:key`, `remove:2:key` of the rule at that place."""

    text: str = ""
    version: Annotated[int, Form(ge=1, lt=2**31)]
    press: str = "save"


@dataclass(frozen=True, slots=True)
class Refused:
    """A form that did nothing, to be shown again. `text`: the YAML that was sent; `theirs`: what is there instead,
    when somebody edited it meanwhile."""

    said: str
    status: int = 422
    text: str | None = None
    mistakes: Sequence[Mistake] = ()
    adding: RuleForm = field(default_factory=RuleForm)
    errors: Mapping[str, str] = field(default_factory=dict)
    outdated: bool = False


NOTHING: Final = Refused("", 200)


@router.post("/{kind}/drafts")
async def begin(
    kind: KindName,
    reader: Editing,
    name: Annotated[str, Form(max_length=1000)] = "",
    service: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """It begins as what is in force."""
    plain = name.replace("\x00", "").strip()
    try:
        body = DraftBegun(kind=kind, service=rules.storable(service) or None, name=plain)
        made = await api.begin_rule_draft(body, reader.tx, Response(), reader.caller)
    except (ValidationError, Conflict) as refused:
        errors = {"name": "; ".join(wrongs(refused, ["name"]).values())}
        again = {"kind": kind, "name": plain}
        return await rules.show(reader, service, status=422, errors=errors, entered=again)
    return _back(made.id, "begun")


@router.get("/drafts/{draft_id}")
async def show_draft(draft_id: Id, reader: Reading, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    return await show(reader, draft_id, told=TOLD.get(told, ""))


async def show(reader: Reader, draft_id: int, refused: Refused = NOTHING, told: str = "") -> Response:
    """The draft as it is saved, beside what was refused."""
    tx = reader.tx
    draft = await drafts.read(tx.conn, draft_id)
    _, scope_name, may = await rules.scope_of(reader, draft.scope)
    checked = await api.check_rule_draft(draft_id, tx)
    saved = await asyncio.to_thread(rule_text.write, draft.rules)
    text = saved if refused.text is None else refused.text
    entered = await asyncio.to_thread(rule_text.tidied, text) if refused.outdated else saved
    found = await asyncio.to_thread(rule_text.mistakes, [e.model_dump() for e in checked.errors], saved)
    return reader.shows(
        "rule_draft",
        refused.status,
        draft=draft,
        scope=draft.scope,
        scope_name=scope_name,
        may=may,
        may_publish=rules.may_publish(reader, draft.kind, draft.scope, may),
        told=told,
        refused=refused,
        text=text,
        changes=await asyncio.to_thread(rule_text.changes, saved, entered),
        shown=list(zip(rules.in_words(draft.kind, draft.rules), _of_rules(draft, checked, found), strict=True)),
        mistakes=found,
        checked=checked,
        published=await _published_since(reader, draft, checked),
        example=EXAMPLES[draft.kind],
        may_simulate=reader.caller.may("rule_drafts.simulate"),
    )


def _of_rules(draft: Draft, checked: CheckAnswer, found: Sequence[Mistake]) -> list[tuple[list[str], list[str]]]:
    """(mistakes, warnings) of each rule."""
    return [
        ([m.message for m in found if m.rule == at], [w.message for w in checked.warnings if w.rule == rule["key"]])
        for at, rule in enumerate(draft.rules)
    ]


async def _published_since(reader: Reader, draft: Draft, checked: CheckAnswer) -> dict[str, Any] | None:
    """What others published since the draft began: who, when, and which rules they changed."""
    if not checked.outdated:
        return None
    kind, conn = KINDS[draft.kind], reader.tx.conn
    in_force = await store.newest(conn, kind, draft.scope)
    base = await store.one(conn, kind, draft.base_version, draft.scope)
    before = [] if base is None else base.rules
    return {
        "version": in_force,
        "differences": drafts.differences(before, in_force.rules),
        "changes": await asyncio.to_thread(rule_text.changed_rules, before, in_force.rules),
    }


@router.post("/drafts/{draft_id}")
async def edit(draft_id: Id, reader: Editing, form: Annotated[DraftForm, Form()]) -> Response:
    """Saves the text, with one rule moved, removed or added when such a button was pressed."""
    draft = await drafts.read(reader.tx.conn, draft_id)
    read, mistakes = await asyncio.to_thread(rule_text.read, form.text)
    if mistakes:
        said = "Nothing was saved: the text is not a list of rules yet."
        return await show(reader, draft_id, Refused(said, text=form.text, mistakes=mistakes, adding=form))
    if form.press == "add":
        added, errors = rule_adding.rule(draft.kind, form, [rule.key for rule in read])
        if added is None:
            said = "Nothing was saved: the rule is not complete yet."
            return await show(reader, draft_id, Refused(said, text=form.text, adding=form, errors=errors))
        read.append(added)
    elif form.press != "save" and not _moved(read, form.press):
        said = "Nothing was saved: the rule is no longer where it was. Please look again."
        return await show(reader, draft_id, Refused(said, 409, text=form.text, adding=form))
    try:
        body = DraftEdit(rules=read)
        edited = await api.edit_rule_draft(draft_id, body, reader.tx, Response(), form.version, reader.caller)
    except ValidationError as refused:
        said = "Nothing was saved: " + "; ".join(wrongs(refused, ()).values())
        return await show(reader, draft_id, Refused(said, text=form.text, adding=form))
    except Conflict as refused:
        return await _outdated(reader, draft_id, refused, form)
    return _back(
        draft_id, "saved" if edited.version != form.version else "same", "" if form.press == "save" else "#rules"
    )


async def _outdated(reader: Reader, draft_id: int, refused: Conflict, form: DraftForm) -> Response:
    return await show(
        reader, draft_id, Refused(_why(refused), status_of(refused), text=form.text, adding=form, outdated=True)
    )


def _moved(read: list[DraftRule], press: str) -> bool:
    """Moves or removes the rule that was pressed; False when another one stands at that place."""
    what, _, rest = press.partition(":")
    place, _, key = rest.partition(":")
    at = int(place) if place.isascii() and place.isdigit() and len(place) < 5 else -1
    if what not in ("up", "down", "remove") or not 0 <= at < len(read) or read[at].key != key:
        return False
    rule = read.pop(at)
    if what != "remove":
        read.insert(max(at - 1, 0) if what == "up" else at + 1, rule)
    return True


@router.post("/drafts/{draft_id}/rebase")
async def rebase(draft_id: Id, reader: Editing, version: Seen, base: Annotated[int, Form(ge=0, lt=2**31)]) -> Response:
    """Says that the draft takes account of what others published since it began."""
    draft = await drafts.read(reader.tx.conn, draft_id)
    try:
        body = DraftEdit(rules=[DraftRule.model_validate(rule) for rule in draft.rules], base_version=base)
        await api.edit_rule_draft(draft_id, body, reader.tx, Response(), version, reader.caller)
    except (Conflict, Invalid) as refused:
        return await show(reader, draft_id, Refused(f"Nothing was done: {_why(refused)}.", status_of(refused)))
    return _back(draft_id, "rebased")


@router.post("/drafts/{draft_id}/publish")
async def publish(draft_id: Id, reader: Editing, version: Seen) -> Response:
    """Puts what is saved in force; the draft is gone then."""
    draft = await drafts.read(reader.tx.conn, draft_id)
    try:
        await api.publish_rule_draft(draft_id, reader.tx, version, reader.caller)
    except (Conflict, Invalid) as refused:
        return await show(reader, draft_id, Refused(f"Nothing was published: {_why(refused)}.", status_of(refused)))
    return rules.to_rules(draft.scope, "published")


@router.post("/drafts/{draft_id}/discard")
async def discard(draft_id: Id, reader: Editing, version: Seen) -> Response:
    """Throws it away."""
    draft = await drafts.read(reader.tx.conn, draft_id)
    try:
        await api.delete_rule_draft(draft_id, reader.tx, version, reader.caller)
    except Conflict as refused:
        return await show(reader, draft_id, Refused(f"Nothing was done: {_why(refused)}.", status_of(refused)))
    return rules.to_rules(draft.scope, "discarded")


def _why(refused: Conflict | Invalid) -> str:
    """Its message, with people as they are named elsewhere on the screen."""
    editor = refused.fields.get("edited_by")
    return refused.message if editor is None else refused.message.replace(str(editor), who(str(editor)))


def _back(draft_id: int, told: str, place: str = "") -> Response:
    """To the draft by GET, with one of the sentences of `TOLD`. `place`: to the list, for who moves rules there."""
    return RedirectResponse(f"/rules/drafts/{draft_id}?told={told}{place}", 303, dict(HEADERS))
