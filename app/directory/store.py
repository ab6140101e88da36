"""SQL of the organisation, teams and users. Contact methods: `contact_store.py`; services: `service_store.py`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.banned import BANNED
from app.db.engine import dumps
from app.directory.changes import Stored
from app.directory.documents import Member, OrganisationEdit, TeamDocument, TeamEdit, UserDocument, UserEdit

_ORGANISATION = """
    SELECT o.id, o.name, o.time_zone, p.key AS catch_all_policy, o.storm_threshold,
           o.banned_in_messages, o.version, o.created_at, o.updated_at
    FROM organisation o LEFT JOIN escalation_policies p ON p.id = o.catch_all_policy_id
"""
_READ_ORGANISATION = text(_ORGANISATION)
_LOCK_ORGANISATION = text(_ORGANISATION + " FOR UPDATE OF o")
_INSERT_ORGANISATION = text("""
    INSERT INTO organisation (id, name, time_zone, catch_all_policy_id, storm_threshold, banned_in_messages, created_at,
        updated_at)
    VALUES (1, :name, :time_zone, :policy_id, :storm_threshold, CAST(:banned_in_messages AS jsonb), :now, :now)
    ON CONFLICT (id) DO NOTHING RETURNING id
""")
_UPDATE_ORGANISATION = text("""
    UPDATE organisation SET name = :name, time_zone = :time_zone, catch_all_policy_id = :policy_id,
        storm_threshold = :storm_threshold, banned_in_messages = CAST(:banned_in_messages AS jsonb),
        version = version + 1, updated_at = :now
""")
_POLICY = text("SELECT id FROM escalation_policies WHERE key = :key")

_TEAMS = text("""
    SELECT t.id, t.key, t.name, t.version, t.created_at, t.updated_at,
        coalesce((
            SELECT jsonb_agg(jsonb_build_object('user', u.key, 'role', m.role) ORDER BY u.key)
            FROM team_members m JOIN users u ON u.id = m.user_id WHERE m.team_id = t.id
        ), '[]') AS members
    FROM teams t
    WHERE (CAST(:keys AS text[]) IS NULL OR t.key = ANY (CAST(:keys AS text[]))) AND t.key > :after
    ORDER BY t.key LIMIT :limit
