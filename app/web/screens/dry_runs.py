"""What would happen if this arrived at that time and nobody answered: the API's own dry run, told in order.

An editor leads here with its draft, which travels along in the form and is never saved.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, cast

from fastapi import APIRouter, Form, Query, Request, Response
from pydantic import ValidationError

from app import hours
from app.directory import teams
from app.errors import Conflict, Invalid, wrong_members
from app.escalation.policy_document import PolicyDocument
from app.incidents import reading
from app.oncall.schedule_document import ScheduleDocument
from app.rehearsal.aside import GIVEN_S
from app.rehearsal.dry_run import MOST_HOURS
from app.web.api.dry_runs import DryRunAnswer, DryRunBody, make_dry_run
from app.web.dependencies import channels
from app.web.problems import status_of
from app.web.screens import choices
from app.web.screens.entered import Entered
from app.web.screens.form_tree import number, placed
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import STATE_WORDS

router = APIRouter(prefix="/dry-run", include_in_schema=False)

Trying = Annotated[Reader, reads("dry_runs.make")]
FIELDS: Final = ("integration", "payload", "labels", "incident", "at", "hours")
RECENT: Final = 30


class DryRunForm(Entered):
    """`what`: which of the three arrives. `at`: local time of the organisation; empty: now. `schedule`, `policy`:
    drafts as JSON."""

    what: str = "labels"
    integration: str = ""
    payload: str = ""
    labels: str = ""
    incident: str = ""
    at: str = ""
    hours: str = "2"
    schedule: str = ""
    policy: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Something that happens at an instant: an entry of a timeline, or a message to somebody."""

    at: datetime
    text: str
    message: Any = None


@router.get("")
async def show_form(
    reader: Trying,
    integration: Annotated[str, Query(max_length=64)] = "",
    incident: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """`integration`, `incident`: what to begin with."""
    what = "incident" if incident else "labels"
    return await _show(reader, DryRunForm(integration=integration, incident=incident, what=what))


@router.post("")
async def run(reader: Trying, request: Request, form: Annotated[DryRunForm, Form()]) -> Response:
    """What was entered stays, above what it came to."""
    body, errors = _body(form)
    if body is None:
        return await _show(reader, form, errors, 422)
    try:
        found = await make_dry_run(body, request, reader.tx, channels(request))
    except (Invalid, Conflict) as refused:
        said = _placed(refused.errors) if isinstance(refused, Invalid) and refused.errors else {"": refused.message}
        return await _show(reader, form, said, status_of(refused))
    return await _show(reader, form, found=found)


async def with_draft(
    reader: Reader, *, schedule: ScheduleDocument | None = None, policy: PolicyDocument | None = None
) -> Response:
    """The form, which carries a draft along. Raises `Forbidden`."""
    reader.caller.require("dry_runs.make")
    texts = [json.dumps(draft.model_dump(mode="json")) if draft else "" for draft in (schedule, policy)]
    return await _show(reader, DryRunForm(schedule=texts[0], policy=texts[1]))


def _body(form: DryRunForm) -> tuple[DryRunBody | None, dict[str, str]]:
    given: dict[str, Any] = {"hours": number(form.hours), "integration": form.integration or None}
    errors: dict[str, str] = {}
    if form.at.strip():
        given["at"] = form.at.strip()
    for name in ("schedule", "policy"):
        if text := getattr(form, name):
            given[name], wrong = _json(text)
            errors |= {"": f"the draft of the {name} cannot be read"} if wrong else {}
    if form.what == "payload":
        given["payload"], wrong = _json(form.payload)
        errors |= {"payload": wrong or "paste what the sender sends, as JSON"} if given["payload"] is None else {}
    elif form.what == "incident":
        given["incident"], given["integration"] = number(form.incident.lstrip(" #")), None
    else:
        given["labels"], wrong = _labels(form.labels)
        errors |= {"labels": wrong} if wrong else {}
    if form.what != "incident" and not form.integration:
        errors["integration"] = "say which integration receives it"
    if errors:
        return None, errors
    try:
        return DryRunBody.model_validate(given), {}
    except ValidationError as refused:
        return None, _placed(wrong_members([dict(e) for e in refused.errors()], given))


def _json(text: str) -> tuple[Any, str]:
    try:
        return json.loads(text), ""
    except json.JSONDecodeError as wrong:
        return None, f"line {wrong.lineno}, column {wrong.colno}: {wrong.msg}"
    except (RecursionError, ValueError):
        return None, "this is no JSON that can be read"


def _labels(text: str) -> tuple[dict[str, str], str]:
    """From lines like `alertname=DiskFull`."""
    pairs = [line.partition("=") for line in text.splitlines() if line.strip()]
    if not pairs:
        return {}, "give labels, one a line, like alertname=DiskFull"
    if bad := [name for name, equals, _ in pairs if not (equals and name.strip())]:
        return {}, f"{bad[0].strip()[:40]!r} is no label; write them like alertname=DiskFull, one a line"
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}, ""


def _placed(errors: list[dict[str, str]]) -> dict[str, str]:
    return placed(errors, {}, lambda path: path in FIELDS)


async def _show(
    reader: Reader,
    form: DryRunForm,
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    *,
    found: DryRunAnswer | None = None,
) -> Response:
    conn = reader.tx.conn
    zone = (await teams.read_organisation(conn)).document.time_zone
    recent = await reading.slice_(conn, states=tuple(STATE_WORDS), limit=RECENT)
    return reader.shows(
        "dry_run",
        status,
        entered=form,
        errors=errors or {},
        drafts=_drafts(form),
        found=found,
        lines=[] if found is None else _told(found),
        organisation_zone=hours.zone(zone),
        integrations=await choices.integrations(conn),
        recent=[(incident.number, incident.title) for incident in recent],
        most_hours=MOST_HOURS,
        given_s=round(GIVEN_S),
    )


def _drafts(form: DryRunForm) -> list[tuple[str, str]]:
    """(kind, name) of the drafts that the form carries."""
    read = [(name, _json(getattr(form, name))[0]) for name in ("schedule", "policy") if getattr(form, name)]
    return [(kind, str(cast(dict[str, Any], draft).get("name", ""))) for kind, draft in read if isinstance(draft, dict)]


def _told(found: DryRunAnswer) -> list[Line]:
    """In the order in which it happens; what the timeline says before what is sent."""
    lines = [Line(entry.at, entry.text) for entry in found.happened]
    lines += [Line(message.at, "", message) for message in found.messages]
    return sorted(lines, key=lambda line: (line.at, line.message is not None))
