"""Who is reading a screen, in which zone, and what every screen must tell: that nobody is left to be paged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import Depends, Request, Response

from app.escalation import answering
from app.incidents import storm_store
from app.incidents.storms import Storm
from app.web.auth import Caller, needs
from app.web.dependencies import ChannelsGiven, Transaction, Tx
from app.web.screens.rendering import HEADERS, screen


@dataclass(frozen=True, slots=True)
class Reader:
    """The caller of a screen. `warning`: why the last resort cannot be reached; empty: it can (behaviour.md 18)."""

    caller: Caller
    tx: Transaction
    zone: ZoneInfo
    warning: str
    storm: Storm | None = None
    """The one that lasts."""
    posted: bool = False
    """The screen answers what a form sent: what it holds is not saved."""

    def shows(self, template: str, status: int = 200, /, **given: Any) -> Response:
        """The screen of this template, inside the frame with the navigation."""
        frame = {"caller": self.caller, "now": self.tx.now, "zone": self.zone, "warning": self.warning}
        frame |= {"storm": self.storm, "posted": self.posted}
        return screen(template, status, HEADERS, **(frame | given))


def reads(permission: str) -> Any:
    """A dependency that is the `Reader`, who has this permission."""

    async def reader(request: Request, tx: Tx, channels: ChannelsGiven, caller: Caller = needs(permission)) -> Reader:
        warning = await answering.nobody_is_left(tx.conn, list(channels), tx.now)
        storm = await storm_store.running(tx.conn)
        zone = await answering.zone_of(tx.conn, caller.user_id)
        return Reader(caller, tx, zone, warning, storm, posted=request.method == "POST")

    return Depends(reader)
