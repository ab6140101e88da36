"""What people do with contact methods and notification rules. A contact method counts once its code has come back."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from secrets import randbelow
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels import apprise
from app.channels.channel import Channel
from app.channels.secret_addresses import HasSecretAddresses
from app.directory import contact_store as contacts
from app.directory import store
from app.directory.changes import check_version, invalid, missing, record
from app.directory.contact_store import StoredMethod
from app.directory.documents import ONLY_TEXTS, ContactMethodDocument, ContactMethodEdit, NotificationRulesEdit
from app.errors import Conflict, Forbidden, Invalid

CODE_VALID_FOR: Final = timedelta(minutes=15)
MAX_TRIES: Final = 5
RESEND_AFTER: Final = timedelta(seconds=60)
MAX_CODES_AN_HOUR: Final = 5
MAX_METHODS: Final = 20

Channels = Mapping[str, Channel]
"""The configured channels by name."""


@dataclass(frozen=True, slots=True)
class Code:
    """A verification code to send now: six digits, good for 15 minutes, kept as a hash. `number` counts those sent."""

    text: str
    method: StoredMethod
    number: int


@dataclass(frozen=True, slots=True)
class Verified:
    """The contact method counts from now on, or did already."""

    method: StoredMethod


@dataclass(frozen=True, slots=True)
class WrongCode:
    """Not the code; after no tries are left, a new one must be asked for."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class NoCode:
    """None was sent, it is older than 15 minutes, or it has been tried too often."""


async def read(conn: AsyncConnection, user_id: int, method_id: int, *, lock: bool = False) -> StoredMethod:
    """Raises `NotFound`."""
    if (found := await contacts.method(conn, user_id, method_id, lock=lock)) is None:
        raise missing("contact method", method_id)
    return found


async def add(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    document: ContactMethodDocument,
    channels: Channels,
    *,
    actor: str,
    verified: bool = False,
) -> StoredMethod:
    """`verified` is for the command line, where whoever runs it could write the row as well.

    Raises `Invalid` for a channel that is not configured or an address it cannot use, `Conflict` (`address_taken`).
    """
    address, sealed = await asyncio.to_thread(kept, channels, document.channel, document.address)
    if len(await contacts.methods(conn, user_id)) >= MAX_METHODS:
        raise Conflict(f"a user has at most {MAX_METHODS} contact methods", code="too_many")
    method_id = await contacts.insert_method(
        conn,
        now,
        user_id,
        channel=document.channel,
        address=address,
        label=document.label,
        verified_at=now if verified else None,
        sealed_address=sealed,
        links=document.links,
    )
    if method_id is None:
        raise Conflict("this user has that address already", code="address_taken", field="address")
    added = await read(conn, user_id, method_id)
    await record(conn, now, actor, "contact_method.created", str(method_id), after=added.shown())
    return added


async def edit(
    conn: AsyncConnection,
    now: datetime,
    user_id: int,
    method_id: int,
    edit: ContactMethodEdit,
    channels: Channels,
    *,
    actor: str,
    version: int | None = None,
) -> StoredMethod:
    """Another address must be verified again; another label, or links or none, change nothing else.

    Raises `NotFound`, `Invalid`, `Conflict` (`outdated`, `address_taken`).
    """
    before = await read(conn, user_id, method_id, lock=True)
    check_version("contact method", method_id, before.version, version)
    address = normalised(channels, before.channel, edit.address)
    links = before.links if edit.links is None else edit.links
    if not links and before.channel != "sms":
        raise invalid(("links", ONLY_TEXTS))
    if (address, edit.label, links) == (before.address, before.label, before.links):
        return before
    if address == before.address:
        await contacts.describe(conn, now, method_id, edit.label, links=links)
    elif await contacts.taken(conn, before, address):
        raise Conflict("this user has that address already", code="address_taken", field="address")
    else:
        _, sealed = await asyncio.to_thread(kept, channels, before.channel, edit.address)
        await contacts.readdress(conn, now, method_id, address, edit.label, sealed, links=links)
    after = await read(conn, user_id, method_id)
    await record(conn, now, actor, "contact_method.edited", str(method_id), before.shown(), after.shown())
    return after


async def remove(
    conn: AsyncConnection, now: datetime, user_id: int, method_id: int, *, actor: str, version: int | None = None
) -> None:
    """Its notification rules go with it. Raises `NotFound`, `Conflict` (`outdated`)."""
    before = await read(conn, user_id, method_id, lock=True)
    check_version("contact method", method_id, before.version, version)
    await contacts.delete_method(conn, method_id)
    await record(conn, now, actor, "contact_method.deleted", str(method_id), before.shown())


