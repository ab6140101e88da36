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


def links_of(
    alert: Mapping[str, Any], members: Mapping[str, str], annotations: Mapping[str, str]
) -> tuple[Links, dict[str, Any]]:
    """The links of an alert, and what stood in the place of one without being an address: that is for the details.

    Looked at are the alert's own `members` (name to text), then the annotations that usually hold an address.
    """
    found: list[tuple[str, str]] = []
    odd: dict[str, Any] = {}
    for name, text in members.items():
        if value := alert.get(name):
            if is_address(value):
                found.append((value, text))
            else:
                odd[name] = value
    if not _NAMES.isdisjoint(annotations):
        for name in annotations:
            if name in _NAMES and is_address(annotations[name]):
                found.append((annotations[name], _ANNOTATIONS[name]))
    return tuple(found), odd
