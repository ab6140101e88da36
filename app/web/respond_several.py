"""The screen behind the link of a message about several incidents: each with its own button and its own screen; that
about a night has one for all of it, too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from app import hours
from app.access.links import MESSAGE, Link, Links
from app.incidents.states import OPEN
from app.notifications import acting, reading
from app.web.dependencies import Transaction
from app.web.link_json import JSON_HEADERS, as_json
from app.web.link_view import View
from app.web.screens.rendering import LINK_HEADERS, link_screen

TAKEN: Final = "Thank you. You have all of it that nobody else has."


def several(
    request: Request, now: datetime, link: Link, token: str, carried: Sequence[Any], told: str = "", status: int = 200
) -> Response:
    """`carried`: the rows of `notifications.reading.carried`. A button acknowledges one of them and leads to its
    screen; the others stay in this list."""
    if as_json(request):
        return _as_json(carried, told, status)
    given: Links = request.app.state.links
    lines = []
    for one in carried:
        view = str(View(one.epoch, one.state, one.acknowledged_by_id or 0, 0, 0, 0, one.firing))
        signature = given.action_token(f"{token}/{one.number}", "acknowledge", view)
        lines.append((one, view, signature))
    waiting = sum(one.state == "triggered" for one in carried)
    night = waiting > 1 and all(one.of_a_night for one in carried)
    return link_screen(
        "link_several",
        status,
        lines=lines,
        waiting=waiting,
        mine=link.user_id,
        user_name=link.user_name,
        token=token,
        all=given.acknowledges(token, "acknowledge_all") if night else None,
        told=told,
        now=now,
        zone=hours.zone(carried[0].time_zone),
    )


async def take_night(
    request: Request, tx: Transaction, link: Link, token: str, view: str, signature: str
) -> Response:  # fmt: skip
    """The button of a message about a night, or of its screen: what nobody has is its reader's. The link is one that
    still opens."""
    given: Links = request.app.state.links
    if view != MESSAGE or not given.allows(token, "acknowledge_all", view, signature):
        carried = await reading.carried(tx.conn, link.notification_id)
        return several(request, tx.now, link, token, carried, "Nothing was done: please press again.", status=403)
    told = await acting.take_night(tx.conn, tx.now, link.notification_id, link.user_id, "link")
    if as_json(request):
        return _as_json(await reading.carried(tx.conn, link.notification_id), told, 200)
    return RedirectResponse(f"/l/{token}?pressed=acknowledge_all", 303, dict(LINK_HEADERS))


def _as_json(carried: Sequence[Any], told: str, status: int) -> Response:
    """How a message about several stands, for our service worker and the ntfy app."""
    waiting = [one.number for one in carried if one.state == "triggered"]
    is_open = any(one.state in OPEN for one in carried)
    stands = {"numbers": [one.number for one in carried], "waiting": waiting, "open": is_open,
              "state": "triggered" if waiting else "acknowledged" if is_open else "resolved",
              "told": told or ("" if waiting else "Nothing of it waits any more.")}  # fmt: skip
    return JSONResponse(stands, status, dict(JSON_HEADERS))
