"""How often one may fail. In memory: a restart forgets, and every replica counts for itself."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from app.errors import Forbidden


@dataclass(frozen=True, slots=True)
class Limit:
    """So many failures within this time."""

    failures: int
    within: timedelta


PER_LOGIN = Limit(10, timedelta(minutes=15))
PER_ADDRESS = Limit(50, timedelta(minutes=15))

_REMEMBERED = 10_000


@dataclass(slots=True)
class Throttle:
    """Counts failures by subject (`login:ana@example.org`, `address:192.0.2.7`) and forgets the oldest subjects."""

    _failures: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def check(self, now: datetime, subject: str, limit: Limit) -> None:
        """Raises `Forbidden` with code `throttled` and `retry_after_s` when the subject has failed too often."""
        times = self._failures.get(subject)
        while times and times[0] <= now - limit.within:
            times.popleft()
        if times is not None and len(times) >= limit.failures:
            wait = (times[-limit.failures] + limit.within - now).total_seconds()
            raise Forbidden("too many attempts; wait a while", code="throttled", retry_after_s=max(1, round(wait)))

    def failed(self, now: datetime, subject: str) -> None:
        times = self._failures.setdefault(subject, deque(maxlen=100))
        times.append(now)
        self._failures.move_to_end(subject)
        while len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def forget(self, subject: str) -> None:
        """After a success."""
        self._failures.pop(subject, None)
