"""The JSON API under `/api/v1`: one file per resource, collected here."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI

from app.web import routes
from app.web.api import (
    api_keys,
    audit,
    calendars,
    changes,
    configuration,
    contact_methods,
    correlating,
    costs,
    drills,
    dry_runs,
    escalation_lists,
    explanations,
    feeds,
    handshakes,
    heartbeats,
    incidents,
    inhibition_rules,
    integration_trial,
    integrations,
    maintenance_windows,
    message_templates,
    notification_rules,
    on_call,
    organisation,
    overrides,
    policies,
    priority_matrix,
    priority_trial,
    providers,
    reachability,
    receipts,
    rule_drafts,
    rule_sets,
    rule_simulations,
    schedule_checks,
    schedule_versions,
    schedule_warnings,
    schedules,
    services,
    sessions,
    signing_secrets,
    silences,
    similar,
    storms,
    subscriptions,
    suppressed,
    swaps,
    teams,
    time_intervals,
    users,
    webhook_calls,
    webhooks,
)
from app.web.auth import public
from app.web.parameters import known_only
from app.web.problems import MEDIA_TYPE

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457. `errors` with 422; other members by code, e.g. `used_by` with `in_use`.",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "description": "Stable: `/problems/` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "instance": {"type": "string", "description": "The path of the request."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}, "in": {"type": "string"}},
            },
        },
    },
    "examples": [
        {
            "type": "/problems/not_found",
            "title": "Not found",
            "status": 404,
            "detail": "there is no team 'payments'",
            "instance": "/api/v1/teams/payments",
            "code": "not_found",
            "key": "payments",
        }
    ],
}

_ANSWERS: Final = {
    400: "The body is not JSON",
    401: "No credential, or one that does not count",
    403: "The caller may not do this",
    404: "There is no such thing",
    409: "Taken, in use, or being worked on",
    412: "Edited meanwhile: If-Match names another version",
    413: "The body is too large",
    422: "The input cannot be right; `errors` says where",
    429: "Too many attempts; `Retry-After` says when",
    503: "The database cannot be reached just now",
}

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for status, description in _ANSWERS.items()
}

router = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(known_only)],
    responses=PROBLEMS,
    generate_unique_id_function=lambda route: route.name,
)
"""Operations are called as their functions are, `list_teams`: generated clients make methods of these names."""
# One line per resource, in the order of the documentation:
router.include_router(incidents.router)
router.include_router(correlating.router)
router.include_router(similar.router)
router.include_router(changes.router)
router.include_router(silences.of_incidents)
router.include_router(silences.router)
router.include_router(suppressed.router)
router.include_router(maintenance_windows.router)
router.include_router(inhibition_rules.router)
router.include_router(time_intervals.router)
router.include_router(storms.router)
router.include_router(providers.router)
router.include_router(costs.router)
router.include_router(receipts.router)
router.include_router(explanations.router)
router.include_router(sessions.router)
router.include_router(organisation.router)
router.include_router(teams.router)
router.include_router(users.router)
router.include_router(contact_methods.router)
router.include_router(notification_rules.router)
router.include_router(subscriptions.router)
router.include_router(services.router)
router.include_router(integrations.router)
router.include_router(heartbeats.router)
router.include_router(integration_trial.router)
router.include_router(signing_secrets.router)
router.include_router(schedules.router)
router.include_router(schedule_versions.router)
router.include_router(schedule_checks.router)
router.include_router(schedule_warnings.router)
router.include_router(swaps.router)
router.include_router(handshakes.router)
router.include_router(overrides.router)
router.include_router(on_call.router)
router.include_router(reachability.router)
router.include_router(drills.router)
router.include_router(calendars.router)
router.include_router(feeds.router)
router.include_router(policies.router)
router.include_router(webhooks.router)
router.include_router(webhook_calls.router)
router.include_router(escalation_lists.router)
router.include_router(message_templates.router)
router.include_router(dry_runs.router)
router.include_router(rule_sets.router)
router.include_router(priority_matrix.router)
router.include_router(priority_trial.router)
router.include_router(rule_drafts.router)
router.include_router(rule_simulations.router)
router.include_router(api_keys.router)
router.include_router(configuration.router)
router.include_router(audit.router)


def install(app: FastAPI) -> None:
    """Adds the API to `app`, and the one schema of all problems to its OpenAPI document."""
    routes.add(app, router)
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        document.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document

    @app.get(
        "/api/v1/openapi.json", include_in_schema=False, dependencies=[public("it documents the API, as docs/ do")]
    )
    async def read_openapi() -> dict[str, Any]:
        return app.openapi()
