"""The evidence of a night of real processes: messages by the tokens in them, states by the timeline."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from nights.evidence import RANG, Letter, Seen

if TYPE_CHECKING:
    from nights.real import RealNight

TRIGGERS = frozenset({"opened", "opened_by_hand", "reopened", "unacknowledged", "acknowledgement_expired",
                      "snooze_ended", "escalated_by_hand", "reassigned", "silence_ended"})  # fmt: skip
ENDS = {"acknowledged": "acknowledged", "snoozed": "acknowledged", "mitigated": "mitigated", "resolved": "resolved",
        "closed": "closed"}  # fmt: skip

SEEN_WITHIN = timedelta(seconds=10)
"""A quarter of a second on the machine's clock: a commit has its time a little before others see it."""

NOTHING_TO_DO = "Tocsin called about"
"""So a call begins that comes when somebody has the incident: no page."""


def read_back(played: RealNight, committed: Mapping[UUID, datetime]) -> None:
    """Fills letters and states of what was played. `committed`: when others saw each entry of the timeline."""
    rows = played.evidence.rows
    notifications = {n.id: n for n in rows.notifications}
    carried: defaultdict[Any, list[Any]] = defaultdict(list)
    for n in rows.notifications:
        if n.carried_by_id is not None:
            carried[n.carried_by_id].append(n)
    before = carried_before(notifications, rows.attempts)
    alone = {a.notification_id: a.started_at for a in rows.attempts}
    for attempt in rows.attempts:
        n, at = notifications[attempt.notification_id], attempt.started_at
        if n.webhook_id is not None:  # its receiver tells
            continue
        # The rows tell who carried it last: before that it had messages of its own, or was not there.
        with_it = {c.id for c in carried[n.id] if c.created_at <= at and (c.id not in alone or alone[c.id] < at)}
        with_it |= before[attempt.id]
        played.evidence.letters.append(_letter(played, attempt, n, with_it))
    played.evidence.seen = _states(rows.timeline, committed)


def carried_before(notifications: dict[Any, Any], attempts: Sequence[Any]) -> defaultdict[Any, set[Any]]:
    """By attempt, what it carried that had a message of its own later: the try before that one was not its own."""
    own = {(a.notification_id, a.number) for a in attempts}
    found: defaultdict[Any, set[Any]] = defaultdict(set)
    for a in attempts:
        n = notifications[a.notification_id]
        if a.number > 1 and (n.id, a.number - 1) not in own:
            earlier = [b for b in attempts if b.number == a.number - 1 and n.created_at <= b.started_at < a.started_at
                       and notifications[b.notification_id].contact_method_id == n.contact_method_id]  # fmt: skip
            if earlier:
                found[earlier[-1].id].add(n.id)
    return found


def _letter(played: RealNight, attempt: Any, n: Any, carried: set[Any]) -> Letter:
    found = _found(played, played.links.token(attempt.id), played.links.callback_token(attempt.id))
    assert len(found) < 2, f"one attempt, {len(found)} messages: {found}"
    taken = bool(found) or attempt.provider_id is not None
    # A try that is worth another may have gone out; which ones did not, nights on the virtual clock know.
    failed = "failed" if attempt.permanent else "unknown"
    answered = "sent" if attempt.provider_id is not None else failed if attempt.code else "died"
    said, token = "".join(found), played.links.token(attempt.id)
    subject = said.partition("\n")[0]
    replies = () if carried and n.channel == "sms" else ("to it",)  # about several at once a text may have no code
    return Letter(
        n.id, attempt.number, n.channel, n.address, n.person or "", n.purpose, n.loudness == "loud", subject, said,
        f"https://tocsin.test/l/{token}", replies, "", attempt.started_at, attempt.finished_at or attempt.started_at,
        taken=taken, told=answered, provider_id=attempt.provider_id or "", unfindable=attempt.provider_id is None,
        carries=(n.id, *carried), shown=said,
    )  # fmt: skip


def _found(played: RealNight, token: str, callback: str) -> list[str]:
    texts = [t.body for t in played.exchange.texts if not t.inbound and f"/l/{token}" in t.body]
    mails = [f"{m.subject}\n{m.text}" for m in played.mailbox.mails if f"/l/{token}" in m.text]
    calls = [_spoken(c.heard) for c in played.exchange.switchboard.calls if callback in c.url]
    return texts + mails + calls


def _spoken(heard: list[str]) -> str:
    """What a call said that was a page."""
    return " ".join(heard) if heard and not heard[0].startswith(NOTHING_TO_DO) else RANG


def _states(timeline: Sequence[Any], committed: Mapping[UUID, datetime]) -> list[Seen]:
    seen: dict[int, Seen] = {}
    found: list[Seen] = []
    for e in sorted(timeline, key=lambda e: (e.number, committed[e.id], e.id)):
        before = seen.get(e.number)
        state = "triggered" if e.kind in TRIGGERS else ENDS.get(e.kind)
        if state is None or (before is not None and before.state == state and state != "triggered"):
            continue
        epoch = (before.epoch if before else 0) + (state == "triggered" and (before is None or before.state != state))
        at = committed[e.id] + (timedelta() if state == "triggered" else SEEN_WITHIN)
        seen[e.number] = Seen(at, e.number, state, epoch, True, False)
        found.append(seen[e.number])
    return found
