"""The screen behind the link of a message about several incidents: each with its own button and its own screen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import Request, Response

from app import hours
from app.access.links import Link, Links
from app.web.link_view import View
from app.web.screens.rendering import link_screen


def several(request: Request, now: datetime, link: Link, token: str, carried: Sequence[Any]) -> Response:
    """`carried`: the rows of `notifications.reading.carried`. A button acknowledges one of them and leads to its
    screen; the others stay in this list."""
    given: Links = request.app.state.links
    lines = []
    for one in carried:
        view = str(View(one.epoch, one.state, one.acknowledged_by_id or 0, 0, 0, 0, one.firing))
        signature = given.action_token(f"{token}/{one.number}", "acknowledge", view)
        lines.append((one, view, signature))
    return link_screen(
        "link_several",
        lines=lines,
        waiting=sum(one.state == "triggered" for one in carried),
        mine=link.user_id,
        user_name=link.user_name,
        token=token,
        now=now,
        zone=hours.zone(carried[0].time_zone),
    )
