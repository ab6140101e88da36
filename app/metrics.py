"""The metrics of Tocsin; those of the watch over it are in watch_metrics.py. docs/metrics.md explains each one; a test
holds the two equal.

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

SECONDS_SHORT: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SECONDS_PAGING: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_SECONDS_PEOPLE: Final = (5, 15, 30, 60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)

Overdue = Literal["ladder", "notification"]


def counter(name: str, about: str, *labels: str) -> Counter:
    return Counter(f"tocsin_{name}", about, labels, registry=REGISTRY)


def gauge(name: str, about: str, *labels: str) -> Gauge:
    return Gauge(f"tocsin_{name}", about, labels, registry=REGISTRY)


def histogram(name: str, about: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
    return Histogram(f"tocsin_{name}", about, labels, buckets=buckets, registry=REGISTRY)


_build = gauge("build_info", "Always 1; the labels say what runs.", "version", "python")

_intake_requests = counter(
    "intake_requests_total", "Requests at intake by source and answered status.", "source", "status"
)
_events = counter("events_total", "Events received by source and by what became of them.", "source", "outcome")
_batch_requests = histogram("group_commit_requests", "Requests that shared one transaction.", _SIZES)
_batch_events = histogram("group_commit_events", "Events in one transaction.", _SIZES)
_batch_seconds = histogram(
    "group_commit_seconds", "Duration of one transaction of intake, commit included.", SECONDS_SHORT
)
_quarantined = counter("quarantined_total", "What could not be processed and was kept, by kind.", "kind")

_heartbeat_pings = counter(
    "heartbeat_pings_total", "Pings of heartbeats, by kind and by the way they came.", "kind", "via"
)
_heartbeats_missed = counter("heartbeats_missed_total", "Heartbeats that were found to be down.")
_sources_silent = counter("sources_silent_total", "Integrations whose source fell silent while its alerts fired.")
_suppressed = counter("suppressed_total", "Occurrences that were suppressed, by what kind of thing did it.", "by")

_opened = counter("incidents_opened_total", "Incidents opened, by priority.", "priority")
_reopened = counter("incidents_reopened_total", "Incidents reopened, by priority.", "priority")
_resolved = counter("incidents_resolved_total", "Incidents resolved, by priority.", "priority")
_acknowledged = histogram(
    "acknowledge_seconds", "From the incident becoming triggered to its acknowledgement.", _SECONDS_PEOPLE, "door"
)

_calendar_reads = counter("calendar_reads_total", "Times that a calendar was looked after, by result.", "result")
_calendars_failing = gauge("calendars_failing", "Calendars whose last good copy stands in, since they cannot be read.")

_storms_began = counter("storms_began_total", "Storms that began.")
_storms_ended = counter("storms_ended_total", "Storms that ended.")

_ladder_lateness = histogram(
    "ladder_lateness_seconds", "How long after its due time a ladder was claimed.", SECONDS_PAGING
)
_notification_latency = histogram(
    "notification_seconds", "From a notification's due time to the provider accepting it.", SECONDS_PAGING, "channel"
)
_digests = counter("digests_total", "Messages about a night, of people who want its quiet pages as one.", "channel")
_digested = counter("digest_pages_total", "Quiet pages that went out in a digest.", "channel")
_bundled = counter("notifications_bundled_total", "Pages that went out in the message of another one.", "channel")
_notifications = counter("notifications_total", "Notifications by how they ended.", "channel", "result")
_replies = counter("replies_total", "Text messages and mails that came in, by what they asked for.", "verb", "channel")
_bounces = counter("bounces_total", "What mail servers said later about mails that they had taken.", "kind")
_keys = counter("keys_pressed_total", "Keys pressed in calls: 4, 6, 9, or another, which repeats.", "key")
_provider_errors = counter("provider_errors_total", "Refused or failed attempts by class of code.", "channel", "code")
_provider_attempts = counter(
    "provider_attempts_total", "Attempts by the provider that was asked, and whether it took the message.",
    "channel", "provider", "result",
)  # fmt: skip
_provider_asked = counter(
    "provider_asked_total", "Questions to providers about messages that they took earlier.", "channel", "result"
)
_provider_over = gauge(
    "provider_passed_over", "Number prefixes for which a provider is passed over now.", "channel", "provider"
)
_webhook_calls = counter(
    "webhook_calls_total", "Calls of webhooks about what happens to incidents, by result.", "result"
)
_oldest_overdue = gauge(
    "oldest_overdue_seconds", "How long the oldest due and unclaimed row has waited; 0: none.", "kind"
)

_tick_seconds = histogram("tick_seconds", "Duration of one tick of the worker.", SECONDS_SHORT)
_tick_failures = counter("tick_failures_total", "Ticks that ended in an error.")
_tick_last = gauge("tick_last_timestamp_seconds", "When the last tick of this process ended, Unix time.")

_http = histogram(
    "http_request_seconds",
    "Requests other than intake, by route template and status.",
    SECONDS_SHORT,
    "method",
    "route",
    "status",
)

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


def webhook_called(result: Literal["delivered", "tried_again", "given_up"]) -> None:
    """One try to tell a webhook of something that happened."""
    _webhook_calls.labels(result).inc()


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


_start_at_zero()
