"""Drills: a marked test page along the real path. An incident that is flagged, a ladder with the copy of a policy, the
messages that a page would send; an acknowledgement ends it, and so does the end of its ladder.

It cannot page outside its targets: nobody is informed, no webhook is called, it is neither repeated nor handed to
anybody, and reaches the last resort only when asked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.permissions import Caller
from app.db import ids
from app.errors import Conflict, Forbidden, Invalid, NotFound
from app.escalation import commands as escalation
from app.escalation import copy_store, policy_store, reach
from app.escalation.policy_copy import PolicyCopy
from app.incidents import states
from app.incidents import store as incident_store
from app.incidents.commands import Responder
from app.incidents.states import Incident
from app.incidents.timeline import Entry
from app.notifications.texts import DRILL_TITLE
from app.proof import drill_store, scoring
from app.proof.drill_document import DrillDocument
from app.proof.drill_store import Aim, StoredDrill

LOOK_EVERY: Final = timedelta(seconds=10)
LONGEST: Final = timedelta(hours=24)
LOOKED_AT: Final = 20
_IMPACT_AND_URGENCY: Final = 2


async def start(
    conn: AsyncConnection, now: datetime, wanted: DrillDocument, caller: Caller, channels: Collection[str]
) -> StoredDrill:
    """Begins a drill. Raises `Invalid` (`target.key`), `Forbidden` (`not_your_team`), `Conflict`: `drill_under_way`,
    `no_service` where no incident can be, `no_policy` for a service that would page nobody."""
    aim = await _aim(conn, wanted, caller)
    if (before := await drill_store.open_one(conn, wanted.target.type, aim.id)) is not None:
        await _look(conn, now, before)
    policy = await _policy(conn, wanted, aim)
    incident = _incident(wanted, aim, now)
    incident = (await incident_store.lock(conn, await incident_store.insert(conn, [incident])))[incident.id]
    drill_id = ids.new(now)
    values = {
        "id": drill_id,
        "type": wanted.target.type,
        "target_id": aim.id,
        "target_key": aim.key,
        "target_name": aim.name,
        "incident_id": incident.id,
        "loudness": wanted.loudness,
        "last_resort": wanted.last_resort,
        "note": wanted.note,
        "actor": caller.actor,
        "now": now,
        "look_at": now + LOOK_EVERY,
    }
    missing = await _unreachable(conn, policy, aim.service_id or 0, channels, now)
    if not await drill_store.insert(conn, values, {"unreachable": missing}):
        raise Conflict(f"a drill for {wanted.target.type} {aim.key!r} is under way", code="drill_under_way")
    said = {"name": caller.name, "whom": aim.name}
    await incident_store.write_timeline(conn, [Entry(incident.id, "drill_began", caller.actor, said)], now)
    await escalation.start_drill(conn, incident.id, policy, now)
    return await read(conn, drill_id)


async def _aim(conn: AsyncConnection, wanted: DrillDocument, caller: Caller) -> Aim:
    kind, key = wanted.target.type, wanted.target.key
    if (aim := await drill_store.aim(conn, kind, key)) is None:
        message = f"there is no {'active user' if kind == 'user' else kind} {key!r}"
        raise Invalid(f"target.key: {message}", errors=[{"field": "target.key", "message": message}])
    own = kind == "user" and aim.id == caller.user_id
    if not own and not any(caller.manages(team) for team in aim.teams or (None,)):
        raise Forbidden(f"{caller.actor} does not manage the team this belongs to", code="not_your_team")
    if aim.service_id is None:
        raise Conflict("there is no service yet, and a drill is kept as an incident of one", code="no_service")
    return aim


async def _policy(conn: AsyncConnection, wanted: DrillDocument, aim: Aim) -> dict[str, Any]:
    """The copy that is climbed: one round, people only."""
    wait_s = wanted.wait_minutes * 60
    if wanted.target.type == "service":
        found = await copy_store.copies(conn, [aim.policy_id]) if aim.policy_id else {}
        copy: dict[str, Any] = found.get(aim.policy_id or 0, {**escalation.NO_POLICY})
        legs = [_once(leg) for leg in (copy, *copy.get("chain", ()))]
    else:
        target = {"type": wanted.target.type, "id": aim.id}
        name = f"drill for {aim.name}"
        legs = [{"key": "", "name": name, "version": 0, "repeats": 0, "steps": [_step(wait_s, [target])]}]
    if wanted.last_resort:
        last = await policy_store.last_resort(conn)
        legs[-1]["steps"] = [*legs[-1]["steps"], _step(wait_s, last)]
    if not any(leg["steps"] for leg in legs):
        raise Conflict("the service has no policy, and nor has the organisation for it", code="no_policy")
    first, *chain = legs
    return first | {"drill": True} | ({"chain": chain} if chain else {})


def _once(leg: dict[str, Any]) -> dict[str, Any]:
    """A policy without repeats and webhooks."""
    steps = [{**s, "targets": [t for t in s["targets"] if t["type"] != "webhook"]} for s in leg["steps"]]
    return {name: value for name, value in leg.items() if name != "chain"} | {"repeats": 0, "steps": steps}


def _step(delay_s: int, targets: list[dict[str, Any]]) -> dict[str, Any]:
    return {"delay_s": delay_s, "targets": targets}


async def _unreachable(
    conn: AsyncConnection, policy: dict[str, Any], service_id: int, channels: Collection[str], now: datetime
) -> list[str]:
    """Whom its steps name and no message can be made for, in words."""
    rungs = PolicyCopy.of(policy).rungs
    town = await reach.town(conn, {t for rung in rungs for t in rung.targets}, channels, now, [service_id])
    find = town.of(service_id)
    found = [because for rung in rungs for because in find(rung.targets).because.split("; ") if because]
    return list(dict.fromkeys(found))


def _incident(wanted: DrillDocument, aim: Aim, now: datetime) -> Incident:
    """It counts no alerts and holds no key: no occurrence ever joins it."""
    drill_id = ids.new(now)
    note = f": {wanted.note}" if wanted.note else ""
    return Incident(
        id=drill_id, number=0, service_id=aim.service_id or 0, correlation_key=f"drill:{drill_id}", open_key=None,
        title=f"{DRILL_TITLE}test page for {aim.name}{note}", state="triggered", epoch=1, priority=wanted.priority,
        impact=_IMPACT_AND_URGENCY, urgency=_IMPACT_AND_URGENCY, verdict={"inputs": []}, priority_pin=None,
        loudness=wanted.loudness, loud_due_at=None, held_open=True, opened_at=now, triggered_at=now,
        acknowledged_at=None, acknowledged_by_id=None, wakes_at=None, wakes_because=None, assigned_to_id=None,
        mitigated_at=None, resolved_at=None, resolved_by=None, closed_at=None, recovery_due_at=None,
        paging_due_at=None, reopened=0, recurrence_of_id=None, last_occurrence_at=now, firing=0, occurrences=0,
        version=1, drill=True,
    )  # fmt: skip


async def read(conn: AsyncConnection, drill_id: UUID) -> StoredDrill:
    """Raises `NotFound`."""
    if not (found := await drill_store.drills(conn, drill_id=drill_id, limit=1)):
        raise NotFound("there is no such drill")
    return found[0]


async def end(conn: AsyncConnection, now: datetime, drill_id: UUID, who: Responder, caller: Caller) -> StoredDrill:
    """Ends one that is under way; one that is over stays as it is. Raises `NotFound`, `Forbidden` (`not_your_team`)."""
    drill = await read(conn, drill_id)
    aim = await drill_store.aim(conn, drill.target_type, drill.target_key)
    teams = aim.teams if aim is not None else ()
    if drill.started_by != caller.actor and not any(caller.manages(team) for team in teams or (None,)):
        raise Forbidden(f"{caller.actor} does not manage the team this belongs to", code="not_your_team")
    row = await drill_store.open_one(conn, drill.target_type, drill.target_id)
    if row is None or row.id != drill_id:
        return drill
    await _resolve(conn, now, row.incident_id, who.actor, f"ended by {who.name}")
    await _look(conn, now, row)
    return await read(conn, drill_id)


async def _resolve(conn: AsyncConnection, now: datetime, incident_id: UUID, by: str, because: str) -> None:
    incident = (await incident_store.lock(conn, [incident_id]))[incident_id]
    if incident.is_open:
        await incident_store.update(conn, [states.resolve(incident, now, by)])
        await incident_store.write_timeline(conn, [Entry(incident_id, "drill_over", by, {"because": because})], now)


async def look(conn: AsyncConnection, now: datetime) -> int:
    """⓪ Drills that are over are scored. Returns how many were looked at."""
    rows = await drill_store.due(conn, now, LOOKED_AT)
    for row in rows:
        await _look(conn, now, row)
    return len(rows)


async def _look(conn: AsyncConnection, now: datetime, row: Any) -> None:
    [incident] = await incident_store.read(conn, [row.incident_id])
    if incident.is_open:
        if await drill_store.climbs(conn, row.incident_id) and now < row.started_at + LONGEST:
            await drill_store.look_again(conn, row.id, now + LOOK_EVERY)
            return
        await _resolve(conn, now, row.incident_id, "tocsin", "nobody acknowledged it")
    drill = await read(conn, row.id)
    await drill_store.end(conn, row.id, drill.ended_at or now, drill.outcome or "ended", await scored(conn, drill))


async def scored(conn: AsyncConnection, drill: StoredDrill) -> dict[str, Any]:
    """`people`: each a `PersonScore`; `unreachable`: in words, whom no message could be made for; and the tally. As it
    was kept, or for one under way as it stands."""
    if "people" in drill.score:
        return dict(drill.score)
    unreachable = list(drill.score["unreachable"])
    people = scoring.score(drill.started_at, *await drill_store.told(conn, drill.incident_id))
    return scoring.tally(people, unreachable) | {"people": [asdict(p) for p in people], "unreachable": unreachable}
