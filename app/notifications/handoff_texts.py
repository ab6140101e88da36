"""What is said at a handoff. Pure: short for a phone's screen, with a line for each incident for a mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.escalation.concern_store import OpenIncident
from app.hours import local

NAMED = 3
"""So many open incidents are named in the short form."""


def incoming(
    schedule: str,
    starts_at: datetime,
    ends_at: datetime | None,
    incidents: Sequence[OpenIncident],
    where: ZoneInfo,
    now: datetime,
) -> dict[str, Any]:
    """`You are on call for Primary until Mon 30 Nov 09:00 CET; open incidents: #12 Disk full, #15 ...`. `ends_at` None:
    there is no end in sight."""
    until = f" until {_at(ends_at, where)}" if ends_at is not None else ""
    if starts_at > now:
        told = f"From {_at(starts_at, where)} you are on call for {schedule}{until}"
    else:
        told = f"You are on call for {schedule}{until}"
    named = [f"#{i.number} {i.title[:40]}" for i in incidents[:NAMED]]
    more = f" and {len(incidents) - NAMED} more" if len(incidents) > NAMED else ""
    short = f"{told}; open incidents: {', '.join(named)}{more}." if incidents else f"{told}."
    standing = f"{len(incidents)} of its incidents are open." if len(incidents) > 1 else "One of its incidents is open."
    return {
        "subject": f"You are on call for {schedule}",
        "text": short,
        "text_long": f"{told}. {standing if incidents else 'None of its incidents is open.'}",
        "facts": [[f"P{i.priority} #{i.number}", f"{i.title} ({i.service}), {i.state}"] for i in incidents],
    }


def outgoing(schedule: str, names: Sequence[str]) -> dict[str, Any]:
    """To whoever leaves. `names`: who has it now."""
    have = "have" if len(names) > 1 else "has"
    has_it = f"{_listed(names)} {have} it now." if names else "Nobody has it now."
    return {"subject": f"Your shift in {schedule} is over", "text": f"Your shift in {schedule} is over. {has_it}"}


def stays(
    schedule: str, names: Sequence[str], starts_at: datetime, where: ZoneInfo, now: datetime, *, alone: bool
) -> dict[str, Any]:
    """To whoever leaves and cannot, because nobody of `names` has confirmed. `alone`: none of them can be asked."""
    since = f" from {_at(starts_at, where)} on" if starts_at > now else ""
    nobody = f"{_listed(names)} {'cannot be asked' if alone else 'did not confirm'}"
    text = f"{nobody}: you stay on call for {schedule}{since}, until somebody confirms the handoff."
    return {"subject": f"You stay on call for {schedule}", "text": text}


def _at(at: datetime, where: ZoneInfo) -> str:
    return f"{local(at, where):%a %d %b %H:%M %Z}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
