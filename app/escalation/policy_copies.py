"""SQL of the copies that ladders make at their start: ids instead of keys, since a rename or a new key must not lose
anybody. A copy holds only what is not usual, so that those of plain policies look as they always did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.escalation.policy_store import TARGET_BY_ID, steps_of

# Policies, and all that they hand over to.
_POLICIES = text(f"""
    WITH RECURSIVE wanted AS (
        SELECT unnest(CAST(:ids AS bigint[])) AS id
        UNION SELECT p.hand_over_to_id FROM wanted w JOIN escalation_policies p ON p.id = w.id
              WHERE p.hand_over_to_id IS NOT NULL)
    SELECT p.id, p.key, p.name, p.version, p.repeats, p.hand_over_to_id, {steps_of(TARGET_BY_ID)} AS steps
    FROM escalation_policies p JOIN wanted w ON w.id = p.id
""")

_USUAL = {"whom": "everyone", "acknowledge": "any", "when": None}


async def copies(conn: AsyncConnection, policy_ids: Collection[int]) -> dict[int, dict[str, Any]]:
    """The copy of each policy that a ladder keeps, by its id; `policy_copy.py` says what it looks like."""
    rows = {r.id: r for r in await conn.execute(_POLICIES, {"ids": sorted(policy_ids)})}
    return {policy_id: _with_chain(rows, policy_id) for policy_id in policy_ids if policy_id in rows}


def _with_chain(rows: Mapping[int, Any], policy_id: int) -> dict[str, Any]:
    first, *chain = _chain(rows, policy_id)
    return first | ({"chain": chain} if chain else {})


def _chain(rows: Mapping[int, Any], policy_id: int | None) -> Iterator[dict[str, Any]]:
    """Each once, whatever the rows say."""
    seen: set[int] = set()
    while policy_id is not None and policy_id not in seen:
        row = rows[policy_id]
        seen.add(policy_id)
        steps = [{k: v for k, v in step.items() if k not in _USUAL or v != _USUAL[k]} for step in row.steps]
        yield {"id": row.id, "key": row.key, "name": row.name, "version": row.version, "repeats": row.repeats,
               "steps": steps}  # fmt: skip
        policy_id = row.hand_over_to_id
