"""All screens, for people with a browser. Not part of the API's description."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from app.web.screens import (
    account,
    actions,
    correlating,
    dry_runs,
    escalation_lists,
    heartbeats,
    incident,
    incidents,
    live,
    login,
    maintenance,
    notification_rules,
    on_call,
    policies,
    refusals,
    rule_drafts,
    rule_simulations,
    rules,
    schedule_editor,
    silences,
    static,
    storm,
    suppressed,
    webhooks,
)
from app.web.screens.live import Live

router = APIRouter(include_in_schema=False)
router.include_router(static.router)
router.include_router(login.router)
router.include_router(live.router)
router.include_router(incidents.router)
router.include_router(incident.router)
router.include_router(actions.router)
router.include_router(suppressed.router)
router.include_router(silences.router)
router.include_router(maintenance.router)
router.include_router(correlating.router)
router.include_router(storm.router)
router.include_router(schedule_editor.router)  # `/schedules/new` before any `/schedules/{key}`
router.include_router(on_call.router)
router.include_router(heartbeats.router)
router.include_router(rules.router)
router.include_router(rule_drafts.router)
router.include_router(rule_simulations.router)
router.include_router(policies.router)
router.include_router(escalation_lists.router)
router.include_router(webhooks.router)
router.include_router(dry_runs.router)
router.include_router(account.router)
router.include_router(notification_rules.router)


def install(app: FastAPI) -> None:
    """After `problems.install`. `app.state.live.close()` ends the streams of a server that stops."""
    app.state.live = Live(app.state.engine)
    refusals.install(app)
    app.include_router(router)
