"""The list of incidents: what is open, newest first, by filters, slice by slice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from app.directory import service_store
from app.directory import store as directory
from app.incidents import reading
from app.web.dependencies import Transaction
from app.web.pages import Page
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import STATE_WORDS

router = APIRouter(include_in_schema=False)

STATES: Final = {"open": "Open", **STATE_WORDS, "all": "All"}
CHOICES: Final = 200
"""Services and teams offered by name; further ones are reached by their key in the address."""

Choice = Annotated[str, Query(max_length=64)]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The filters of a list as the form sends them; empty: any."""

    state: str = "open"
    priority: str = ""
    service: str = ""
    team: str = ""
    mine: bool = False

    @property
    def states(self) -> Sequence[str] | None:
        if self.state == "all":
            return tuple(STATE_WORDS)
        return (self.state,) if self.state in STATE_WORDS else None

    def address(self, **changes: str) -> str:
        """The address of this list, less what is as it is without being asked for."""
        given = {"state": "" if self.state == "open" else self.state, "priority": self.priority}
        given |= {"service": self.service, "team": self.team, "mine": "1" if self.mine else ""}
        chosen = {name: value for name, value in (given | changes).items() if value}
        return "/incidents" + (f"?{urlencode(chosen)}" if chosen else "")

    @property
    def narrow(self) -> bool:
        return self.address() != "/incidents"


@router.get("/incidents")
async def show_incidents(
    reader: Annotated[Reader, reads("incidents.read")],
    page: Page,
    state: Choice = "open",
    priority: Annotated[str, Query(pattern="^[1-5]?$")] = "",
    service: Choice = "",
    team: Choice = "",
    mine: bool = False,
) -> Response:
    """A slice of the list. It follows along by itself where scripts run, else by loading it again."""
    state = state if state in STATES else "open"
    wanted = Wanted(state, priority, _storable(service), _storable(team), mine)
    found = await reading.slice_(
        reader.tx.conn,
        states=wanted.states,
        priorities=[int(priority)] if priority else None,
        services=[wanted.service] if wanted.service else None,
        teams=[wanted.team] if wanted.team else None,
        user_id=reader.caller.user_id if mine else None,
        before=page.after_uuid,
        limit=page.fetch,
    )
    listed = page.of([_line(line) for line in found], lambda line: line["id"])
    return reader.shows(
        "incidents",
        lines=listed.items,
        older=wanted.address(cursor=listed.next) if listed.next else "",
        first=page.after is None,
        wanted=wanted,
        states=STATES,
        tabs=_tabs(wanted),
        waiting=sum(line["state"] == "triggered" for line in listed.items),
        **await _choices(reader.tx, wanted),
    )


def _tabs(wanted: Wanted) -> list[tuple[str, str, bool]]:
    """The lists that are looked at most: word, address, and whether it is this one."""
    offered = [("Open", Wanted()), ("Unanswered", Wanted("triggered")), ("Mine", Wanted(mine=True)),
               ("Resolved", Wanted("resolved")), ("All", Wanted("all"))]  # fmt: skip
    return [(word, other.address(), other == wanted) for word, other in offered]


def _line(line: reading.IncidentLine) -> dict[str, Any]:
    """What a row of the list says. `since`: when the state that it names began."""
    since = {
        "triggered": line.triggered_at,
        "acknowledged": line.acknowledged_at,
        "mitigated": line.mitigated_at,
        "resolved": line.resolved_at,
        "closed": line.closed_at,
    }[line.state]
    shown = ("id", "number", "title", "state", "priority", "service_name", "team_name", "opened_at", "firing",
             "reopened", "acknowledged_by_name", "wakes_at", "wakes_because", "loudness")  # fmt: skip
    return {name: getattr(line, name) for name in shown} | {"since": since or line.opened_at}


async def _choices(tx: Transaction, wanted: Wanted) -> dict[str, dict[str, str]]:
    services = await service_store.services(tx.conn, limit=CHOICES)
    teams = await directory.teams(tx.conn, limit=CHOICES)
    return {
        "services": _with(wanted.service, {s.document.key: s.document.name for s in services}),
        "teams": _with(wanted.team, {t.document.key: t.document.name for t in teams}),
    }


def _with(chosen: str, names: dict[str, str]) -> dict[str, str]:
    return names if not chosen or chosen in names else {chosen: chosen} | names


def _storable(key: str) -> str:
    """A key with a character that PostgreSQL cannot hold is one that nothing has."""
    return key.replace("\x00", "\ufffd")
