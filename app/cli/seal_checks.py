"""What `tocsin doctor` says of what was sealed under another secret key, so that nothing can use it any more.

Webhooks say so themselves (webhook_checks.py), and so do calendars, which are read again and again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import signing
from app.access.sealing import AddressSealing
from app.access.secrets import Secrets
from app.channels.secret_addresses import Keeper
from app.cli.findings import Finding, problem
from app.directory import contact_store
from app.settings import Settings

NAMED: Final = 5


async def of_content(s: Settings, conn: AsyncConnection, now: datetime) -> AsyncIterator[Finding]:
    """Nothing when all can be read, and where nobody knows the secret key here."""
    if (secrets := Secrets.known(s)) is None:
        return
    if refusing := await signing.unreadable(conn, now, secrets):
        what = f"refuse all they are sent, their signing secret was sealed under another secret key: {_some(refusing)}"
        advice = "Enter it again with PUT /api/v1/integrations/<key>/signing-secret. docs/sending-alerts.md, Grafana."
        yield problem("signing secrets", what, advice)
    sealing = AddressSealing(secrets)
    lost = [
        f"{r.user_key} ({r.channel} {r.address})"
        for r in await contact_store.sealed(conn)
        if Keeper(r.channel, sealing).unsealed(r.address, bytes(r.sealed_address)) is None
    ]
    if lost:
        what = f"cannot be paged there, the address was sealed under another secret key: {_some(lost)}"
        yield problem("contact methods", what, "They delete it and add it again, on My account.")


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
