"""What `tocsin doctor` says of webhooks: which of them cannot be called as they are, and what they were not told of."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access.secrets import Secrets
from app.cli.findings import Finding, warning
from app.escalation import webhooks
from app.notifications import calling_store
from app.settings import Settings

NAMED: Final = 5
LATELY: Final = timedelta(days=7)


async def of_content(s: Settings, conn: AsyncConnection, now: datetime) -> AsyncIterator[Finding]:
    """Nothing when all can be called and took what they were told."""
    lacking = await webhooks.lacking(conn, Secrets.known(s))
    for key, lacks in lacking[:NAMED]:
        advice = f"Give it on its screen, or with PUT /api/v1/webhooks/{key}/address or /secrets. docs/webhooks.md"
        yield warning(f"webhook {key}", f"is not called: {'; '.join(lacks)}", advice)
    if (more := len(lacking) - NAMED) > 0:
        yield warning("webhooks", f"{more} more cannot be called either", "docs/webhooks.md")
    for r in await calling_store.given_up(conn, now - LATELY, NAMED):
        what = f"{r.calls} call{'s' if r.calls > 1 else ''} given up in 7 days, at {r.at:%Y-%m-%d %H:%M} UTC: {r.said}"
        yield warning(f"webhook {r.key}", what, "Its screen has them, with a button that tries again.")
