"""What may suppress alerts, read from the configuration's rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import silence_store, suppression_store
from app.alerts.inhibition import Inhibition
from app.alerts.maintenance import Window
from app.alerts.suppression import Quiet, Suppressions
from app.alerts.suppression_documents import InhibitionRuleEdit, MaintenanceWindowEdit, TimeIntervalEdit, compiled
from app.alerts.suppression_store import StoredRule
from app.errors import Refusal

log = structlog.get_logger()


async def load(
    conn: AsyncConnection, now: datetime, dependents: Mapping[str, Collection[str]] | None = None
) -> Suppressions:
    """As of now; silences that are over are left out. `dependents`: by service key, the keys of the services that
    depend on it, directly or not, for windows that include them."""
    stored = [r for r in await suppression_store.all_rules(conn) if _usable(r.kind, r.key, partial(_read, r))]
    live = [s for s in await silence_store.live(conn, now) if _usable("silence", str(s.id), s.silence)]
    ids = await suppression_store.service_ids(conn) if stored else {}
    return Suppressions(
        silences=tuple(s.silence() for s in live),
        windows=_windows(stored, ids, dependents or {}),
        inhibitions=tuple(_inhibition(r) for r in stored if r.kind == "inhibition_rule"),
        quiet=tuple(_quiet(r, ids) for r in stored if r.kind == "time_interval"),
    )


def _usable(kind: str, key: str, read: Callable[[], Any]) -> bool:
    """One that was stored and cannot be read any more is left out: better a page too many than no intake."""
    try:
        read()
    except (Refusal, ValueError) as e:
        log.error("suppression_unusable", kind=kind, key=key, error=str(e)[:500])
        return False
    return True


def _read(rule: StoredRule) -> object:
    if rule.kind == "maintenance_window":
        return document(MaintenanceWindowEdit, rule).window(rule.key)
    return _inhibition(rule) if rule.kind == "inhibition_rule" else _quiet(rule, {})


def document(kind: type[Any], rule: StoredRule) -> Any:
    """The stored document. What was checked when it came in holds."""
    return kind.model_validate(rule.document)


def _windows(
    stored: list[StoredRule], ids: Mapping[str, int], dependents: Mapping[str, Collection[str]]
) -> dict[int, tuple[Window, ...]]:
    found: dict[int, tuple[Window, ...]] = {}
    for rule in stored:
        if rule.kind != "maintenance_window":
            continue
        edit: MaintenanceWindowEdit = document(MaintenanceWindowEdit, rule)
        keys = set(edit.services)
        if edit.with_dependents:
            keys |= {d for key in edit.services for d in dependents.get(key, ())}
        window = replace(edit.window(rule.key), version=rule.version)
        for key in sorted(keys & ids.keys()):
            found[ids[key]] = (*found.get(ids[key], ()), window)
    return found


def _inhibition(rule: StoredRule) -> Inhibition:
    edit: InhibitionRuleEdit = document(InhibitionRuleEdit, rule)
    return replace(edit.inhibition(rule.key), version=rule.version)


def _quiet(rule: StoredRule, ids: Mapping[str, int]) -> Quiet:
    """One whose services are all gone is left with the id that none has, lest it holds for all."""
    edit: TimeIntervalEdit = document(TimeIntervalEdit, rule)
    services = frozenset(ids[k] for k in edit.services if k in ids) or (
        frozenset({0}) if edit.services else frozenset()
    )
    return Quiet(rule.key, edit.name, edit.parsed(), services, compiled(edit.matchers), rule.version)
