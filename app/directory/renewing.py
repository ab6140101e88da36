"""A browser that renewed its push subscription goes on being paged: the new one takes the place of the old one.

Push services end subscriptions when they like, and browsers then make new ones by themselves (W3C Push API,
`pushsubscriptionchange`). Who knows the whole old subscription, with its secret, is the browser that it was made for:
nobody else was ever told it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.push import PushChannel
from app.channels.secret_addresses import NAME
from app.directory import contact_store
from app.directory.changes import invalid, record
from app.errors import Invalid

CHANNEL: Final = "push"


@dataclass(frozen=True, slots=True)
class Renewed:
    """A contact method that has another address now. `was_broken`: its owner was told that it does not work."""

    id: int
    user_id: int
    address: str
    label: str
    was_broken: bool


async def renew(conn: AsyncConnection, now: datetime, before: str, after: str, push: PushChannel) -> list[Renewed]:
    """Puts one subscription (JSON, as browsers give it) in place of another, wherever that is a contact method.

    Returns those that changed; none where the old one is not known here, or is not this one in every part. Raises
    `Invalid` naming the field for what is no subscription.
    """
    name = _name(push, "before", before)
    address = _name(push, "after", after)
    sealed = push.seal(after)
    renewed = []
    for row in await contact_store.held(conn, CHANNEL, name):
        if not push.is_held(name, bytes(row.sealed_address), before) or name == address:
            continue
        if not await contact_store.renew(conn, now, row.id, row.user_id, CHANNEL, address, sealed):
            continue
        change = {"address": name}, {"address": address}
        await record(conn, now, f"user:{row.user_key}", "contact_method.renewed", str(row.id), *change)
        renewed.append(Renewed(row.id, row.user_id, address, row.label, row.broken_at is not None))
    return renewed


def _name(push: PushChannel, field: str, subscription: str) -> str:
    try:
        if NAME.fullmatch(subscription):
            raise Invalid("This only names a subscription")
        return push.normalise(subscription)
    except Invalid as refused:
        raise invalid((field, refused.message)) from refused