async def new_code(conn: AsyncConnection, now: datetime, user_id: int, method_id: int, *, actor: str) -> Code:
    """A code for the caller to send in the same transaction; an older one stops counting.

    Raises `NotFound`, `Conflict` (`already_verified`), `Forbidden` (`throttled`) within a minute of the one before and
    after five in an hour.
    """
    method = await read(conn, user_id, method_id, lock=True)
    if method.verified_at is not None and method.broken_at is None:
        raise Conflict("this contact method is verified", code="already_verified")
    if method.code_expires_at is not None:
        wait = method.code_expires_at - CODE_VALID_FOR + RESEND_AFTER - now
        if wait > timedelta(0):
            seconds = max(1, round(wait.total_seconds()))
            raise Forbidden("a code was sent just now; wait a minute", code="throttled", retry_after_s=seconds)
    sent = await contacts.codes_sent(conn, now, method_id, timedelta(hours=1))
    if sent >= MAX_CODES_AN_HOUR:
        raise Forbidden("too many codes were sent; wait an hour", code="throttled", retry_after_s=3600)
    code = f"{randbelow(1_000_000):06}"
    await contacts.put_code(conn, method_id, _hash(method_id, code), now + CODE_VALID_FOR)
    await record(conn, now, actor, "contact_method.code_sent", str(method_id))
    return Code(code, method, sent + 1)


async def verify(
    conn: AsyncConnection, now: datetime, user_id: int, method_id: int, code: str, *, actor: str
) -> Verified | WrongCode | NoCode:
    """Whether this is the code that was sent. A wrong one is counted, so the caller must commit. Raises `NotFound`."""
    method = await read(conn, user_id, method_id, lock=True)
    if method.verified_at is not None and method.broken_at is None:
        return Verified(method)
    expired = method.code_expires_at is None or method.code_expires_at <= now
    if method.code_hash is None or expired or method.code_tries >= MAX_TRIES:
        return NoCode()
    if not hmac.compare_digest(_hash(method_id, code.strip()), method.code_hash):
        await contacts.count_try(conn, method_id)
        return WrongCode(MAX_TRIES - method.code_tries - 1)
    await contacts.set_verified(conn, now, method_id)
    after = await read(conn, user_id, method_id)
    await record(conn, now, actor, "contact_method.verified", str(method_id), method.shown(), after.shown())
    return Verified(after)


async def put_rules(
    conn: AsyncConnection,
    now: datetime,
    user_key: str,
    edit: NotificationRulesEdit,
    *,
    actor: str,
    version: int | None = None,
) -> int:
    """Puts these in place of all notification rules of the user. Returns the user's version, which this raises.

    Raises `NotFound`, `Conflict` (`outdated`), `Invalid` for contact methods that are not the user's.
    """
    if (locked := await store.lock_user(conn, user_key)) is None:
        raise missing("user", user_key)
    user_id, current = locked
    check_version("user", user_key, current, version)
    before = await contacts.rules(conn, user_id)
    if edit == before:
        return current
    own = {m.id for m in await contacts.methods(conn, user_id)}
    wrong = [
        (f"rules[{i}].contact_method", f"{user_key!r} has no contact method {rule.contact_method}")
        for i, rule in enumerate(edit.rules)
        if rule.contact_method not in own
    ]
    if wrong:
        raise invalid(*wrong)
    await contacts.put_rules(conn, user_id, edit)
    await store.touch_user(conn, now, user_id)
    await record(conn, now, actor, "notification_rules.edited", user_key, before.model_dump(), edit.model_dump())
    return current + 1


def kept(channels: Channels, channel: str, address: str) -> tuple[str, bytes | None]:
    """What is stored of an address: how it is written and, where it is a secret, that sealed. Raises `Invalid`.
    May take a second: Apprise is loaded by its first address."""
    name = normalised(channels, channel, address)
    keeper = channels[channel]
    try:
        return name, keeper.seal(address) if isinstance(keeper, HasSecretAddresses) else None
    except Invalid as refused:
        raise invalid(("address", refused.message)) from refused


def normalised(channels: Channels, channel: str, address: str) -> str:
    """The one way to write an address; the name of one that is a secret. Raises `Invalid` naming the field."""
    if channel not in channels:
        known = ", ".join(sorted(channels)) or "none"
        needs = f"; it needs TOCSIN_APPRISE=true and {apprise.EXTRA}" if channel == "apprise" else ""
        raise invalid(("channel", f"{channel} is not configured here; configured: {known}{needs}"))
    try:
        return channels[channel].normalise(address)
    except Invalid as refused:
        if refused.errors:
            raise
        raise invalid(("address", refused.message)) from refused


def _hash(method_id: int, code: str) -> bytes:
    return sha256(f"{method_id}:{code}".encode()).digest()
