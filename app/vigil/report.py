"""What a peer says about itself, and what it means. Pure.

A peer is another installation that somebody else may have broken, or broken into: nothing it says is believed further
than it can be shown. Its answer has a bounded size, numbers have bounds, texts are cut and cleaned.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from app.notifications.watch import LATE_S, duration
from app.vigil.standing import LOOK_WITHIN_S, TICK_WITHIN_S

LONGEST_BODY: Final = 16_384
SKEW: Final = timedelta(seconds=30)

_Count = Annotated[int, Meta(ge=0, le=10**9)]
_Seconds = Annotated[float, Meta(ge=0, le=10**9)]

Kind = Literal["", "silent", "refused", "nonsense", "database", "stuck", "late", "clock"]
"""What is wrong with a peer in one word; empty: nothing."""


class Lateness(Struct, frozen=True):
    late: _Count
    oldest_s: _Seconds


class Report(Struct, frozen=True):
    """One answer. `clock` is its database's; `ladders` and `notifications` are null where it cannot read that.
    `tick_s`, `looked_s`: so long ago its worker ticked (null: that process has none) and it looked at its database."""

    version: Annotated[str, Meta(max_length=100)]
    database_readable: bool
    unreadable_s: _Seconds
    unreachable: _Count
    clock: Annotated[datetime, Meta(tz=True)] | None = None
    ladders: Lateness | None = None
    notifications: Lateness | None = None
    tick_s: _Seconds | None = None
    looked_s: _Seconds | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What one look at the peer found. `words`: about the peer, without its name, as the end of a sentence."""

    kind: Kind
    words: str = ""


FINE: Final = Finding("")
_DECODER: Final = msgspec.json.Decoder(Report)


def silent(why: str) -> Finding:
    """No answer at all: `why` in words."""
    return Finding("silent", f"does not answer ({why})")


def read(status: int, body: bytes, now: datetime) -> Finding:
    """What an answer means. `now` is our own database's."""
    if status in (401, 403):
        return Finding("refused", "refuses our token")
    if status == 404:
        return Finding("refused", "does not watch: it has no TOCSIN_PEER_TOKEN, or is no Tocsin")
    if status != 200:
        return Finding("silent", f"does not answer (status {status})")
    if len(body) > LONGEST_BODY:
        return Finding("nonsense", "answers with more than it could have to say")
    try:
        report = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Finding("nonsense", "answers with what is no report")
    return judge(report, now)


def judge(report: Report, now: datetime) -> Finding:
    """The worst first: what keeps it from paging anybody."""
    if not report.database_readable and report.unreadable_s >= LATE_S:
        return Finding("database", f"has not read its database for {duration(report.unreadable_s)}")
    if report.looked_s is not None and report.looked_s > LOOK_WITHIN_S:
        return Finding("stuck", f"has not looked at its database for {duration(report.looked_s)}")
    if report.tick_s is not None and report.tick_s > TICK_WITHIN_S:
        return Finding("stuck", f"has a worker that has not ticked for {duration(report.tick_s)}")
    if late := _late(report):
        return Finding("late", late)
    if report.clock is not None and abs(report.clock - now) > SKEW:
        which = "ahead of" if report.clock > now else "behind"
        skew = duration(abs(report.clock - now).total_seconds())
        return Finding("clock", f"has a clock that is {skew} {which} ours")
    return FINE


def _late(report: Report) -> str:
    parts = []
    for what, lateness in (("ladder", report.ladders), ("notification", report.notifications)):
        if lateness is not None and lateness.late and lateness.oldest_s > LATE_S:
            s = "" if lateness.late == 1 else "s"
            parts.append(f"{lateness.late} {what}{s} overdue, the oldest by {duration(lateness.oldest_s)}")
    if report.unreachable:
        parts.append("could not reach its last resort")
    return "is late: " + ", and ".join(parts) if parts else ""
