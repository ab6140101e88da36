"""What people do with support tiers and the escalation matrix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict, Invalid
from app.escalation import list_store as store
from app.escalation.list_documents import EscalationMatrixEdit, MatrixRow, SupportTier, SupportTiersEdit
from app.escalation.list_store import ListName

_NAMES = {"team": "team", "service": "service", "policy": "escalation policy"}


@dataclass(frozen=True, slots=True)
class _List:
    """One of the two: its name in the database, for auditors, and its member in the document."""

    name: ListName
    entity: str
    member: str
    read: Callable[[AsyncConnection], Awaitable[Sequence[Any]]]
    put: Callable[[AsyncConnection, Any], Awaitable[None]]
    refers: tuple[str, ...]


TIERS = _List("support_tiers", "support_tiers", "tiers", store.tiers, store.put_tiers, ("team", "service", "policy"))
MATRIX = _List("matrix", "escalation_matrix", "rows", store.matrix, store.put_matrix, ("service", "policy"))


async def set_tiers(
    conn: AsyncConnection, now: datetime, edit: SupportTiersEdit, *, actor: str, version: int | None = None
) -> tuple[list[SupportTier], int]:
    """Puts these in place of all support tiers; returns them with their version. Raises `Invalid` for a team, service
    or policy that does not exist, `Conflict` (`outdated`)."""
    return await _put(conn, now, TIERS, edit.tiers, actor, version)


async def set_matrix(
    conn: AsyncConnection, now: datetime, edit: EscalationMatrixEdit, *, actor: str, version: int | None = None
) -> tuple[list[MatrixRow], int]:
    """Puts these in place of all rows; returns them with their version. Ladders that inform keep their copy. Raises
    `Invalid` for a service or policy that does not exist, `Conflict` (`outdated`)."""
    return await _put(conn, now, MATRIX, edit.rows, actor, version)


async def _put(
    conn: AsyncConnection, now: datetime, which: _List, wanted: Sequence[Any], actor: str, version: int | None
) -> tuple[list[Any], int]:
    current = await store.lock(conn, which.name)
    if version is not None and version != current:
        raise Conflict("this was edited meanwhile", code="outdated", current_version=current)
    before = list(await which.read(conn))
    if before == list(wanted):
        return before, current
    await _check(conn, which, wanted)
    await which.put(conn, wanted)
    await store.touch(conn, which.name)
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"{which.entity}.edited",
        entity="organisation",
        entity_key=which.entity,
        before={which.member: [e.model_dump(mode="json") for e in before]},
        after={which.member: [e.model_dump(mode="json") for e in wanted]},
    )
    return list(wanted), current + 1


async def _check(conn: AsyncConnection, which: _List, wanted: Sequence[Any]) -> None:
    named = {kind: {getattr(e, kind) for e in wanted} - {None} for kind in which.refers}
    missing = await store.unknown(conn, named)
    errors = [
        {
            "field": f"{which.member}[{i}].{kind}",
            "message": f"there is no {_NAMES[kind]} {getattr(entry, kind)!r}",
        }
        for i, entry in enumerate(wanted)
        for kind in which.refers
        if (kind, getattr(entry, kind)) in missing
    ]
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors[:5]), errors=errors)
