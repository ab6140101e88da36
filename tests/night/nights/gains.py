"""What some nights have besides: people with a digest, webhooks with receivers, templates of messages. Pure.

Each has chance of its own, so that a night is what its seed made of it before, and gains things.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any, Final
from zoneinfo import ZoneInfo

from nights.script import Alerts, Happening, Hook, Kill, Night, Organisation, Resident, Trouble, TroubleKind

DIGESTS: Final = 0.3
HOOKS: Final = 0.3
TEMPLATES: Final = 0.25
EVERYTHING: Final = (
    "triggered", "acknowledged", "unacknowledged", "escalated", "priority_changed", "reassigned", "mitigated",
    "resolved", "closed", "note", "update",
)  # fmt: skip
RECEIVERS: Final[tuple[TroubleKind, ...]] = ("down", "slow", "hangs", "limits", "refuses", "broken", "broken")
NAMES: Final = ("Latency", "QueueGrows", "CertExpires")
WORDINGS: Final = (
    ("sms", 'P{priority} {title|truncate 30} on {labels.host|default "?"}'),
    ("sms", "{severity|upper} {title}{more} {labels.host}{repeat}"),
    ("sms", "{labels.none}"),
    ("sms", "{title} {runbook} {labels.host} " + "and so on " * 60),
    ("sms", "{title} {of.a.later.version|shout}"),
    ("voice", "{service}: {title}. {labels.host}"),
    ("voice", "{labels.none}"),
    ("voice", "{title"),
    ("mail-subject", '{labels.host|before "On "}'),
    ("mail-subject", "{service}, {title}"),
    ("mail-text", "{title} since {since}{happened_before|before \"; \"}\n{labels.host}"),
    ("mail-text", "{repeat}{labels.none}"),
    ("mail-text", "{priority|truncate 0} }"),
)  # fmt: skip
"""Good ones, such as say nothing, and such as this version cannot read."""
HOSTS: Final = ("db-1", "", "{title} {{", "{labels.host} }", "https://host.example.org/x?a=b", "a\nb\r\nc\u202e\u2029",
                "long " * 300, "ünï😀" * 20, "<b>&amp;</b>")  # fmt: skip
"""What a label may hold."""


def with_gains(night: Night) -> Night:
    """The night with what it gains."""
    night = _with_digests(night, night.chance("digests"))
    night = _with_hooks(night, night.chance("hooks"))
    return _with_templates(night, night.chance("templates"))


def _with_digests(night: Night, chance: Random) -> Night:
    """Mornings that fall into the night, and quiet alerts before them."""
    if chance.random() >= DIGESTS:
        return night
    town = night.organisation
    people = tuple(_early(night, chance, p) if chance.random() < 0.8 else p for p in town.people)
    quiet = [a for n in range(chance.randint(2, 5)) for a in _quiet(night, chance, n)]
    return _and(replace(night, organisation=replace(town, people=people)), quiet)


def _early(night: Night, chance: Random, person: Resident) -> Resident:
    at = night.began + timedelta(seconds=chance.uniform(0.3, 0.8) * night.lasts)
    return replace(person, digest_at=at.astimezone(ZoneInfo(night.organisation.zone)).strftime("%H:%M"))


def _quiet(night: Night, chance: Random, nth: int) -> list[Happening]:
    """An alert that is worth a quiet page, and perhaps its end."""
    service, name = chance.choice(night.organisation.services).key, chance.choice(NAMES)
    at, severity = round(chance.uniform(0, night.lasts * 0.5), 3), chance.choice(("info", "info", "warning"))
    found = [Alerts(at, service, (name,), f"-quiet{nth}", severity, True, at)]
    if chance.random() < 0.3:
        end = round(at + chance.choice((300, 1500)), 3)
        found.append(replace(found[0], at=end, fires=False))
    return list(found)


def _with_hooks(night: Night, chance: Random) -> Night:
    if chance.random() >= HOOKS:
        return night
    town = night.organisation
    hooks = tuple(_hook(chance, town, n) for n in range(chance.randint(1, 2)))
    town = replace(town, hooks=hooks, policies=tuple(_calls(chance, p, hooks) for p in town.policies))
    more: list[Happening] = [_trouble(night, chance, hooks) for _ in range(chance.randint(0, 3))]
    if chance.random() < 0.4:
        at, worker = _at(night, chance), chance.randrange(2)
        more.append(Kill(at, worker, chance.choice(("claimed", "sent")), float(chance.choice((1, 90))), calls=True))
    return _and(replace(night, organisation=town), more)


def _hook(chance: Random, town: Organisation, nth: int) -> Hook:
    happens = EVERYTHING if chance.random() < 0.6 else tuple(chance.sample(EVERYTHING, chance.randint(1, 5)))
    services = (chance.choice(town.services).key,) if chance.random() < 0.25 else ()
    return Hook(f"hook{nth}", happens, services, chance.choice((5, 5, 5, 2)))


def _calls(chance: Random, policy: dict[str, Any], hooks: tuple[Hook, ...]) -> dict[str, Any]:
    """Some steps call a webhook as well, or nobody else."""
    steps = []
    for step in policy["steps"]:
        if chance.random() < 0.25:
            called = {"type": "webhook", "key": chance.choice(hooks).key}
            alone = chance.random() < 0.2 and "whom" not in step and "acknowledge" not in step
            step = {**step, "targets": [called] if alone else [*step["targets"], called]}
        steps.append(step)
    return {**policy, "steps": steps}


def _trouble(night: Night, chance: Random, hooks: tuple[Hook, ...]) -> Trouble:
    lasts = float(chance.choice((30, 120, 600, 3600)))
    whose = chance.choice(("", chance.choice(hooks).key))
    return Trouble(_at(night, chance), lasts, "webhook", chance.choice(RECEIVERS), whose)


def _at(night: Night, chance: Random) -> float:
    return round(chance.uniform(0, night.lasts * 0.7), 3)


def _with_templates(night: Night, chance: Random) -> Night:
    """At most one for each part and service."""
    if chance.random() >= TEMPLATES:
        return night
    town = night.organisation
    written: dict[str, str] = {}
    for key, text in chance.sample(WORDINGS, chance.randint(1, 5)):
        service = f":{chance.choice(town.services).key}" if chance.random() < 0.4 else ""
        written[key + service] = text
    return replace(night, organisation=replace(town, templates=tuple(sorted(written.items()))))


def hosts(night: Night) -> tuple[str, ...]:
    """What alerts say of their host where templates may name it: nothing that must not break a message."""
    return HOSTS if night.organisation.templates else ()


def _and(night: Night, more: list[Happening]) -> Night:
    return replace(night, happenings=tuple(sorted((*night.happenings, *more), key=lambda h: h.at)))
