"""Which services depend on which. There are no cycles: whoever would make one is told its path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory.changes import invalid

_LOCK = text("LOCK TABLE service_dependencies IN SHARE ROW EXCLUSIVE MODE")
"""Two people who each add half of a cycle wait for each other."""
_KNOWN = text("SELECT s.key FROM services s WHERE s.key = ANY (CAST(:keys AS text[]))")
_ALL = text("""
    SELECT s.key, u.key AS upstream FROM service_dependencies d
    JOIN services s ON s.id = d.service_id JOIN services u ON u.id = d.upstream_id ORDER BY s.key, u.key
""")
_CLEAR = text("DELETE FROM service_dependencies WHERE service_id = (SELECT id FROM services WHERE key = :key)")
_ADD = text("""
    INSERT INTO service_dependencies (service_id, upstream_id)
    SELECT s.id, u.id FROM services s JOIN services u ON u.key = ANY (CAST(:upstreams AS text[])) WHERE s.key = :key
""")


async def put(conn: AsyncConnection, key: str, depends_on: Sequence[str]) -> None:
    """All that a service depends on. Raises `Invalid` for services that do not exist and for a cycle."""
    await conn.execute(_LOCK)
    known = set((await conn.execute(_KNOWN, {"keys": list(depends_on)})).scalars())
    if unknown := [u for u in depends_on if u not in known]:
        raise invalid(*[("depends_on", f"there is no service {u!r}") for u in unknown])
    edges: dict[str, list[str]] = {}
    for row in await conn.execute(_ALL):
        edges.setdefault(row.key, []).append(row.upstream)
    if path := cycle(edges | {key: list(depends_on)}, key):
        raise invalid(("depends_on", f"is a cycle: {' -> '.join(path)}"))
    await conn.execute(_CLEAR, {"key": key})
    await conn.execute(_ADD, {"key": key, "upstreams": list(depends_on)})


def cycle(edges: Mapping[str, Sequence[str]], start: str) -> list[str]:
    """A shortest path from a service back to itself, or nothing. `edges`: by service, what it depends on."""
    paths = [[start]]
    seen: set[str] = set()
    while paths:
        path = paths.pop(0)
        for upstream in edges.get(path[-1], ()):
            if upstream == start:
                return [*path, start]
            if upstream not in seen:
                seen.add(upstream)
                paths.append([*path, upstream])
    return []
