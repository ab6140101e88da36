"""The form of a calendar, as texts, and the documents that the API takes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from pydantic import Field, ValidationError

from app.calendars.documents import CalendarDocument
from app.errors import Invalid, Refusal
from app.web.screens.entered import Entered, wrongs
from app.web.screens.form_tree import number
from app.web.screens.schedule_form import key_of

FIELDS: Final = (
    "name", "key", "team", "purpose", "source", "address", "text", "country", "subdivision", "time_zone", "people",
    "observed_by", "refresh_s",
)  # fmt: skip
NAMES: Final = {"everybody": "observed_by", "teams": "observed_by", "users": "observed_by"}
"""What the form calls members that have other names in the document."""
MINUTE: Final = 60


class CalendarForm(Entered):
    """`people`: lines like `Ann B. = ana`. `observers`: keys of users. `minutes`: how often it is read."""

    name: str = ""
    key: str = ""
    team: str = ""
    purpose: str = "shifts"
    source: str = "address"
    address: str = ""
    text: str = ""
    country: str = ""
    subdivision: str = ""
    time_zone: str = ""
    people: str = ""
    everybody: str = ""
    teams: list[str] = Field(default=[])
    observers: str = ""
    minutes: str = "15"


def form_of(calendar: CalendarDocument) -> CalendarForm:
    """What the form shows of a stored calendar; its address is never shown."""
    observed = calendar.observed_by
    return CalendarForm(
        name=calendar.name,
        key=calendar.key,
        team=calendar.team or "",
        purpose=calendar.purpose,
        source=calendar.source,
        text=calendar.text,
        country=calendar.country or "",
        subdivision=calendar.subdivision or "",
        time_zone=calendar.time_zone or "",
        people="\n".join(f"{name} = {key}" for name, key in calendar.people.items()),
        everybody="yes" if observed.everybody else "",
        teams=observed.teams,
        observers=" ".join(observed.users),
        minutes=f"{calendar.refresh_s // MINUTE}" if calendar.refresh_s % MINUTE == 0 else f"{calendar.refresh_s} s",
    )


def document_of(form: CalendarForm) -> dict[str, Any]:
    """The members of `CalendarEdit`, of those fields that belong to the purpose and the source: what a browser without
    scripts sends along from the others does not count. Raises `Invalid` for a line of `people` that is none."""
    holidays = form.purpose == "holidays"
    observed = {"everybody": bool(form.everybody), "teams": form.teams, "users": form.observers.split()}
    return {
        "name": form.name,
        "team": form.team or None,
        "purpose": form.purpose,
        "source": form.source,
        "text": form.text if form.source == "text" else "",
        "country": form.country.strip().upper() or None if form.source == "country" else None,
        "subdivision": form.subdivision.strip() or None if form.source == "country" else None,
        "time_zone": form.time_zone.strip() or None,
        "people": {} if holidays else _people(form.people.splitlines()),
        "observed_by": observed if holidays else {},
        "refresh_s": _seconds(form.minutes),
    }


def key_entered(form: CalendarForm) -> str:
    return form.key.strip() or key_of(form.name)


def wrong_in(refused: ValidationError | Refusal, form: CalendarForm) -> dict[str, str]:
    """Message by field. A name that is none makes no key either, which is no news."""
    if isinstance(refused, Invalid):  # names in calendars may hold dots, as paths do
        said = [e | {"field": "people"} if e["field"].startswith("people.") else e for e in refused.errors]
        refused = Invalid(refused.message, errors=said)
    found = wrongs(refused, FIELDS, NAMES)
    return {k: v for k, v in found.items() if k != "key" or "name" not in found or form.key.strip()}


def _people(lines: Iterable[str]) -> dict[str, str]:
    pairs = [line.rpartition("=") for line in lines if line.strip()]
    if wrong := ["".join(pair) for pair in pairs if not (pair[0].strip() and pair[2].strip())]:
        message = f"{wrong[0][:60]!r} is no line like Ann B. = ana"
        raise Invalid(f"people: {message}", errors=[{"field": "people", "message": message}])
    return {name.strip(): key.strip() for name, _, key in pairs}


def _seconds(minutes: str) -> int | str:
    """`15` minutes, or `450 s`; what is neither stays a text."""
    if minutes.endswith("s"):
        return number(minutes[:-1])
    given = number(minutes)
    return given * MINUTE if isinstance(given, int) else given
