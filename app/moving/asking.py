"""Asking a source's REST API, politely: only GETs, one at a time, and as slowly as it says.

A 429 or a 503 is asked again after its Retry-After (seconds or an HTTP date, RFC 9110, 10.2.3), without one after a
wait that doubles; a connection that breaks likewise. Nothing else is asked again. No redirect is followed, so that the
token goes nowhere else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from app.channels.http import Answer, Blocked, Http, Unreachable
from app.errors import Invalid
from app.moving.exports import listed

TRIES: Final = 6
FIRST_WAIT_S: Final = 2.0
LONGEST_WAIT_S: Final = 120.0
"""A source that wants to be left alone for longer is told to the person who waits, who may come back."""
_SLOW_DOWN: Final = frozenset({429, 503})

Wait = Callable[[float], Awaitable[None]]


class Refused(Invalid):
    """An answer that is no 2xx, with its `status`."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Asking:
    """One source. `headers` hold the token; `date` is what its clock said last."""

    def __init__(self, http: Http, base: str, headers: Mapping[str, str], wait: Wait) -> None:
        self._http = http
        self._base = base.rstrip("/")
        self._headers = {"Accept": "application/json"} | dict(headers)
        self._wait = wait
        self.date: datetime | None = None

    async def get(self, path: str, query: Mapping[str, str | list[str]] | None = None) -> dict[str, Any]:
        """The JSON object at a path below the base. Raises `Refused`, `Invalid`."""
        url = f"{self._base}/{path.lstrip('/')}" + (f"?{urlencode(dict(query), doseq=True)}" if query else "")
        what = f"GET {path}"
        for number in range(1, TRIES + 1):
            answer = await self._ask(url, what, last=number == TRIES)
            if answer is not None and (answer.status not in _SLOW_DOWN or number == TRIES):
                return self._read(answer, what)
            await self._wait(_pause(answer, number, what, self.date))
        raise Invalid(f"{what}: no answer")

    async def _ask(self, url: str, what: str, *, last: bool) -> Answer | None:
        """None: the connection broke, and it is asked again."""
        try:
            answer = await self._http.request("GET", url, headers=self._headers)
        except Blocked as no:
            raise Invalid(f"{what}: {no}") from None
        except Unreachable as broken:
            if last or "larger than" in str(broken):
                raise Invalid(f"{what}: {broken}") from None
            return None
        self.date = _date(answer.headers.get("date")) or self.date
        return answer

    def _read(self, answer: Answer, what: str) -> dict[str, Any]:
        if not 200 <= answer.status < 300:
            why = {401: "the token is not accepted", 403: "the token may not read this"}.get(answer.status, "")
            raise Refused(f"{what}: it answered {answer.status}{f': {why}' if why else ''}", answer.status)
        try:
            value = msgspec.json.decode(answer.body)
        except msgspec.DecodeError as wrong:
            raise Invalid(f"{what}: not JSON: {wrong}") from None
        if not isinstance(value, dict):
            raise Invalid(f"{what}: an answer is a JSON object")
        return value


def ids(page: Mapping[str, Any], member: str, what: str) -> list[str]:
    """What a page lists, by ids that can be parts of a path: each once. Raises `Invalid` for what has none."""
    found: dict[str, None] = {}
    for one in listed(page.get(member)):
        if not isinstance(one, dict) or not isinstance(one.get("id"), str | int):
            raise Invalid(f"GET {what}: something in {member!r} has no id")
        found[quote(str(one["id"]), safe="")] = None
    return list(found)


def _pause(answer: Answer | None, number: int, what: str, now: datetime | None) -> float:
    """Seconds. Raises `Invalid` when it wants longer than anybody would wait."""
    told = answer.headers.get("retry-after", "").strip() if answer else ""
    seconds: float = FIRST_WAIT_S * 2 ** (number - 1)
    if told.isascii() and told.isdigit():
        seconds = float(told)
    elif (at := _date(told)) is not None and now is not None:
        seconds = max((at - now).total_seconds(), 0.0)
    if seconds > LONGEST_WAIT_S:
        raise Invalid(f"{what}: it wants to be asked again in {seconds:.0f} s: import then")
    return seconds


def _date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
