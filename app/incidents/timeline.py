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
        named = f"by rule {given['rule']} (version {given['version']})"
        rule = {"default": "by default", "person": "by hand"}.get(given["rule"], named)
        because = f": {given['because']}" if given.get("because") else ""
        parts.append(f"{given['what']} {given['value']} {rule}{because}")
    return "; ".join(parts)


def _why(d: Data) -> str:
    return f" ({d['because']})" if d.get("because") else ""


def _happened(d: Data) -> str:
    others = {"note": "of a note", "update": "of an update", "priority changed": "that its priority changed"}
    return others.get(str(d["happening"]), f"that it was {d['happening']}")


def _reason(d: Data) -> str:
    return f": {d['reason']}" if d.get("reason") else ""


def _cause_and_fix(d: Data) -> str:
    fixed = f"fixed by {d['fix']}" if d.get("fix") else ""
    said = ", ".join(filter(None, [d.get("cause"), fixed]))
    return f": {said}" if said else ""


def _titles(d: Data) -> str:
    named = [f"“{title}”" for title in d.get("titles", ())]
    more = d.get("alerts", 0) - len(named)
    return f" ({', '.join(named)}{f' and {more} more' if more > 0 else ''})" if named else ""


def _text(d: Data) -> str:
    return f": {d['description']}" if d.get("description") else ""


def _channel(d: Data) -> str:
    words = {"sms": "SMS", "mail": "mail", "voice": "call", "push": "push", "chat": "chat", "webhook": "webhook"}
    return words.get(str(d.get("channel")), str(d.get("channel")))


def _flaps(d: Data) -> str:
    return ", but flaps, so that the incident stays open for a while" if d.get("flapping") else ""


def _until(d: Data) -> str:
    return f" until {d['until']}" if d.get("until") else ""


def _door(d: Data) -> str:
    """The door that is worth telling; a screen and the API are not."""
    return {"sms": " by SMS", "mail": " by mail", "voice": " by keypress", "slack": " in Slack"}.get(
        str(d.get("via")), ""
    )


def _via(d: Data) -> str:
    return _door(d) or f" via {d.get('via', '')}"


def _with(d: Data) -> str:
    others = d.get("with", 0)
    return f", along with {others} other incident{'s' if others > 1 else ''}" if others else ""


def _asking(d: Data) -> str:
    return "informing" if d.get("informs") else "paging"


def _where(d: Data) -> str:
    """Step 0 comes before those of a policy: whoever a person handed the incident to."""
    return f"Step {d['step']} of round {d['round']}: {_asking(d)} " if d["step"] else "Paging whom it was handed to: "


def _whom(d: Data) -> str:
    return f"Step {d['step']} reached nobody" if d["step"] else "Whom it was handed to cannot be reached"


def _calling(d: Data) -> str:
    named = d.get("webhooks") or ()
    return f"; calling the webhook{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else ""


def _not_reached(d: Data) -> str:
    return f"; not reached: {d['not_reached']}" if d.get("not_reached") else ""


def _told(d: Data) -> str:
    """Who was told of it, and how."""
    if d.get("channel") == "webhook":
        return f"The webhook {d['name']} was called"
    did = {"update": "informed", "nudge": "reminded", "notice": "told", "drill": "paged for the drill"}.get(
        str(d.get("purpose")), "paged"
    )
    return f"{d['name']} was {did} by {_channel(d)}"


_NO_UPDATE = "An update is due, and nobody has the incident"

