"""Which alerts inhibit others now: kept beside the alerts, so that a batch asks for them with one indexed read.

Nothing here runs a statement for a batch while there is no inhibition rule.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.alerts import suppression_store as store
from app.alerts.inhibition import Inhibition, Source
from app.alerts.suppression import Suppressions
from app.ingest.adapters.labels import fingerprint
from app.rules.matching import PSEUDO_LABELS

BY = "inhibition"


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert that fires, with what matchers see of it (`matching.seen`)."""

    alert_id: UUID
    labels: Mapping[str, str]
    title: str


async def prepare(
    conn: AsyncConnection, suppressions: Suppressions, fired: Sequence[Fired], ended: Collection[UUID], now: datetime
) -> Suppressions:
    """What judges a batch: `suppressions`, and the alerts that inhibit after it. `fired`: alerts that began to fire or
    changed in it; `ended`: those that are over. What an alert kept quiet that does not any more is looked at again."""
    if not suppressions.inhibitions:
        return suppressions
    anew = {(s.rule, s.alert_id): s for f in fired for s in _sources(suppressions.inhibitions, f)}
    touched = {f.alert_id for f in fired} | set(ended)
    if touched:
        gone = await store.forget_sources(conn, touched)
        await store.add_sources(conn, list(anew.values()))
        await _release(conn, {rule for rule, alert_id in gone if (rule, alert_id) not in anew}, now)
    wanted = [r.key for r in suppressions.inhibitions if any(r.target(f.labels) for f in fired)]
    if not wanted:
        return suppressions
    known = [s for s in await store.held_sources(conn, wanted) if s.alert_id not in touched]
    return suppressions.while_firing([*known, *anew.values()])


async def end(conn: AsyncConnection, alert_ids: Collection[UUID], now: datetime) -> None:
    """These alerts are over, by the clock: what they kept quiet is looked at again."""
    await _release(conn, {rule for rule, _ in await store.forget_sources(conn, alert_ids)}, now)


async def rebuild(conn: AsyncConnection, key: str, rule: Inhibition | None, now: datetime) -> None:
    """A rule was made, changed or removed (None): what fires is read once, what it kept quiet is looked at again."""
    await store.forget_sources_of(conn, key)
    if rule is not None:
        found = await store.firing(conn, limit=1_000_000)
        fired = [Fired(a["id"], a["seen"], a["title"]) for a in found]
        await store.add_sources(conn, [s for f in fired for s in _sources((rule,), f)])
    await store.recheck(conn, now, BY, [key])


def _sources(rules: Sequence[Inhibition], alert: Fired) -> list[Source]:
    matching = [r for r in rules if r.source(alert.labels)]
    if not matching:
        return []
    own = fingerprint({n: v for n, v in alert.labels.items() if n not in PSEUDO_LABELS})
    found = [r.as_source(alert.alert_id, alert.labels, own, alert.title) for r in matching]
    return [s for s in found if s is not None]


async def _release(conn: AsyncConnection, rules: Collection[str], now: datetime) -> None:
    if rules:
        await store.recheck(conn, now, BY, sorted(rules))
