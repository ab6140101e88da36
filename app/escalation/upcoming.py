"""What happens next on the ladder of an incident, for screens and the API: the same look-up as the climb itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.escalation import policy_store, reach
from app.escalation.ladder import ASSIGNED_STEP, PolicyCopy, Target

LADDER = text("""
    SELECT l.policy, l.epoch, l.round, l.step, l.reached, l.next_step_at, i.state, i.epoch AS incident_epoch,
           i.assigned_to_id
    FROM ladders l JOIN incidents i ON i.id = l.incident_id
    WHERE l.incident_id = :incident_id AND l.purpose = 'page'
""")


@dataclass(frozen=True, slots=True)
class NextStep:
    """When the ladder climbs next, and whom it would page if nothing changed. `step` 1 is the policy's first, None the
    last resort; `names` is empty when it would reach nobody."""

    at: datetime
    policy: str
    round: int
    step: int | None
    names: tuple[str, ...]


async def next_step(
    conn: AsyncConnection, incident_id: UUID, channels: Collection[str], now: datetime
) -> NextStep | None:
    """None while nothing will be climbed: the incident is not triggered, or its ladder is parked."""
    row = (await conn.execute(LADDER, {"incident_id": incident_id})).first()
    if row is None or row.next_step_at is None or row.state != "triggered":
        return None
    policy = PolicyCopy.of(row.policy)
    round_, step = (row.round, row.step) if row.epoch == row.incident_epoch else (1, 0)
    if step >= len(policy.steps) and row.reached and round_ <= policy.repeats:
        round_, step = round_ + 1, 0
    at = max(row.next_step_at, now)
    is_last = step >= len(policy.steps)
    if step == ASSIGNED_STEP and row.assigned_to_id is not None:
        targets = [Target("user", row.assigned_to_id)]
    elif is_last:
        targets = [Target(t["type"], t["id"]) for t in await policy_store.last_resort(conn)]
    else:
        targets = list(policy.steps[max(step, 0)].targets)
    # Who is on call when the step falls due, not who is now.
    town = await reach.town(conn, targets, channels, at)
    names = tuple(name for _, name, _ in town.find(targets).people)
    return NextStep(at, policy.name, round_, None if is_last else max(step, 0) + 1, names)
