"""Reads a whole sheet in one transaction that writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import store as directory
from app.escalation import policy_store
from app.oncall import shifts
from app.oncall import store as oncall
from app.oncall.shifts import Schedule
from app.vigil import paper_store
from app.vigil.sheet import AHEAD, MOST_INCIDENTS, Contact, Roster, Sheet, Tree, Trouble, Turn, step_lines


async def collect(conn: AsyncConnection, now: datetime, public_url: str) -> Sheet:
    organisation = await directory.organisation(conn)
    names = await paper_store.names(conn)
    teams = await paper_store.teams(conn)

    def said(target: Any) -> str:
        return _said(target, names, teams)

    return Sheet(
        organisation=organisation.document.name if organisation is not None else "",
        zone=organisation.document.time_zone if organisation is not None else "UTC",
        public_url=public_url,
        written_at=now,
        rosters=await _rosters(conn, now),
        contacts=[
            Contact(row.name, row.email or "", [(channel, address) for channel, address in row.methods])
            for row in await paper_store.people(conn)
        ],
        trees=await _trees(conn, said),
        last_resort=", ".join(said(target) for target in await policy_store.last_resort_by_key(conn)),
        incidents=[
            Trouble(r.number, r.title, r.priority, r.state, r.service, r.opened_at, r.held_by)
            for r in await paper_store.incidents(conn, MOST_INCIDENTS)
        ],
    )


async def _rosters(conn: AsyncConnection, now: datetime) -> list[Roster]:
    window = (now, now + AHEAD)
    keys = {stored.id: stored.document.key for stored in await oncall.documents(conn)}
    loaded = await oncall.schedules(conn, window=window)
    turns = await asyncio.to_thread(_computed, loaded, window)
    users = {user for found in turns.values() for _, _, user in found if user is not None}
    people = await oncall.names(conn, users)
    rosters = []
    for schedule in sorted(loaded.values(), key=lambda s: (s.name, s.id)):
        own = [
            Turn(start, end, None if user is None else people.get(user, ("", "somebody who was removed"))[1])
            for start, end, user in turns[schedule.id]
        ]
        rosters.append(Roster(keys.get(schedule.id, ""), schedule.name, schedule.zone, own))
    return rosters


def _computed(
    loaded: Mapping[int, Schedule], window: tuple[datetime, datetime]
) -> dict[int, list[tuple[datetime, datetime, int | None]]]:
    """Shifts and gaps by schedule, in the order of their starts; whatever the cause, one while the user is the same."""
    found: dict[int, list[tuple[datetime, datetime, int | None]]] = {}
    for schedule in loaded.values():
        coming = shifts.final(schedule, *window)
        own: list[tuple[datetime, datetime, int | None]] = [
            (start, end, user) for user, spans in shifts.by_user(coming).items() for start, end in spans
        ]
        own += [(start, end, None) for start, end in shifts.gaps(schedule, *window)]
        found[schedule.id] = sorted(own, key=lambda turn: (turn[0], turn[2] or 0))
    return found


async def _trees(conn: AsyncConnection, said: Any) -> list[Tree]:
    services: dict[str | None, list[str]] = {}
    for row in await paper_store.services(conn):
        services.setdefault(row.policy, []).append(row.name)
    trees = []
    for stored in await policy_store.policies(conn):
        policy = stored.document
        lines = step_lines(policy.steps, policy.hand_over_to, policy.repeats, said)
        trees.append(Tree(policy.key, policy.name, services.get(policy.key, []), lines))
    if without := services.get(None):
        trees.append(Tree("", "No policy at all: the last resort is paged", without, []))
    return trees


def _said(target: Any, names: Mapping[tuple[str, str], str], teams: Mapping[str, Sequence[str]]) -> str:
    if target.type == "tier":
        return f"support tier {target.key}"
    name: str = names.get((target.type, target.key), target.key)
    if target.type == "user":
        return name
    if target.type == "team":
        return f"team {name} ({', '.join(teams.get(target.key, ())) or 'nobody'})"
    return f"{target.type} {name}"
