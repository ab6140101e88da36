"""What belongs to escalation in the configuration document: webhooks, steps in full, tiers, the matrix."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from test_configuration import apply, done, section, town

from app.configuration import commands, document, yaml_text
from app.db import engine as db_engine
from app.db.engine import transaction
from app.errors import Invalid

HOOK = {"key": "status", "name": "Status page"}
FULL: dict[str, Any] = {
    "key": "a-full-one",
    "name": "In full",
    "repeats": 1,
    "hand_over_to": "everybody",
    "steps": [
        {"delay_s": 60, "targets": [{"type": "webhook", "key": "status"}, {"type": "team", "key": "payments"}],
         "whom": "round_robin", "when": {"priority_only": [2, 1], "support_hours": "outside"}},
        {"delay_s": 60, "targets": [{"type": "user", "key": "ana"}, {"type": "tier", "key": "3"}], "acknowledge": "all",
         "when": {"state": "not_resolved", "priority_at_least": 1}},
    ],
}  # fmt: skip
UP: dict[str, Any] = {
    "key": "up", "name": "Up", "hand_over_to_tier": 3,
    "steps": [{"delay_s": 60, "targets": [{"type": "user", "key": "ana"}]}],
}  # fmt: skip
TIERS = [
    {"service": "checkout", "tier": 3, "policy": "everybody"},
    {"team": "payments", "tier": 2, "policy": "checkout"},
]
MATRIX = [
    {"priority": 1, "policy": "everybody", "loudness": "loud", "first_update_s": 900, "update_interval_s": 1800},
    {"service": "checkout", "priority": 1},
]


def full(**changes: Any) -> Any:
    # the one that hands over comes first in the document, and is made after what it names
    given = {"webhooks": [HOOK], "policies": [FULL, UP, *section("policies")], "support_tiers": TIERS,
             "escalation_matrix": MATRIX}  # fmt: skip
    return town(**(given | changes))


async def test_export_apply_elsewhere_export_is_equal(engine: AsyncEngine, server: Any) -> None:
    async with transaction(engine) as (here, now):
        await apply(here, now, full())
        first = await commands.export(here)
    assert next(p for p in first.policies or [] if p.key == "up").hand_over_to_tier == 3
    policy = next(p for p in first.policies or [] if p.key == FULL["key"])
    assert policy.steps[0].when is not None
    assert policy.steps[0].when.priority_only == [1, 2]
    assert (policy.steps[0].whom, policy.steps[1].acknowledge) == ("round_robin", "all")
    assert [r.service for r in first.escalation_matrix or []] == [None, "checkout"]
    read = document.parse(yaml_text.read(yaml_text.write(document.plain(first))))
    assert read == first
    url = await server.clone()
    elsewhere = db_engine.create(url, size=1)
    async with transaction(elsewhere) as (there, now):
        await apply(there, now, read)
        second = await commands.export(there)
    await elsewhere.dispose()
    await server.drop(url)
    assert second == first


async def test_a_second_apply_plans_nothing(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, full())
    assert (await apply(conn, now, full(), prune=True)).changes == []


async def test_pruning_removes_what_names_before_what_is_named(conn: AsyncConnection, now: datetime) -> None:
    await apply(conn, now, full())
    small = full(webhooks=[], policies=section("policies"), support_tiers=[], escalation_matrix=[])
    applied = await apply(conn, now, small, prune=True)
    assert done(applied) == [
        "edit support_tiers support_tiers",
        "edit escalation_matrix escalation_matrix",
        "delete policy up",
        "delete policy a-full-one",
        "delete webhook status",
    ]
    assert applied.kept == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"support_tiers": [TIERS[0] | {"policy": "none"}]}, "support_tiers[0].policy"),
        ({"escalation_matrix": [{"priority": 2, "service": "none"}]}, "escalation_matrix[0].service"),
        ({"policies": [UP | {"hand_over_to": "everybody"}, *section("policies")]}, "policies[0].hand_over_to_tier"),
        ({"policies": [FULL | {"hand_over_to": "none"}, *section("policies")]}, "policies[0].hand_over_to"),
        ({"policies": [FULL | {"hand_over_to": "a-full-one"}, *section("policies")]}, "policies[0].hand_over_to"),
    ],
)
async def test_errors_have_fields_as_the_document_has_them(
    conn: AsyncConnection, now: datetime, changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await apply(conn, now, full(**changes))
    assert [e["field"] for e in refused.value.errors] == [field]


async def test_the_example_of_the_documentation_can_be_applied(conn: AsyncConnection, now: datetime) -> None:
    page = (Path(__file__).parents[2] / "docs" / "policies.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    await apply(conn, now, town())
    applied = await apply(conn, now, document.parse(yaml_text.read(example)))
    assert "create webhook status-page" in done(applied)
    exported = await commands.export(conn)
    assert next(p for p in exported.policies or [] if p.key == "checkout").hand_over_to == "database"
