"""Numbers from which nothing can be answered: what reachability makes of them."""

from __future__ import annotations

from typing import Any

import pytest
from rows import cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.proof import reach_store
from app.proof.levels import assess

METHOD = text("""
    INSERT INTO contact_methods (user_id, channel, address, links, verified_at, created_at, updated_at)
    VALUES (:user, 'sms', :address, :links, :now, :now, :now)
""")


@pytest.mark.parametrize(
    ("address", "links", "answerable"),
    [
        ("+8613812345678", True, False),  # neither links nor answers
        ("+919812345678", True, True),  # the link
        ("+919812345678", False, False),
        ("+4915112345678", False, True),  # the reply code
    ],
)
async def test_a_number_without_links_and_answers_is_not_enough(
    conn: AsyncConnection, now: Any, address: str, links: bool, answerable: bool
) -> None:
    ids = await cast(conn, now)
    await conn.execute(METHOD, {"user": ids["ana"], "address": address, "links": links, "now": now})
    [ana] = await reach_store.people(conn, now, ["sms"], [ids["ana"]])
    assert [m.answerable for m in ana.methods] == [answerable]
    assert ("nothing that can be answered" in assess(True, ana.methods, now).reasons) is not answerable
