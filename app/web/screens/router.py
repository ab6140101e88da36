"""All screens, for people with a browser. Not part of the API's description."""

from __future__ import annotations

from fastapi import APIRouter

from app.web.screens import (
    account,
    actions,
    calendars,
    correlating,
    costs,
    devices,
    digest,
    dry_runs,
    escalation_lists,
    fairness,
    feeds,
    heartbeats,
    incident,
    incidents,
    last_resort,
    live,
    login,
    maintenance,
    messages,
    my_shifts,
    notification_rules,
    on_call,
    overrides,
    policies,
    reachability,
    rule_drafts,
    rule_simulations,
    rules,
    schedule,
    schedule_editor,
    schedule_history,
    schedules,
    silences,
    storm,
    subscriptions,
    suppressed,
    swaps,
    webhook,
    webhooks,
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
router.include_router(schedule_editor.router)  # `/schedules/new` before any `/schedules/{key}`
router.include_router(on_call.router)
router.include_router(my_shifts.router)
router.include_router(schedules.router)
router.include_router(schedule_history.router)
router.include_router(fairness.router)
router.include_router(feeds.of_schedule)
router.include_router(feeds.mine)
router.include_router(calendars.router)
router.include_router(overrides.router)
router.include_router(swaps.router)
router.include_router(reachability.router)
router.include_router(costs.router)
router.include_router(heartbeats.router)
router.include_router(rules.router)
router.include_router(rule_drafts.router)
router.include_router(rule_simulations.router)
router.include_router(policies.router)
router.include_router(escalation_lists.router)
router.include_router(webhooks.router)
router.include_router(messages.router)
router.include_router(webhook.router)
router.include_router(last_resort.router)
router.include_router(dry_runs.router)
router.include_router(account.router)
router.include_router(devices.router)
router.include_router(notification_rules.router)
router.include_router(digest.router)
router.include_router(subscriptions.router)
# After every screen with an address below /schedules of its own: here that word would be a schedule's key.
router.include_router(schedule.router)
