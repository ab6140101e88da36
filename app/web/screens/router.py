"""All screens, for people with a browser. Not part of the API's description."""

from __future__ import annotations

from fastapi import APIRouter

from app.web.screens import (
    account,
    actions,
    correlating,
    heartbeats,
    incident,
    incidents,
    live,
    login,
    maintenance,
    notification_rules,
    on_call,
    rule_drafts,
    rule_simulations,
    rules,
    silences,
    storm,
    suppressed,
)

router = APIRouter(include_in_schema=False)
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
router.include_router(on_call.router)
router.include_router(heartbeats.router)
router.include_router(rules.router)
router.include_router(rule_drafts.router)
router.include_router(rule_simulations.router)
router.include_router(account.router)
router.include_router(notification_rules.router)
