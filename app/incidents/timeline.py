"""What happened in an incident, in words. Pure: `kind` and `data` as stored in, one sentence out.

Every command and every thing the clock does writes one entry. Sentences are plain text: screens escape them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from msgspec import Struct

Data = Mapping[str, Any]


class Entry(Struct, frozen=True, gc=False):
    """A timeline entry before it is written. `actor`: `user:<key>`, `source:<integration key>` or `tocsin`."""

    incident_id: UUID
    kind: str
    actor: str = "tocsin"
    data: Data = {}


def _verdict(d: Data) -> str:
    parts = []
    for given in d.get("verdict", {}).get("inputs", ()):
        rule = "by default" if given["rule"] == "default" else f"by rule {given['rule']} (version {given['version']})"
        because = f": {given['because']}" if given.get("because") else ""
        parts.append(f"{given['what']} {given['value']} {rule}{because}")
    return "; ".join(parts)


def _why(d: Data) -> str:
    return f" ({d['because']})" if d.get("because") else ""


def _channel(d: Data) -> str:
    words = {"sms": "SMS", "mail": "mail", "voice": "call", "push": "push", "chat": "chat", "webhook": "webhook"}
    return words.get(str(d.get("channel")), str(d.get("channel")))


def _until(d: Data) -> str:
    return f" until {d['until']}" if d.get("until") else ""


def _with(d: Data) -> str:
    others = d.get("with", 0)
    return f", along with {others} other incident{'s' if others > 1 else ''}" if others else ""


_SENTENCES: dict[str, Callable[[Data], str]] = {
    "opened": lambda d: f"Opened by “{d['title']}”, severity {d['severity']}",
    "joined": lambda d: f"“{d['title']}” joined{_why(d)}",
    "reopened": lambda d: f"Reopened: “{d.get('title', '')}” fires again" if d.get("title") else f"Reopened{_why(d)}",
    "recurrence": lambda d: f"Happened before: incident {d['of']}",
    "alert_changed": lambda d: f"“{d['title']}” changed, severity {d['severity']}",
    "alert_resolved": lambda d: f"“{d['title']}” is resolved; {d['firing']} still firing",
    "alert_expired": lambda d: f"No sign from the source since; {d['firing']} still firing",
    "acknowledged_at_source": lambda d: f"“{d['title']}” was acknowledged at its source",
    "priority_assigned": lambda d: f"Priority P{d['priority']}: {_verdict(d)}",
    "priority_raised": lambda d: f"Priority raised from P{d['was']} to P{d['priority']}: {_verdict(d)}",
    "priority_pinned": lambda d: f"Priority set from P{d['was']} to P{d['priority']}: {d['reason']}",
    "priority_unpinned": lambda d: "Priority is automatic again",
    "became_loud": lambda d: "Support hours began: pages are loud from now on",
    "acknowledged": lambda d: f"Acknowledged by {d.get('name', '')} via {d.get('via', '')}{_until(d)}",
    "unacknowledged": lambda d: f"Acknowledgement withdrawn{_why(d)}",
    "acknowledgement_expired": lambda d: f"The acknowledgement of {d.get('name', 'nobody')} expired",
    "snoozed": lambda d: f"Snoozed by {d.get('name', '')}{_until(d)}",
    "snooze_ended": lambda d: "The snooze ended",
    "mitigated": lambda d: f"Mitigated by {d.get('name', '')}: the pain is over, the fault is not",
    "resolved": lambda d: f"Resolved{_why(d)}",
    "closed": lambda d: f"Closed{_why(d)}",
    "reassigned": lambda d: f"Handed to {d['name']}{_why(d)}",
    "escalated_by_hand": lambda d: "Escalated to the next step by hand",
    "held_open": lambda d: "Pinned open: only a person resolves it",
    "released": lambda d: "No longer pinned open",
    "storm_began": lambda d: (
        f"{d['name']} began: {d['incidents']} incidents within a minute, more than {d['threshold']}"
        + (f"; in common: {d['common']}" if d.get("common") else "")
    ),
    "joined_storm": lambda d: f"Part of {d['name']}: incident {d['of']} speaks for all while it lasts",
    "storm_over": lambda d: str(d["report"]),
    "note": lambda d: str(d["text"]),
    "step": lambda d: f"Step {d['step']} of round {d['round']}: paging {', '.join(d['names'])}",
    "last_resort": lambda d: f"Last resort: paging {', '.join(d['names'])}",
    "nobody_reached": lambda d: f"Step {d['step']} reached nobody: {d['because']}",
    "last_resort_unreachable": lambda d: f"The last resort cannot be reached: {d['because']}",
    "sent": lambda d: f"{d['name']} was paged by {_channel(d)}{' (repeat)' if d.get('repeated') else ''}{_with(d)}",
    "delivered": lambda d: f"The {_channel(d)} to {d['name']} was delivered",
    "not_sent": lambda d: f"The {_channel(d)} to {d['name']} failed{_why(d)}",
    "cancelled": lambda d: f"{d['count']} pending notifications were cancelled{_why(d)}",
}


def describe(kind: str, data: Data) -> str:
    """One sentence. An entry of a kind this version does not know still shows its kind."""
    sentence = _SENTENCES.get(kind)
    try:
        return sentence(data) if sentence else kind.replace("_", " ").capitalize()
    except (KeyError, TypeError):
        return kind.replace("_", " ").capitalize()
