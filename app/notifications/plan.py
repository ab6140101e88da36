"""⑨ What is sent to whom, and when. Pure: page orders and how people can be reached in, notifications out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import Struct

from app.db import ids
from app.directory.contacts import Person
from app.escalation.positions import PageOrder


class Planned(Struct, frozen=True, gc=False):
    """A notification before it is written. `key` makes it unique, whoever plans it again."""

    id: UUID
    key: str
    purpose: str
    loudness: str
    user_id: int
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


def plan(orders: Iterable[PageOrder], people: Mapping[int, Person], now: datetime) -> list[Planned]:
    """Every message of every order, along each person's notification rules for the order's loudness."""
    return [p for order in orders if (person := people.get(order.user_id)) for p in _of_one(order, person, now)]


def _of_one(order: PageOrder, person: Person, now: datetime) -> Iterable[Planned]:
    for rule in person.rules_for(order.loudness):
        yield Planned(
            id=ids.new(now),
            key=page_key(order, rule.name, rule.method.id),
            purpose="page",
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
            content={"why": order.because},
            because=f"waits {_span(rule.delay_s)} as its notification rule says" if rule.delay_s else "",
        )


def page_key(order: PageOrder, rule: str, contact_method_id: int) -> str:
    """behaviour.md 8: (ladder, epoch, round, step, user, notification rule, contact method)."""
    where = f"{order.ladder_id}:{order.epoch}:{order.round}:{order.step}"
    return f"page:{where}:{order.user_id}:{rule}:{contact_method_id}"


def _span(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"
