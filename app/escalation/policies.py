"""What people do with escalation policies and the last resort. Policies come as documents by keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.errors import Conflict, Invalid, NotFound
from app.escalation import place_store
from app.escalation import policy_store as store
from app.escalation.policy_document import LastResort, PolicyDocument, PolicyEdit, StepDocument, Target
from app.escalation.policy_store import Places, StoredPolicy, TargetIds

MAX_LEGS = 10
"""So many policies can follow one another, the first one included."""


async def read(conn: AsyncConnection, key: str) -> StoredPolicy:
    """Raises `NotFound`."""
    found = await store.policies(conn, [key])
    if not found:
        raise NotFound(f"there is no escalation policy {key!r}", key=key)
    return found[0]


async def create(conn: AsyncConnection, now: datetime, policy: PolicyDocument, *, actor: str) -> StoredPolicy:
    """Raises `Conflict` (`key_taken`) and `Invalid` for a team, target or policy to hand over to that does not
    exist, and for policies that hand over in a circle."""
    places, targets = await _resolve(conn, policy)
    policy_id = await store.insert(conn, now, policy, places, targets)
    if policy_id is None:
        raise Conflict(f"there is an escalation policy {policy.key!r} already", code="key_taken", key=policy.key)
    await audit.record(
        conn,
        now,
        actor=actor,
        action="policy.created",
        entity="policy",
        entity_key=policy.key,
        after=policy.model_dump(mode="json"),
    )
    await _check_legs(conn, policy_id)
    return await read(conn, policy.key)


async def edit(
    conn: AsyncConnection, now: datetime, key: str, policy: PolicyEdit, *, actor: str, version: int | None = None
) -> StoredPolicy:
    """Puts a whole policy in place of the stored one; ladders that climb keep their copy.

    `version` is the one that the caller saw; None: whatever there is. An edit that changes nothing writes nothing.
    Raises `NotFound`, `Conflict` (`outdated`) and `Invalid`.
    """
    policy_id = await _lock(conn, key, version)
    before = await read(conn, key)
    after = PolicyDocument.model_validate({"key": key, **policy.model_dump(exclude={"key"})})
    if after == before.document:
        return before
    places, targets = await _resolve(conn, policy)
    await store.update(conn, now, policy_id, policy, places, targets)
    await audit.record(
        conn,
        now,
        actor=actor,
        action="policy.edited",
        entity="policy",
        entity_key=key,
        before=before.document.model_dump(mode="json"),
        after=after.model_dump(mode="json"),
    )
    await _check_legs(conn, policy_id)
    return await read(conn, key)


async def delete(conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`; `in_use` with `used_by`, the places that name it)."""
    policy_id = await _lock(conn, key, version)
    if used_by := await place_store.places_of_policy(conn, policy_id):
        raise _in_use("escalation policy", key, used_by)
    before = await read(conn, key)
    await store.delete(conn, policy_id)
    await audit.record(
        conn,
        now,
        actor=actor,
        action="policy.deleted",
        entity="policy",
        entity_key=key,
        before=before.document.model_dump(mode="json"),
    )


async def rehearse(conn: AsyncConnection, now: datetime, draft: PolicyDocument) -> int | None:
    """Puts a draft in place of the policy of its key without an audit record: for rehearsals on copies of the tables,
    which nobody sees. Returns the id of one that is new. Raises `Invalid`."""
    places, targets = await _resolve(conn, draft)
    if (found := await store.lock(conn, draft.key)) is not None:
        await store.update(conn, now, found[0], draft, places, targets)
        await _check_legs(conn, found[0])
        return None
    return await store.insert(conn, now, draft, places, targets)


async def refuse_if_target(conn: AsyncConnection, kind: str, key: str) -> None:
    """Raises `Conflict` (`in_use`) when a policy or the last resort names this user, schedule or team."""
    if used_by := await place_store.places_of_target(conn, kind, key):
        raise _in_use(kind, key, used_by)


async def set_last_resort(conn: AsyncConnection, now: datetime, last_resort: LastResort, *, actor: str) -> LastResort:
    """Who is paged when nobody else was reached. Raises `Invalid` for a target that does not exist."""
    await store.lock_last_resort(conn)
    before = await store.last_resort_by_key(conn)
    if before == last_resort.targets:
        return last_resort
    ids, errors = await find(conn, {"": last_resort.targets})
    _raise(errors)
    await store.replace_last_resort(conn, last_resort.targets, ids)
    await audit.record(
        conn,
        now,
        actor=actor,
        action="last_resort.edited",
        entity="organisation",
        entity_key="last_resort",
        before={"targets": [t.model_dump() for t in before]},
        after=last_resort.model_dump(),
    )
    return last_resort


def _in_use(what: str, key: str, used_by: list[dict[str, str]]) -> Conflict:
    places = ", ".join(f"{p['type']} {p['key']}" for p in used_by[:5])
    return Conflict(f"{what} {key!r} is in use: {places}", code="in_use", key=key, used_by=used_by)


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    locked = await store.lock(conn, key)
    if locked is None:
        raise NotFound(f"there is no escalation policy {key!r}", key=key)
    policy_id, current = locked
    if version is not None and version != current:
        raise Conflict(f"escalation policy {key!r} was edited meanwhile", code="outdated", current_version=current)
    return policy_id


async def _check_legs(conn: AsyncConnection, policy_id: int) -> None:
    """After the audit record, which makes writers of the configuration wait for one another: two edits at once cannot
    make a cycle together. Raises `Invalid`."""
    legs = await place_store.legs(conn, policy_id)
    message = ""
    if len(set(legs)) < len(legs):
        message = f"hands over in a circle: {' to '.join(legs)}"
    elif len(legs) > MAX_LEGS:
        message = f"{len(legs)} policies hand over one after the other, at most {MAX_LEGS} can"
    if message:
        _raise([{"field": "hand_over_to", "message": message}])


async def _resolve(conn: AsyncConnection, policy: PolicyEdit) -> tuple[Places, TargetIds]:
    steps: Iterable[tuple[int, StepDocument]] = enumerate(policy.steps)
    ids, errors = await find(conn, {f"steps[{i}].": step.targets for i, step in steps})
    team_id = await store.find_team(conn, policy.team) if policy.team else None
    if policy.team and team_id is None:
        errors.insert(0, {"field": "team", "message": f"there is no team {policy.team!r}"})
    following = None
    if policy.hand_over_to:
        following = (await store.find_policies(conn, [policy.hand_over_to])).get(policy.hand_over_to)
        if following is None:
            message = f"there is no escalation policy {policy.hand_over_to!r}"
            errors.append({"field": "hand_over_to", "message": message})
    _raise(errors)
    return Places(team_id, following), ids


async def find(conn: AsyncConnection, targets: dict[str, list[Target]]) -> tuple[TargetIds, list[dict[str, str]]]:
    """The ids of all targets, and what is wrong with those that do not exist; the dict's keys begin field names."""
    ids = await store.find_targets(conn, [t for some in targets.values() for t in some])
    errors = [
        {"field": f"{field}targets[{i}].key", "message": f"there is no {target.type} {target.key!r}"}
        for field, some in targets.items()
        for i, target in enumerate(some)
        if target not in ids
    ]
    return ids, errors


def _raise(errors: list[dict[str, str]]) -> None:
    if errors:
        raise Invalid("; ".join(f"{e['field']}: {e['message']}" for e in errors), errors=errors)
