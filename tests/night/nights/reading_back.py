"""The evidence of a night of real processes: messages by the tokens in them, states by the timeline."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from nights.evidence import RANG, Letter, Seen

if TYPE_CHECKING:
    from nights.real import RealNight

TRIGGERS = frozenset({"opened", "opened_by_hand", "reopened", "unacknowledged", "acknowledgement_expired",
                      "snooze_ended", "escalated_by_hand", "reassigned", "silence_ended"})  # fmt: skip
ENDS = {"acknowledged": "acknowledged", "snoozed": "acknowledged", "mitigated": "mitigated", "resolved": "resolved",
        "closed": "closed"}  # fmt: skip


async def read_back(played: RealNight) -> None:
    """Fills letters and states of what was played."""
    rows = played.evidence.rows
    notifications = {n.id: n for n in rows.notifications}
    carried: defaultdict[Any, list[Any]] = defaultdict(list)
    for n in rows.notifications:
        if n.carried_by_id is not None:
            carried[n.carried_by_id].append(n.id)
    for attempt in rows.attempts:
        n = notifications[attempt.notification_id]
        played.evidence.letters.append(_letter(played, attempt, n, carried[n.id]))
    played.evidence.seen = _states(rows.timeline)


def _letter(played: RealNight, attempt: Any, n: Any, carried: list[Any]) -> Letter:
    found = _found(played, played.links.token(attempt.id), played.links.callback_token(attempt.id))
    assert len(found) < 2, f"one attempt, {len(found)} messages: {found}"
    taken = bool(found) or attempt.provider_id is not None
    # A try that is worth another may have gone out; which ones did not, nights on the virtual clock know.
    failed = "failed" if attempt.permanent else "unknown"
    answered = "sent" if attempt.provider_id is not None else failed if attempt.code else "died"
    return Letter(
        n.id, attempt.number, n.channel, n.address, n.person or "", n.purpose, n.loudness == "loud", "", "".join(found),
        "", (), "", attempt.started_at, attempt.finished_at or attempt.started_at, taken=taken, told=answered,
        provider_id=attempt.provider_id or "", unfindable=attempt.provider_id is None, carries=(n.id, *carried),
    )  # fmt: skip


def _found(played: RealNight, token: str, callback: str) -> list[str]:
    texts = [t.body for t in played.exchange.texts if not t.inbound and f"/l/{token}" in t.body]
    mails = [f"{m.subject}\n{m.text}" for m in played.mailbox.mails if f"/l/{token}" in m.text]
    calls = [" ".join(c.heard) or RANG for c in played.exchange.switchboard.calls if callback in c.url]
    return texts + mails + calls


def _states(timeline: Any) -> list[Seen]:
    seen: dict[int, Seen] = {}
    found: list[Seen] = []
    for e in timeline:
        before = seen.get(e.number)
        state = "triggered" if e.kind in TRIGGERS else ENDS.get(e.kind)
        if state is None or (before is not None and before.state == state and state != "triggered"):
            continue
        epoch = (before.epoch if before else 0) + (state == "triggered" and (before is None or before.state != state))
        seen[e.number] = Seen(e.at, e.number, state, epoch, True, False)
        found.append(seen[e.number])
    return found
