"""The form of a maintenance window, and the document that it makes. Pure."""

from __future__ import annotations

import re
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError

from app.alerts.suppression_documents import MaintenanceWindowDocument
from app.web.screens.entered import LOCAL_TIME, Entered, local_instant, wrongs

FIELDS: Final = ("name", "comment", "services", "starts_at", "ends_at", "days", "at", "minutes", "time_zone")
NAMES: Final = {"weekly": "minutes", "key": "name"}
"""What the form calls a member of the document."""


class WindowForm(Entered):
    """`starts_at`, `ends_at`: a one-off window's, by the reader's clocks; they may bound a weekly one. `previewed`:
    what the screen showed the periods of."""

    name: str = ""
    comment: str = ""
    services: list[str] = Field(default_factory=list)
    with_dependents: str = ""
    kind: Literal["once", "weekly"] = "once"
    starts_at: str = ""
    ends_at: str = ""
    days: list[str] = Field(default_factory=list)
    at: str = ""
    minutes: str = ""
    time_zone: str = ""
    previewed: str = ""
    press: Literal["preview", "make"] = "preview"

    @property
    def what(self) -> str:
        """When it is under way, as entered."""
        if self.kind == "once":
            return f"{self.starts_at} {self.ends_at}"
        return " ".join([*self.days, self.at, self.minutes, self.time_zone, self.starts_at, self.ends_at])


def document(form: WindowForm, zone: ZoneInfo, owner: str) -> tuple[MaintenanceWindowDocument | None, dict[str, str]]:
    """The document, or what is wrong by field of the form."""
    errors = {}
    times: dict[str, Any] = {}
    for field in ("starts_at", "ends_at"):
        text = getattr(form, field)
        times[field] = local_instant(text, zone) if text else None
        if times[field] is None and (text or form.kind == "once"):
            errors[field] = LOCAL_TIME
    given = {
        "key": key_of(form.name),
        "name": form.name.strip(),
        "comment": form.comment.strip(),
        "owner": owner,
        "services": form.services,
        "with_dependents": bool(form.with_dependents),
        "weekly": _weekly(form) if form.kind == "weekly" else None,
    }
    try:
        made = MaintenanceWindowDocument.model_validate(given | times)
    except ValidationError as refused:
        found = wrongs(refused, FIELDS, NAMES)
        if errors:
            found.pop("", None)  # it only says again that the times are missing
        return None, found | errors
    return (None, errors) if errors else (made, {})


def _weekly(form: WindowForm) -> dict[str, Any]:
    minutes = form.minutes.strip()
    number = int(minutes) if minutes.isascii() and minutes.isdigit() and len(minutes) < 10 else minutes
    return {"days": form.days, "at": form.at, "minutes": number, "time_zone": form.time_zone.strip()}


def key_of(name: str) -> str:
    """A key made of a name: `Database upgrade!` is `database-upgrade`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:64].strip("-") or "window"
