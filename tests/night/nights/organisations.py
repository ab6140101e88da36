"""Who is there in a night: people, schedules with overrides and handoffs, policies of every kind, services."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Any

from nights.script import Channel, Organisation, Resident, Service, Temper

PEOPLE = ("ana", "ben", "cara", "dan", "eva", "finn")
TEMPERS: tuple[Temper, ...] = ("prompt", "prompt", "late", "wrong", "twice", "never", "busy")
CHANNELS: tuple[tuple[Channel, ...], ...] = (
    ("sms",), ("mail",), ("voice",), ("sms", "mail"), ("sms", "voice"), ("sms", "mail", "voice"), (),
)  # fmt: skip
ZONES = ("Europe/Berlin", "America/New_York", "UTC")


def organisation(chance: Random, began: datetime) -> Organisation:
    """For a night that begins at `began`. The last resort is Cara, by text and by mail; in one of ten by neither."""
    people = [_resident(chance, key) for key in PEOPLE[: chance.randint(3, 6)]]
    lost = chance.random() < 0.1
    people[2] = Resident("cara", () if lost else ("sms", "mail"), (), "prompt" if chance.random() < 0.7 else "never")
    keys = [p.key for p in people]
    zone = chance.choice(ZONES)
    schedules = [_schedule(chance, f"rota{n}", zone, keys, began) for n in range(chance.randint(1, 2))]
    overrides = [_override(chance, s["key"], keys, began) for s in schedules for _ in range(chance.randint(0, 2))]
    overrides = [o for n, o in enumerate(overrides) if all(o["schedule"] != x["schedule"] for x in overrides[:n])]
    policies = [_policy(chance, f"policy{n}", [s["key"] for s in schedules], keys) for n in range(chance.randint(1, 3))]
    if len(policies) > 1 and chance.random() < 0.3:
        policies[0]["hand_over_to"] = policies[1]["key"]
    services = [_service(chance, f"service{n}", [p["key"] for p in policies]) for n in range(chance.randint(1, 3))]
    if len(services) > 1 and chance.random() < 0.3:
        services[1] = Service(
            services[1].key, services[1].criticality, services[1].policy, services[1].office_hours,
            services[1].recovery_delay_s, (services[0].key,),
        )  # fmt: skip
    informed: list[dict[str, Any]] = []
    if chance.random() < 0.4:
        informed.append({"priority": 1, "policy": policies[-1]["key"], "loudness": chance.choice(("loud", "quiet"))})
    return Organisation(
        zone, tuple(people), ("cara",), tuple(schedules), tuple(overrides), tuple(reversed(policies)),
        tuple(services), tuple(informed),
    )  # fmt: skip


def _resident(chance: Random, key: str) -> Resident:
    channels = chance.choice(CHANNELS)
    rules: tuple[tuple[str, int, Channel], ...] = ()
    if channels and chance.random() < 0.5:
        rules = tuple(("loud", 60 * n * chance.choice((0, 1, 2)), channel) for n, channel in enumerate(channels))
    return Resident(key, channels, rules, chance.choice(TEMPERS))


def _schedule(chance: Random, key: str, zone: str, people: list[str], began: datetime) -> dict[str, Any]:
    """A rotation whose handoff is likely to fall into the night, and perhaps hours in which nobody is on call."""
    unit, length = chance.choice((("hour", 1), ("hour", 4), ("day", 1), ("week", 1)))
    anchor = (began - timedelta(days=chance.choice((1, 7, 30)))).replace(tzinfo=None, minute=chance.choice((0, 30)))
    layer: dict[str, Any] = {
        "name": "Nights",
        "unit": unit,
        "length": length,
        "anchor": anchor.strftime("%Y-%m-%dT%H:%M"),
        "members": [[p] for p in chance.sample(people, chance.randint(1, len(people)))],
    }
    if chance.random() < 0.2:
        days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
        layer["restrictions"] = [{"days": days, "from": "22:00", "to": "07:00"}]
    return {"key": key, "name": key.capitalize(), "time_zone": zone, "layers": [layer]}


def _override(chance: Random, schedule: str, people: list[str], began: datetime) -> dict[str, Any]:
    starts = began + timedelta(minutes=chance.randint(5, 60))
    ends = starts + timedelta(minutes=chance.randint(10, 60))
    return {"schedule": schedule, "user": chance.choice(people), "starts_at": starts.isoformat(),
            "ends_at": ends.isoformat()}  # fmt: skip


def _policy(chance: Random, key: str, schedules: list[str], people: list[str]) -> dict[str, Any]:
    steps = [_step(chance, schedules, people) for _ in range(chance.randint(1, 3))]
    return {"key": key, "name": key.capitalize(), "repeats": chance.choice((0, 0, 1, 2)), "steps": steps}


def _step(chance: Random, schedules: list[str], people: list[str]) -> dict[str, Any]:
    targets = [{"type": "user", "key": p} for p in chance.sample(people, chance.randint(1, 2))]
    if chance.random() < 0.5:
        targets = [{"type": "schedule", "key": chance.choice(schedules)}, *targets[:1]]
    step: dict[str, Any] = {"delay_s": chance.choice((60, 120, 300, 600)), "targets": targets}
    if chance.random() < 0.2:
        step["whom"] = "round_robin"
    elif chance.random() < 0.2:
        step["acknowledge"] = "all"
    if chance.random() < 0.2:
        step["when"] = chance.choice(
            ({"priority_at_least": 2}, {"state": "not_resolved"}, {"support_hours": "inside"}, {"priority_only": [1]})
        )
    return step


def _service(chance: Random, key: str, policies: list[str]) -> Service:
    return Service(
        key, chance.choice((1, 1, 2, 3)), chance.choice(policies), chance.random() < 0.2, chance.choice((0, 0, 120))
    )
