"""What holds of webhooks in every night: docs/webhooks.md, "What it is told" and "How it is delivered", and decision
0020. Pure; the receivers' own log is believed first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any, Final
from uuid import UUID

from nights.evidence import Evidence, Heard
from nights.script import Hook, Night

TRIES_AT_MOST: Final = 9
AT_ONCE: Final = timedelta(seconds=1)
AT_A_TIME: Final = 5
KINDS: Final[Mapping[str, frozenset[str]]] = {
    "triggered": frozenset({"opened", "opened_by_hand", "split_from", "reopened"}),
    "acknowledged": frozenset({"acknowledged", "snoozed", "silenced"}),
    "unacknowledged": frozenset({"unacknowledged", "acknowledgement_expired", "snooze_ended", "silence_ended"}),
    "escalated": frozenset(
        {"step", "escalated_to_tier", "handed_over", "handed_over_to_tier", "last_resort"}
    ),
    "priority_changed": frozenset({"priority_raised", "priority_pinned"}),
    "reassigned": frozenset({"reassigned"}),
    "mitigated": frozenset({"mitigated"}),
    "resolved": frozenset({"resolved"}),
    "closed": frozenset({"closed", "merged_into", "symptom_of"}),
    "note": frozenset({"note"}),
    "update": frozenset({"update"}),
}  # fmt: skip
"""The table of docs/webhooks.md, in the words of timelines."""


def webhooks_are_told_what_happens(night: Night, seen: Evidence) -> Iterator[str]:
    """So that "nothing is told that did not happen and nothing is forgotten": what a webhook listens to is taken by its
    receiver at least once, or given up on the timeline, or still to be tried in the morning. "A webhook that was told
    of an incident hears the rest of it, too, when its priority falls"."""
    rows = {(c.hook, c.entry_id): c for c in seen.rows.calls}
    taken = {(x.hook, x.id) for x in seen.heard if x.taken}
    given_up = {(e.number, str(e.data["name"]).lower()) for e in seen.rows.timeline if e.kind == "not_told"}
    expected: set[tuple[str, UUID]] = set()
    for hook in night.organisation.hooks:
        for entry, surely in _listens_to(hook, seen):
            call = rows.get((hook.key, entry.id))
            expected.add((hook.key, entry.id))
            if call is None:
                if surely:
                    yield f"{hook.key} was never to be told: incident {entry.number}, {entry.kind} at {entry.at}"
            elif call.state == "delivered" and (hook.key, entry.id) not in taken:
                yield f"{hook.key} is said to know of {_of(call)}, and never took it"
            elif call.state == "failed" and (call.number, hook.key) not in given_up:
                yield f"{_of(call)} was given up for {hook.key}, and the timeline does not say so"
            elif call.finished_at is None and not _waits(call, seen):
                yield f"{_of(call)} for {hook.key} is {call.state} in the morning, and was due at {call.due_at}"
    for hook_key, entry_id in rows.keys() - expected:
        yield f"{hook_key} was told of {_of(rows[hook_key, entry_id])}, to which it does not listen"


def webhooks_are_told_in_order(night: Night, seen: Evidence) -> Iterator[str]:
    """By webhook "what happened to one incident is told in its order: the next waits until the one before was taken or
    given up"."""
    ended = {(c.hook, c.entry_id) for c in seen.rows.calls if c.state == "failed"}
    ended |= {(x.hook, x.id) for x in seen.heard if x.told in ("sent", "final")}
    groups: defaultdict[tuple[str, int], list[Heard]] = defaultdict(list)
    for x in _by_time(seen):
        if not x.of_step:
            groups[x.hook, x.number].append(x)
    for (hook, number), calls in groups.items():
        for before, x in pairwise(calls):
            if before.id > x.id:
                yield f"{hook} heard {x.type} of incident {number} at {x.claimed_at}, after {before.type}"
            elif before.id != x.id and ((hook, before.id) not in ended or before.at > x.claimed_at):
                yield f"{hook} heard {x.type} of incident {number} before {before.type} was over"


