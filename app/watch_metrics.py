"""The metrics of the watch over Tocsin: the second path, the outgoing heartbeat, the peer, canaries and paper."""

from __future__ import annotations

from typing import Literal

from app.metrics import SECONDS_PAGING, SECONDS_SHORT, counter, gauge, histogram

_database_readable = gauge("database_readable", "1 while this process can read its database, 0 while it cannot.")
_second_path_fired = counter("second_path_fired_total", "Messages sent on the second path, by reason.", "reason")
_second_path_failed = counter("second_path_failures_total", "Messages the second path could not send, by way.", "way")
_second_path_active = gauge("second_path_active", "1 while the second path holds something to be wrong.", "reason")
_second_path_last = gauge(
    "second_path_last_timestamp_seconds", "When the second path of this process looked last, Unix time."
)

_outgoing_heartbeats = counter(
    "outgoing_heartbeats_total", "Pings of the outgoing heartbeat, by what they said.", "said"
)
_peer_seconds = histogram("peer_seconds", "How long the peer took to answer, or to be given up.", SECONDS_SHORT)
_peer_looks = counter("peer_looks_total", "Looks at the peer, by what they found.", "found")
_canaries = counter("canaries_total", "Canaries that ended, by how.", "channel", "provider", "outcome")
_canary_seconds = histogram(
    "canary_seconds",
    "From the making of a canary to a stage of its way.",
    SECONDS_PAGING,
    "channel",
    "provider",
    "stage",
)
_paper_written = gauge("paper_timestamp_seconds", "When the paper was written last, Unix time.")
_paper_failures = counter("paper_failures_total", "Times that the paper could not be written or mailed.", "way")


def database_readable(readable: bool) -> None:
    _database_readable.set(int(readable))


def second_path_fired(reason: str) -> None:
    """A message left on the second path; `reason` as in `notifications.watch.Reason`, or `all_clear`."""
    _second_path_fired.labels(reason).inc()


def second_path_failed(way: Literal["url", "mail"]) -> None:
    _second_path_failed.labels(way).inc()


def second_path_looked() -> None:
    _second_path_last.set_to_current_time()


def second_path_active(reason: str, active: bool) -> None:
    _second_path_active.labels(reason).set(int(active))


def outgoing_heartbeat(said: Literal["success", "fail", "unsent"]) -> None:
    """`unsent`: the other side did not take it."""
    _outgoing_heartbeats.labels(said).inc()


def peer_asked(seconds: float) -> None:
    _peer_seconds.observe(seconds)


def peer_found(kind: str) -> None:
    """`kind`: of `vigil.report.Kind`; empty: nothing is wrong."""
    _peer_looks.labels(kind or "fine").inc()


def canary_ended(channel: str, provider: str, outcome: Literal["arrived", "late", "lost"]) -> None:
    _canaries.labels(channel, provider or "none", outcome).inc()


def canary_took(channel: str, provider: str, stage: Literal["accepted", "delivered"], seconds: float) -> None:
    _canary_seconds.labels(channel, provider or "none", stage).observe(max(0.0, seconds))


def paper_written() -> None:
    _paper_written.set_to_current_time()


def paper_failed(way: Literal["file", "mail", "database"]) -> None:
    _paper_failures.labels(way).inc()


def _start_at_zero() -> None:
    """As in metrics.py."""
    for said in ("success", "fail", "unsent"):
        _outgoing_heartbeats.labels(said)
    for paper in ("file", "mail", "database"):
        _paper_failures.labels(paper)
    for way in ("url", "mail"):
        _second_path_failed.labels(way)
    for reason in ("ladder_overdue", "notification_overdue", "database_unreadable", "last_resort_unreachable"):
        _second_path_fired.labels(reason)
        _second_path_active.labels(reason)
    _second_path_fired.labels("all_clear")


_start_at_zero()
