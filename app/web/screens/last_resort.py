"""The last resort: who it is, whether anybody of it can be reached now, and a form of its targets for admins."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from pydantic import ValidationError

from app.errors import Invalid, wrong_members
from app.escalation import last_resort, policy_store
from app.escalation.last_resort import LookedAt
from app.escalation.policy_document import LastResort, Target
from app.web.api import policies as api
from app.web.dependencies import ChannelsGiven
from app.web.screens import choices, editing
from app.web.screens.editing import FRESH, Again, Entered
from app.web.screens.form_tree import text, texts
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/escalation/last-resort", include_in_schema=False)

Reading = Annotated[Reader, reads("policies.read")]
Editing = Annotated[Reader, reads("last_resort.edit")]
TOLD: Final = {"saved": "Saved.", "same": "There was nothing to save."}
MEANWHILE: Final = "somebody else saved the last resort meanwhile; save again, and yours takes the place of it"


@router.get("")
async def show(reader: Reading, channels: ChannelsGiven, told: Annotated[str, Query(max_length=30)] = "") -> Response:
    stored = await policy_store.last_resort_by_key(reader.tx.conn)
    return await _show(reader, list(channels), [_key(t) for t in stored], stored, told=TOLD.get(told, ""))


@router.post("")
async def save(reader: Editing, channels: ChannelsGiven, tree: Entered) -> Response:
    """Shows what it would be, or saves it; what was entered stays."""
    entered = list(dict.fromkeys(texts(tree, "targets")))
    stored = await policy_store.last_resort_by_key(reader.tx.conn)
    made, errors = _document(entered)
    if made is None or text(tree, "press") != "save":
        return await _show(reader, list(channels), entered, stored, Again(422 if errors else 200, errors))
    if text(tree, "seen") != _seen(stored):
        return await _show(reader, list(channels), entered, stored, Again(412, said=MEANWHILE))
    try:
        async with reader.tx.conn.begin_nested():
            await api.set_last_resort(made, reader.tx, reader.caller)
    except Invalid as refused:
        again = Again(422, {"targets": "; ".join(e["message"] for e in refused.errors)})
        return await _show(reader, list(channels), entered, stored, again)
    return editing.to(f"/escalation/last-resort?told={'same' if made.targets == stored else 'saved'}")


def _document(entered: list[str]) -> tuple[LastResort | None, dict[str, str]]:
    parts = [key.partition(":") for key in entered]
    given: dict[str, Any] = {"targets": [{"type": kind, "key": key} for kind, _, key in parts]}
    try:
        return LastResort.model_validate(given), {}
    except ValidationError as refused:
        wrong = wrong_members([dict(e) for e in refused.errors()], given)
        nobody = "it cannot be nobody" if not entered else ""
        return None, {"targets": nobody or "; ".join(e["message"] for e in wrong)}


async def _looked(reader: Reader, channels: list[str], entered: list[str]) -> LookedAt | None:
    """None while something of it is wrong."""
    made, _ = _document(entered)
    if made is None:
        return None
    try:
        return await last_resort.look(reader.tx.conn, made.targets, channels, reader.tx.now)
    except Invalid:
        return None


async def _show(
    reader: Reader,
    channels: list[str],
    entered: list[str],
    stored: list[Target],
    again: Again = FRESH,
    *,
    told: str = "",
) -> Response:
    offered = await choices.targets(reader.tx.conn, entered, programs=False)
    return reader.shows(
        "last_resort",
        again.status,
        entered={"targets": entered} if entered else {"targets": []},
        seen=_seen(stored),
        again=again,
        errors=again.errors,
        told=told,
        may=reader.caller.may("last_resort.edit"),
        looked=await _looked(reader, channels, entered),
        offered=offered,
        known={key: name for some in offered.values() for key, name in some},
    )


def _key(target: Target) -> str:
    return f"{target.type}:{target.key}"


def _seen(stored: list[Target]) -> str:
    """What stands in for a version, which the last resort has not."""
    return ",".join(map(_key, stored))
