"""Lint of a stored or drafted schedule with all that is known about its people, for API, save and the weekly mail."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.oncall import store
from app.oncall.lint import Finding, People, lint, same_people
from app.oncall.schedule_document import Like
from app.oncall.shifts import Schedule
from app.oncall.store import Member
from app.proof import reach_store
from app.proof.levels import assess

Window = tuple[datetime, datetime]


async def findings(
    conn: AsyncConnection,
    now: datetime,
    schedule: Schedule,
    window: Window,
    channels: Collection[str],
    *,
    team_id: int | None,
    like: Like | None,
) -> tuple[list[Finding], dict[int, Member]]:
    """Warnings before notes, and everybody whom the schedule names. It is complete for the window, owned by a team, and
    `like` another one. `channels`: the names of the configured ones."""
    members = await store.members(conn, named(schedule))
    names = {member.id: member.name for member in members.values()}
    active = {member.id for member in members.values() if member.active}
    people = await known(conn, now, members, channels, team_id)
    found = await asyncio.to_thread(lint, schedule, *window, names, active, people)
    for stored in await store.documents(conn, [like.schedule]) if like else []:
        [other] = (await store.schedules(conn, [stored.id], window=window)).values()
        found += await asyncio.to_thread(list, same_people(schedule, other, *window, names))
    return sorted(found, key=lambda finding: finding.level, reverse=True), members


async def known(
    conn: AsyncConnection, now: datetime, user_ids: Collection[int], channels: Collection[str], team_id: int | None
) -> People:
    """What lint asks about the people of a schedule."""
    unreachable, partly, left = {}, {}, []
    for person in await reach_store.people(conn, now, channels, user_ids):
        found = assess(person.active, person.methods, now)
        if not person.active:
            left.append(person.id)
        elif found.level == "not_reachable":
            unreachable[person.id] = ", ".join(found.reasons)
        elif found.level == "partly":
            partly[person.id] = ", ".join(found.reasons)
    policies = await reach_store.named_by_policies(conn, left)
    team = None if team_id is None else await reach_store.team(conn, team_id)
    return People(unreachable, partly, team, policies)


def named(schedule: Schedule) -> set[int]:
    """Everybody whom its layers and overrides name."""
    users = {entry.user_id for layer in schedule.layers for turn in layer.turns for entry in turn}
    return users | {override.user_id for override in schedule.overrides if override.user_id is not None}
