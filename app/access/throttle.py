"""How often one may fail. In memory: a restart forgets, and every replica counts for itself."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping
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
_MOST = 100


@dataclass(slots=True)
class Throttle:
    """Attempts that have not succeeded, by subject (`login:ana@example.org`, `address:192.0.2.7`).

    An attempt counts when it begins, so that a hundred at once are no way around; a success takes it back.
    """

    _attempts: OrderedDict[str, deque[datetime]] = field(default_factory=OrderedDict)

    def attempt(self, now: datetime, limits: Mapping[str, Limit]) -> None:
        """Counts one for each subject.

        Raises `Forbidden` with code `throttled` and `retry_after_s` when one has failed too often; that counts nothing.
        """
        for subject, limit in limits.items():
            self._check(now, subject, limit)
        for subject in limits:
            self._attempts.setdefault(subject, deque(maxlen=_MOST)).append(now)
            self._attempts.move_to_end(subject)
        while len(self._attempts) > _REMEMBERED:
            self._attempts.popitem(last=False)

    def excuse(self, subject: str) -> None:
        """Takes back the latest attempt: it succeeded, which says nothing about the others."""
        if times := self._attempts.get(subject):
            times.pop()

    def forget(self, subject: str) -> None:
        """Takes back all attempts of the subject."""
        self._attempts.pop(subject, None)

    def _check(self, now: datetime, subject: str, limit: Limit) -> None:
        times = self._attempts.get(subject)
        while times and times[0] <= now - limit.within:
            times.popleft()
        if times is not None and len(times) >= limit.failures:
            wait = (times[-limit.failures] + limit.within - now).total_seconds()
            raise Forbidden("too many attempts; wait a while", code="throttled", retry_after_s=max(1, round(wait)))
