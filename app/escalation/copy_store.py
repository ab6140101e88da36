"""SQL of the copies that ladders make at their start: ids instead of keys, since a rename or a new key must not lose
anybody. A copy holds only what is not usual, so that those of plain policies look as they always did."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
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
    SELECT p.id, p.key, p.name, p.version, p.repeats, p.hand_over_to_id, p.hand_over_to_tier,
           {steps_of(TARGET_BY_ID)} AS steps
    FROM escalation_policies p JOIN wanted w ON w.id = p.id
""")

_MATRIX = text("""
    SELECT s.id AS service_id, m.priority, m.policy_id, m.loudness, m.first_update_s, m.update_interval_s
    FROM services s JOIN escalation_matrix m ON m.service_id = s.id OR m.service_id IS NULL
    ORDER BY s.id, m.priority, m.service_id NULLS FIRST
""")
"""For every service the organisation's rows, and after each the service's own of that priority."""

_NOBODY: Mapping[str, Any] = {"key": "", "name": "nobody", "version": 0, "repeats": 0, "steps": []}


@dataclass(frozen=True, slots=True)
class Policies:
    """The copies that new ladders take. `page`: by service id; `inform`: by (service id, priority)."""

    page: Mapping[int, Mapping[str, Any]]
    inform: Mapping[tuple[int, int], Mapping[str, Any]] = field(default_factory=dict)


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
        tier = {"hand_over_to_tier": row.hand_over_to_tier} if row.hand_over_to_tier else {}
        yield {"id": row.id, "key": row.key, "name": row.name, "version": row.version, "repeats": row.repeats,
               "steps": steps, **tier}  # fmt: skip
        policy_id = row.hand_over_to_id


async def load(conn: AsyncConnection, of_services: Mapping[int, int | None]) -> Policies:
    """`of_services`: the policy of each service."""
    rows = (await conn.execute(_MATRIX)).all()
    wanted = {p for p in of_services.values() if p} | {r.policy_id for r in rows if r.policy_id}
    found = await copies(conn, wanted)
    inform = {(r.service_id, r.priority): _informing(r, found) for r in rows}
    return Policies(
        {service: found[policy] for service, policy in of_services.items() if policy in found},
        {place: copy for place, copy in inform.items() if copy is not None},
    )


def _informing(row: Any, found: Mapping[int, Mapping[str, Any]]) -> dict[str, Any] | None:
    """None: nobody is informed, and no update is due."""
    said = {n: getattr(row, n) for n in ("priority", "loudness", "first_update_s", "update_interval_s")}
    if row.policy_id is None and not row.first_update_s and not row.update_interval_s:
        return None
    return {**found.get(row.policy_id, _NOBODY), "inform": said}
