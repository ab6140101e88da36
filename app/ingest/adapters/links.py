"""Addresses in a message that a responder may want to open. Only http and https; nothing else is shown as a link."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

Links = tuple[tuple[str, str], ...]
"""(address, text) pairs."""

MAX_ADDRESS = 4_096

_ANNOTATIONS = {
    "runbook_url": "Runbook",
    "runbook": "Runbook",
    "runbookURL": "Runbook",
    "playbook_url": "Runbook",
    "dashboard_url": "Dashboard",
    "dashboard": "Dashboard",
    "dashboardURL": "Dashboard",
    "logs_url": "Logs",
}
_NAMES = frozenset(_ANNOTATIONS)


def is_address(value: Any) -> TypeGuard[str]:
    """True for an absolute http or https address without blanks, of bearable length."""
    return (
        type(value) is str
        and value.startswith(("http://", "https://"))
        and len(value) <= MAX_ADDRESS
        and " " not in value
        and value.isprintable()
    )


def links_of(alert: Mapping[str, Any], members: Mapping[str, str], annotations: Mapping[str, str]) -> Links:
    """First the alert's own `members` (name to text), then the annotations that usually hold an address."""
    found = [(alert[name], text) for name, text in members.items() if name in alert and is_address(alert[name])]
    if not _NAMES.isdisjoint(annotations):
        found += [(annotations[n], text) for n, text in _ANNOTATIONS.items() if is_address(annotations.get(n))]
    return tuple(found)


def no_links_in(alert: Mapping[str, Any], members: Mapping[str, str]) -> dict[str, Any]:
    """The `members` that say something and did not become a link; they belong to the details."""
    told = {name: alert[name] for name in members if alert.get(name)}
    return {name: value for name, value in told.items() if not is_address(value)}
