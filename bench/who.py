"""Who is on call in 1,000 schedules of 3 layers at one instant, all of it in memory: prints the milliseconds it takes.

A process of its own, started by `tocsin bench paging` in a clone: the bench itself talks to the service over sockets.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from app.oncall.layers import Layer
from app.oncall.shifts import Schedule, who

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
FROM = datetime(2026, 1, 5, 9, 0)  # wall clock, as anchors of layers are


def schedule(number: int) -> Schedule:
    """The two upper layers begin in the future: all three have to be looked at."""
    later = datetime(2030, 1, 1, tzinfo=UTC)
    layers = tuple(
        Layer(
            id=number * 3 + n,
            name=f"layer {n}",
            position=n,
            unit="week" if n else "day",
            length=1 + n,
            anchor=FROM + timedelta(hours=number % 24),
            members=tuple((number * 10 + m,) for m in range(6)),
            starts_at=later if n else None,
        )
        for n in range(3)
    )
    return Schedule(number, f"schedule {number}", ZONES[number % len(ZONES)], layers, ())


def main() -> None:
    schedules = [schedule(number) for number in range(1000)]
    took = []
    for day in range(30):
        at = datetime(2026, 6, 1, 12, 0, tzinfo=UTC) + timedelta(days=day, minutes=17 * day)
        began = perf_counter()
        found = [who(s, at) for s in schedules]
        took.append((perf_counter() - began) * 1000)
        assert all(len(people) == 1 for people in found)
    print(f"{median(took):.3f}")


main()
