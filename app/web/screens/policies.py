"""Escalation policies: which there are, and the editor of one, with a sentence for every step.

Who may not edit one sees the same without the form. All of it goes through the API's own functions.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from app.errors import Conflict, Invalid, Refusal
from app.escalation import place_store, policy_store
from app.escalation import policies as commands
from app.escalation.policy_document import PolicyDocument, PolicyEdit
from app.escalation.policy_store import StoredPolicy
from app.web.api import policies as api
from app.web.models import Key
from app.web.pages import Page
from app.web.screens import choices, dry_runs, editing, policy_words
from app.web.screens.editing import FRESH, Again, Entered
from app.web.screens.form_tree import Tree, pressed, shaped, text, texts, trees
from app.web.screens.policy_form import (
    ACKNOWLEDGE,
    AT_LEAST,
    HOURS,
    LISTS,
    STATES,
    TIERS,
    UNITS,
    WHOM,
    document,
    empty,
    located,
    tree_of,
)
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/policies", include_in_schema=False)

Reading = Annotated[Reader, reads("policies.read")]
Editing = Annotated[Reader, reads("policies.edit")]
Told = Annotated[str, Query(max_length=30)]
TOLD: Final = {
    "made": "The policy is made. A service has it once you say so there.",
    "saved": "Saved, for incidents that open from now on. Those that are open keep the copy that they began with.",
    "same": "There was nothing to save.",
    "deleted": "The policy is deleted.",
}


@router.get("")
async def show_policies(reader: Reading, page: Page, told: Told = "") -> Response:
    """In the order of their keys, each in words."""
    conn = reader.tx.conn
    listed = await api.list_policies(reader.tx, page)
    names = await _names(reader, [])
    last_resort = await policy_store.last_resort_by_key(conn)
    used = {p.key: await _used_by(reader, p.key) for p in listed.items}
    return reader.shows(
        "policies",
        told=TOLD.get(told, ""),
        policies=[(p, policy_words.steps(p, names), used[p.key]) for p in listed.items],
        last_resort=[names.get(f"{t.type}:{t.key}", t.key) for t in last_resort],
        following=listed.next,
        may=reader.caller.may("policies.edit"),
    )


@router.get("/new")
async def show_new(reader: Editing) -> Response:
    return await _show(reader, None, {"repeats": "1", "steps": [empty("steps")]})


@router.post("/new")
async def make(reader: Editing, tree: Entered) -> Response:
    return await _sent(reader, None, tree)


@router.get("/{key}")
async def show_policy(key: Key, reader: Reading, told: Told = "") -> Response:
    """The editor, for those who may; else what it says."""
    stored = await commands.read(reader.tx.conn, key)
    return await _show(reader, stored, tree_of(stored.document), told=TOLD.get(told, ""))


@router.post("/{key}")
async def edit(key: Key, reader: Editing, tree: Entered) -> Response:
    stored = await commands.read(reader.tx.conn, key)
    await api.require_team(reader.tx, reader.caller, stored.document.team)
    return await _sent(reader, stored, tree | {"key": key})


async def _sent(reader: Reader, stored: StoredPolicy | None, tree: Tree) -> Response:
    """Whatever button it was: what was entered stays."""
    press = text(tree, "press")
    if moved := pressed(tree, press, empty):
        return await _show(reader, stored, moved[0], Again(focus=moved[1]))
    made, errors = document(tree)
    if made is None:
        return await _show(reader, stored, tree, Again(422, errors))
    if press == "dry-run":
        return await dry_runs.with_draft(reader, policy=made)
    if press != "save":
        return await _show(reader, stored, tree)
    try:
        version = await _save(reader, stored, made, editing.version(tree))
    except Refusal as refused:
        return await _refused(reader, stored, tree, made, refused)
    told = "made" if stored is None else "same" if version == stored.version else "saved"
    return editing.to(f"/policies/{made.key}?told={told}")


async def _save(reader: Reader, stored: StoredPolicy | None, made: PolicyDocument, version: int | None) -> int:
    """What is refused leaves nothing behind, although the request goes on to show the form."""
    async with reader.tx.conn.begin_nested():
        if stored is None:
            return (await api.create_policy(made, Response(), reader.tx, reader.caller)).version
        policy = PolicyEdit.model_validate(made.model_dump(exclude={"key"}))
        saved = await api.edit_policy(made.key, policy, Response(), reader.tx, version, reader.caller)
        return saved.version


async def _refused(
    reader: Reader, stored: StoredPolicy | None, tree: Tree, made: PolicyDocument, error: Refusal
) -> Response:
    if stored is not None and error.code == "outdated":
        theirs = stored.document.model_dump(mode="json", exclude_none=True)
        again = await editing.outdated(error, theirs, made.model_dump(mode="json", exclude_none=True))
    elif isinstance(error, Invalid):
        again = editing.refused(error, located(tree, error.errors))
    elif isinstance(error, Conflict):
        again = editing.refused(error, {"key" if error.code == "key_taken" else "": error.message})
    else:
        raise error
    return await _show(reader, stored, tree, again)


@router.post("/{key}/delete")
async def delete(key: Key, reader: Editing, tree: Entered) -> Response:
    """Refused with the places that use it."""
    stored = await commands.read(reader.tx.conn, key)
    try:
        await api.delete_policy(key, reader.tx, editing.version(tree), reader.caller)
    except Conflict as refused:
        said = Again(409, {}, refused.message) if refused.code != "in_use" else editing.refused(refused, {})
        return await _show(reader, stored, tree_of(stored.document), said)
    return editing.to("/policies?told=deleted")


async def _used_by(reader: Reader, key: str) -> list[tuple[str, str]]:
    """(what it is, its key), `service` first."""
    ids = await policy_store.find_policies(reader.tx.conn, [key])
    places = await place_store.places_of_policy(reader.tx.conn, ids[key]) if key in ids else []
    ordered = sorted(places, key=lambda place: (place["type"] != "service", place["type"], place["key"]))
    return [(place["type"].replace("_", " "), place["key"].replace("_", " ")) for place in ordered]


async def _names(reader: Reader, named: list[str]) -> dict[str, str]:
    found = await choices.targets(reader.tx.conn, named)
    return {key: name for some in found.values() for key, name in some}


async def _show(
    reader: Reader, stored: StoredPolicy | None, tree: Tree, again: Again = FRESH, *, told: str = ""
) -> Response:
    conn = reader.tx.conn
    named = [target for step in trees(tree, "steps") for target in texts(step, "targets")]
    offered = await choices.targets(conn, named)
    names = {key: name for some in offered.values() for key, name in some}
    policies = [c for c in await choices.policies(conn) if stored is None or c[0] != stored.document.key]
    others = [*policies, *TIERS]
    made, _ = document(tree)
    following = dict(others).get(text(tree, "hand_over_to"), "")
    last_resort = await policy_store.last_resort_by_key(conn)
    team_id = await policy_store.find_team(conn, stored.document.team) if stored and stored.document.team else None
    may = reader.caller.may("policies.edit") and (stored is None or reader.caller.manages(team_id))
    return reader.shows(
        "policy",
        again.status,
        stored=stored,
        entered=shaped(tree, LISTS),
        version="" if stored is None else stored.version if again.outdated else text(tree, "version") or stored.version,
        again=again,
        errors=again.errors,
        told=told,
        may=may,
        may_try=reader.caller.may("dry_runs.make"),
        words=policy_words.steps(made, names) if made else [],
        after=policy_words.after(made, following, last_resort, names) if made else [],
        used_by=await _used_by(reader, stored.document.key) if stored else [],
        offered=offered,
        known=names,
        teams=await choices.own_teams(reader, (stored and stored.document.team) or ""),
        teamless=reader.caller.role == "admin",
        others=others,
        units=UNITS,
        whom=WHOM,
        acknowledge=ACKNOWLEDGE,
        at_least=AT_LEAST,
        support=HOURS,
        states=STATES,
    )
