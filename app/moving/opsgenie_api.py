"""What an import from Opsgenie needs of its REST API v2, as the files of an export would hold it.

Shapes: opsgenie/opsgenie-oas; Opsgenie's documentation. Users come in pages of `limit` from `offset` on, of which there
are `totalCount`; everything else is one list. A list of teams has no members, so each is asked for.
"""

from __future__ import annotations

from typing import Final

from app.errors import Invalid
from app.moving.asking import Asking, ids
from app.moving.exports import listed
from app.moving.moved import Source

URL: Final = "https://api.opsgenie.com"
VARIABLE: Final = "OPSGENIE_API_KEY"
_PAGE: Final = 100


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"GenieKey {token}"}


async def fetch(asking: Asking) -> list[Source]:
    """Raises `Invalid`, `Refused`."""
    sources = await _users(asking)
    sources.append(Source("escalations", await asking.get("v2/escalations")))
    schedules = await asking.get("v2/schedules", {"expand": "rotation"})
    sources.append(Source("schedules", schedules))
    for id_ in ids(await asking.get("v2/teams"), "data", "v2/teams"):
        sources.append(Source(f"team-{id_}", await asking.get(f"v2/teams/{id_}")))
    for id_ in ids(schedules, "data", "v2/schedules"):
        asked = {"interval": "2", "intervalUnit": "months", "expand": "base"}
        sources.append(Source(f"timeline-{id_}", await asking.get(f"v2/schedules/{id_}/timeline", asked)))
        sources.append(Source(f"overrides-{id_}", await asking.get(f"v2/schedules/{id_}/overrides")))
    return sources


async def _users(asking: Asking) -> list[Source]:
    found: list[Source] = []
    offset = 0
    while True:
        asked = {"expand": "contact", "limit": str(_PAGE), "offset": str(offset)}
        page = await asking.get("v2/users", asked)
        found.append(Source(f"users-{offset}", page))
        count = len(listed(page.get("data")))
        offset += count
        total = page.get("totalCount") or 0
        if not isinstance(total, int):
            raise Invalid("GET v2/users: totalCount is no number")
        if not count or offset >= total:
            return found
