"""The forms of support tiers and of who is informed: lists that are edited as a whole. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from pydantic import ValidationError

from app.errors import wrong_members
from app.escalation.list_documents import EscalationMatrixEdit, MatrixRow, SupportTier, SupportTiersEdit
from app.web.screens.form_tree import Tree, number, placed, text, trees

LISTS: Final = frozenset({"rows"})
_TIER: Final = ("owner", "tier", "policy")
_ROW: Final = ("service", "priority", "policy", "loudness", "first", "interval")
_TIER_NAMES: Final = {"tiers": "rows", "tiers.team": "owner", "tiers.service": "owner"}
_ROW_NAMES: Final = {"rows.first_update_s": "first", "rows.update_interval_s": "interval"}
LOUDNESS: Final = {"quiet": "quiet", "loud": "loud"}


def tiers_tree(tiers: Sequence[SupportTier]) -> Tree:
    rows = [
        {"owner": f"team:{t.team}" if t.team else f"service:{t.service}", "tier": str(t.tier), "policy": t.policy}
        for t in tiers
    ]
    return {"rows": rows}


def matrix_tree(found: Sequence[MatrixRow]) -> Tree:
    rows = [
        {
            "service": row.service or "", "priority": str(row.priority), "policy": row.policy or "",
            "loudness": row.loudness, "first": _minutes(row.first_update_s),
            "interval": _minutes(row.update_interval_s),
        }
        for row in found
    ]  # fmt: skip
    return {"rows": rows}


def _minutes(seconds: int | None) -> str:
    return "" if seconds is None else f"{Decimal(seconds) / 60:.4f}".rstrip("0").rstrip(".")


def _seconds(entered: str) -> int | str | None:
    """What is no number of minutes stays a text, of which the document says what it should be."""
    if not entered:
        return None
    try:
        seconds = round(Decimal(entered.replace(",", ".")) * 60)
    except (InvalidOperation, ValueError, OverflowError):
        return entered
    return seconds if abs(seconds) < 10**9 else entered


def empty_tier(path: str) -> Tree | None:
    return {"owner": "", "tier": "2", "policy": ""} if path == "rows" else None


def empty_row(path: str) -> Tree | None:
    blank = {"service": "", "priority": "1", "policy": "", "loudness": "quiet", "first": "", "interval": ""}
    return blank if path == "rows" else None


def tiers(tree: Tree) -> tuple[SupportTiersEdit | None, dict[str, str]]:
    """The list, or what is wrong by field of the form."""
    given = {"tiers": [_tier(row) for row in trees(tree, "rows")]}
    try:
        return SupportTiersEdit.model_validate(given), {}
    except ValidationError as refused:
        return None, tiers_located(tree, wrong_members([dict(e) for e in refused.errors()], given))


def _tier(row: Tree) -> dict[str, Any]:
    kind, _, key = text(row, "owner").partition(":")
    owner = {kind: key} if kind in ("team", "service") else {}
    return owner | {"tier": number(text(row, "tier")), "policy": text(row, "policy")}


def matrix(tree: Tree) -> tuple[EscalationMatrixEdit | None, dict[str, str]]:
    """The list, or what is wrong by field of the form."""
    given = {"rows": [_row(row) for row in trees(tree, "rows")]}
    try:
        return EscalationMatrixEdit.model_validate(given), {}
    except ValidationError as refused:
        return None, matrix_located(tree, wrong_members([dict(e) for e in refused.errors()], given))


def _row(row: Tree) -> dict[str, Any]:
    return {
        "service": text(row, "service") or None,
        "priority": number(text(row, "priority")),
        "policy": text(row, "policy") or None,
        "loudness": text(row, "loudness"),
        "first_update_s": _seconds(text(row, "first")),
        "update_interval_s": _seconds(text(row, "interval")),
    }


def tiers_located(tree: Tree, errors: list[dict[str, str]]) -> dict[str, str]:
    return _located(tree, errors, _TIER_NAMES, _TIER, "owner")


def matrix_located(tree: Tree, errors: list[dict[str, str]]) -> dict[str, str]:
    return _located(tree, errors, _ROW_NAMES, _ROW, "policy")


def _located(
    tree: Tree, errors: list[dict[str, str]], names: dict[str, str], fields: Sequence[str], whole: str
) -> dict[str, str]:
    """`whole`: the field at which stands what is wrong with an entry as a whole."""
    count = len(trees(tree, "rows"))

    def known(path: str) -> bool:
        first, *rest = path.split(".")
        if first != "rows" or len(rest) != 2:
            return path == "rows"
        return rest[0].isdigit() and int(rest[0]) < count and rest[1] in fields

    pointed = [error | {"field": f"{e}.{whole}" if (e := error["field"]).endswith("]") else e} for error in errors]
    return placed(pointed, names, known)


def in_order(tree: Tree, place: Callable[[Tree], Any]) -> Tree:
    """The entries as the command takes them, so that what it says of an entry stands at that one."""
    return tree | {"rows": sorted(trees(tree, "rows"), key=place)}


def tier_place(row: Tree) -> tuple[str, str, str]:
    kind, _, key = text(row, "owner").partition(":")
    return key if kind == "team" else "", key if kind == "service" else "", text(row, "tier")


def row_place(row: Tree) -> tuple[str, str]:
    return text(row, "service"), text(row, "priority")
