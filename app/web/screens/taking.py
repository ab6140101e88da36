"""What every screen offers on which a shift can be taken over: how long, by whom, and the way back to that screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ValidationError

from app import hours
from app.directory import store as directory
from app.errors import Invalid
from app.oncall import override_store
from app.oncall.commands import MAX_WINDOW, UNDO_WITHIN
from app.oncall.override_store import StoredOverride
from app.oncall.schedule_document import ScheduleDocument
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader
from app.web.screens.rendering import HEADERS, when
from app.web.screens.time_axis import View

D = TypeVar("D", bound=BaseModel)

CHOICES: Final = 1000
TOLD: Final = {
    "withdrawn": "Undone: from now on it is as if nobody had taken over.",
    "asked": "Asked. You stay on call until somebody takes it.",
    "taken": "You take it. Whoever asked is told, and you are reminded before.",
    "declined": "Declined: it is closed.",
    "swap_withdrawn": "Withdrawn: nobody is asked any more.",
}
HOUR: Final = timedelta(hours=1)
EVENING, MORNING = 18, 9
"""The hours until which a running shift is usually taken over."""

Zone = Literal["mine", "schedule"]


@dataclass(frozen=True, slots=True)
class Preset:
    """A button: `until` is an instant, or `+60` for so many minutes from when it is pressed."""

    label: str
    until: str


@dataclass(frozen=True, slots=True)
class Choices:
    """`people`: (key, name) of whoever may be put on call. `names`: of everybody, by key."""

    people: list[tuple[str, str]]
    names: Mapping[str, str]

    def name(self, key: str | None) -> str:
        return self.names.get(key or "", key or "nobody")


def near(schedule: ScheduleDocument, others: Iterable[str], known: Choices) -> list[tuple[str, str]]:
    """Of those who may be put on call whoever is named in a schedule, and these others: for short forms, which a screen
    has many of. The long form offers everybody."""
    named = {key for layer in schedule.layers for turn in layer.members for key in turn}.union(others)
    return [(key, name) for key, name in known.people if key in named]


async def choices(reader: Reader) -> Choices:
    users = [stored.document for stored in await directory.users(reader.tx.conn, limit=CHOICES)]
    people = [(user.key, user.name) for user in users if user.active and user.role != "viewer"]
    return Choices(people, {user.key: user.name for user in users})


def presets(now: datetime, starts_at: datetime, ends_at: datetime | None, zone: ZoneInfo) -> list[Preset]:
    """For a shift or gap that is not over; `ends_at` None: it has no end in sight."""
    found = []
    if ends_at is not None:
        whole = "The rest" if starts_at <= now else "All of it"
        found.append(Preset(f"{whole}, until {when(ends_at, now, zone)}", ends_at.isoformat()))
    if starts_at <= now:
        if ends_at is None or now + HOUR < ends_at:
            found.append(Preset("For 1 h", "+60"))
        later = usual_end(now, zone)
        if ends_at is None or later < ends_at:
            found.append(Preset(f"Until {when(later, now, zone)}", later.isoformat()))
    return found


def usual_end(now: datetime, zone: ZoneInfo) -> datetime:
    """The next 18:00 or 09:00 that is more than an hour away."""
    today = hours.local(now, zone).date()
    wanted = ((today + timedelta(days=n), hour) for n in (0, 1, 2) for hour in (MORNING, EVENING))
    instants = (hours.instant(datetime(day.year, day.month, day.day, hour), zone) for day, hour in wanted)
    return next(at for at in instants if at > now + HOUR)


class Whence(Entered):
    """The screen that a form was sent from, to which one comes back."""

    back: Literal["schedule", "on-call", "shifts"] = "schedule"
    view: View = "week"
    on: str = ""
    zone: Zone = "mine"

    def returns(self, schedule: str, told: str, **more: object) -> Response:
        """To where it was sent from, which tells what was done."""
        given: dict[str, object] = {"told": told, **more}
        if self.back == "schedule":
            given = {"view": self.view, "on": _day(self.on), "zone": self.zone} | given
        else:
            given["schedule"] = schedule
        path = f"/schedules/{schedule}" if self.back == "schedule" else f"/{self.back}"
        return RedirectResponse(f"{path}?{urlencode({k: v for k, v in given.items() if v})}", 303, dict(HEADERS))


def _day(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        return ""


def entered_instant(text: str, field: str) -> datetime:
    """What a form of ours carried along. Raises `Invalid`."""
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return hours.local(at, hours.zone("UTC"))
    except (ValueError, OverflowError):
        pass  # said below in one way
    message = "an instant like 2026-11-22T12:00:00Z is needed"
    raise Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])


def checked(document: type[D], given: Mapping[str, Any]) -> D:
    """What a form of ours says, as the API's body. Raises `Invalid`."""
    try:
        return document.model_validate(dict(given))
    except ValidationError as refused:
        raise Invalid("; ".join(wrongs(refused, ()).values())) from refused


def person_key(reader: Reader) -> str:
    """Who acts. Raises `Invalid` for a machine."""
    if reader.caller.user_key is None:
        raise Invalid("screens are for people; machines make overrides over the API", code="no_person")
    return reader.caller.user_key


async def just_made(reader: Reader, schedule: str, override_id: int) -> StoredOverride | None:
    """The override that a screen tells of, while it can be undone by a button; None: that is past."""
    window = (reader.tx.now, reader.tx.now + MAX_WINDOW)
    found = await override_store.overrides(reader.tx.conn, schedule, window, after=override_id - 1, limit=1)
    mine = [o for o in found if o.id == override_id and may_undo(o, reader.tx.now)]
    return mine[0] if mine else None


def may_undo(override: StoredOverride, now: datetime) -> bool:
    return override.ends_at > now and now - override.created_at <= UNDO_WITHIN
