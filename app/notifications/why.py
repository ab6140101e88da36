"""Why somebody was paged, and why now: from what was written down when it happened, never worked out anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.hours import clock, local, zone
from app.incidents.timeline import describe

_BEGINNINGS: Final = frozenset({
    "opened", "opened_by_hand", "reopened", "split_from", "drill_began", "priority_raised", "became_loud",
    "acknowledgement_expired", "unacknowledged", "snooze_ended", "silence_ended", "escalated_by_hand",
    "escalated_to_tier", "reassigned",
})  # fmt: skip
"""Timeline entries after which an incident pages from the first step, or at once."""
_PASSED_OVER: Final = frozenset({"step_skipped", "nobody_reached", "handed_over", "last_resort_unreachable"})
_STEPS: Final = frozenset({"step", "last_resort"})
_NAMED: Final = 6
_BY: Final = {"sms": "SMS", "voice": "a call"}

_PAGE: Final = text("""
    SELECT n.id, n.incident_id, n.user_id, n.epoch, n.round, n.step, n.created_at, n.content ->> 'why' AS why,
           l.policy ->> 'name' AS policy, l.policy ->> 'version' AS version
    FROM notifications n LEFT JOIN ladders l ON l.id = n.ladder_id WHERE n.id = :id
""")

_BEFORE: Final = text("""
    SELECT u.name, n.channel, n.created_at, n.state, n.because
    FROM notifications n JOIN users u ON u.id = n.user_id
    WHERE n.incident_id = :incident_id AND n.epoch = :epoch AND n.purpose = 'page' AND n.created_at < :created_at
      AND n.state <> 'pending'
    ORDER BY n.id DESC LIMIT :limit
""")
"""Pages of the same epoch, the newest first."""

_LED_UP: Final = text("""
    SELECT e.kind, e.at, e.data FROM timeline_entries e
    WHERE e.incident_id = :incident_id AND e.at <= :created_at AND e.kind = ANY (CAST(:kinds AS text[]))
    ORDER BY e.id DESC LIMIT 100
""")


@dataclass(frozen=True, slots=True)
class Why:
    """In sentences without a full stop. `before` and `passed_over`: with the clock of the reader."""

    you: str
    """`on call in schedule Primary: layer Weekly`."""
    now: str
    """`step 2 of round 1, policy “Checkout”, version 3`."""
    began: str
    """What made the incident page: `The acknowledgement of Ben expired`."""
    before: tuple[str, ...] = ()
    """Who was paged earlier, and what became of it."""
    passed_over: tuple[str, ...] = ()
    """Steps that paged nobody, and why."""


async def of(conn: AsyncConnection, notification_id: UUID | None, time_zone: str) -> Why | None:
    """Of a page or a drill; None for anything else."""
    page = (await conn.execute(_PAGE, {"id": notification_id})).first()
    if page is None or page.incident_id is None or page.why is None:
        return None
    named = {"incident_id": page.incident_id, "created_at": page.created_at}
    before = (await conn.execute(_BEFORE, named | {"epoch": page.epoch, "limit": _NAMED})).all()
    kinds = sorted(_BEGINNINGS | _PASSED_OVER | _STEPS)
    led_up = (await conn.execute(_LED_UP, named | {"kinds": kinds})).all()
    step = next((e for e in led_up if e.kind in _STEPS and e.at == page.created_at), None)
    since = list(takewhile(lambda e: e.kind not in _BEGINNINGS, led_up))
    began = next((describe(e.kind, e.data) for e in led_up[len(since) :]), "")
    return Why(
        page.why,
        _now(page, step),
        began,
        tuple(_earlier(b, time_zone) for b in reversed(before)),
        tuple(f"{_clock(e.at, time_zone)} {describe(e.kind, e.data)}" for e in reversed(since) if e.kind not in _STEPS),
    )


def _now(page: Any, step: Any) -> str:
    if step is None or step.kind == "last_resort":
        return "" if step is None else "as the last resort"
    policy = step.data.get("policy") or page.policy
    version = f", version {page.version}" if page.version and policy == page.policy else ""
    which = f"step {step.data['step']} of round {step.data['round']}" if step.data.get("step") else "handed to you"
    return f"{which}, policy “{policy}”{version}"


def _clock(at: datetime, time_zone: str) -> str:
    return clock(local(at, zone(time_zone)))


def _earlier(page: Any, time_zone: str) -> str:
    became = {"sent": "no answer", "delivered": "delivered, no answer"}.get(page.state, page.because or page.state)
    return f"{_clock(page.created_at, time_zone)} {page.name} by {_BY.get(page.channel, page.channel)}: {became}"


def in_a_text(why: Why) -> str:
    """For an answer by SMS: short."""
    return "; ".join(filter(None, [why.you, why.now, _began_to(why.began), _names(why.before)]))


def _began_to(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if sentence else ""


def _names(before: Sequence[str]) -> str:
    return f"before you {', '.join(before[-2:])}" if before else ""