""")
_LOCK_TEAM = text("SELECT id, version FROM teams WHERE key = :key FOR UPDATE")
_INSERT_TEAM = text("""
    INSERT INTO teams (key, name, created_at, updated_at) VALUES (:key, :name, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE_TEAM = text("UPDATE teams SET name = :name, version = version + 1, updated_at = :now WHERE id = :id")
_DELETE_TEAM = text("DELETE FROM teams WHERE id = :id")
_CLEAR_MEMBERS = text("DELETE FROM team_members WHERE team_id = :id")
_PUT_MEMBERS = text("""
    INSERT INTO team_members (team_id, user_id, role)
    SELECT :id, u.id, m.role FROM jsonb_to_recordset(CAST(:members AS jsonb)) AS m ("user" text, role text)
    JOIN users u ON u.key = m."user"
""")
_TEAM_PLACES = text("""
    SELECT 'service' AS type, key FROM services WHERE team_id = :id
    UNION ALL SELECT 'schedule', key FROM schedules WHERE team_id = :id
    UNION ALL SELECT 'policy', key FROM escalation_policies WHERE team_id = :id
    UNION SELECT 'policy', p.key FROM escalation_targets t JOIN escalation_steps s ON s.id = t.step_id
        JOIN escalation_policies p ON p.id = s.policy_id WHERE t.team_id = :id
    UNION SELECT 'last_resort', NULL FROM last_resort_targets WHERE team_id = :id
    ORDER BY 1, 2 LIMIT 50
""")

_USERS = text("""
    SELECT id, key, name, email, role, time_zone, digest_at, active, version, created_at, updated_at FROM users
    WHERE (CAST(:keys AS text[]) IS NULL OR key = ANY (CAST(:keys AS text[]))) AND key > :after
    ORDER BY key LIMIT :limit
""")
_LOCK_USER = text("SELECT id, version FROM users WHERE key = :key FOR UPDATE")
_INSERT_USER = text("""
    INSERT INTO users (key, name, email, role, time_zone, digest_at, active, created_at, updated_at)
    VALUES (:key, :name, :email, :role, :time_zone, :digest_at, :active, :now, :now) ON CONFLICT DO NOTHING RETURNING id
""")
_UPDATE_USER = text("""
    UPDATE users SET name = :name, email = :email, role = :role, time_zone = :time_zone,
        digest_at = :digest_at, active = :active, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_TOUCH_USER = text("UPDATE users SET version = version + 1, updated_at = :now WHERE id = :id")
_SET_PASSWORD = text("UPDATE users SET password_hash = :hash, updated_at = :now WHERE id = :id RETURNING key")
_EMAIL = text("SELECT key FROM users WHERE lower(email) = lower(:email)")
_USER_IDS = text("SELECT key, id FROM users WHERE key = ANY (CAST(:keys AS text[]))")
# Everybody who demotes or deactivates an admin locks all of them in one order, so two cannot do it to each other.
_ADMINS = text("SELECT id FROM users WHERE role = 'admin' AND active ORDER BY id FOR UPDATE")
_USER_PLACES = text("""
    SELECT 'policy' AS type, p.key FROM escalation_targets t JOIN escalation_steps s ON s.id = t.step_id
        JOIN escalation_policies p ON p.id = s.policy_id WHERE t.user_id = :id
    UNION SELECT 'last_resort', NULL FROM last_resort_targets WHERE user_id = :id
    UNION SELECT 'schedule', c.key FROM schedule_versions v JOIN schedules c ON c.id = v.schedule_id,
            jsonb_array_elements(v.layers) AS l
        WHERE (v.effective_until IS NULL OR v.effective_until > :now)
          AND (l->>'ends_at' IS NULL OR CAST(l->>'ends_at' AS timestamptz) > :now)
          AND jsonb_path_exists(l, '$.members[*][*] ? (@ == $id)', jsonb_build_object('id', CAST(:id AS bigint)))
    UNION SELECT 'override', c.key FROM overrides o JOIN schedules c ON c.id = o.schedule_id
        WHERE o.user_id = :id AND o.ends_at > :now
    ORDER BY 1, 2 LIMIT 50
""")


async def organisation(conn: AsyncConnection, *, lock: bool = False) -> Stored[OrganisationEdit] | None:
    row = (await conn.execute(_LOCK_ORGANISATION if lock else _READ_ORGANISATION)).mappings().one_or_none()
    if row is None:
        return None
    banned = row["banned_in_messages"]
    return _stored(row, OrganisationEdit, banned_in_messages=list(BANNED) if banned is None else banned)


async def insert_organisation(
    conn: AsyncConnection, now: datetime, edit: OrganisationEdit, policy_id: int | None
) -> bool:
    """False when there is one."""
    values = {"name": edit.name, "time_zone": edit.time_zone, "policy_id": policy_id, "now": now}
    values |= {"storm_threshold": edit.storm_threshold, "banned_in_messages": _banned(edit)}
    return (await conn.execute(_INSERT_ORGANISATION, values)).one_or_none() is not None


async def update_organisation(
    conn: AsyncConnection, now: datetime, edit: OrganisationEdit, policy_id: int | None
) -> None:
    values = {"name": edit.name, "time_zone": edit.time_zone, "policy_id": policy_id, "now": now}
    values |= {"storm_threshold": edit.storm_threshold, "banned_in_messages": _banned(edit)}
    await conn.execute(_UPDATE_ORGANISATION, values)


def _banned(edit: OrganisationEdit) -> str | None:
    """Not kept while it is Tocsin's own list, which may grow."""
    return None if edit.banned_in_messages == list(BANNED) else dumps(edit.banned_in_messages)


async def policy_id(conn: AsyncConnection, key: str) -> int | None:
    found: int | None = (await conn.execute(_POLICY, {"key": key})).scalar_one_or_none()
    return found


async def teams(
    conn: AsyncConnection, keys: Collection[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[Stored[TeamDocument]]:
    """In the order of their keys; these, or all, after a key."""
    named = {"keys": None if keys is None else list(keys), "after": after, "limit": limit}
    found = (await conn.execute(_TEAMS, named)).mappings()
    return [
        _stored(row, TeamDocument, team_id=row["id"], members=[Member(**m) for m in row["members"]]) for row in found
    ]


async def lock_team(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version) of a team, locked until the transaction ends."""
    return _pair((await conn.execute(_LOCK_TEAM, {"key": key})).one_or_none())


async def insert_team(conn: AsyncConnection, now: datetime, team: TeamDocument) -> bool:
    """False when the key is taken."""
    values = {"key": team.key, "name": team.name, "now": now}
    team_id = (await conn.execute(_INSERT_TEAM, values)).scalar_one_or_none()
    if team_id is not None:
        await conn.execute(_PUT_MEMBERS, {"id": team_id, "members": _members(team)})
    return team_id is not None


async def update_team(conn: AsyncConnection, now: datetime, team_id: int, edit: TeamEdit) -> None:
    await conn.execute(_UPDATE_TEAM, {"id": team_id, "name": edit.name, "now": now})
    await conn.execute(_CLEAR_MEMBERS, {"id": team_id})
    await conn.execute(_PUT_MEMBERS, {"id": team_id, "members": _members(edit)})


async def delete_team(conn: AsyncConnection, team_id: int) -> None:
    await conn.execute(_DELETE_TEAM, {"id": team_id})


async def team_places(conn: AsyncConnection, team_id: int) -> list[dict[str, Any]]:
    """Where a team is owner or target: `{"type", "key"}`."""
    return _places((await conn.execute(_TEAM_PLACES, {"id": team_id})).mappings().all())


async def users(
    conn: AsyncConnection, keys: Collection[str] | None = None, *, after: str = "", limit: int | None = None
) -> list[Stored[UserDocument]]:
    """In the order of their keys; these, or all, after a key."""
    named = {"keys": None if keys is None else list(keys), "after": after, "limit": limit}
    return [_stored(row, UserDocument) for row in (await conn.execute(_USERS, named)).mappings()]


async def user_ids(conn: AsyncConnection, keys: Collection[str]) -> dict[str, int]:
    """The ids of those users that exist."""
    return {row.key: row.id for row in await conn.execute(_USER_IDS, {"keys": list(keys)})}


async def lock_user(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version) of a user, locked until the transaction ends."""
    return _pair((await conn.execute(_LOCK_USER, {"key": key})).one_or_none())


async def insert_user(conn: AsyncConnection, now: datetime, user: UserDocument) -> int | None:
    """The id, None when the key or the mail address is taken."""
    found: int | None = (await conn.execute(_INSERT_USER, user.model_dump() | {"now": now})).scalar_one_or_none()
    return found


async def update_user(conn: AsyncConnection, now: datetime, user_id: int, edit: UserEdit) -> None:
    await conn.execute(_UPDATE_USER, UserEdit.model_dump(edit, exclude={"key"}) | {"id": user_id, "now": now})


async def touch_user(conn: AsyncConnection, now: datetime, user_id: int) -> None:
    """Something of the user that has no version of its own has changed."""
    await conn.execute(_TOUCH_USER, {"id": user_id, "now": now})


async def set_password_hash(conn: AsyncConnection, now: datetime, user_id: int, password_hash: str) -> str:
    """Returns the user's key."""
    return str((await conn.execute(_SET_PASSWORD, {"hash": password_hash, "now": now, "id": user_id})).scalar_one())


async def owner_of_email(conn: AsyncConnection, email: str) -> str | None:
    """The key of the user who logs in with this address, in whatever case."""
    found: str | None = (await conn.execute(_EMAIL, {"email": email})).scalar_one_or_none()
    return found


async def lock_admins(conn: AsyncConnection) -> list[int]:
    """The ids of all active admins."""
    return list((await conn.execute(_ADMINS)).scalars())


async def user_places(conn: AsyncConnection, now: datetime, user_id: int) -> list[dict[str, Any]]:
    """Where a user is or will be paged: `{"type", "key"}` of policies, schedules, overrides, the last resort."""
    return _places((await conn.execute(_USER_PLACES, {"id": user_id, "now": now})).mappings().all())


def _members(team: TeamEdit) -> str:
    return dumps([m.model_dump() for m in team.members])


def _pair(row: Any) -> tuple[int, int] | None:
    return None if row is None else (row.id, row.version)


def _places(rows: Sequence[RowMapping]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _stored(row: RowMapping, document: type[Any], *, team_id: int | None = None, **given: Any) -> Stored[Any]:
    """What is stored was checked when it came in; it is read as it is."""
    values = {name: given.get(name, row[name]) for name in document.model_fields}
    return Stored(
        row["id"], document.model_construct(**values), row["version"], row["created_at"], row["updated_at"], team_id
    )
