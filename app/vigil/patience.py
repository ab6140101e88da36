"""How long a peer has to be wrong before somebody is woken, and fine before that is over. Pure; state is plain JSON.

What it says of itself is its own look, which has a minute's patience already: two of ours must agree. Silence and
nonsense get a minute, since one packet lost is no outage. All is well again after a minute without a complaint.
Whoever did not ask for a while, since it was down itself, begins to count anew, and keeps what it held to be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from app.vigil.report import Finding, Kind

ASK_EVERY: Final = timedelta(seconds=15)
_PATIENCE: Final[Mapping[Kind, timedelta]] = {
    "silent": timedelta(seconds=60),
    "refused": timedelta(seconds=60),
    "nonsense": timedelta(seconds=60),
    "clock": timedelta(seconds=60),
}
_SHORT: Final = timedelta(seconds=10)
CALM: Final = timedelta(seconds=60)
_LOST_COUNT: Final = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Judged:
    """`state` for the next time. `wrong`: what is to be held wrong now, empty: nothing; `since`: when the peer was
    first found in the state it is in now; `held`: as before, although it was not found at this look."""

    state: dict[str, Any]
    wrong: str
    since: datetime
    held: bool


def judge(before: Mapping[str, Any], finding: Finding, now: datetime) -> Judged:
    """`before` is the state of the last look, `{}` at the first."""
    asked_at = _instant(before.get("asked_at"))
    counted = asked_at is not None and timedelta(0) <= now - asked_at <= _LOST_COUNT
    same = counted and _group(str(before.get("kind", ""))) == _group(finding.kind)
    since = (_instant(before.get("since")) if same else None) or now
    held = str(before.get("wrong", ""))
    if finding.kind == "":
        wrong = held if now - since < CALM else ""
    else:
        wrong = finding.kind if now - since >= _PATIENCE.get(finding.kind, _SHORT) else held
    state = {
        "asked_at": now.isoformat(),
        "kind": finding.kind,
        "since": since.isoformat(),
        "wrong": wrong,
    }
    return Judged(state, wrong, since, held=wrong != finding.kind)


def _group(kind: str) -> str:
    """What is one thing to whoever waits: a peer that goes from late to stuck has been wrong all the time."""
    if kind in ("silent", "refused", "nonsense"):
        return "unheard"
    return "wrong" if kind else ""


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if isinstance(text, str) else None
