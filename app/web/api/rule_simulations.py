"""`/rule-drafts/simulate`: what would have happened under other rules. Nothing is stored, nobody is paged."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from app.errors import Invalid
from app.incidents.rule_kinds import KINDS
from app.rehearsal import draft_check, simulation
from app.rehearsal.simulation import MOST_DAYS, Draft, Payload, Simulation
from app.rules import drafts
from app.web.api.rule_drafts import Id, KindName, Rules
from app.web.auth import permission
from app.web.dependencies import ChannelsGiven, Tx, settings
from app.web.models import Answer, Body, Key, example

router = APIRouter(prefix="/rule-drafts", tags=["rule drafts"])


class Simulated(Body):
    """Either `days`: what came in in so many days; or a `payload`, as the `integration` of this key would receive it
    now if nothing else had happened yet."""

    model_config = example(days=7)

    days: Annotated[int, Field(ge=1, le=MOST_DAYS)] | None = None
    integration: Key | None = None
    payload: Any = None

    def what(self) -> int | Payload:
        """Raises `Invalid` unless exactly one thing is to be tried."""
        if (self.payload is None) != (self.integration is None):
            raise _invalid("integration", "payload and integration belong together")
        if (self.days is None) == (self.payload is None):
            raise _invalid("days", "give either days, or payload and integration")
        if self.days is not None:
            return self.days
        return Payload(self.integration or "", json.dumps(self.payload).encode())


class RulesSimulated(Simulated):
    """The same for rules that are no saved draft."""

    model_config = example(
        kind="priority",
        rules=[{"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}}],
        integration="checkout-prometheus",
        payload={"title": "Disk full", "labels": {"team": "db"}},
    )

    kind: KindName
    service: Key | None = None
    rules: Rules


class PersonAnswer(Answer):
    """`by_night`: between 22:00 and 7:00 where that person is."""

    user: str
    name: str
    pages: int
    by_night: int


class TotalsAnswer(Answer):
    """`pages`: people who were paged, each once a step; only the first step of each ladder, since nobody acknowledges
    here. `by_priority`: incidents by the priority they ended with."""

    incidents: int
    suppressed: int
    pages: int
    by_night: int
    by_priority: dict[str, int]
    by_person: list[PersonAnswer]


class OccurrenceVerdict(Answer):
    """What became of an occurrence. `incident`: `opened`, `joined that of <dedup key>`, or empty. `suppressed`: by
    what; empty: it was not."""

    service: str
    suppressed: str
    incident: str
    priority: int | None
    because: list[str]


class OccurrenceDifference(Answer):
    """An occurrence that came to something else; null: there is none in that run."""

    integration: str
    dedup_key: str
    starts_at: datetime
    title: str
    before: OccurrenceVerdict | None
    after: OccurrenceVerdict | None


class SimulationAnswer(Answer):
    """`before` under the rules in force, `after` under the draft. `differences` are the first 50 of `differing`.
    `refused`: why events of the payload cannot be used."""

    events: int
    before: TotalsAnswer
    after: TotalsAnswer
    differing: int
    differences: list[OccurrenceDifference]
    refused: list[str]


@router.post("/simulate", dependencies=[permission("rule_drafts.simulate")])
async def simulate_rules(body: RulesSimulated, request: Request, tx: Tx, channels: ChannelsGiven) -> SimulationAnswer:
    """What these rules would do in place of those in force. 422 `too_much` when it cannot be played in a minute."""
    scope = body.service or ""
    return await _simulate(request, tx, channels, body, body.kind, scope, [rule.model_dump() for rule in body.rules])


@router.post("/{draft_id}/simulate", dependencies=[permission("rule_drafts.simulate")])
async def simulate_rule_draft(
    draft_id: Id, body: Simulated, request: Request, tx: Tx, channels: ChannelsGiven
) -> SimulationAnswer:
    """What the draft would do in place of the rules in force. 422 `too_much` when it cannot be played in a minute."""
    draft = await drafts.read(tx.conn, draft_id)
    return await _simulate(request, tx, channels, body, draft.kind, draft.scope, draft.rules)


async def _simulate(
    request: Request, tx: Tx, channels: ChannelsGiven, body: Simulated, kind: str, scope: str, rules: list[Any]
) -> SimulationAnswer:
    what = body.what()
    ruleset, errors = await draft_check.compiled(tx.conn, KINDS[kind], scope, rules)
    if ruleset is None:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    found: Simulation = await simulation.simulate(
        request.app.state.engine.url,
        tx.now,
        channels,
        Draft(KINDS[kind], scope, rules),
        what,
        behind_pooler=bool(settings(request).database_listen_url),
    )
    return SimulationAnswer.model_validate(found)


def _invalid(field: str, message: str) -> Invalid:
    return Invalid(f"{field}: {message}", errors=[{"field": field, "message": message}])
