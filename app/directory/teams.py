"""What people do with the organisation and its teams."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import store
from app.directory.changes import Stored, check_version, in_use, invalid, missing, record, taken
from app.directory.documents import OrganisationEdit, TeamDocument, TeamEdit
from app.errors import Conflict, NotFound


async def read_organisation(conn: AsyncConnection, *, lock: bool = False) -> Stored[OrganisationEdit]:
    """Raises `NotFound` before `tocsin init`."""
    if (found := await store.organisation(conn, lock=lock)) is None:
        raise NotFound("there is no organisation yet: run `tocsin init`", code="not_initialised")
    return found


async def create_organisation(
    conn: AsyncConnection, now: datetime, edit: OrganisationEdit, *, actor: str
) -> Stored[OrganisationEdit]:
    """The one owner of this database. Raises `Conflict` (`already_initialised`) when there is one."""
    if not await store.insert_organisation(conn, now, edit, await _policy_id(conn, edit)):
        raise Conflict("there is an organisation already", code="already_initialised")
    await record(conn, now, actor, "organisation.created", "organisation", after=edit.model_dump())
    return await read_organisation(conn)


async def edit_organisation(
    conn: AsyncConnection, now: datetime, edit: OrganisationEdit, *, actor: str, version: int | None = None
) -> Stored[OrganisationEdit]:
    """An edit that changes nothing writes nothing. Raises `Conflict` (`outdated`), `Invalid` for an unknown policy."""
    before = await read_organisation(conn, lock=True)
    check_version("organisation", before.document.name, before.version, version)
    if edit == before.document:
        return before
    await store.update_organisation(conn, now, edit, await _policy_id(conn, edit))
    documents = before.document.model_dump(), edit.model_dump()
    await record(conn, now, actor, "organisation.edited", "organisation", *documents)
    return await read_organisation(conn)


async def read_team(conn: AsyncConnection, key: str) -> Stored[TeamDocument]:
    """Raises `NotFound`."""
    if not (found := await store.teams(conn, [key])):
        raise missing("team", key)
    return found[0]


async def create_team(conn: AsyncConnection, now: datetime, team: TeamDocument, *, actor: str) -> Stored[TeamDocument]:
    """Raises `Conflict` (`key_taken`), `Invalid` for members that do not exist."""
    await _check_members(conn, team)
    if not await store.insert_team(conn, now, team):
        raise taken("team", team.key)
    await record(conn, now, actor, "team.created", team.key, after=team.model_dump())
    return await read_team(conn, team.key)


async def edit_team(
    conn: AsyncConnection, now: datetime, key: str, edit: TeamEdit, *, actor: str, version: int | None = None
) -> Stored[TeamDocument]:
    """Puts name and members in place of the stored ones; an edit that changes nothing writes nothing.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for members that do not exist.
    """
    team_id = await _lock(conn, key, version)
    before = await read_team(conn, key)
    after = TeamDocument(key=key, name=edit.name, members=edit.members)
    if after == before.document:
        return before
    await _check_members(conn, edit)
    await store.update_team(conn, now, team_id, edit)
    await record(conn, now, actor, "team.edited", key, before.document.model_dump(), after.model_dump())
    return await read_team(conn, key)


async def delete_team(
    conn: AsyncConnection, now: datetime, key: str, *, actor: str, version: int | None = None
) -> None:
    """Raises `NotFound`, `Conflict` (`outdated`, or `in_use` while it owns something or a policy pages it)."""
    team_id = await _lock(conn, key, version)
    before = await read_team(conn, key)
    if places := await store.team_places(conn, team_id):
        raise in_use("team", key, places)
    await store.delete_team(conn, team_id)
    await record(conn, now, actor, "team.deleted", key, before.document.model_dump())


async def team_id_of(conn: AsyncConnection, key: str, field: str = "team") -> int:
    """Raises `Invalid` naming `field`."""
    if not (found := await store.teams(conn, [key])):
        raise invalid((field, f"there is no team {key!r}"))
    return found[0].id


async def _lock(conn: AsyncConnection, key: str, version: int | None) -> int:
    if (locked := await store.lock_team(conn, key)) is None:
        raise missing("team", key)
    check_version("team", key, locked[1], version)
    return locked[0]


async def _check_members(conn: AsyncConnection, team: TeamEdit) -> None:
    known = await store.user_ids(conn, [m.user for m in team.members])
    unknown = [
        (f"members[{i}].user", f"there is no user {m.user!r}")
        for i, m in enumerate(team.members)
        if m.user not in known
    ]
    if unknown:
        raise invalid(*unknown)


async def _policy_id(conn: AsyncConnection, edit: OrganisationEdit) -> int | None:
    if edit.catch_all_policy is None:
        return None
    if (found := await store.policy_id(conn, edit.catch_all_policy)) is None:
        raise invalid(("catch_all_policy", f"there is no escalation policy {edit.catch_all_policy!r}"))
    return found
