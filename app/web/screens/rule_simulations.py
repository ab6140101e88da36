"""What a draft would have done: on the events of the last days, or on a pasted payload. Nothing is stored.

The API's own simulation, with its bounds: 30 s for each of two runs, one at a time in a process. A browser waits for
the answer as a program does.
"""

from __future__ import annotations

import json
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from pydantic import ValidationError

from app.directory import service_store
from app.errors import Conflict, Invalid
from app.rehearsal.aside import GIVEN_S
from app.rehearsal.simulation import MOST_DAYS
from app.rules import drafts
from app.web.api.rule_drafts import Id
from app.web.api.rule_simulations import Simulated, SimulationAnswer, TotalsAnswer, simulate_rule_draft
from app.web.dependencies import ChannelsGiven
from app.web.problems import status_of
from app.web.screens import rules
from app.web.screens.entered import Entered, wrongs
from app.web.screens.reader import Reader, reads

router = APIRouter(prefix="/rules/drafts/{draft_id}/simulation", include_in_schema=False)

Simulating = Annotated[Reader, reads("rule_drafts.simulate")]
FIELDS: Final = ("days", "integration", "payload")
CHOICES: Final = 1000
Count = tuple[int, int]
"""Pages, and of these by night."""


class SimulationForm(Entered):
    """`on`: `days` or `payload`."""

    on: str = "days"
    days: str = "7"
    integration: str = ""
    payload: str = ""

    def body(self) -> Simulated:
        """Raises `Invalid` naming the field, `ValidationError`."""
        if self.on == "days":
            if not (self.days.strip().isascii() and self.days.strip().isdigit()):
                raise _wrong("days", f"give a number of days, 1 to {MOST_DAYS}")
            return Simulated(days=int(self.days.strip()[:9]))
        if not self.integration:
            raise _wrong("integration", "say which integration receives it")
        try:
            payload = json.loads(self.payload)
        except json.JSONDecodeError as wrong:
            raise _wrong("payload", f"line {wrong.lineno}, column {wrong.colno}: {wrong.msg}") from None
        except (RecursionError, ValueError):
            raise _wrong("payload", "this is no JSON that can be read") from None
        if payload is None:
            raise _wrong("payload", "paste what the sender sends, as JSON")
        return Simulated.model_validate({"integration": self.integration, "payload": payload})


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"field": field, "message": message}])


@router.get("")
async def show_form(draft_id: Id, reader: Simulating) -> Response:
    return await _show(reader, draft_id, SimulationForm())


@router.post("")
async def simulate(
    draft_id: Id,
    request: Request,
    reader: Simulating,
    channels: ChannelsGiven,
    form: Annotated[SimulationForm, Form()],
) -> Response:
    """What was entered stays, above what it came to."""
    try:
        found = await simulate_rule_draft(draft_id, form.body(), request, reader.tx, channels)
    except ValidationError as refused:
        return await _show(reader, draft_id, form, wrongs(refused, FIELDS), 422)
    except (Invalid, Conflict) as refused:
        return await _show(reader, draft_id, form, _said(refused), status_of(refused))
    return await _show(reader, draft_id, form, found=found)


def _said(refused: Invalid | Conflict) -> dict[str, str]:
    """Mistakes of the draft itself belong to no field here, and the draft's own screen says them line by line."""
    if isinstance(refused, Invalid) and any(e["field"].startswith("rules") for e in refused.errors):
        return {"": "the draft has mistakes; its own screen shows them line by line"}
    return wrongs(refused, FIELDS)


async def _show(
    reader: Reader,
    draft_id: int,
    form: SimulationForm,
    errors: dict[str, str] | None = None,
    status: int = 200,
    *,
    found: SimulationAnswer | None = None,
) -> Response:
    draft = await drafts.read(reader.tx.conn, draft_id)
    _, scope_name, _ = await rules.scope_of(reader, draft.scope)
    listed = await service_store.integrations(reader.tx.conn, limit=CHOICES)
    return reader.shows(
        "rule_simulation",
        status,
        draft=draft,
        scope=draft.scope,
        scope_name=scope_name,
        entered=form,
        errors=errors or {},
        found=found,
        totals=[] if found is None else _totals(found.before, found.after),
        people=[] if found is None else _people(found.before, found.after),
        integrations=[(i.document.key, i.document.name) for i in listed],
        most_days=MOST_DAYS,
        given_s=round(GIVEN_S),
    )


def _totals(before: TotalsAnswer, after: TotalsAnswer) -> list[tuple[str, int, int]]:
    """(what, under the rules in force, under the draft)."""
    lines = [("Incidents", before.incidents, after.incidents)]
    for priority in sorted(before.by_priority | after.by_priority):
        lines.append((f"of these {priority}", before.by_priority.get(priority, 0), after.by_priority.get(priority, 0)))
    lines.append(("Suppressed alerts", before.suppressed, after.suppressed))
    lines.append(("Pages", before.pages, after.pages))
    lines.append(("of these by night", before.by_night, after.by_night))
    return lines


def _people(before: TotalsAnswer, after: TotalsAnswer) -> list[tuple[str, Count, Count]]:
    """(name, under the rules in force, under the draft)."""
    sides = [{p.user: p for p in totals.by_person} for totals in (before, after)]
    names = {user: p.name for side in sides for user, p in side.items()}
    old, new = ({user: (p.pages, p.by_night) for user, p in side.items()} for side in sides)
    return [(names[user], old.get(user, (0, 0)), new.get(user, (0, 0))) for user in sorted(names)]
