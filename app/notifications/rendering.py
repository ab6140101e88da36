"""A message out of the rows that it carries: the words for people, and the data for programs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.incidents.storms import Storm
from app.notifications import storm_texts, texts


def words(parcel: Sequence[Any], storm: Storm | None) -> texts.Words:
    """What a message says. `parcel`: rows of notifications as they are claimed; `storm`: the one that lasts."""
    row = parcel[0]
    if row.incident_id is None:
        return texts.verification(row.content) if row.purpose == "verification" else texts.notice(row.content)
    repeated = any(r.repeated for r in parcel)
    about = [
        texts.About(r.number, r.title, r.priority, r.service, r.opened_at, r.firing, r.runbook_url, r.reopened)
        for r in parcel
    ]
    if row.purpose == "update":
        return texts.for_information(about[0], row.content, row.incident_state, row.time_zone, repeated=repeated)
    if row.purpose == "nudge":
        return texts.update_is_due(about[0], row.time_zone, repeated=repeated)
    if storm is not None and (len(parcel) > 1 or row.incident_id == storm.incident_id):
        return storm_texts.summary(about, storm, row.time_zone, repeated=repeated)
    if len(parcel) > 1:
        return texts.several(about, repeated=repeated)
    return texts.page(about[0], row.content, row.time_zone, repeated=repeated)


def data(row: Any, public_url: str) -> dict[str, Any]:
    """What a webhook is sent: docs/policies.md has the format."""
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
    return row.incident_id is not None and row.purpose == "page" and row.webhook_id is None
