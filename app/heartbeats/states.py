"""What pings and time do to a heartbeat. Pure: the beat as it was and `now` in, the beat as it is out.

`down_since` is the failure that is being told or still to be told; `firing` is what its alert was told last. So a
failure that ended before anybody looked is told all the same: it fired, and it resolved.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from app.heartbeats.rhythm import Rhythm, spell

State = Literal["new", "up", "down", "paused"]
Shown = Literal["new", "up", "late", "down", "paused"]
Kind = Literal["success", "start", "fail", "log"]

MAX_RUNS = 20
"""Runs at once that are kept apart by their ids; the oldest is forgotten."""


class Beat(Struct, frozen=True):
    """A heartbeat as far as pings and time change it. `runs`: when each unfinished run started, by its id (`""` for a
    start without one). `down_because` is in words, for people."""

    state: State = "new"
    expected_at: datetime | None = None
    runs: Mapping[str, datetime] = {}
    last_ping_at: datetime | None = None
    last_kind: str | None = None
    last_exit_status: int | None = None
    last_duration_ms: int | None = None
    last_success_at: datetime | None = None
    down_since: datetime | None = None
    down_because: str = ""
    firing: bool = False

    @property
    def untold(self) -> bool:
        """Its alert does not know yet how things are."""
        return (self.state == "down") != self.firing or (self.down_since is not None and not self.firing)


class Ping(Struct, frozen=True):
    """One sign of life. `run`: the id that pairs the start of a run with its end, empty for none."""

    kind: Kind
    run: str = ""
    exit_status: int | None = None


def shown(beat: Beat, now: datetime) -> Shown:
    """The state as people see it: `late` is up and overdue, within its grace."""
    late = beat.state == "up" and not beat.runs and beat.expected_at is not None and beat.expected_at < now
    return "late" if late else beat.state


def deadline(beat: Beat, rhythm: Rhythm) -> datetime | None:
    """The instant from which silence counts as failure. While a run goes on, its end is awaited and nothing else."""
    if beat.state not in ("new", "up"):
        return None
    if beat.runs:
        return min(beat.runs.values()) + rhythm.grace
    return None if beat.expected_at is None else beat.expected_at + rhythm.grace


def due_at(beat: Beat, rhythm: Rhythm, now: datetime) -> datetime | None:
    """When the worker is to look at it: at once when there is something to tell."""
    return now if beat.untold else deadline(beat, rhythm)


def ping(beat: Beat, rhythm: Rhythm, sign: Ping, now: datetime) -> Beat:
    """The beat after a ping. A paused one only remembers it: a person paused it, and a person resumes it."""
    ends = sign.kind in ("success", "fail")
    began = beat.runs.get(sign.run) if ends else None
    after = replace(
        beat,
        last_ping_at=now,
        last_kind=sign.kind,
        last_exit_status=sign.exit_status if ends else beat.last_exit_status,
        last_duration_ms=beat.last_duration_ms if began is None else round((now - began) / timedelta(milliseconds=1)),
        last_success_at=now if sign.kind == "success" else beat.last_success_at,
    )
    if beat.state == "paused" or sign.kind == "log":
        return after
    if sign.kind == "start":
        return replace(after, runs=_started(beat.runs, sign.run, now))
    runs = {run: at for run, at in beat.runs.items() if sign.run and run != sign.run}
    if sign.kind == "fail":
        return replace(_down(after, now, _failure(sign)), runs=runs)
    if beat.state == "down":
        # What was overdue while it was down is part of the failure that ends here.
        runs = {run: at for run, at in runs.items() if at + rhythm.grace > now}
    return replace(after, state="up", runs=runs, expected_at=rhythm.next_after(now))


def _started(runs: Mapping[str, datetime], run: str, now: datetime) -> dict[str, datetime]:
    """A start without an id that follows another does not make the first one finish later."""
    started = {run: now} | dict(runs)
    newest = sorted(started.items(), key=lambda item: item[1])[-MAX_RUNS:]
    return dict(newest)


def _failure(sign: Ping) -> str:
    return "it reported a failure" if sign.exit_status is None else f"it ended with exit status {sign.exit_status}"


def _down(beat: Beat, since: datetime, because: str) -> Beat:
    if beat.state == "down":
        return beat
    if beat.down_since is not None:  # an earlier failure is not told yet: this one goes on with it
        return replace(beat, state="down")
    return replace(beat, state="down", down_since=since, down_because=because)


def overdue(beat: Beat, rhythm: Rhythm, now: datetime, last_sign: str) -> Beat:
    """The beat after time has passed. `last_sign`: when it was heard of last, in words."""
    limit = deadline(beat, rhythm)
    if limit is None or limit > now:
        return beat
    if beat.runs:
        because = f"a run has not finished within {spell(rhythm.grace)} of its start"
        return replace(
            _down(beat, limit, because), runs={run: at for run, at in beat.runs.items() if at + rhythm.grace > now}
        )
    return _down(beat, limit, f"no ping since {last_sign}, {rhythm}")


class Told(Struct, frozen=True):
    """What its alert is to be told, in this order."""

    fired: bool
    resolved: bool
    beat: Beat
    """As it is once that is told."""


def tell(beat: Beat) -> Told:
    """Puts right what the alert knows."""
    fired = beat.down_since is not None and not beat.firing
    resolved = beat.state != "down" and (fired or beat.firing)
    after = replace(beat, firing=(beat.firing or fired) and not resolved)
    return Told(fired, resolved, replace(after, down_since=None, down_because="") if resolved else after)


def pause(beat: Beat) -> Beat:
    """Nothing is expected any more; an alert that fires is resolved, and one that was to fire does not."""
    paused = replace(beat, state="paused", runs={}, expected_at=None)
    return paused if beat.firing else replace(paused, down_since=None, down_because="")


def resume(beat: Beat, rhythm: Rhythm, now: datetime) -> Beat:
    """Expected again, counted from now; new if it was never heard of."""
    if beat.state != "paused":
        return beat
    if beat.last_success_at is None:
        return replace(beat, state="new")
    return replace(beat, state="up", expected_at=rhythm.next_after(now))


def retime(beat: Beat, rhythm: Rhythm, now: datetime) -> Beat:
    """After an edit: what is expected next counts from now, so that nobody is paged for having edited."""
    return replace(beat, expected_at=rhythm.next_after(now)) if beat.state == "up" else beat


def excuse(beat: Beat, rhythm: Rhythm, now: datetime) -> Beat:
    """Nothing could be heard of it, because its integration is disabled: what is expected counts from now again."""
    return replace(retime(beat, rhythm, now), runs={})
