"""Support tiers, and who is informed by priority: short lists, each a form of rows that is saved as a whole."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response

from app.errors import Conflict, Invalid
from app.web.api import escalation_lists as api
from app.web.screens import choices, editing, list_forms
from app.web.screens.editing import FRESH, Again, Entered
from app.web.screens.form_tree import Tree, pressed, shaped, text
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/escalation", include_in_schema=False)

Reading = Annotated[Reader, reads("policies.read")]
Told = Annotated[str, Query(max_length=30)]
TOLD: Final = {"saved": "Saved.", "same": "There was nothing to save."}


@dataclass(frozen=True, slots=True)
class _List:
    """One of the two: its template and address, how it is read from a form, and what the form of a refusal says."""

    name: str
    permission: str
    document: Callable[[Tree], tuple[Any, dict[str, str]]]
    empty: Callable[[str], Tree | None]
    located: Callable[[Tree, list[dict[str, str]]], dict[str, str]]
    place: Callable[[Tree], Any]


TIERS: Final = _List(
    "tiers", "support_tiers.edit", list_forms.tiers, list_forms.empty_tier, list_forms.tiers_located,
    list_forms.tier_place,
)  # fmt: skip
INFORMED: Final = _List(
    "informed", "escalation_matrix.edit", list_forms.matrix, list_forms.empty_row, list_forms.matrix_located,
    list_forms.row_place,
)  # fmt: skip


@router.get("/tiers")
async def show_tiers(reader: Reading, told: Told = "") -> Response:
    return await _show(reader, TIERS, *await _tiers(reader), told=TOLD.get(told, ""))


@router.post("/tiers")
async def set_tiers(reader: Annotated[Reader, reads("support_tiers.edit")], tree: Entered) -> Response:
    async def save(made: Any, version: int | None) -> int:
        return (await api.set_support_tiers(made, Response(), reader.tx, version, reader.caller)).version

    return await _sent(reader, TIERS, tree, *await _tiers(reader), save)


@router.get("/informed")
async def show_informed(reader: Reading, told: Told = "") -> Response:
    return await _show(reader, INFORMED, *await _informed(reader), told=TOLD.get(told, ""))


@router.post("/informed")
async def set_informed(reader: Annotated[Reader, reads("escalation_matrix.edit")], tree: Entered) -> Response:
    async def save(made: Any, version: int | None) -> int:
        return (await api.set_escalation_matrix(made, Response(), reader.tx, version, reader.caller)).version

    return await _sent(reader, INFORMED, tree, *await _informed(reader), save)


async def _tiers(reader: Reader) -> tuple[Tree, int]:
    found = await api.read_support_tiers(Response(), reader.tx)
    return list_forms.tiers_tree(found.tiers), found.version


async def _informed(reader: Reader) -> tuple[Tree, int]:
    found = await api.read_escalation_matrix(Response(), reader.tx)
    return list_forms.matrix_tree(found.rows), found.version


async def _sent(
    reader: Reader, which: _List, tree: Tree, stored: Tree, version: int, save: Callable[[Any, int | None], Any]
) -> Response:
    """Whatever button it was: what was entered stays."""
    if moved := pressed(tree, text(tree, "press"), which.empty):
        return await _show(reader, which, moved[0], version, Again(focus=moved[1]))
    made, errors = which.document(tree)
    if made is None:
        return await _show(reader, which, tree, version, Again(422, errors))
    try:
        async with reader.tx.conn.begin_nested():
            saved = await save(made, editing.version(tree))
    except Invalid as refused:
        tree = list_forms.in_order(tree, which.place)
        return await _show(reader, which, tree, version, editing.refused(refused, which.located(tree, refused.errors)))
    except Conflict as refused:
        theirs, _ = which.document(stored)
        again = await editing.outdated(
            refused, theirs.model_dump(mode="json", exclude_none=True), made.model_dump(mode="json", exclude_none=True)
        )
        return await _show(reader, which, tree, version, again)
    return editing.to(f"/escalation/{which.name}?told={'same' if saved == version else 'saved'}")


async def _show(
    reader: Reader, which: _List, tree: Tree, version: int, again: Again = FRESH, *, told: str = ""
) -> Response:
    conn = reader.tx.conn
    services = await choices.services(conn)
    owners = {
        "Team": [(f"team:{key}", name) for key, name in await choices.teams(conn)],
        "Service": [(f"service:{key}", name) for key, name in services],
    }
    return reader.shows(
        f"escalation_{which.name}",
        again.status,
        entered=shaped(tree, list_forms.LISTS),
        version=version if again.outdated else text(tree, "version") or version,
        again=again,
        errors=again.errors,
        told=told,
        may=reader.caller.may(which.permission),
        policies=await choices.policies(conn),
        services=services,
        owners=owners,
        loudness=list_forms.LOUDNESS,
    )
