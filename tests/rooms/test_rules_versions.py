"""Priority rules and the matrix: what is in force, and the versions behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from rows import audited
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, Invalid, NotFound
from app.priority import commands as priority
from app.priority import matrix
from app.priority import store as priority_store
from app.priority.assign import PRIORITY_RULES
from app.priority.facts import facts
from app.rules import commands, rulesets, store
from app.rules.facts import Counts, ServiceFacts

ACTOR = "user:cara"


def rules(impact: int) -> list[dict[str, Any]]:
    return [{"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": impact}}]


async def test_before_anybody_published_there_are_no_rules(conn: AsyncConnection) -> None:
    current = await store.current(conn, PRIORITY_RULES)
    assert (current.version, current.rules) == (0, ())


async def test_the_highest_version_is_in_force(conn: AsyncConnection, now: datetime) -> None:
    await commands.publish(conn, now, PRIORITY_RULES, rules(2), actor=ACTOR)
    published = await commands.publish(conn, now, PRIORITY_RULES, rules(1), actor=ACTOR, version=1)
    assert (published.version, published.published_by) == (2, ACTOR)
    current = await store.current(conn, PRIORITY_RULES)
    assert rulesets.document(current) == [rules(1)[0] | {"enabled": True}]
    assert current.version == 2
    assert await audited(conn) == [("priority_rules.published", "priority")] * 2


async def test_the_same_rules_make_no_version(conn: AsyncConnection, now: datetime) -> None:
    await commands.publish(conn, now, PRIORITY_RULES, rules(2), actor=ACTOR)
    again = await commands.publish(conn, now, PRIORITY_RULES, rules(2), actor=ACTOR)
    assert again.version == 1
    assert len(await audited(conn)) == 1


async def test_no_rules_at_all_can_be_published(conn: AsyncConnection, now: datetime) -> None:
    assert (await commands.publish(conn, now, PRIORITY_RULES, [], actor=ACTOR)).version == 1


async def test_an_edit_of_an_old_version_is_refused(conn: AsyncConnection, now: datetime) -> None:
    await commands.publish(conn, now, PRIORITY_RULES, rules(2), actor=ACTOR)
    with pytest.raises(Conflict) as refused:
        await commands.publish(conn, now, PRIORITY_RULES, rules(1), actor=ACTOR, version=0)
    assert (refused.value.code, refused.value.fields) == ("outdated", {"current_version": 1})


async def test_what_does_not_compile_is_not_published(conn: AsyncConnection, now: datetime) -> None:
    wrong = [*rules(2), {"key": "x", "name": "X", "when": "labels.a ==", "then": {"impact": 9}}]
    with pytest.raises(Invalid) as refused:
        await commands.publish(conn, now, PRIORITY_RULES, wrong, actor=ACTOR)
    assert {e["field"] for e in refused.value.errors} == {"rules[1].when", "rules[1].then.impact"}
    assert (await store.newest(conn, PRIORITY_RULES)).version == 0


async def test_a_rule_that_no_longer_compiles_does_not_stop_the_others(conn: AsyncConnection, now: datetime) -> None:
    old = [{"key": "old", "name": "Old", "when": "gone(labels.a)", "then": {"impact": 1}}, *rules(2)]
    await store.insert(conn, now, PRIORITY_RULES, store.Published(1, old, now, ACTOR))
    current = await store.current(conn, PRIORITY_RULES)
    assert (current.version, [rule.key for rule in current.rules]) == (1, ["db"])


async def test_rolling_back_publishes_a_copy(conn: AsyncConnection, now: datetime) -> None:
    for impact in (1, 2, 3):
        await commands.publish(conn, now, PRIORITY_RULES, rules(impact), actor=ACTOR)
    copy = await commands.roll_back(conn, now, PRIORITY_RULES, 1, actor=ACTOR, version=3)
    assert copy.version == 4
    assert copy.rules[0]["then"] == {"impact": 1}
    found = await store.versions(conn, PRIORITY_RULES, before=4, limit=2)
    assert [v.version for v in found] == [3, 2]
    with pytest.raises(NotFound):
        await commands.roll_back(conn, now, PRIORITY_RULES, 9, actor=ACTOR)


async def test_the_matrix_is_versioned_too(conn: AsyncConnection, now: datetime) -> None:
    assert (await priority_store.current(conn)).matrix == matrix.DEFAULT
    same = await priority.set_matrix(conn, now, matrix.DEFAULT.document(), actor=ACTOR)
    assert same.version == 0
    wanted = [[1, 1, 2], [1, 2, 3], [3, 4, 5]]
    await priority.set_matrix(conn, now, wanted, actor=ACTOR, version=0)
    current = await priority_store.current(conn)
    assert (current.version, current.matrix.document(), current.published_by) == (1, wanted, ACTOR)
    with pytest.raises(Conflict):
        await priority.set_matrix(conn, now, matrix.DEFAULT.document(), actor=ACTOR, version=0)
    with pytest.raises(Invalid) as refused:
        await priority.set_matrix(conn, now, [[1, 1, 2], [1, 2, 3], [3, 4, 6]], actor=ACTOR)
    assert refused.value.errors[0]["field"] == "matrix[2][2]"


def test_facts_read_the_clock_of_the_organisation() -> None:
    made = facts(
        labels={"team": "db"},
        annotations={},
        severity="critical",
        source="alertmanager",
        title="Disk full",
        service=ServiceFacts("checkout"),
        at=datetime(2026, 3, 29, 22, 30, tzinfo=UTC),
        zone="Europe/Berlin",
        in_support_hours=False,
        counts=Counts(alerts=3),
    )
    assert (made.time.hour, made.time.weekday, made.time.date) == (0, "mon", "2026-03-30")
    assert made.read("time.in_support_hours") is False
    assert made.read("counts.alerts") == 3
