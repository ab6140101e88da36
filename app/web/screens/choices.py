"""What forms offer to choose from: people, teams, schedules, policies, services, webhooks, by key and name."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Final
from zoneinfo import available_timezones

from sqlalchemy.ext.asyncio import AsyncConnection

from app.calendars import store as calendar_store
from app.directory import service_store, store
from app.escalation import policy_store, webhook_store
from app.escalation.policy_document import HIGHER_TIERS
from app.oncall import store as oncall_store
from app.web.screens.reader import Reader

Choice = tuple[str, str]
"""(key, name)."""

MOST: Final = 1_000
"""So many of a kind are offered; keys of others can be typed over the API."""


async def people(conn: AsyncConnection, named: Collection[str] = ()) -> list[Choice]:
    """Everybody active, and whoever is named already."""
    found = (user.document for user in await store.users(conn, limit=MOST))
    known = [(u.key, u.name if u.active else f"{u.name} (left)") for u in found if u.active or u.key in named]
    missing = sorted(set(named) - {key for key, _ in known})
    return known + [(key, f"{key} (unknown)") for key in missing]


async def teams(conn: AsyncConnection) -> list[Choice]:
    return [(team.document.key, team.document.name) for team in await store.teams(conn, limit=MOST)]


async def own_teams(reader: Reader, kept: str = "") -> list[Choice]:
    """Those that the reader may give something to; `kept`: the one that it has."""
    found = await store.teams(reader.tx.conn, limit=MOST)
    return [(t.document.key, t.document.name) for t in found if reader.caller.manages(t.id) or t.document.key == kept]


async def schedules(conn: AsyncConnection) -> list[Choice]:
    return [(s.document.key, s.document.name) for s in await oncall_store.documents(conn, limit=MOST)]


async def calendars(conn: AsyncConnection) -> list[Choice]:
    return [(c.document.key, c.document.name) for c in await calendar_store.calendars(conn, limit=MOST)]


async def policies(conn: AsyncConnection) -> list[Choice]:
    return [(p.document.key, p.document.name) for p in await policy_store.policies(conn, limit=MOST)]


async def services(conn: AsyncConnection) -> list[Choice]:
    return [(s.document.key, s.document.name) for s in await service_store.services(conn, limit=MOST)]


async def integrations(conn: AsyncConnection) -> list[Choice]:
    return [(i.document.key, i.document.name) for i in await service_store.integrations(conn, limit=MOST)]


async def webhooks(conn: AsyncConnection) -> list[Choice]:
    return [(w.document.key, w.document.name) for w in await webhook_store.webhooks(conn, limit=MOST)]


async def targets(
    conn: AsyncConnection, named: Collection[str] = (), *, programs: bool = True
) -> dict[str, list[Choice]]:
    """Whom a step may page, by what they are called together; keys like `user:ana`. `programs`: webhooks as well,
    and support tiers: what the last resort must not be."""
    users = await people(conn, {key.partition(":")[2] for key in named if key.startswith("user:")})
    found = {
        "Whoever is on call in": [(f"schedule:{key}", name) for key, name in await schedules(conn)],
        "People": [(f"user:{key}", name) for key, name in users],
        "Everybody in the team": [(f"team:{key}", name) for key, name in await teams(conn)],
    }
    if programs:
        found["Support tier of the incident's service"] = [(f"tier:{n}", f"Support tier {n}") for n in HIGHER_TIERS]
        found["Webhooks"] = [(f"webhook:{key}", name) for key, name in await webhooks(conn)]
    return {name: some for name, some in found.items() if some}


@lru_cache(maxsize=1)
def zones() -> tuple[str, ...]:
    """IANA names that people know, in order."""
    left_out = ("Etc/", "posix", "right", "SystemV", "localtime", "Factory")
    return tuple(sorted(name for name in available_timezones() if "/" in name and not name.startswith(left_out)))
