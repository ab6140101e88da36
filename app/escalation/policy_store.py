"""SQL of escalation policies and of the last resort. Ladders have their own store."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.escalation.policy_document import PolicyDocument, PolicyEdit, StepDocument, Target


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A policy as it is now. `version` is its ETag."""

    id: int
    document: PolicyDocument
    version: int
    created_at: datetime
    updated_at: datetime


# A target row says whom by the one of its columns that is set; people read its key.
_PERSON_TYPE = "CASE WHEN g.user_id IS NOT NULL THEN 'user' WHEN g.team_id IS NOT NULL THEN 'team' ELSE 'schedule' END"
_TYPE = f"""
    CASE WHEN g.webhook_id IS NOT NULL THEN 'webhook' WHEN g.tier IS NOT NULL THEN 'tier' ELSE {_PERSON_TYPE} END
"""
_KEY = "coalesce(tu.key, tt.key, ts.key, tw.key, CAST(g.tier AS text))"
_ID = "coalesce(g.user_id, g.team_id, g.schedule_id, g.webhook_id, g.tier)"
_TARGET_BY_KEY = f"jsonb_build_object('type', {_TYPE}, 'key', {_KEY})"
TARGET_BY_ID = f"jsonb_build_object('type', {_TYPE}, 'id', {_ID})"
_PERSON_BY_KEY = f"jsonb_build_object('type', {_PERSON_TYPE}, 'key', coalesce(tu.key, tt.key, ts.key))"
_PERSON_BY_ID = f"jsonb_build_object('type', {_PERSON_TYPE}, 'id', coalesce(g.user_id, g.team_id, g.schedule_id))"
_PERSON_KEYS = """
    LEFT JOIN users tu ON tu.id = g.user_id
    LEFT JOIN teams tt ON tt.id = g.team_id
    LEFT JOIN schedules ts ON ts.id = g.schedule_id
"""
_TARGET_KEYS = f"{_PERSON_KEYS} LEFT JOIN webhooks tw ON tw.id = g.webhook_id"


def steps_of(target: str, joins: str = "") -> str:
    """SQL: the steps of the policy `p` as an array of documents."""
    return f"""
        (SELECT coalesce(jsonb_agg(jsonb_build_object('delay_s', s.delay_s, 'targets', (
            SELECT coalesce(jsonb_agg({target} ORDER BY g.position), '[]')
            FROM escalation_targets g {joins} WHERE g.step_id = s.id
        ), 'whom', s.whom, 'acknowledge', s.acknowledge, 'when', nullif(s.condition, '{{}}')
        ) ORDER BY s.position), '[]')
        FROM escalation_steps s WHERE s.policy_id = p.id)
    """


# Policies with their steps by key, in the order of their keys; after a key for slices, or those of the keys given.
_POLICIES = text(f"""
    SELECT p.id, p.key, p.name, t.key AS team, p.repeats, h.key AS hand_over_to, p.hand_over_to_tier, p.version,
           p.created_at, p.updated_at, {steps_of(_TARGET_BY_KEY, _TARGET_KEYS)} AS steps
    FROM escalation_policies p LEFT JOIN teams t ON t.id = p.team_id
    LEFT JOIN escalation_policies h ON h.id = p.hand_over_to_id
    WHERE (CAST(:keys AS text[]) IS NULL OR p.key = ANY(CAST(:keys AS text[])))
      AND p.key > :after
    ORDER BY p.key LIMIT :limit
""")

_LAST_RESORT = text(f"""
    SELECT {_PERSON_BY_KEY} AS target FROM last_resort_targets g {_PERSON_KEYS} ORDER BY g.position
""")

_LAST_RESORT_IDS = text(f"SELECT {_PERSON_BY_ID} AS target FROM last_resort_targets g ORDER BY g.position")


