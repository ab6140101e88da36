"""What `tocsin doctor` looks at: the settings first, then the database and what is in it, then the providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.calendars import store as calendars
from app.channels import probes, registry
from app.channels.channel import SendFailed
from app.cli import mail_checks, running, seal_checks, vigil, webhook_checks
from app.cli.findings import Finding, ok, problem, warning
from app.cli.migrate import current
from app.configuration.reachability import hardly, left, undeliverable
from app.db import clock_control, migrate, partition_store, partitions
from app.db.binaries import OLDEST, ServerFailed
from app.directory import opting_out
from app.directory import store as directory
from app.errors import Invalid
from app.escalation import tier_store
from app.escalation.answering import nobody_is_left
from app.heartbeats.store import never_pinged
from app.notifications import health_store
from app.notifications.overdue_store import overdue
from app.notifications.watch import duration
from app.settings import Settings

SKEW_WARNS: Final = timedelta(seconds=1)
SKEW_IS_WRONG: Final = timedelta(seconds=30)
NAMED: Final = 5
"""So many people are named; the others are counted."""

_VERSION: Final = text("SELECT current_setting('server_version'), current_setting('server_version_num')::int / 10000")


def of_settings(s: Settings) -> Iterator[Finding]:
    """What can be said without asking anybody."""
    yield ok("settings", f"roles {', '.join(s.roles)}; data in {s.data_dir}")
    yield _public_url(s.public_url)
    if s.secret_key or s.embedded:
        yield ok("secret key", "set" if s.secret_key else f"in {s.data_dir}")
    else:
        advice = "Set the same TOCSIN_SECRET_KEY for all processes, or links of one are strange to another."
        yield warning("secret key", f"made in {s.data_dir}, on this machine only", advice)
    if s.watchdog_url or s.watchdog_smtp_url:
        yield ok("watchdog", "somebody is told when paging itself does not work")
    else:
        advice = "Set TOCSIN_WATCHDOG_URL, or TOCSIN_WATCHDOG_SMTP_URL and TOCSIN_WATCHDOG_TO."
        yield warning("watchdog", "nobody is told when paging itself does not work", advice)
    if s.twilio_auth_token_former:
        advice = "Take TOCSIN_TWILIO_AUTH_TOKEN_FORMER out when the new one is promoted. docs/operating.md"
        yield warning("Twilio's token", "what the former one signed counts as well", advice)
    yield from vigil.of_settings(s)


def _public_url(url: str) -> Finding:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if loopback:
        advice = "Set TOCSIN_PUBLIC_URL to the address under which people's phones reach it."
        return warning("public URL", f"{url}: links in messages open on this machine only", advice)
    if parts.scheme != "https":
        return warning("public URL", f"{url}: passwords and links travel unprotected", "Put it behind https.")
    return ok("public URL", url)


async def of_database(s: Settings) -> AsyncIterator[Finding]:
    """The database, and whether what is in it would page somebody."""
    try:
        async with running.engine(s) as engine:
            async for finding in _of_engine(s, engine):
                yield finding
    except (ServerFailed, DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as e:
        what = str(e.orig if isinstance(e, DBAPIError) else e).splitlines() or [type(e).__name__]
        yield problem(
            "database", f"cannot be reached: {what[0]}", "Nothing is accepted and nobody is paged until it is."
        )


async def _of_engine(s: Settings, engine: AsyncEngine) -> AsyncIterator[Finding]:
    async with engine.connect() as conn:
        yield await _version(conn)
        yield await _skew(conn)
    revision, newest = await current(engine), migrate.head()
    if revision != newest:
        if revision is None:
            yield problem("schema", "the database is empty", "Run `tocsin init`.")
        elif migrate.is_newer(revision):
            words = "Start the newer version that made it, or restore a backup of before: docs/operating.md, Upgrades."
            yield problem("schema", f"at {revision}, this version knows {newest}", words)
        else:
            yield problem("schema", f"at {revision}, this version knows {newest}", "Run `tocsin migrate`.")
        return
    yield ok("schema", f"at {revision}")
    async with engine.connect() as conn:
        async for finding in _of_content(s, conn):
            yield finding


async def _version(conn: AsyncConnection) -> Finding:
    told, major = (await conn.execute(_VERSION)).one()
    if major < OLDEST:
        return problem("database", f"PostgreSQL {told}", f"It takes {OLDEST} or newer.")
    return ok("database", f"PostgreSQL {told}")


async def _skew(conn: AsyncConnection) -> Finding:
    """This machine's clock against the database's, to half the time that asking took."""
    began = clock.elapsed()
    theirs = await clock_control.real(conn)
    took = timedelta(seconds=clock.elapsed() - began)
    ours = datetime.now(UTC)  # noqa: TID251  # this machine's clock is what is measured
    skew = abs(ours - theirs) - took
    if skew < SKEW_WARNS:
        return ok("clocks", "this machine and the database agree")
    how = warning if skew < SKEW_IS_WRONG else problem
    return how(
        "clocks", f"this machine and the database differ by {duration(skew.total_seconds())}", "Run NTP on both."
    )


async def _of_content(s: Settings, conn: AsyncConnection) -> AsyncIterator[Finding]:
    now = await clock.read(conn)
    if (speed := await clock_control.speed(conn)) is not None:
        how = warning if s.clock_control else problem
        yield how("clock", f"time runs {speed:g} times as fast", "This database belongs to a demo or a test.")
    organisation = await directory.organisation(conn)
    if organisation is None:
        yield problem("organisation", "there is none", "Run `tocsin init`.")
        return
    yield ok("organisation", organisation.document.name)
    channels = {c.channel for c in registry.capabilities(s) if c.configured}
    if because := await nobody_is_left(conn, channels, now):
        advice = "Give somebody who is named there a verified contact method."
        yield problem("last resort", f"cannot be reached: {because}", advice)
    else:
        yield ok("last resort", "can be reached")
    yield await _people(conn, channels, now)
    of_people = await _hardly(conn, channels, now), await _left(conn), await _stopped(conn), await _tiers(conn)
    for found in (*of_people, await mail_checks.bounced(conn, now)):
        if found is not None:
            yield found
    async for finding in vigil.of_content(s, conn):
        yield finding
    if (silent := await _heartbeats(conn)) is not None:
        yield silent
    async for finding in _calendars(conn):
        yield finding
    async for finding in webhook_checks.of_content(s, conn, now):
        yield finding
    async for finding in seal_checks.of_content(s, conn, now):
        yield finding
    async for finding in _passed_over(conn, now):
        yield finding
    yield await _on_time(conn)
    yield await _partitions(conn, now)


async def _people(conn: AsyncConnection, channels: set[str], now: datetime) -> Finding:
    found = await undeliverable(conn, channels, now)
    if not found:
        return ok("people", "everybody who is paged by something can be reached")
    named = "; ".join(f"{p.name} ({p.key}: {', '.join(p.places[:3])})" for p in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    advice = "They verify a contact method, or somebody else takes their place."
    return problem("people", f"cannot be reached: {named}{more}", advice)


async def _hardly(conn: AsyncConnection, channels: set[str], now: datetime) -> Finding | None:
    """None when everybody who can be reached is ready, so that one contact method may fail."""
    paged = await hardly(conn, channels, now)
    if not paged.partly:
        return None
    named = "; ".join(f"{p.name} ({p.key}: {', '.join(p.reach.reasons)})" for p in paged.partly[:NAMED])
    more = f" and {len(paged.partly) - NAMED} more" if len(paged.partly) > NAMED else ""
    detail = f"{len(paged.partly)} of {paged.everybody} may be missed when one contact method fails: {named}{more}"
    return warning("reachability", detail, "The screen Reachability says what each of them does. docs/reachability.md")


async def _left(conn: AsyncConnection) -> Finding | None:
    """None when policies name active people only."""
    if not (found := await left(conn)):
        return None
    named = "; ".join(f"{p.name} ({p.key}: {', '.join(p.places[:3])})" for p in found[:NAMED])
    return warning("people who left", f"still named: {named}", "Take them out of these policies.")


async def _stopped(conn: AsyncConnection) -> Finding | None:
    """None when nobody told us not to text them."""
    if not (found := await opting_out.stopped(conn, NAMED + 1)):
        return None
    more = " and more" if len(found) > NAMED else ""
    advice = "They text START to our number when they want to be paged by text again. docs/answering.md"
    return warning("opted out", f"texted STOP: {', '.join(found[:NAMED])}{more}", advice)


async def _tiers(conn: AsyncConnection) -> Finding | None:
    """None when every service has the support tiers that its policy names."""
    if not (found := await tier_store.unmet(conn, NAMED + 1)):
        return None
    named = "; ".join(f"tier {tier} for {service}" for service, tier in found[:NAMED])
    more = " and more" if len(found) > NAMED else ""
    return warning("support tiers", f"named by a policy, and not there: {named}{more}", "Its step reaches nobody.")


async def _heartbeats(conn: AsyncConnection) -> Finding | None:
    """None when every heartbeat was heard of: only then its silence would be noticed."""
    if not (found := await never_pinged(conn, NAMED + 1)):
        return None
    more = " and more" if len(found) > NAMED else ""
    advice = "Nothing is expected of them before their first ping. docs/heartbeats.md"
    return warning("heartbeats", f"never pinged: {', '.join(found[:NAMED])}{more}", advice)


async def _calendars(conn: AsyncConnection) -> AsyncIterator[Finding]:
    """Nothing when all can be read and name people whom we know."""
    for c in await calendars.troubled(conn):
        name = f"calendar {c.key}"
        if c.without_address:
            yield warning(name, "has no address", "Give it one: PUT /api/v1/calendars/{key}/address.")
        elif c.failing_since is not None:
            since = f"{c.failing_since:%Y-%m-%d %H:%M} UTC"
            yield problem(name, f"cannot be read since {since}: {c.error}", "Its last good copy stands in.")
        if c.unknown:
            advice = "Lower layers show through. Add the names to its people. docs/calendars.md"
            yield warning(name, f"has {c.unknown} names that mean nobody", advice)


async def _passed_over(conn: AsyncConnection, now: datetime) -> AsyncIterator[Finding]:
    """Nothing when all providers take messages, as far as is known."""
    for r in await health_store.passed_over(conn, now):
        what = f"is passed over for {r.prefix} since {r.over_since:%Y-%m-%d %H:%M} UTC: {r.because}"
        yield warning(f"provider {r.provider}", what, "Others stand in where there are some. docs/providers.md")


async def _on_time(conn: AsyncConnection) -> Finding:
    ladders, notifications = await overdue(conn)
    if late := ladders.late + notifications.late:
        oldest = duration(max(ladders.oldest_s, notifications.oldest_s))
        return problem("paging", f"{late} overdue, the oldest by {oldest}", "Does a process with the role worker run?")
    return ok("paging", "nothing is overdue")


async def _partitions(conn: AsyncConnection, now: datetime) -> Finding:
    missing, astray = [], []
    for p in partitions.partitioned(receipts=timedelta(1), history=timedelta(1)):
        there = await partition_store.existing(conn, p.table)
        if partitions.span(p, now).name not in there:
            missing.append(p.table)
        if await partition_store.in_default(conn, p.table, 1):
            astray.append(p.table)
    if missing:
        advice = "A worker makes them within a minute of its start; nothing is lost meanwhile."
        return warning("partitions", f"none for now: {', '.join(missing)}", advice)
    if astray:
        return warning(
            "partitions", f"rows without one of their own: {', '.join(astray)}", "They go when they are old."
        )
    return ok("partitions", "there ahead of time")


async def of_channels(s: Settings) -> AsyncIterator[Finding]:
    """Asks providers without sending anything."""
    capabilities = registry.capabilities(s)
    for capability in capabilities:
        name = capability.label.lower()
        if not capability.configured and capability.extra:
            continue
        if not capability.configured:
            yield warning(name, "not configured", f"It takes {', '.join(capability.missing)}.")
            continue
        for provider, probe in probes.probes(capability.channel, s).items():
            asked = f"{name} by {provider}" if provider else name
            try:
                yield ok(asked, await probe())
            except (SendFailed, Invalid) as e:
                yield problem(asked, e.message)
    for finding in mail_checks.of_settings(s):
        yield finding
    if s.peer_url:
        yield await vigil.of_peer(s)
    if not any(c.configured for c in capabilities):
        yield problem("channels", "none is configured: nobody can be paged", "docs/configuration.md, Channels.")
