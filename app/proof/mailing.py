"""Once a week, to everybody who answers for schedules: what lint finds in the coming year, and only when it does."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.notifications.telling import tell
from app.oncall import store as oncall
from app.proof import linting, mail_store, reach_store, weekly

YEAR: Final = timedelta(days=365)
LINTED: Final = 5
"""Schedules of one transaction: a year of one takes up to 200 ms."""


async def plan(conn: AsyncConnection, now: datetime) -> None:
    """A mail for every owner in the coming week, due on Monday at nine of their clock. By one worker, once. The first
    week that is ever planned has none: it has begun, or an installation is being furnished."""
    week = weekly.week_of(now)
    if await mail_store.is_planned(conn, week) or not await mail_store.plan_week(conn, now, week):
        return
    if await mail_store.is_first(conn):
        return
    zones = {user: hours.zone(name) for user, name in (await mail_store.owners(conn)).items()}
    dues = {user: weekly.due(week, zone) for user, zone in zones.items() if not weekly.is_over(week, now, zone)}
    await mail_store.plan(conn, week, dues)


async def go_on(conn: AsyncConnection, now: datetime, channels: Collection[str], public_url: str) -> bool:
    """A few schedules further with one mail that is due; after the last of them it is sent, or not needed. False: none
    is due. Whoever dies in between leaves it where it was."""
    mail = await mail_store.claim(conn, now)
    if mail is None:
        return False
    later = weekly.sane(now, hours.zone(mail.time_zone))
    if later > now:
        await mail_store.keep(conn, mail, due_at=later, after_id=0, found=[], done_at=None)
        return True
    found, own = list(mail.found), await mail_store.own(conn, mail.user_id, mail.after_id, LINTED)
    for row in own:
        if (wrong := await _lint(conn, now, row, channels)) is not None:
            found.append(wrong)
    over = len(own) < LINTED
    after_id = own[-1].id if own else mail.after_id
    kept = {"due_at": mail.due_at, "after_id": after_id, "found": found}
    await mail_store.keep(conn, mail, **kept, done_at=now if over else None)
    if over and found and mail.active:
        await _send(conn, now, mail, found, channels, public_url)
    return True


async def _lint(conn: AsyncConnection, now: datetime, row: Any, channels: Collection[str]) -> dict[str, Any] | None:
    window = (now, now + YEAR)
    [stored] = await oncall.documents(conn, [row.key])
    schedule = (await oncall.schedules(conn, [row.id], window=window))[row.id]
    team_id = await reach_store.team_of(conn, row.id)
    like = stored.document.like
    findings, _ = await linting.findings(conn, now, schedule, window, channels, team_id=team_id, like=like)
    return weekly.wrong(row.key, row.name, findings)


async def _send(
    conn: AsyncConnection, now: datetime, mail: Any, found: list[Any], channels: Collection[str], public_url: str
) -> None:
    before = await mail_store.before(conn, mail.user_id, mail.week)
    said = weekly.letter(found, None if before is None else weekly.marks(before), public_url)
    await tell(
        conn, now, mail.user_id, subject=said["subject"], words=said["text"], long=said["text_long"], purpose="digest",
        mail_first=True, key=f"lint:{mail.week}:{mail.user_id}", channels=channels,
    )  # fmt: skip
