"""The screen behind the link of a message about several incidents: each with its own button and its own screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from app import hours
from app.access.links import Link, Links
from app.incidents.commands import Responder
from app.incidents.states import OPEN
from app.notifications import acting, reading
from app.notifications.commands import queue_message
from app.web.link_json import as_json, how_they_stand
from app.web.link_view import View
from app.web.screens.rendering import link_screen

SHOWS_NO_ANSWER: Final = frozenset({"ntfy"})
"""Its app presses a button, and shows nothing of what comes back (docs.ntfy.sh/publish, action buttons)."""


def several(
    request: Request, now: datetime, link: Link, token: str, carried: Sequence[Any], told: str = "", status: int = 200
) -> Response:
    """`carried`: the rows of `notifications.reading.carried`. A button acknowledges one of them and leads to its
    screen; the others stay in this list, unless the button for all is pressed. `told`: what became of that."""
    if as_json(request):
        return how_they_stand(carried, link, told, status)
    given: Links = request.app.state.links
    lines = []
    for one in carried:
        view = str(View(one.epoch, one.state, one.acknowledged_by_id or 0, 0, 0, 0, one.firing))
        signature = given.action_token(f"{token}/{one.number}", "acknowledge", view)
        lines.append((one, view, signature))
    return link_screen(
        "link_several",
        status,
        lines=lines,
        told=told,
        all=given.acknowledges(token, "acknowledge_all"),
        waiting=sum(one.state == "triggered" for one in carried),
        mine=link.user_id,
        user_name=link.user_name,
        token=token,
        now=now,
        zone=hours.zone(carried[0].time_zone),
    )


async def acknowledge_all(conn: AsyncConnection, now: datetime, link: Link, carried: Sequence[Any]) -> bool:
    """What nobody has of them; what others have stays theirs. True: a message that says what was not acknowledged is
    queued, because where the button was pressed nothing can be shown."""
    these = [
        (one.incident_id, Responder(link.user_id, link.user_key, link.user_name, "link", one.notification_id))
        for one in carried
    ]
    await acting.take_all(conn, now, these, link.user_id)
    if carried[0].channel not in SHOWS_NO_ANSWER:
        return False
    after = await reading.carried(conn, link.notification_id)
    if not (others := [one for one in after if not _is_theirs(one, link)]):
        return False
    await queue_message(
        conn, now, user_id=link.user_id, contact_method_id=carried[0].contact_method_id, channel=carried[0].channel,
        address=carried[0].address, purpose="notice", loudness="quiet", key=f"acknowledged-all:{link.notification_id}",
        content={"subject": f"{len(others)} of {len(after)} incidents you do not have",
                 "text": await told_of(conn, now, link, after)},
    )  # fmt: skip
    return True


def _is_theirs(one: Any, link: Link) -> bool:
    return one.state in OPEN and one.acknowledged_by_id == link.user_id


async def told_of(conn: AsyncConnection, now: datetime, link: Link, carried: Sequence[Any]) -> str:
    """Which of them whoever pressed the button for all has, and how the others stand."""
    wanted = sorted(carried, key=lambda one: (_is_theirs(one, link), one.number))
    return await acting.told_of(conn, now, [one.incident_id for one in wanted], link.user_id)
