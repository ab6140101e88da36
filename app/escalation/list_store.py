"""SQL of support tiers and of the escalation matrix: short lists that are edited as a whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.escalation.list_documents import MatrixRow, SupportTier

ListName = Literal["support_tiers", "matrix"]

_VERSION = text("SELECT coalesce((SELECT version FROM escalation_lists WHERE name = :name), 0)")
_LOCK = text("""
    INSERT INTO escalation_lists AS l (name, version) VALUES (:name, 0)
    ON CONFLICT (name) DO UPDATE SET version = l.version RETURNING version
""")
_TOUCH = text("UPDATE escalation_lists SET version = version + 1 WHERE name = :name")

_TIERS = text("""
    SELECT t.key AS team, s.key AS service, r.tier, p.key AS policy
    FROM support_tiers r JOIN escalation_policies p ON p.id = r.policy_id
    LEFT JOIN teams t ON t.id = r.team_id LEFT JOIN services s ON s.id = r.service_id
""")
_CLEAR_TIERS = text("DELETE FROM support_tiers")
_INSERT_TIERS = text("""
    INSERT INTO support_tiers (team_id, service_id, tier, policy_id)
    SELECT t.id, s.id, x.tier, p.id
    FROM unnest(CAST(:teams AS text[]), CAST(:services AS text[]), CAST(:tiers AS smallint[]),
                CAST(:policies AS text[]))
         AS x (team, service, tier, policy)
    JOIN escalation_policies p ON p.key = x.policy
    LEFT JOIN teams t ON t.key = x.team LEFT JOIN services s ON s.key = x.service
""")
# The service's own tier before its team's.
_POLICY_OF_TIER = text("""
    SELECT r.policy_id FROM support_tiers r JOIN services s ON s.id = r.service_id OR s.team_id = r.team_id
    WHERE s.id = :service_id AND r.tier = :tier ORDER BY r.service_id NULLS LAST LIMIT 1
""")
_TIERS_OF = text("""
    SELECT DISTINCT r.tier FROM support_tiers r JOIN services s ON s.id = r.service_id OR s.team_id = r.team_id
    WHERE s.id = :service_id ORDER BY r.tier
""")

_MATRIX = text("""
    SELECT s.key AS service, m.priority, p.key AS policy, m.loudness, m.first_update_s, m.update_interval_s
    FROM escalation_matrix m LEFT JOIN services s ON s.id = m.service_id
    LEFT JOIN escalation_policies p ON p.id = m.policy_id
""")
_CLEAR_MATRIX = text("DELETE FROM escalation_matrix")
_INSERT_MATRIX = text("""
    INSERT INTO escalation_matrix (service_id, priority, policy_id, loudness, first_update_s, update_interval_s)
    SELECT s.id, x.priority, p.id, x.loudness, x.first_update_s, x.update_interval_s
    FROM unnest(CAST(:services AS text[]), CAST(:priorities AS smallint[]), CAST(:policies AS text[]),
                CAST(:loudnesses AS text[]), CAST(:firsts AS integer[]), CAST(:intervals AS integer[]))
         AS x (service, priority, policy, loudness, first_update_s, update_interval_s)
    LEFT JOIN services s ON s.key = x.service LEFT JOIN escalation_policies p ON p.key = x.policy
""")

_KNOWN = {
    "team": text("SELECT key FROM teams WHERE key = ANY (CAST(:keys AS text[]))"),
    "service": text("SELECT key FROM services WHERE key = ANY (CAST(:keys AS text[]))"),
    "policy": text("SELECT key FROM escalation_policies WHERE key = ANY (CAST(:keys AS text[]))"),
}


async def version(conn: AsyncConnection, name: ListName) -> int:
    return int((await conn.execute(_VERSION, {"name": name})).scalar_one())


async def lock(conn: AsyncConnection, name: ListName) -> int:
    """The list's version; writers wait for one another until the transaction ends."""
    return int((await conn.execute(_LOCK, {"name": name})).scalar_one())


async def touch(conn: AsyncConnection, name: ListName) -> None:
    await conn.execute(_TOUCH, {"name": name})


async def unknown(conn: AsyncConnection, named: Mapping[str, set[str]]) -> set[tuple[str, str]]:
    """(kind, key) of those that do not exist. `named`: keys by kind (`team`, `service`, `policy`)."""
    missing: set[tuple[str, str]] = set()
    for kind, keys in named.items():
        found = set((await conn.execute(_KNOWN[kind], {"keys": sorted(keys)})).scalars()) if keys else set()
        missing |= {(kind, key) for key in keys - found}
    return missing


async def tiers(conn: AsyncConnection) -> list[SupportTier]:
    found = [SupportTier.model_validate(dict(r)) for r in (await conn.execute(_TIERS)).mappings()]
    return sorted(found, key=lambda tier: tier.place)


async def put_tiers(conn: AsyncConnection, wanted: Sequence[SupportTier]) -> None:
    await conn.execute(_CLEAR_TIERS)
    columns: dict[str, list[Any]] = {
        "teams": [t.team for t in wanted],
        "services": [t.service for t in wanted],
        "tiers": [t.tier for t in wanted],
        "policies": [t.policy for t in wanted],
    }
    await conn.execute(_INSERT_TIERS, columns)


async def policy_of_tier(conn: AsyncConnection, service_id: int, tier: int) -> int | None:
    found: int | None = (await conn.execute(_POLICY_OF_TIER, {"service_id": service_id, "tier": tier})).scalar()
    return found


async def tiers_of(conn: AsyncConnection, service_id: int) -> list[int]:
    """The higher tiers that there are for a service."""
    return list((await conn.execute(_TIERS_OF, {"service_id": service_id})).scalars())


async def matrix(conn: AsyncConnection) -> list[MatrixRow]:
    found = [MatrixRow.model_validate(dict(r)) for r in (await conn.execute(_MATRIX)).mappings()]
    return sorted(found, key=lambda row: row.place)


async def put_matrix(conn: AsyncConnection, wanted: Sequence[MatrixRow]) -> None:
    await conn.execute(_CLEAR_MATRIX)
    columns: dict[str, list[Any]] = {
        "services": [r.service for r in wanted],
        "priorities": [r.priority for r in wanted],
        "policies": [r.policy for r in wanted],
        "loudnesses": [r.loudness for r in wanted],
        "firsts": [r.first_update_s for r in wanted],
        "intervals": [r.update_interval_s for r in wanted],
    }
    await conn.execute(_INSERT_MATRIX, columns)