async def policies(
    conn: AsyncConnection, keys: Sequence[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[StoredPolicy]:
    """Policies in the order of their keys: all, those of `keys`, or a slice after a key."""
    rows = await conn.execute(_POLICIES, {"keys": None if keys is None else list(keys), "after": after, "limit": limit})
    return [
        StoredPolicy(
            id=r.id,
            document=PolicyDocument.model_validate({name: getattr(r, name) for name in PolicyDocument.model_fields}),
            version=r.version,
            created_at=r.created_at,
            updated_at=r.updated_at,
        )
        for r in rows
    ]


async def last_resort(conn: AsyncConnection) -> list[dict[str, Any]]:
    """The targets of the last resort by id: `[{"type": "user", "id": 5}]`; empty only before `tocsin init`."""
    return list((await conn.execute(_LAST_RESORT_IDS)).scalars())


async def last_resort_by_key(conn: AsyncConnection) -> list[Target]:
    """The targets of the last resort as people read them."""
    return [Target.model_validate(t) for t in (await conn.execute(_LAST_RESORT)).scalars()]


_LOCK_POLICY = text("SELECT id, version FROM escalation_policies WHERE key = :key FOR UPDATE")
_LOCK_LAST_RESORT = text("LOCK TABLE last_resort_targets IN SHARE ROW EXCLUSIVE MODE")
_INSERT_POLICY = text("""
    INSERT INTO escalation_policies
        (key, name, team_id, repeats, hand_over_to_id, hand_over_to_tier, created_at, updated_at)
    VALUES (:key, :name, :team_id, :repeats, :hand_over_to_id, :hand_over_to_tier, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE_POLICY = text("""
    UPDATE escalation_policies
    SET name = :name, team_id = :team_id, repeats = :repeats, hand_over_to_id = :hand_over_to_id,
        hand_over_to_tier = :hand_over_to_tier, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_POLICY_IDS = text("SELECT key, id FROM escalation_policies WHERE key = ANY (CAST(:keys AS text[]))")
_DELETE_POLICY = text("DELETE FROM escalation_policies WHERE id = :id")
_DELETE_STEPS = text("DELETE FROM escalation_steps WHERE policy_id = :id")
_INSERT_STEPS = text("""
    INSERT INTO escalation_steps (policy_id, position, delay_s, whom, acknowledge, condition)
    SELECT :id, ordinality, delay_s, whom, acknowledge, CAST(condition AS jsonb)
    FROM unnest(CAST(:delays AS int[]), CAST(:whom AS text[]), CAST(:acknowledge AS text[]),
                CAST(:conditions AS text[]))
         WITH ORDINALITY AS u (delay_s, whom, acknowledge, condition, ordinality)
""")
# Targets find their step by its position.
_INSERT_TARGETS = text("""
    INSERT INTO escalation_targets (step_id, position, user_id, schedule_id, team_id, webhook_id, tier)
    SELECT s.id, u.position, u.user_id, u.schedule_id, u.team_id, u.webhook_id, u.tier
    FROM unnest(CAST(:steps AS int[]), CAST(:positions AS int[]), CAST(:user AS bigint[]),
                CAST(:schedule AS bigint[]), CAST(:team AS bigint[]), CAST(:webhook AS bigint[]),
                CAST(:tier AS smallint[])
    ) AS u (step, position, user_id, schedule_id, team_id, webhook_id, tier)
    JOIN escalation_steps s ON s.policy_id = :id AND s.position = u.step
""")
_CLEAR_LAST_RESORT = text("DELETE FROM last_resort_targets")
_INSERT_LAST_RESORT = text("""
    INSERT INTO last_resort_targets (position, user_id, schedule_id, team_id)
    SELECT * FROM unnest(CAST(:positions AS int[]), CAST(:user AS bigint[]), CAST(:schedule AS bigint[]),
                         CAST(:team AS bigint[]))
""")

TargetIds = dict[Target, int]
"""The row that each target names; of a support tier its number, since which service it is of is not known before."""

_TARGET_IDS = {
    "user": text("SELECT key, id FROM users WHERE key = ANY(CAST(:keys AS text[]))"),
    "team": text("SELECT key, id FROM teams WHERE key = ANY(CAST(:keys AS text[]))"),
    "schedule": text("SELECT key, id FROM schedules WHERE key = ANY(CAST(:keys AS text[]))"),
    "webhook": text("SELECT key, id FROM webhooks WHERE key = ANY(CAST(:keys AS text[]))"),
}


async def find_targets(conn: AsyncConnection, targets: Sequence[Target]) -> TargetIds:
    """The ids of those targets that exist."""
    found: TargetIds = {t: int(t.key) for t in targets if t.type == "tier"}
    for kind, statement in _TARGET_IDS.items():
        if keys := [t.key for t in targets if t.type == kind]:
            rows = await conn.execute(statement, {"keys": keys})
            found |= {Target.model_validate({"type": kind, "key": r.key}): r.id for r in rows}
    return found


@dataclass(frozen=True, slots=True)
class Places:
    """The rows that a policy names besides its targets."""

    team_id: int | None
    hand_over_to_id: int | None


def _values(policy: PolicyEdit, places: Places) -> dict[str, Any]:
    return {
        "name": policy.name,
        "team_id": places.team_id,
        "repeats": policy.repeats,
        "hand_over_to_id": places.hand_over_to_id,
        "hand_over_to_tier": policy.hand_over_to_tier,
    }


async def find_policies(conn: AsyncConnection, keys: Sequence[str]) -> dict[str, int]:
    """The ids of those policies that exist, by key."""
    rows = await conn.execute(_POLICY_IDS, {"keys": list(keys)})
    return {r.key: r.id for r in rows}


async def find_team(conn: AsyncConnection, key: str) -> int | None:
    row = (await conn.execute(_TARGET_IDS["team"], {"keys": [key]})).first()
    return None if row is None else int(row.id)


async def lock(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """Id and version of a policy, locked until the transaction ends; None when there is none."""
    row = (await conn.execute(_LOCK_POLICY, {"key": key})).first()
    return None if row is None else (row.id, row.version)


async def insert(
    conn: AsyncConnection, now: datetime, policy: PolicyDocument, places: Places, targets: TargetIds
) -> int | None:
    """The new policy's id; None when its key is taken."""
    values = {"key": policy.key, "now": now, **_values(policy, places)}
    policy_id: int | None = (await conn.execute(_INSERT_POLICY, values)).scalar()
    if policy_id is not None:
        await _insert_steps(conn, policy_id, policy.steps, targets)
    return policy_id


async def update(
    conn: AsyncConnection, now: datetime, policy_id: int, policy: PolicyEdit, places: Places, targets: TargetIds
) -> None:
    await conn.execute(_UPDATE_POLICY, {"id": policy_id, "now": now, **_values(policy, places)})
    await conn.execute(_DELETE_STEPS, {"id": policy_id})
    await _insert_steps(conn, policy_id, policy.steps, targets)


async def delete(conn: AsyncConnection, policy_id: int) -> None:
    await conn.execute(_DELETE_POLICY, {"id": policy_id})


async def _insert_steps(
    conn: AsyncConnection, policy_id: int, steps: Sequence[StepDocument], targets: TargetIds
) -> None:
    conditions = [dumps(s.when.model_dump(exclude_none=True) if s.when else {}) for s in steps]
    modes = {"whom": [s.whom for s in steps], "acknowledge": [s.acknowledge for s in steps], "conditions": conditions}
    await conn.execute(_INSERT_STEPS, {"id": policy_id, "delays": [s.delay_s for s in steps]} | modes)
    flat = [(i, t) for i, s in enumerate(steps, start=1) for t in s.targets]
    columns = _columns([t for _, t in flat], targets, (*_PEOPLE, "webhook", "tier"))
    await conn.execute(_INSERT_TARGETS, {"id": policy_id, "steps": [i for i, _ in flat]} | columns)


async def replace_last_resort(conn: AsyncConnection, targets: Sequence[Target], ids: TargetIds) -> None:
    await conn.execute(_CLEAR_LAST_RESORT)
    await conn.execute(_INSERT_LAST_RESORT, _columns(targets, ids))


async def lock_last_resort(conn: AsyncConnection) -> None:
    """Writers of the last resort wait for one another; readers do not."""
    await conn.execute(_LOCK_LAST_RESORT)


_PEOPLE = ("user", "schedule", "team")


def _columns(
    targets: Sequence[Target], ids: TargetIds, kinds: Sequence[str] = _PEOPLE
) -> dict[str, list[int] | list[int | None]]:
    columns = {kind: [ids[t] if t.type == kind else None for t in targets] for kind in kinds}
    return {"positions": list(range(1, len(targets) + 1)), **columns}
