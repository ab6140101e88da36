"""SQL of services, integrations and their routing keys."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.engine import dumps
from app.directory.changes import Stored
from app.directory.documents import IntegrationDocument, IntegrationEdit, ServiceDocument, ServiceEdit
from app.directory.mapping_document import MappingDocument

_SERVICES = text("""
    SELECT s.id, s.key, s.name, s.description, t.key AS team, p.key AS policy, s.criticality, s.tags,
        s.support_hours - 'days_off' AS support_hours, s.runbook_url, s.runbook_text, s.recovery_delay_s,
        s.acknowledgement_minutes, s.team_id, s.version, s.created_at, s.updated_at,
        ARRAY(SELECT u.key FROM service_dependencies d JOIN services u ON u.id = d.upstream_id
              WHERE d.service_id = s.id ORDER BY u.key) AS depends_on
    FROM services s LEFT JOIN teams t ON t.id = s.team_id LEFT JOIN escalation_policies p ON p.id = s.policy_id
    WHERE (CAST(:keys AS text[]) IS NULL OR s.key = ANY (CAST(:keys AS text[])))
      AND (CAST(:team AS text) IS NULL OR t.key = :team) AND s.key > :after
    ORDER BY s.key LIMIT :limit
""")
_LOCK_SERVICE = text("SELECT id, version FROM services WHERE key = :key FOR UPDATE")
_INSERT_SERVICE = text("""
    INSERT INTO services (key, name, description, team_id, policy_id, criticality, tags, support_hours, runbook_url,
        runbook_text, recovery_delay_s, acknowledgement_minutes, created_at, updated_at)
    VALUES (:key, :name, :description, :team_id, :policy_id, :criticality, CAST(:tags AS text[]),
        CAST(:support_hours AS jsonb), :runbook_url, :runbook_text, :recovery_delay_s,
        CAST(:acknowledgement_minutes AS jsonb), :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE_SERVICE = text("""
    UPDATE services SET name = :name, description = :description, team_id = :team_id, policy_id = :policy_id,
        criticality = :criticality, tags = CAST(:tags AS text[]), support_hours = CAST(:support_hours AS jsonb),
        runbook_url = :runbook_url, runbook_text = :runbook_text, recovery_delay_s = :recovery_delay_s,
        acknowledgement_minutes = CAST(:acknowledgement_minutes AS jsonb), version = version + 1, updated_at = :now
    WHERE id = :id
""")
# Holidays are written into the support hours that name them: whoever reads those needs nothing else.
_OBSERVE = text("""
    UPDATE services s SET support_hours = s.support_hours || jsonb_build_object('days_off', coalesce((
        SELECT jsonb_agg(to_char(d.day, 'YYYY-MM-DD') ORDER BY d.day)
        FROM calendar_days d JOIN calendars c ON c.id = d.calendar_id WHERE c.key = s.support_hours ->> 'holidays'),
        '[]'))
    WHERE s.support_hours ->> 'holidays' IS NOT NULL
      AND (CAST(:service AS text) IS NULL OR s.key = CAST(:service AS text))
      AND (CAST(:calendar AS text) IS NULL OR s.support_hours ->> 'holidays' = CAST(:calendar AS text))
""")
_HOLIDAYS = text("SELECT 1 FROM calendars WHERE key = :key AND purpose = 'holidays'")
_DELETE_SERVICE = text("DELETE FROM services WHERE id = :id")
_SERVICE_PLACES = text("""
    SELECT 'integration' AS type, key FROM integrations WHERE service_id = :id ORDER BY key LIMIT 50
""")

_INTEGRATIONS = text("""
    SELECT i.id, i.key, i.name, i.source, s.key AS service, i.ignored_labels, i.resolve_timeout_s, i.stale_window_s,
        i.mapping, i.enabled, s.team_id, i.version, i.created_at, i.updated_at
    FROM integrations i JOIN services s ON s.id = i.service_id
    WHERE (CAST(:keys AS text[]) IS NULL OR i.key = ANY (CAST(:keys AS text[])))
      AND (CAST(:service AS text) IS NULL OR s.key = :service) AND i.key > :after
    ORDER BY i.key LIMIT :limit
""")
_LOCK_INTEGRATION = text("SELECT id, version FROM integrations WHERE key = :key FOR UPDATE")
_INSERT_INTEGRATION = text("""
    INSERT INTO integrations (key, name, source, service_id, ignored_labels, resolve_timeout_s, stale_window_s, mapping,
        enabled, created_at, updated_at)
    VALUES (:key, :name, :source, :service_id, CAST(:ignored_labels AS text[]), :resolve_timeout_s, :stale_window_s,
        CAST(:mapping AS jsonb), :enabled, :now, :now)
    ON CONFLICT (key) DO NOTHING RETURNING id
""")
_UPDATE_INTEGRATION = text("""
    UPDATE integrations SET name = :name, service_id = :service_id, ignored_labels = CAST(:ignored_labels AS text[]),
        resolve_timeout_s = :resolve_timeout_s, stale_window_s = :stale_window_s, mapping = CAST(:mapping AS jsonb),
        enabled = :enabled, version = version + 1, updated_at = :now
    WHERE id = :id
""")
_DELETE_INTEGRATION = text("DELETE FROM integrations WHERE id = :id")
_INTEGRATION_PLACES = text("""
    SELECT 'heartbeat' AS type, key FROM heartbeats WHERE integration_id = :id OR fed_by_id = :id ORDER BY key LIMIT 50
""")

_KEYS = text("""
    SELECT id, integration_id, hint, created_at, expires_at FROM routing_keys
    WHERE integration_id = ANY (CAST(:ids AS bigint[])) AND (expires_at IS NULL OR expires_at > :now)
    ORDER BY integration_id, id DESC
""")
_ADD_KEY = text("""
    INSERT INTO routing_keys (integration_id, key_hash, hint, created_at) VALUES (:id, :hash, :hint, :now)
""")
# The newest of the older keys lives until :until, or its own earlier end; those before it end now: two at most.
_END_OLDER_KEYS = text("""
    UPDATE routing_keys k SET expires_at = least(k.expires_at, CASE WHEN k.id = n.newest THEN :until ELSE :now END)
    FROM (SELECT max(id) AS newest FROM routing_keys WHERE integration_id = :id
          AND (expires_at IS NULL OR expires_at > :now)) n
    WHERE k.integration_id = :id AND (k.expires_at IS NULL OR k.expires_at > :now)
""")


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A routing key that is valid now; `hint` is its last four characters."""

    hint: str
    created_at: datetime
    expires_at: datetime | None


async def services(
    conn: AsyncConnection,
    keys: Collection[str] | None = None,
    *,
    team: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Stored[ServiceDocument]]:
    """In the order of their keys; these, or all, of a team, after a key."""
    named = {"keys": None if keys is None else list(keys), "team": team, "after": after, "limit": limit}
    return [_stored(row, ServiceDocument) for row in (await conn.execute(_SERVICES, named)).mappings()]


async def lock_service(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version) of a service, locked until the transaction ends."""
    row = (await conn.execute(_LOCK_SERVICE, {"key": key})).one_or_none()
    return None if row is None else (row.id, row.version)


async def insert_service(
    conn: AsyncConnection, now: datetime, service: ServiceDocument, team_id: int | None, policy_id: int | None
) -> bool:
    """False when the key is taken."""
    values = _service(service, now, team_id, policy_id) | {"key": service.key}
    return (await conn.execute(_INSERT_SERVICE, values)).one_or_none() is not None


async def update_service(
    conn: AsyncConnection,
    now: datetime,
    service_id: int,
    edit: ServiceEdit,
    team_id: int | None,
    policy_id: int | None,
) -> None:
    await conn.execute(_UPDATE_SERVICE, _service(edit, now, team_id, policy_id) | {"id": service_id})


async def observe(conn: AsyncConnection, *, service: str | None = None, calendar: str | None = None) -> None:
    """Writes the days of the holidays that they name into the support hours of one service, or of all that name a
    calendar."""
    await conn.execute(_OBSERVE, {"service": service, "calendar": calendar})


async def has_holidays(conn: AsyncConnection, key: str) -> bool:
    """Whether there is a calendar of holidays of this key."""
    return (await conn.execute(_HOLIDAYS, {"key": key})).first() is not None


async def delete_service(conn: AsyncConnection, service_id: int) -> bool:
    """False when incidents keep it on record."""
    return await _delete(conn, _DELETE_SERVICE, service_id)


async def service_places(conn: AsyncConnection, service_id: int) -> list[dict[str, Any]]:
    """The integrations of a service: `{"type", "key"}`."""
    return [dict(row) for row in (await conn.execute(_SERVICE_PLACES, {"id": service_id})).mappings()]


async def integrations(
    conn: AsyncConnection,
    keys: Collection[str] | None = None,
    *,
    service: str | None = None,
    after: str = "",
    limit: int | None = None,
) -> list[Stored[IntegrationDocument]]:
    """In the order of their keys; `team_id` is that of the service."""
    named = {"keys": None if keys is None else list(keys), "service": service, "after": after, "limit": limit}
    return [_integration_stored(row) for row in (await conn.execute(_INTEGRATIONS, named)).mappings()]


async def lock_integration(conn: AsyncConnection, key: str) -> tuple[int, int] | None:
    """(id, version) of an integration, locked until the transaction ends."""
    row = (await conn.execute(_LOCK_INTEGRATION, {"key": key})).one_or_none()
    return None if row is None else (row.id, row.version)


async def insert_integration(
    conn: AsyncConnection, now: datetime, integration: IntegrationDocument, service_id: int
) -> int | None:
    """The id; None when the key is taken."""
    values = integration.model_dump() | {"mapping": _mapping(integration), "service_id": service_id, "now": now}
    found: int | None = (await conn.execute(_INSERT_INTEGRATION, values)).scalar_one_or_none()
    return found


async def update_integration(
    conn: AsyncConnection, now: datetime, integration_id: int, edit: IntegrationEdit, service_id: int
) -> None:
    values = edit.model_dump() | {"mapping": _mapping(edit), "id": integration_id, "service_id": service_id, "now": now}
    await conn.execute(_UPDATE_INTEGRATION, values)


async def delete_integration(conn: AsyncConnection, integration_id: int) -> bool:
    """False when what it brought in keeps it on record."""
    return await _delete(conn, _DELETE_INTEGRATION, integration_id)


async def integration_places(conn: AsyncConnection, integration_id: int) -> list[dict[str, Any]]:
    """The heartbeats that belong to an integration, or are fed by it: `{"type", "key"}`."""
    rows = await conn.execute(_INTEGRATION_PLACES, {"id": integration_id})
    return [dict(row) for row in rows.mappings()]


async def routing_keys(conn: AsyncConnection, now: datetime, ids: Collection[int]) -> dict[int, list[StoredKey]]:
    """The keys of these integrations that are valid now, newest first."""
    found: dict[int, list[StoredKey]] = {integration_id: [] for integration_id in ids}
    for row in await conn.execute(_KEYS, {"ids": list(ids), "now": now}):
        found[row.integration_id].append(StoredKey(row.hint, row.created_at, row.expires_at))
    return found


async def add_routing_key(
    conn: AsyncConnection, now: datetime, integration_id: int, key_hash: bytes, hint: str
) -> None:
    await conn.execute(_ADD_KEY, {"id": integration_id, "hash": key_hash, "hint": hint, "now": now})


async def end_older_keys(conn: AsyncConnection, now: datetime, integration_id: int, until: datetime) -> None:
    """Before a new key: the newest one stays valid until `until` at most, older ones end now."""
    await conn.execute(_END_OLDER_KEYS, {"id": integration_id, "now": now, "until": until})


async def _delete(conn: AsyncConnection, statement: Any, row_id: int) -> bool:
    try:
        async with conn.begin_nested():
            await conn.execute(statement, {"id": row_id})
    except IntegrityError:
        return False
    return True


def _service(edit: ServiceEdit, now: datetime, team_id: int | None, policy_id: int | None) -> dict[str, Any]:
    values = ServiceEdit.model_dump(edit, exclude={"key", "team", "policy", "depends_on"})
    hours = None if edit.support_hours is None else dumps(edit.support_hours)
    values["acknowledgement_minutes"] = dumps(edit.acknowledgement_minutes)
    return values | {"support_hours": hours, "team_id": team_id, "policy_id": policy_id, "now": now}


def _mapping(edit: IntegrationEdit) -> str | None:
    return None if edit.mapping is None else dumps(edit.mapping.plain())


def _integration_stored(row: RowMapping) -> Stored[IntegrationDocument]:
    mapping = None if row["mapping"] is None else MappingDocument.model_validate(row["mapping"])
    stored: Stored[IntegrationDocument] = _stored(row, IntegrationDocument)
    return replace(stored, document=stored.document.model_copy(update={"mapping": mapping}))


def _stored(row: RowMapping, document: type[Any]) -> Stored[Any]:
    """What is stored was checked when it came in; it is read as it is."""
    values = {name: row[name] for name in document.model_fields}
    return Stored(
        row["id"],
        document.model_construct(**values),
        row["version"],
        row["created_at"],
        row["updated_at"],
        row["team_id"],
    )
