"""Every metric of Tocsin. docs/metrics.md explains each one; a test holds the two equal.

Rooms call the functions below, after their commit: what was rolled back did not happen. Label values are few by
construction: never an id, an address, a path with its values, or anything a sender chose.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import choose_encoder

# one series less per counter and histogram: nothing here asks when a series began
disable_created_metrics()  # type: ignore[no-untyped-call]  # the library leaves this one function untyped

REGISTRY: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=REGISTRY)

_SECONDS_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SECONDS_PAGING: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_SECONDS_PEOPLE: Final = (5, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

Overdue = Literal["ladder", "notification"]


def _counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"tocsin_{name}", about, labels, registry=REGISTRY)


def _gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"tocsin_{name}", about, labels, registry=REGISTRY)


def _histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"tocsin_{name}", about, labels, buckets=buckets, registry=REGISTRY)


_build = _gauge("build_info", "Always 1; the labels say what runs.", "version", "python")

_intake_requests = _counter(
    "intake_requests_total", "Requests at intake by source and answered status.", "source", "status"
)
_events = _counter("events_total", "Events received by source and by what became of them.", "source", "outcome")
_batch_requests = _histogram("group_commit_requests", "Requests that shared one transaction.", _SIZES)
_batch_events = _histogram("group_commit_events", "Events in one transaction.", _SIZES)
_batch_seconds = _histogram(
    "group_commit_seconds", "Duration of one transaction of intake, commit included.", _SECONDS_SHORT
)
_quarantined = _counter("quarantined_total", "What could not be processed and was kept, by kind.", "kind")

_heartbeat_pings = _counter(
    "heartbeat_pings_total", "Pings of heartbeats, by kind and by the way they came.", "kind", "via"
)
_heartbeats_missed = _counter("heartbeats_missed_total", "Heartbeats that were found to be down.")
_sources_silent = _counter("sources_silent_total", "Integrations whose source fell silent while its alerts fired.")
_suppressed = _counter("suppressed_total", "Occurrences that were suppressed, by what kind of thing did it.", "by")

_opened = _counter("incidents_opened_total", "Incidents opened, by priority.", "priority")
_reopened = _counter("incidents_reopened_total", "Incidents reopened, by priority.", "priority")
_resolved = _counter("incidents_resolved_total", "Incidents resolved, by priority.", "priority")
_acknowledged = _histogram(
    "acknowledge_seconds", "From the incident becoming triggered to its acknowledgement.", _SECONDS_PEOPLE, "door"
)

_calendar_reads = _counter("calendar_reads_total", "Times that a calendar was looked after, by result.", "result")
_calendars_failing = _gauge("calendars_failing", "Calendars whose last good copy stands in, since they cannot be read.")

_storms_began = _counter("storms_began_total", "Storms that began.")
_storms_ended = _counter("storms_ended_total", "Storms that ended.")

_ladder_lateness = _histogram(
    "ladder_lateness_seconds", "How long after its due time a ladder was claimed.", _SECONDS_PAGING
)
_notification_latency = _histogram(
    "notification_seconds", "From a notification's due time to the provider accepting it.", _SECONDS_PAGING, "channel"
)
_digests = _counter("digests_total", "Messages about a night, of people who want its quiet pages as one.", "channel")
_digested = _counter("digest_pages_total", "Quiet pages that went out in a digest.", "channel")
_bundled = _counter("notifications_bundled_total", "Pages that went out in the message of another one.", "channel")
_notifications = _counter("notifications_total", "Notifications by how they ended.", "channel", "result")
_replies = _counter("replies_total", "Text messages and mails that came in, by what they asked for.", "verb", "channel")
_bounces = _counter("bounces_total", "What mail servers said later about mails that they had taken.", "kind")
_keys = _counter("keys_pressed_total", "Keys pressed in calls: 4, 6, 9, or another, which repeats.", "key")
_provider_errors = _counter("provider_errors_total", "Refused or failed attempts by class of code.", "channel", "code")
_provider_attempts = _counter(
    "provider_attempts_total", "Attempts by the provider that was asked, and whether it took the message.",
    "channel", "provider", "result",
)  # fmt: skip
_provider_asked = _counter(
    "provider_asked_total", "Questions to providers about messages that they took earlier.", "channel", "result"
)
_provider_over = _gauge(
    "provider_passed_over", "Number prefixes for which a provider is passed over now.", "channel", "provider"
)
_oldest_overdue = _gauge(
    "oldest_overdue_seconds", "How long the oldest due and unclaimed row has waited; 0: none.", "kind"
)

_tick_seconds = _histogram("tick_seconds", "Duration of one tick of the worker.", _SECONDS_SHORT)
_tick_failures = _counter("tick_failures_total", "Ticks that ended in an error.")
_tick_last = _gauge("tick_last_timestamp_seconds", "When the last tick of this process ended, Unix time.")

_http = _histogram(
    "http_request_seconds",
    "Requests other than intake, by route template and status.",
    _SECONDS_SHORT,
    "method",
    "route",
    "status",
)

_database_readable = _gauge("database_readable", "1 while this process can read its database, 0 while it cannot.")
_second_path_fired = _counter("second_path_fired_total", "Messages sent on the second path, by reason.", "reason")
_second_path_failed = _counter("second_path_failures_total", "Messages the second path could not send, by way.", "way")
_second_path_active = _gauge("second_path_active", "1 while the second path holds something to be wrong.", "reason")

_outgoing_heartbeats = _counter(
    "outgoing_heartbeats_total", "Pings of the outgoing heartbeat, by what they said.", "said"
)
_peer_seconds = _histogram("peer_seconds", "How long the peer took to answer, or to be given up.", _SECONDS_SHORT)
_peer_looks = _counter("peer_looks_total", "Looks at the peer, by what they found.", "found")
_canaries = _counter("canaries_total", "Canaries that ended, by how.", "channel", "provider", "outcome")
_canary_seconds = _histogram(
    "canary_seconds",
    "From the making of a canary to a stage of its way.",
    _SECONDS_PAGING,
    "channel",
    "provider",
    "stage",
)
_paper_written = _gauge("paper_timestamp_seconds", "When the paper was written last, Unix time.")
_paper_failures = _counter("paper_failures_total", "Times that the paper could not be written or mailed.", "way")

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

_intake_request_of = cache(lambda source, status: _intake_requests.labels(source, status))
_events_of = cache(lambda source, outcome: _events.labels(source, outcome))
_http_of = cache(lambda method, route, status: _http.labels(method, route, status))


def intake_request(source: str, status: int) -> None:
    """One request at an intake path. `source` is one we know, else `unknown`; never text from the URL."""
    _intake_request_of(source, status).inc()


def events(source: str, outcome: str, count: int = 1) -> None:
    """Events that became `outcome`, a value of `alerts.dedup.Outcome`."""
    _events_of(source, outcome).inc(count)


def group_commit(requests: int, events: int, seconds: float) -> None:
    """One transaction of intake and what shared it."""
    _batch_requests.observe(requests)
    _batch_events.observe(events)
    _batch_seconds.observe(seconds)


def quarantined(kind: Literal["body", "event", "batch"], count: int = 1) -> None:
    _quarantined.labels(kind).inc(count)


def heartbeat_pinged(kind: str, via: str) -> None:
    """`kind`: `success`, `start`, `fail` or `log`; `via`: `ping`, `alert` or another door of ours."""
    _heartbeat_pings.labels(kind, via).inc()


def heartbeat_missed() -> None:
    _heartbeats_missed.inc()


def source_fell_silent(count: int = 1) -> None:
    _sources_silent.inc(count)


def suppressed(by: str, count: int = 1) -> None:
    """`by` as occurrences say it: `silence`, `maintenance window`, `inhibition`, `time interval`, ..."""
    _suppressed.labels(by.replace(" ", "_")).inc(count)


def incident_opened(priority: int, count: int = 1) -> None:
    """`priority` is 1 to 5."""
    _opened.labels(f"P{priority}").inc(count)


def calendar_read(result: Literal["read", "unchanged", "failed"], failing: int) -> None:
    """A calendar was looked after. `failing`: how many cannot be read now, all together."""
    _calendar_reads.labels(result).inc()
    _calendars_failing.set(failing)


def storm_began() -> None:
    _storms_began.inc()


def storm_ended() -> None:
    _storms_ended.inc()


def digest_sent(channel: str, pages: int) -> None:
    _digests.labels(channel).inc()
    _digested.labels(channel).inc(pages)


def notifications_bundled(channel: str, count: int) -> None:
    """`count`: without the one whose message it was."""
    _bundled.labels(channel).inc(count)


def incident_reopened(priority: int, count: int = 1) -> None:
    _reopened.labels(f"P{priority}").inc(count)


def incident_resolved(priority: int, count: int = 1) -> None:
    _resolved.labels(f"P{priority}").inc(count)


def acknowledged(door: str, seconds: float) -> None:
    """`door`: `link`, `sms`, `mail`, `voice`, `screen`, `api` or `source`. `seconds` since it was triggered."""
    _acknowledged.labels(door).observe(max(0.0, seconds))


def ladder_claimed(lateness_s: float) -> None:
    """`claimed_at - next_step_at`, in seconds."""
    _ladder_lateness.observe(max(0.0, lateness_s))


def reply(verb: str, channel: Literal["sms", "mail", "slack"] = "sms") -> None:
    """`verb`: of `notifications.replies.Verb`, or `unknown_number`, `repeated`, `not_answered`; by mail also `note`,
    `ignored`, `unknown_address`, `unknown_sender`, `not_authenticated`; in Slack also `expired`."""
    _replies.labels(verb, channel).inc()


def bounced(kind: Literal["failed", "delayed", "delivered", "complaint"], *, hard: bool) -> None:
    """A mail server said something later; what `failed` is `hard` or `soft`."""
    _bounces.labels(("hard" if hard else "soft") if kind == "failed" else kind).inc()


def key_pressed(key: str) -> None:
    """`4`, `6`, `9` or `again`."""
    _keys.labels(key).inc()


def notification_accepted(channel: str, latency_s: float) -> None:
    """The provider took it. `latency_s`: since it fell due (which for a page at once is when it was made)."""
    _notification_latency.labels(channel).observe(max(0.0, latency_s))


def notification_ended(
    channel: str, result: Literal["sent", "delivered", "undelivered", "failed", "cancelled"], count: int = 1
) -> None:
    """A notification came to a state: `sent` once accepted, later perhaps `delivered` or `undelivered`."""
    _notifications.labels(channel, result).inc(count)


def provider_error(channel: str, code: str) -> None:
    """One attempt that failed. `code` is `SendFailed.code`; counted by its class."""
    _provider_errors.labels(channel, code_class(code)).inc()


def provider_attempt(channel: str, provider: str, result: Literal["accepted", "failed"]) -> None:
    """`provider`: its name in the configuration."""
    _provider_attempts.labels(channel, provider, result).inc()


def provider_asked(channel: str, result: Literal["asked", "final", "failed"]) -> None:
    """`final`: what became of it was known, its price was not. `failed`: no answer."""
    _provider_asked.labels(channel, result).inc()


def provider_passed_over(channel: str, provider: str, prefixes: int) -> None:
    _provider_over.labels(channel, provider).set(prefixes)


def code_class(code: str) -> str:
    """Few values out of many codes: `21211` (Twilio) is `21xxx`, `550 5.1.1` and `503` are `5xx`, our words stay.

    >>> code_class("21211"), code_class("550 5.1.1"), code_class("timeout"), code_class("")
    ('21xxx', '5xx', 'timeout', 'none')
    """
    first = code.split(" ", 1)[0]
    if first.isascii() and first.isdigit():
        kept = 2 if len(first) == 5 else 1
        return first[:kept] + "x" * min(len(first) - kept, 4)
    if not first:
        return "none"
    return first if re.fullmatch(r"[a-z_]{1,24}", first) else "other"


def oldest_overdue(kind: Overdue, seconds: float) -> None:
    """Age of the oldest row that is due and unclaimed; 0 when there is none."""
    _oldest_overdue.labels(kind).set(max(0.0, seconds))


def ticked(seconds: float) -> None:
    """A tick of the worker came to its end after `seconds`."""
    _tick_seconds.observe(seconds)
    _tick_last.set_to_current_time()


def tick_failed() -> None:
    _tick_failures.inc()


def http_request(method: str, route: str, status: int, seconds: float) -> None:
    """One request outside intake. `route` is the template (`/api/v1/incidents/{number}`), `none` where none matched."""
    _http_of(method if method in _METHODS else "other", route or "none", status).observe(seconds)


def database_readable(readable: bool) -> None:
    _database_readable.set(int(readable))


def second_path_fired(reason: str) -> None:
    """A message left on the second path; `reason` as in `notifications.watch.Reason`, or `all_clear`."""
    _second_path_fired.labels(reason).inc()


def second_path_failed(way: Literal["url", "mail"]) -> None:
    _second_path_failed.labels(way).inc()


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


def render(accept: str = "") -> tuple[bytes, str]:
    """All metrics in the format the `Accept` header asks for, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(REGISTRY), media_type


def _start_at_zero() -> None:
    """Series that alert rules and graphs look at exist before the first thing happens."""
    try:
        release = version("tocsin")
    except PackageNotFoundError:  # run from a clone that was never installed
        release = "unknown"
    _build.labels(release, python_version()).set(1)
    for priority in range(1, 6):
        for counter in (_opened, _reopened, _resolved):
            counter.labels(f"P{priority}")
    for kind in ("success", "start", "fail", "log"):
        _heartbeat_pings.labels(kind, "ping")
    for kind in ("body", "event", "batch"):
        _quarantined.labels(kind)
    for result in ("read", "unchanged", "failed"):
        _calendar_reads.labels(result)
    for overdue in ("ladder", "notification"):
        _oldest_overdue.labels(overdue)
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
