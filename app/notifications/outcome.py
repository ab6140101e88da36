"""What becomes of a claimed notification: dropped because it is pointless by now, sent, tried again, or given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.channels.channel import SendFailed, Sent
from app.incidents import store as incident_store
from app.incidents.states import OPEN
from app.incidents.timeline import Entry
from app.notifications import store
from app.notifications.failover import Undelivered, by_ladder, fail_over
from app.notifications.health import may_go_elsewhere
from app.notifications.polling_plan import first_asked

TRY_AGAIN_AFTER = (timedelta(seconds=5), timedelta(seconds=20))
"""Temporary errors: three tries within 45 s (behaviour.md 8)."""

Ended = Literal["sent", "failed"]


async def fail_unconfigured(conn: AsyncConnection, now: datetime, channels: Collection[str]) -> None:
    """Due on a channel that this installation no longer has: bad news like any other."""
    orphans = (await conn.execute(store.CANCEL_ORPHANS, {"now": now, "channels": list(channels)})).all()
    for lost in by_ladder(Undelivered.of(r, r.id) for r in orphans):
        await fail_over(conn, now, lost, f"the channel {lost.channel} is not configured", channels)


async def drop_pointless(
    conn: AsyncConnection, now: datetime, rows: Sequence[Any], channels: Collection[str]
) -> list[Any]:
    """Looks at the incident again: who acknowledged cancels what is pending. Returns what is still to be sent."""
    going, ended = [], []
    for r in rows:
        if (because := _pointless(r)) is not None:
            ended.append((r, "cancelled", because))
        elif (because := _unreachable(r)) is not None:
            ended.append((r, "failed", because))
        else:
            going.append(r)
    if ended:
        columns = {
            "now": now,
            "ids": [r.id for r, _, _ in ended],
            "states": [state for _, state, _ in ended],
            "becauses": [because for _, _, because in ended],
        }
        await conn.execute(store.FINISH_MANY, columns)
    why = {r.id: because for r, state, because in ended if state == "failed"}
    for lost in by_ladder(Undelivered.of(r, r.id) for r, _, _ in ended if r.id in why):
        await fail_over(conn, now, lost, why[lost.id], channels)
    return going


def _pointless(row: Any) -> str | None:
    if row.incident_id is None or row.purpose not in ("page", "update", "nudge", "notice", "drill"):
        return None
    if row.purpose == "update" and "update" in row.content:
        return None  # how it stands is also worth reading when it is over
    if row.incident_state not in OPEN:
        return f"the incident was {row.incident_state} before this was sent"
    if row.purpose == "nudge" and row.acknowledged_by_id != row.user_id:
        return "somebody else has the incident by now"
    if (
        row.purpose == "nudge"
        and (ends := row.content.get("expires_at"))
        and row.wakes_at != datetime.fromisoformat(ends)
    ):
        return "the acknowledgement does not expire then any more"
    if row.purpose not in ("page", "notice", "drill"):
        return None
    if row.incident_state != "triggered" and row.content.get("until") != "resolved":
        return f"the incident was {row.incident_state} before this was sent"
    if row.acknowledged:
        return f"{row.user_name} acknowledged before this was sent"
    if row.incident_epoch != row.epoch:
        return "the incident pages anew since"
    if row.superseded:
        return "a later step pages the same contact method now"
    return None


def _unreachable(row: Any) -> str | None:
    """A contact method that was removed is as bad as a broken one: nothing is sent to its address."""
    if not row.active and row.purpose != "verification":
        return "the user is not active any more"
    if row.webhook_id is not None:
        return None if row.usable else "the webhook was removed, or has no address"
    return None if row.usable and row.contact_method_id is not None else "the contact method cannot be used any more"


async def record(
    conn: AsyncConnection,
    now: datetime,
    attempt_id: UUID,
    carries: Sequence[Undelivered],
    tries: int,
    sent: Sent | SendFailed,
    channels: Collection[str],
    *,
    repeated: bool,
    elsewhere: bool = False,
    askable: bool = False,
) -> Ended | None:
    """The end of an attempt, for every notification that its message carried. Returns how they ended, None when none
    ended with it. `elsewhere`: another provider may take it at once. `askable`: the provider can be asked later."""
    if isinstance(sent, SendFailed) and sent.maybe_sent:
        sent = await _told_by_callback(conn, attempt_id) or sent
    if isinstance(sent, Sent):
        return await _record_sent(conn, now, attempt_id, carries, tries, sent, repeated=repeated, askable=askable)
    elsewhere = elsewhere and may_go_elsewhere(sent)
    await conn.execute(
        store.RECORD_ATTEMPT,
        _attempt(attempt_id, now, code=sent.code, error=str(sent), permanent=sent.permanent),
    )
    again = [c for c in carries if _once_more(c, tries, sent, elsewhere=elsewhere)]
    if again:
        wait = timedelta() if elsewhere else _wait(tries, sent)
        pending = {"state": "pending", "because": f"tried again after: {sent}", "due_at": now + wait}
        await _end(conn, now, again, tries, pending | {"repeated": sent.maybe_sent})
    failed = {"state": "failed", "because": str(sent), "due_at": None, "repeated": False}
    lost = await _end(conn, now, [c for c in carries if c not in again], tries, failed)
    broken = sent.broken_address or sent.opted_out
    for one in by_ladder(lost):
        await fail_over(conn, now, one, str(sent), channels, broken=broken, opted_out=sent.opted_out)
    return "failed" if lost else None


async def _told_by_callback(conn: AsyncConnection, attempt_id: UUID) -> Sent | None:
    """The answer got lost, and the provider has told how the message fares: then it has it."""
    told = (await conn.execute(store.TOLD_BY_CALLBACK, {"id": attempt_id})).first()
    return None if told is None else Sent(told.provider, told.provider_id, told.status)


def _once_more(lost: Undelivered, tries: int, sent: SendFailed, *, elsewhere: bool) -> bool:
    """Three tries, and one at every other provider; but what is quiet and may have been sent is not sent again."""
    if sent.maybe_sent and lost.loudness == "quiet":
        return False
    return elsewhere or (not sent.permanent and tries <= len(TRY_AGAIN_AFTER))


def _wait(tries: int, sent: SendFailed) -> timedelta:
    wait = TRY_AGAIN_AFTER[tries - 1]
    return wait if sent.retry_after_s is None else max(wait, timedelta(seconds=min(sent.retry_after_s, 20.0)))


async def _end(
    conn: AsyncConnection, now: datetime, carried: Sequence[Undelivered], tries: int, ends: Mapping[str, Any]
) -> list[Undelivered]:
    """Those of the notifications that ended with this attempt, and not otherwise before; none that another worker is
    trying once more by now."""
    if not carried:
        return []
    rows = await conn.execute(store.RECORD, {"ids": [c.id for c in carried], "tries": tries, "now": now, **ends})
    done = set(rows.scalars())
    return [c for c in carried if c.id in done]


async def _record_sent(
    conn: AsyncConnection,
    now: datetime,
    attempt_id: UUID,
    carries: Sequence[Undelivered],
    tries: int,
    sent: Sent,
    *,
    repeated: bool,
    askable: bool,
) -> Ended | None:
    named = _attempt(attempt_id, now, provider=sent.provider, provider_id=sent.provider_id, status=sent.status)
    named["ask_at"] = first_asked(carries[0].channel, now) if askable else None
    await conn.execute(store.RECORD_ATTEMPT, named)
    done = await _end(conn, now, carries, tries, {"state": "sent", "because": "", "due_at": None, "repeated": False})
    entries = went_out(done, repeated=repeated, others=len(carries) - 1)
    await incident_store.write_timeline(conn, entries, now)
    return "sent" if done else None


def went_out(done: Sequence[Undelivered], *, repeated: bool, others: int = 0) -> list[Entry]:
    """What the timelines of their incidents say. `others`: how many more the same message carried."""
    return [
        Entry(
            c.incident_id,
            "sent",
            data={"name": c.user_name, "channel": c.channel, "repeated": repeated, "purpose": c.purpose}
            | ({"with": others} if others else {}),
        )
        for c in done
        if c.incident_id is not None
    ]


def _attempt(attempt_id: UUID, now: datetime, **known: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("provider", "status", "code", "error"), "")
    unknown = dict.fromkeys(("provider_id", "permanent", "ask_at"))
    return {"id": attempt_id, "now": now} | nothing | unknown | known
