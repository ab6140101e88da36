"""The same create sent twice happens once: its answer is kept for 24 hours under (caller, Idempotency-Key).

The key is claimed by a lock that ends with the transaction and the answer is written in the same transaction as the
thing itself: either both are there or neither is. A request that failed left nothing, so it may be sent again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import store
from app.db.engine import dumps
from app.errors import Conflict, Invalid

KEPT_FOR: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What was answered the first time."""

    status: int
    headers: dict[str, str]
    body: bytes


async def claim(conn: AsyncConnection, now: datetime, caller: str, key: str, request_hash: bytes) -> KeptAnswer | None:
    """The kept answer, or None: the key is ours until the end of the transaction, to be followed by `keep`.

    Raises `Conflict` (code `request_in_progress`) while another transaction holds it, `Invalid` (code
    `idempotency_key_reused`) when it was used for another request.
    """
    if not await store.claim_idempotency_key(conn, caller, key):
        raise Conflict("the same request is being worked on; send it again in a moment", code="request_in_progress")
    kept = await store.kept_answer(conn, now - KEPT_FOR, caller, key)
    if kept is None:
        return None
    if kept[0] != request_hash:
        raise Invalid("this Idempotency-Key was used for another request", code="idempotency_key_reused")
    return KeptAnswer(*kept[1:])


async def keep(
    conn: AsyncConnection, now: datetime, caller: str, key: str, request_hash: bytes, answer: KeptAnswer
) -> None:
    """Keeps the answer. `answer.body` must hold no secret."""
    row = {"caller": caller, "key": key, "request_hash": request_hash, "status": answer.status, "body": answer.body}
    await store.keep_answer(conn, row | {"headers": dumps(answer.headers), "now": now})
