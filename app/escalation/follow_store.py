"""SQL of policies that hand over to a support tier: what follows, looked up when the rounds are over."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.escalation import copy_store
from app.escalation.following import NOTHING_FOLLOWS, Follows
from app.escalation.policy_copy import PolicyCopy

# A service's own tier before its team's.
_POLICIES = text("""
    SELECT DISTINCT ON (v.id, r.tier) v.id AS service_id, r.tier, r.policy_id
    FROM services v JOIN support_tiers r ON r.service_id = v.id OR r.team_id = v.team_id
    WHERE v.id = ANY (CAST(:ids AS bigint[])) ORDER BY v.id, r.tier, r.service_id NULLS LAST
""")

# What the escalation matrix said stays with the ladder.
_FOLLOW = text("""
    UPDATE ladders l SET tier = t.tier,
        policy = CAST(t.policy AS jsonb) || CASE WHEN l.policy -> 'inform' IS NULL THEN '{}'
                                                 ELSE jsonb_build_object('inform', l.policy -> 'inform') END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:tiers AS smallint[]), CAST(:policies AS text[])) AS t (id, tier, policy)
    WHERE l.id = t.id
""")


class Following:
    """The copies of policies that may take over, by service and tier."""

    def __init__(self, copies: Mapping[tuple[int, int], Mapping[str, Any]]) -> None:
        self._copies = copies
        self._parsed: dict[int, dict[int, PolicyCopy]] = {}
        for (service, tier), copy in copies.items():
            self._parsed.setdefault(service, {})[tier] = PolicyCopy.of(copy)

    def of(self, service_id: int) -> Follows:
        return self._parsed.get(service_id, NOTHING_FOLLOWS)

    @property
    def policies(self) -> list[PolicyCopy]:
        return [copy for of_service in self._parsed.values() for copy in of_service.values()]

    async def keep(self, conn: AsyncConnection, moved: Sequence[tuple[UUID, int, int]]) -> None:
        """Ladders, as (id, service, tier), that a tier has from now on."""
        if moved:
            policies = [dumps(self._copies[service, tier]) for _, service, tier in moved]
            named = {"ids": [m[0] for m in moved], "tiers": [m[2] for m in moved], "policies": policies}
            await conn.execute(_FOLLOW, named)


async def following(conn: AsyncConnection, climbing: Iterable[tuple[int, PolicyCopy]]) -> Following:
    """For ladders, as (service, policy): none is asked where no policy of theirs hands over to a tier."""
    services: Collection[int] = {s for s, policy in climbing if policy.legs[-1].hand_over_to_tier is not None}
    if not services:
        return Following({})
    rows = (await conn.execute(_POLICIES, {"ids": sorted(services)})).all()
    copies = await copy_store.copies(conn, {r.policy_id for r in rows})
    return Following({(r.service_id, r.tier): copies[r.policy_id] for r in rows})
