"""Drafts of a schedule and of a policy, as a rehearsal takes them: written to copies of their tables, never saved."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Invalid
from app.escalation import policies
from app.escalation.policy_document import PolicyDocument
from app.oncall import commands
from app.oncall.schedule_document import ScheduleDocument
from app.rehearsal import shadow_store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Drafts:
    """What the configuration is taken to say. `schedule` counts from `effective_from` on; None: since ever. A `policy`
    that is new is taken for that of the service to which the integration belongs."""

    schedule: ScheduleDocument | None = None
    policy: PolicyDocument | None = None
    effective_from: datetime | None = None

    async def lay(self, conn: AsyncConnection, now: datetime, service_id: int) -> None:
        """On a connection with copies (`shadow_store.copy_drafted`). Raises `Invalid` naming the field of the draft."""
        if self.schedule is not None:
            await _within("schedule", commands.rehearse(conn, now, self.schedule, self.effective_from))
        if self.policy is not None:
            made = await _within("policy", policies.rehearse(conn, now, self.policy))
            if made is not None:
                await shadow_store.give_policy(conn, service_id, made)


async def _within(member: str, written: Awaitable[T]) -> T:
    try:
        return await written
    except Invalid as refused:
        errors = [error | {"field": f"{member}.{error['field']}"} for error in refused.errors]
        raise Invalid(f"{member}: {refused.message}", code=refused.code, errors=errors) from refused
