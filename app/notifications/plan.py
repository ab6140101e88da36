"""⑨ What is sent to whom, and when. Pure: page orders and how people can be reached in, notifications out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from app.db import ids
from app.directory import digests
from app.directory.contacts import Person, Rule
from app.directory.digests import Morning
from app.escalation.positions import PageOrder


class Planned(Struct, frozen=True, gc=False):
    """A notification before it is written. `key` makes it unique, whoever plans it again."""

    id: UUID
    key: str
    purpose: str
    loudness: str
    user_id: int | None
    contact_method_id: int | None
    channel: str
    address: str
    due_at: datetime
    incident_id: UUID | None = None
    ladder_id: UUID | None = None
    epoch: int | None = None
    round: int | None = None
    step: int | None = None
    content: Mapping[str, Any] = {}
    because: str = ""
    webhook_id: int | None = None


PURPOSES = {"page": "page", "inform": "update", "nudge": "nudge", "drill": "drill"}
"""What a notification is for, by the purpose of its order."""


def plan(
    orders: Iterable[PageOrder],
    people: Mapping[int, Person],
    now: datetime,
    addresses: Mapping[int, str] | None = None,
) -> list[Planned]:
    """Every message of every order, along each person's notification rules for the order's loudness. `addresses`: of
    webhooks by id."""
    planned: list[Planned] = []
    for order in orders:
        if order.user_id is not None and order.user_id in people:
            planned += _of_one(order, people[order.user_id], now)
        elif order.webhook_id is not None and order.webhook_id in (addresses or {}):
            planned.append(_of_webhook(order, order.webhook_id, (addresses or {})[order.webhook_id], now))
    return planned


def _of_one(order: PageOrder, person: Person, now: datetime) -> Iterable[Planned]:
    quiet = order.purpose == "page" and order.loudness == "quiet"
    if quiet and (waits := digests.of(person, now)) is not None:
        yield _for_digest(order, person, waits, now)
        return
    for rule in _rules(order, person):
        yield _of_rule(order, person, rule, now)


def _of_rule(order: PageOrder, person: Person, rule: Rule, now: datetime) -> Planned:
    return Planned(
        id=ids.new(now),
        key=page_key(order, rule.name, rule.method.id),
        purpose=PURPOSES[order.purpose],
        loudness=order.loudness,
        user_id=person.id,
        contact_method_id=rule.method.id,
        channel=rule.method.channel,
        address=rule.method.address,
        due_at=now + timedelta(seconds=rule.delay_s),
        incident_id=order.incident_id,
        ladder_id=order.ladder_id,
        epoch=order.epoch,
        round=order.round,
        step=order.step,
        content=_content(order),
        because=f"waits {_span(rule.delay_s)} as its notification rule says" if rule.delay_s else "",
    )


def _for_digest(order: PageOrder, person: Person, waits: Morning, now: datetime) -> Planned:
    return replace(
        _of_rule(order, person, digests.way(person), now),
        due_at=waits.due_at,
        content=_content(order) | {"digest": waits.day.isoformat()},
        because=f"waits for the digest of {waits.day.isoformat()} at {person.digest_at}",
    )


def _rules(order: PageOrder, person: Person) -> Sequence[Rule]:
    """Whoever is reminded is awake, and whoever is informed need not answer: they are told once. No call where there
    is another way to remind."""
    rules = person.rules_for(order.loudness)
    if order.purpose == "inform":
        return told_once(rules)
    if order.purpose == "nudge":
        once = told_once(rules)
        return [rule for rule in once if rule.method.channel != "voice"] or once
    return rules


def told_once(rules: Sequence[Rule]) -> list[Rule]:
    """Of notification rules those by which somebody learns of something first, each contact method once: the later
    ones are for pages that nobody answers, and nobody need answer what is only for information."""
    first = min((rule.delay_s for rule in rules), default=0)
    once = {rule.method.id: rule for rule in rules if rule.delay_s == first}
    return list(once.values())


def _of_webhook(order: PageOrder, webhook_id: int, address: str, now: datetime) -> Planned:
    """One message at once: a webhook has no notification rules."""
    return Planned(
        id=ids.new(now),
        key=page_key(order, "webhook", webhook_id),
        purpose=PURPOSES[order.purpose],
        loudness="loud",
        user_id=None,
        contact_method_id=None,
        channel="webhook",
        address=address,
        due_at=now,
        incident_id=order.incident_id,
        ladder_id=order.ladder_id,
        epoch=order.epoch,
        round=order.round,
        step=order.step,
        content=_content(order),
        webhook_id=webhook_id,
    )


def _content(order: PageOrder) -> dict[str, Any]:
    about = {} if order.expires_at is None else {"expires_at": order.expires_at.isoformat()}
    return {"why": order.because} | ({"until": "resolved"} if order.lasts else {}) | about


def page_key(order: PageOrder, rule: str, contact_method_id: int) -> str:
    """behaviour.md 8: (ladder, epoch, round, step, user, notification rule, contact method). Of what is only for
    information (ladder, epoch, user, contact method): once, however many steps name somebody."""
    if order.purpose == "inform" and order.user_id is not None:
        return f"{PURPOSES[order.purpose]}:{order.ladder_id}:{order.epoch}:{order.user_id}:{contact_method_id}"
    where = f"{order.ladder_id}:{order.epoch}:{order.round}:{order.step}"
    return f"{PURPOSES[order.purpose]}:{where}:{order.user_id}:{rule}:{contact_method_id}"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