_SENTENCES: dict[str, Callable[[Data], str]] = {
    "opened": lambda d: f"Opened by “{d['title']}”, severity {d['severity']}",
    "joined": lambda d: f"“{d['title']}” joined{_why(d)}",
    "reopened": lambda d: f"Reopened: “{d['title']}” fires again{_why(d)}" if d.get("title") else f"Reopened{_why(d)}",
    "recurrence": lambda d: f"Happened before: incident {d['of']}",
    "alert_changed": lambda d: f"“{d['title']}” changed, severity {d['severity']}",
    "alert_resolved": lambda d: f"“{d['title']}” is resolved{_flaps(d)}; {d['firing']} still firing",
    "alert_expired": lambda d: f"No sign from the source since; {d['firing']} still firing",
    "acknowledged_at_source": lambda d: f"“{d['title']}” was acknowledged at its source",
    "priority_assigned": lambda d: f"Priority P{d['priority']}: {_verdict(d)}",
    "priority_raised": lambda d: f"Priority raised from P{d['was']} to P{d['priority']}: {_verdict(d)}",
    "priority_pinned": lambda d: f"Priority set from P{d['was']} to P{d['priority']}: {d['reason']}",
    "priority_unpinned": lambda d: "Priority is automatic again",
    "became_loud": lambda d: "Support hours began: pages are loud from now on",
    "acknowledged": lambda d: f"Acknowledged by {d.get('name', '')}{_via(d)}{_until(d)}",
    "unacknowledged": lambda d: f"Acknowledgement withdrawn{_why(d)}",
    "acknowledgement_expired": lambda d: f"The acknowledgement of {d.get('name', 'nobody')} expired",
    "snoozed": lambda d: f"Snoozed by {d.get('name', '')}{_door(d)}{_until(d)}",
    "promised": lambda d: f"{d['name']} promised{_door(d)} to have it{_until(d)}",
    "kept": lambda d: f"{d['name']} still has it{_door(d)}{_until(d)}",
    "not_actionable": lambda d: f"Not actionable, says {d['name']}{_door(d)}",
    "silenced": lambda d: f"Silenced by silence {d['silence']} of {d['name']}{_until(d)}: {d['because']}",
    "silence_ended": lambda d: "Its alerts are not all silenced any more",
    "snooze_ended": lambda d: "The snooze ended",
    "mitigated": lambda d: f"Mitigated by {d.get('name', '')}: the pain is over, the fault is not",
    "resolved": lambda d: f"Resolved{_why(d)}{_cause_and_fix(d)}",
    "explained": lambda d: f"What it was, says {d['name']}{_cause_and_fix(d) or ': nobody knows'}",
    "closed": lambda d: f"Closed{_why(d)}",
    "reassigned": lambda d: f"Handed to {d['name']}{_why(d)}",
    "escalated_by_hand": lambda d: f"Escalated to the next step{_door(d) or ' by hand'}",
    "pinned_open": lambda d: f"Pinned open: only a person resolves it{_why(d)}",
    "escalated_to_tier": lambda d: f"Escalated to tier {d['tier']} by {d['name']}{_reason(d)}",
    "acknowledged_partly": lambda d: f"Acknowledged by {d['name']}{_via(d)}; still missing: {', '.join(d['missing'])}",
    "update": lambda d: f"Update: {d['text']}",
    "update_due": lambda d: f"An update is due: {d['name']} is reminded" if d["name"] else _NO_UPDATE,
    "released": lambda d: f"No longer pinned open{_why(d)}",
    "merged_into": lambda d: f"Merged into incident {d['to']} by {d['name']}{_reason(d)}",
    "merged_from": lambda d: f"Incident {d['from']} was merged into this by {d['name']}{_titles(d)}{_reason(d)}",
    "split_off": lambda d: f"Split off by {d['name']} as incident {d['to']}{_titles(d)}{_reason(d)}",
    "split_from": lambda d: f"Split off from incident {d['from']} by {d['name']}{_titles(d)}{_reason(d)}",
    "moved_to": lambda d: f"Moved to incident {d['to']} by {d['name']}{_titles(d)}{_reason(d)}",
    "moved_from": lambda d: f"Moved here from incident {d['from']} by {d['name']}{_titles(d)}{_reason(d)}",
    "act_undone": lambda d: f"{d['name']} took back the {d['what']} with incident {d['other']}",
    "symptom_joined": lambda d: f"“{d['title']}” joined as a symptom: {d['path']}",
    "symptom_of": lambda d: f"A symptom of incident {d['to']}: {d['path']}",
    "symptom_from": lambda d: f"Incident {d['from']} joined as a symptom: {d['path']}{_titles(d)}",
    "symptom_linked": lambda d: f"May be a symptom of incident {d['to']}: {d['path']}",
    "reason_linked": lambda d: f"May be the reason of incident {d['of']}: {d['path']}",
    "opened_by_hand": lambda d: f"Opened by {d['name']}, severity {d['severity']}{_text(d)}",
    "drill_began": lambda d: f"A drill, begun by {d['name']}: {d['whom']} is paged to prove that it works",
    "drill_over": lambda d: f"The drill is over: {d['because']}",
    "storm_began": lambda d: (
        f"{d['name']} began: {d['incidents']} incidents within a minute, more than {d['threshold']}"
        + (f"; in common: {d['common']}" if d.get("common") else "")
    ),
    "joined_storm": lambda d: f"Part of {d['name']}: incident {d['of']} speaks for all while it lasts",
    "storm_over": lambda d: str(d["report"]),
    "note": lambda d: str(d["text"]),
    "step": lambda d: f"{_where(d)}{', '.join(d['names'])}{_calling(d)}{_not_reached(d)}",
    "step_skipped": lambda d: f"Step {d['step']} is skipped: {d['because']}",
    "handed_over": lambda d: f"The rounds of “{d['policy']}” are over: “{d['to']}” takes over",
    "handed_over_to_tier": lambda d: (
        f"The rounds of “{d['policy']}” are over: support tier {d['tier']}, “{d['to']}”, takes over"
    ),
    "tier_not_there": lambda d: f"“{d['policy']}” cannot hand over to support tier {d['tier']}: {d['because']}",
    "last_resort": lambda d: f"Last resort: paging {', '.join(d['names'])}{_not_reached(d)}",
    "nobody_reached": lambda d: f"{_whom(d)}: {d['because']}{_calling(d)}",
    "last_resort_unreachable": lambda d: f"The last resort cannot be reached: {d['because']}",
    "sent": lambda d: f"{_told(d)}{' (repeat)' if d.get('repeated') else ''}{_with(d)}",
    "delivered": lambda d: (
        f"{d['name']} answered the call"
        if d.get("channel") == "voice"
        else f"The {_channel(d)} to {d['name']} was delivered"
    ),
    "not_told": lambda d: f"The webhook {d['name']} was not told {_happened(d)}{_why(d)}: given up",
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
