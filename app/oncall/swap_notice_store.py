"""SQL of what somebody is to be told of a swap later."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

Kind = Literal["untaken", "soon", "return", "void"]
CLAIM_AT_MOST = 200

_INSERT = text("""
    INSERT INTO swap_notices (swap_id, kind, user_id, due_at) VALUES (:swap_id, :kind, :user_id, :due_at)
    ON CONFLICT DO NOTHING
""")
_DROP = text("DELETE FROM swap_notices WHERE swap_id = :swap_id AND kind = ANY (CAST(:kinds AS text[]))")
_CLAIM = text("""
    DELETE FROM swap_notices n USING (
        SELECT swap_id, kind, user_id FROM swap_notices WHERE due_at <= :now
        ORDER BY due_at, swap_id, kind, user_id LIMIT :limit FOR UPDATE SKIP LOCKED) d
    WHERE n.swap_id = d.swap_id AND n.kind = d.kind AND n.user_id = d.user_id
    RETURNING n.swap_id, n.kind, n.user_id
""")


@dataclass(frozen=True, slots=True)
class SwapNotice:
    """See the table `SwapNotice`."""

    swap_id: int
    kind: Kind
    user_id: int


async def insert(conn: AsyncConnection, swap_id: int, kind: Kind, user_id: int, due_at: datetime) -> None:
    await conn.execute(_INSERT, {"swap_id": swap_id, "kind": kind, "user_id": user_id, "due_at": due_at})


async def drop(conn: AsyncConnection, swap_id: int, kinds: Collection[Kind]) -> None:
    await conn.execute(_DROP, {"swap_id": swap_id, "kinds": list(kinds)})


async def claim(conn: AsyncConnection, now: datetime) -> list[SwapNotice]:
    """What is due, each for one worker; it is gone with the transaction that tells it."""
    rows = (await conn.execute(_CLAIM, {"now": now, "limit": CLAIM_AT_MOST})).mappings()
    return sorted((SwapNotice(**row) for row in rows), key=lambda n: (n.swap_id, n.kind, n.user_id))
