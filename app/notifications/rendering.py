"""What a message is beside its words: the data for programs, and whether it can be answered. Pure."""

from __future__ import annotations

from typing import Any


def data(row: Any, public_url: str) -> dict[str, Any]:
    """What a webhook is sent: docs/policies.md has the format. About no incident it is a test."""
    if row.incident_id is None:
        return {"type": "test", "because": row.content.get("why", ""), "sent_at": row.created_at.isoformat()}
    return {
        "type": "incident.escalated" if row.purpose == "page" else "incident.informed",
        "because": row.content.get("why", ""),
        "round": row.round,
        "step": row.step + 1,
        "incident": {
            "number": row.number,
            "title": row.title,
            "state": row.incident_state,
            "priority": row.priority,
            "service": row.service_key,
            "opened_at": row.opened_at.isoformat(),
            "firing": row.firing,
            "runbook_url": row.runbook_url,
            "url": f"{public_url}/incidents/{row.number}",
        },
    }


def has_answer(row: Any) -> bool:
    """Whether the message carries a link that acts for its reader. What is only for information, and what a program
    reads, does not."""
    acts = row.purpose in ("page", "drill") or "expires_at" in row.content
    return row.incident_id is not None and acts and row.webhook_id is None
