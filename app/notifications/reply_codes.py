"""⑩ The codes that go out in text messages, by which their owners answer: given when a message is claimed.

A number and a code are bound together. Codes of one number go round, and none is given anew within a day or while its
incident is open, so that an answer to an old message does not mean a new incident; a message that is sent again names
the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import sms
from app.notifications import rendering, reply_store
from app.notifications.claiming import Parcel
from app.notifications.meaning import next_codes
from app.notifications.reply_store import ENDED_SINCE

Codes = Mapping[UUID, int]
"""By notification."""


def _has_code(row: Any) -> bool:
    """A drill is answered by its link, as most are at night, and by a code where there is none."""
    return (
        row.channel == "sms"
        and (row.purpose == "page" or "expires_at" in row.content or _is_drill_without_link(row))
        and row.incident_id is not None
        and row.contact_method_id is not None
        and row.user_id is not None
        and sms.replies_reach_us(row.address)
    )


def _is_drill_without_link(row: Any) -> bool:
    return row.purpose == "drill" and not rendering.carries_links(row)


async def give(conn: AsyncConnection, now: datetime, parcels: Sequence[Parcel]) -> Codes:
    """A code for every page of these messages that can be answered on its own channel."""
    rows = [r for parcel in parcels for r in parcel if _has_code(r)]
    if not rows:
        return {}
    addresses = {r.address for r in rows}
    await reply_store.lock(conn, addresses)
    known = await reply_store.given(conn, addresses)
    codes: dict[tuple[str, int, UUID], int] = {(k.address, k.user_id, k.incident_id): k.code for k in known}
    for address in sorted(addresses):
        there = [k for k in known if k.address == address]
        new = list(dict.fromkeys(
            (address, r.user_id, r.incident_id)
            for r in rows
            if r.address == address and (address, r.user_id, r.incident_id) not in codes
        ))  # fmt: skip
        last = max(((k.given_at, k.code) for k in there), default=(None, 0))[1]
        # what is paged again now keeps its code, however its incident stands
        taken = {k.code for k in there if k.open or k.given_at > now - ENDED_SINCE or any(_same(r, k) for r in rows)}
        codes |= dict(zip(new, next_codes(last, taken, len(new)), strict=False))
    written = {c: r for r in rows if (c := (r.address, r.user_id, r.incident_id)) in codes}
    if written:
        await reply_store.give(conn, now, [_row(r, codes[c]) for c, r in written.items()])
    return {r.id: codes[c] for r in rows if (c := (r.address, r.user_id, r.incident_id)) in codes}


def _same(row: Any, known: Any) -> bool:
    return (row.address, row.user_id, row.incident_id) == (known.address, known.user_id, known.incident_id)


def _row(row: Any, code: int) -> dict[str, Any]:
    return {
        "address": row.address,
        "code": code,
        "user_id": row.user_id,
        "contact_method_id": row.contact_method_id,
        "incident_id": row.incident_id,
        "notification_id": row.id,
    }
