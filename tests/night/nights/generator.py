"""Makes a night from its seed. Pure; the same seed gives the same night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

from nights.gains import with_gains
from nights.organisations import organisation
from nights.script import Alerts, Deed, Happening, Jump, Kill, Night, Organisation, Outage, Trouble

BEGINNINGS = (
    datetime(2026, 11, 23, 20, 0, tzinfo=UTC),  # an ordinary night in Berlin
    datetime(2026, 11, 24, 5, 30, tzinfo=UTC),  # handoffs at seven and at nine
    datetime(2026, 10, 24, 23, 30, tzinfo=UTC),  # the clocks of Berlin go back at 1:00 UTC
    datetime(2026, 3, 28, 23, 45, tzinfo=UTC),  # and forward at 1:00 UTC
    datetime(2026, 11, 1, 5, 0, tzinfo=UTC),  # those of New York go back at 6:00 UTC
)
NAMES = ("HighErrorRate", "DiskFull", "Latency", "QueueGrows", "CertExpires")
SEVERITIES = ("critical", "critical", "error", "warning", "info")
TROUBLES = ("down", "slow", "hangs", "limits", "lies", "refuses", "broken", "mute", "twice", "backwards")
DEEDS = ("acknowledge", "resolve", "resolve_anyway", "unacknowledge", "escalate", "raise", "reassign", "mitigate",
         "snooze", "close", "silence", "silence", "leave")  # fmt: skip


def night(seed: int) -> Night:
    """The night of a seed: one to two and a half hours in which four to a dozen things happen."""
    chance = Random(f"night/{seed}")
    began = chance.choice(BEGINNINGS)
    town = organisation(chance, began)
    lasts = chance.choice((45, 60, 75, 90, 120)) * 60.0
    happenings: list[Happening] = []
    for _ in range(chance.randint(1, 3)):
        happenings += _problem(chance, town, lasts)
    for make, most in ((_trouble, 5), (_kill, 3), (_outage, 2), (_jump, 1), (_deed, 5)):
        happenings += _some(make, chance, town, lasts, most)
    if chance.random() < 0.06:
        happenings.append(_storm(chance, town, lasts))
    return with_gains(Night(seed, began, lasts, town, tuple(sorted(happenings, key=lambda h: h.at))))


def _some(
    make: Callable[[Random, Organisation, float], Happening],
    chance: Random,
    town: Organisation,
    lasts: float,
    most: int,
) -> list[Happening]:
    return [make(chance, town, lasts) for _ in range(chance.randint(0, most))]


def _at(chance: Random, lasts: float) -> float:
    """Milliseconds are enough to make two things happen one after the other."""
    return round(chance.uniform(0, lasts * 0.7), 3)


def _problem(chance: Random, town: Organisation, lasts: float) -> list[Happening]:
    """An alert with its life: it fires, perhaps again and again, in several pods, and ends; or ends before it began."""
    service, name = chance.choice(town.services).key, chance.choice(NAMES)
    severity, began = chance.choice(SEVERITIES), _at(chance, lasts * 0.6)
    kind = chance.choice(("plain", "plain", "repeated", "flaps", "resolved_first", "worse", "pods"))
    copies = chance.choice((1, 1, 2))

    def said(at: float, fires: bool = True, severity: str = severity, since: float = began, pod: str = "") -> Alerts:
        return Alerts(round(at, 3), service, (name,), pod, severity, fires, since, copies)

    found = [said(began)]
    end = began + chance.choice((20, 300, 1500, 4000))
    match kind:
        case "repeated":
            found += [said(began + 60 * n) for n in range(1, chance.randint(2, 4))]
        case "flaps":
            for n in range(1, chance.randint(2, 5)):
                found += [said(began + 80 * n - 40, fires=False), said(began + 80 * n, since=began + 80 * n)]
            end = max(end, began + 500)
        case "resolved_first":
            found = [said(began, fires=False), said(began + 2), said(began + 400, since=began + 390)]
            end = max(end, began + 500)
        case "worse":
            found = [said(began, severity="warning"), said(began + chance.choice((10, 200, 900)), severity="critical")]
            end = max(end, began + 1000)
        case "pods":
            found += [said(began + 30 * n, since=began + 30 * n, pod=f"-{n}") for n in range(1, chance.randint(2, 4))]
    if chance.random() < 0.75:
        found += [said(end + n, fires=False, pod=pod) for n, pod in enumerate(sorted({f.pod for f in found}))]
    return list(found)


def _storm(chance: Random, town: Organisation, lasts: float) -> Happening:
    names = tuple(f"Storm{n}" for n in range(town.storm_threshold + chance.randint(2, 8)))
    at = _at(chance, lasts * 0.5)
    return Alerts(at, town.services[0].key, names, "", "error", True, at, 1)


def _trouble(chance: Random, town: Organisation, lasts: float) -> Happening:
    person = chance.choice(("", "", chance.choice(town.people).key))
    kind = chance.choice(TROUBLES)
    if kind in ("broken", "refuses") and not person:
        person = chance.choice(town.people).key
    return Trouble(
        _at(chance, lasts), float(chance.choice((30, 120, 600, 3600))), chance.choice(("sms", "voice", "mail")), kind,
        person,
    )  # fmt: skip


def _kill(chance: Random, town: Organisation, lasts: float) -> Happening:
    back_after = float(chance.choice((1, 30, 90)))
    return Kill(_at(chance, lasts), chance.randrange(2), chance.choice(("claimed", "sent")), back_after)


def _outage(chance: Random, town: Organisation, lasts: float) -> Happening:
    return Outage(_at(chance, lasts), float(chance.choice((2, 20, 75))))


def _jump(chance: Random, town: Organisation, lasts: float) -> Happening:
    return Jump(_at(chance, lasts), float(chance.choice((5, 65, 600))))


def _deed(chance: Random, town: Organisation, lasts: float) -> Happening:
    return Deed(_at(chance, lasts), chance.choice(town.people).key, chance.choice(DEEDS), chance.randrange(4),
                chance.choice((5, 12, 25)))  # fmt: skip
