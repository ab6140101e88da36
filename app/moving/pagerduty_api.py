"""What an import from PagerDuty needs of its REST API v2, as the files of an export would hold it.

Shapes and paging: reference/REST/openapiv3.json of PagerDuty/api-schema. Classic paging: `limit` (100 at most),
`offset`, `more`; offset and limit together never above 10,000. A list of schedules has no layers, so each is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import Invalid
from app.moving.asking import Asking, Refused, ids
from app.moving.exports import listed, zulu
from app.moving.moved import Json, Source

URL: Final = "https://api.pagerduty.com"
VARIABLE: Final = "PAGERDUTY_TOKEN"
COMPARED: Final = timedelta(days=60)
"""So far ahead PagerDuty is asked to render shifts."""
_MOST: Final = 10_000
_LISTS: Final[tuple[tuple[str, int, Mapping[str, list[str]]], ...]] = (
    ("users", 25, {"include[]": ["contact_methods", "notification_rules", "teams"]}),
    ("teams", 100, {}),
    ("escalation_policies", 50, {}),
    ("services", 50, {"include[]": ["integrations", "teams"]}),
)


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Token token={token}", "Accept": "application/vnd.pagerduty+json;version=2"}


async def fetch(asking: Asking) -> list[Source]:
    """Raises `Invalid`, `Refused`."""
    sources = [source for kind, size, query in _LISTS for source in await _pages(asking, kind, size, query)]
    listing = await _pages(asking, "schedules", 100, {})
    since = asking.date or datetime(1970, 1, 1, tzinfo=UTC)
    window: dict[str, str | list[str]] = {"since": zulu(since), "until": zulu(since + COMPARED)}
    for id_ in dict.fromkeys(id_ for page in listing for id_ in ids(page.value, "schedules", "schedules")):
        whole = await _schedule(asking, id_, window)
        sources.append(Source(f"schedule-{id_}", whole))
        if "rotations" not in (whole.get("schedule") or {}):
            overrides = await asking.get(f"schedules/{id_}/overrides", window)
            sources.append(Source(f"overrides-{id_}", overrides))
    return sources


async def _schedule(asking: Asking, id_: str, window: Mapping[str, str | list[str]]) -> Json:
    """One that is shift-based is at another place."""
    try:
        return await asking.get(f"schedules/{id_}", window)
    except Refused as refused:
        if refused.status != 404:
            raise
        return await asking.get(f"v3/schedules/{id_}")


async def _pages(asking: Asking, kind: str, size: int, query: Mapping[str, list[str]]) -> list[Source]:
    found: list[Source] = []
    offset = 0
    while True:
        if offset + size > _MOST:
            raise Invalid(f"GET {kind}: PagerDuty lists {_MOST} at most: export the others into files")
        page = await asking.get(kind, {"limit": str(size), "offset": str(offset), **query})
        found.append(Source(f"{kind}-{offset}", page))
        if not page.get("more") or not listed(page.get(kind)):
            return found
        offset += len(listed(page[kind]))