def webhooks_are_told_at_once(night: Night, seen: Evidence) -> Iterator[str]:
    """Calls are made beside the pages, "at most five at a time to one webhook from one worker": what can be told is
    told at once, when what happened before it to its incident is over, and nobody's trouble but its own delays it."""
    told = {(c.hook, c.entry_id): c for c in seen.rows.calls}
    first: set[tuple[str, UUID]] = set()
    for x in _by_time(seen):
        if (call := told.get((x.hook, x.id))) is None or (x.hook, x.id) in first:
            continue
        first.add((x.hook, x.id))
        before = [c.finished_at for c in told.values() if (c.hook, c.number) == (call.hook, call.number)
                  and c.entry_id < call.entry_id and c.finished_at is not None]  # fmt: skip
        due = max([call.at, *before])
        others = sum(y.hook == x.hook and y.claimed_at < x.claimed_at and y.at >= due for y in seen.heard)
        if x.claimed_at - due - seen.away(due, x.claimed_at) > AT_ONCE and others < AT_A_TIME:
            yield f"{x.hook} heard {x.type} of incident {x.number} at {x.claimed_at}, and could at {due}"


def a_call_is_repeated_only_when_it_must_be(night: Night, seen: Evidence) -> Iterator[str]:
    """Receivers must be idempotent: "delivery is at least once": again only after an answer that failed or got lost, or
    a worker that died, nine times at most, never after a final answer; "`webhook-id` is the same for every try of one
    message, and so is the body"."""
    groups: defaultdict[tuple[str, UUID], list[Heard]] = defaultdict(list)
    for x in _by_time(seen):
        groups[x.hook, x.id].append(x)
    for (hook, _), tries in groups.items():
        what = f"{hook}, {tries[0].type} of incident {tries[0].number}"
        for before in tries[:-1]:
            if before.told in ("sent", "final") and not _lost_on_the_way(seen, before):
                yield f"{what}: again after {before.told} at {before.at}"
        if len({x.body for x in tries}) > 1:
            yield f"{what}: the same id with another body"
        if len(tries) > TRIES_AT_MOST and not seen.troubled:
            yield f"{what}: {len(tries)} tries"


def steps_call_webhooks(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 7: a step calls its webhooks as well. What is said to be sent was taken, and no call belongs to no
    step."""
    taken, called = {x.id for x in seen.heard if x.taken}, {x.id for x in seen.heard if x.of_step}
    known = {n.id for n in seen.rows.notifications if n.webhook_id is not None}
    for n in seen.rows.notifications:
        if n.webhook_id is not None and n.state in ("sent", "delivered") and n.id not in taken:
            yield f"a webhook is said to have been called about incident {n.number}, and took nothing"
    for strange in called - known:
        yield f"a webhook was called by a step that is not on record: {strange}"


RULES: Final[Sequence[Any]] = (
    webhooks_are_told_what_happens,
    webhooks_are_told_in_order,
    webhooks_are_told_at_once,
    a_call_is_repeated_only_when_it_must_be,
    steps_call_webhooks,
)


def _listens_to(hook: Hook, seen: Evidence) -> Iterator[tuple[Any, bool]]:
    """(entry, whether it must be told) of all timelines. A webhook for important incidents only must be told of what
    follows the first thing it was told of."""
    rows = {c.entry_id for c in seen.rows.calls if c.hook == hook.key}
    told: set[int] = set()
    kinds = frozenset().union(*(KINDS[h] for h in hook.happens)) if hook.happens else frozenset()
    for e in sorted(seen.rows.timeline, key=lambda e: e.id):
        if e.kind not in kinds or (hook.services and e.service not in hook.services):
            continue
        if e.kind == "step" and ((e.data.get("round"), e.data.get("step")) == (1, 1) or e.data.get("informs")):
            continue
        yield e, hook.priority_at_least == 5 or e.number in told
        if e.id in rows:
            told.add(e.number)


def _waits(call: Any, seen: Evidence) -> bool:
    """For its next try, or for what happened before it."""
    earlier = (c for c in seen.rows.calls if (c.hook, c.number) == (call.hook, call.number))
    blocked = any(c.entry_id < call.entry_id and c.finished_at is None for c in earlier)
    return blocked or seen.ended is None or call.due_at > seen.ended


def _by_time(seen: Evidence) -> list[Heard]:
    return sorted(seen.heard, key=lambda x: x.claimed_at)


def _lost_on_the_way(seen: Evidence, heard: Heard) -> bool:
    return any(g.since <= heard.at <= g.until for g in seen.gone)


def _of(call: Any) -> str:
    return f"{call.happening} of incident {call.number} at {call.at}"
