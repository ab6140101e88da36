"""How people answer what reaches them: prompt, late, wrong, twice or never; by text, link or key. Pure."""

from __future__ import annotations

from random import Random

from nights.script import Night, Resident

PROMPT_S = (15, 90)
LATE_S = (150, 1200)
AFTER_S = (200, 1500)


def reaction(night: Night, resident: Resident, channel: str, nth: int) -> list[tuple[float, str, str]]:
    """(seconds after the message, door, what) of the `nth` message to this person by this channel."""
    chance = night.chance("reaction", resident.key, channel, nth)
    door = {"mail": "link", "voice": "key"}.get(channel) or chance.choice(("text", "text", "link"))
    soon, late, after = (round(chance.uniform(*s), 3) for s in (PROMPT_S, LATE_S, AFTER_S))
    match resident.temper:
        case "prompt":
            return [(soon, door, "acknowledge"), *_later(chance, door, soon + after)]
        case "late":
            return [(late, door, "acknowledge")] if chance.random() < 0.7 else []
        case "twice":
            return [(soon, door, "acknowledge"), (soon + 4, door, "acknowledge"), (soon + after, door, "acknowledge")]
        case "wrong":
            return [(soon, door, _wrong(chance, door)), *([(late, door, "acknowledge")] * (chance.random() < 0.3))]
        case "busy":
            return [(soon, door, chance.choice(_BUSY[door]))]
        case _:
            return []


_BUSY = {
    "text": ("escalate", "snooze", "promise", "not_actionable", "all", "acknowledge_bare", "resolve_anyway"),
    "link": ("escalate", "acknowledge", "resolve"),
    "key": ("escalate", "acknowledge", "resolve"),
}


def _wrong(chance: Random, door: str) -> str:
    if door == "text":
        return chance.choice(("wrong_code", "prose", "why", "runbook", "stop", "start"))
    return chance.choice(("again", "wrong")) if door == "key" else "resolve"


def _later(chance: Random, door: str, at: float) -> list[tuple[float, str, str]]:
    """A call is over by then."""
    if door == "key" or chance.random() < 0.4:
        return []
    return [(round(at, 3), door, "resolve" if door == "link" else chance.choice(("resolve", "resolve_anyway")))]
