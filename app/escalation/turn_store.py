"""SQL of turns. The rows of a claim are locked in the order of their keys, so that two workers take turns, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.escalation.policy_copy import PolicyCopy
from app.escalation.turns import Place, Turns, places

LOCK = text("""
    INSERT INTO round_robin_turns AS r (policy_id, position)
    SELECT t.policy_id, t.position FROM unnest(CAST(:policies AS bigint[]), CAST(:positions AS integer[]))
         AS t (policy_id, position) ORDER BY t.policy_id, t.position
    ON CONFLICT (policy_id, position) DO UPDATE SET turns = r.turns
    RETURNING r.policy_id, r.position, r.turns
""")
"""The turns of these steps, made where there were none, and locked."""

READ = text("""
    SELECT r.policy_id, r.position, r.turns FROM round_robin_turns r
    JOIN unnest(CAST(:policies AS bigint[]), CAST(:positions AS integer[])) AS t (policy_id, position)
      ON r.policy_id = t.policy_id AND r.position = t.position
""")

KEEP = text("""
    UPDATE round_robin_turns r SET turns = t.turns
    FROM unnest(CAST(:policies AS bigint[]), CAST(:positions AS integer[]), CAST(CAST(:turns AS text[]) AS jsonb[]))
         AS t (policy_id, position, turns)
    WHERE r.policy_id = t.policy_id AND r.position = t.position
""")


def places_of(copies: Iterable[PolicyCopy]) -> list[Place]:
    """The steps of these policies, and of those that follow them, that page one person at a time."""
    return places((leg.id, [rung.round_robin for rung in leg.steps]) for copy in copies for leg in copy.legs)


async def lock(conn: AsyncConnection, wanted: Sequence[Place]) -> Turns:
    return await _turns(conn, LOCK, wanted)


async def read(conn: AsyncConnection, wanted: Sequence[Place]) -> Turns:
    """As they are; nobody is kept from taking one."""
    return await _turns(conn, READ, wanted)


async def _turns(conn: AsyncConnection, statement: TextClause, wanted: Sequence[Place]) -> Turns:
    if not wanted:
        return Turns()
    rows = await conn.execute(statement, _arrays(wanted))
    return Turns({(r.policy_id, r.position): {int(u): n for u, n in r.turns.items()} for r in rows})


async def keep(conn: AsyncConnection, turns: Turns) -> None:
    """Writes what was taken; the rows are locked."""
    if turns.changed:
        changed = sorted(turns.changed)
        taken = [dumps({str(u): n for u, n in turns.of(place).items()}) for place in changed]
        await conn.execute(KEEP, _arrays(changed) | {"turns": taken})


def _arrays(wanted: Sequence[Place]) -> dict[str, list[int] | list[str]]:
    return {"policies": [policy for policy, _ in wanted], "positions": [position for _, position in wanted]}
