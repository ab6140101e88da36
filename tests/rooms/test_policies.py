"""Escalation policies and the last resort: what is stored, refused, and copied for ladders."""

from __future__ import annotations

from copy import deepcopy
from datetime import datetime

import pytest
from pydantic import ValidationError
from rows import audited, cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, Invalid, NotFound
from app.escalation import copy_store, policies, policy_store
from app.escalation.policy_document import LastResort, PolicyDocument, PolicyEdit
from app.oncall import commands as oncall
from app.oncall.schedule_document import ScheduleDocument

ACTOR = "user:cara"
POLICY = {
    "key": "checkout",
    "name": "Checkout",
    "team": "payments",
    "repeats": 1,
    "steps": [
        {"delay_s": 300, "targets": [{"type": "schedule", "key": "primary"}, {"type": "user", "key": "ben"}]},
        {"delay_s": 600, "targets": [{"type": "team", "key": "payments"}]},
    ],
}


@pytest.fixture
async def ids(conn: AsyncConnection, now: datetime) -> dict[str, int]:
    ids = await cast(conn, now)
    schedule = ScheduleDocument(key="primary", name="Primary", time_zone="UTC")
    ids["primary"] = (await oncall.create(conn, now, schedule, actor=ACTOR)).id
    return ids


def document(**changes: object) -> PolicyDocument:
    return PolicyDocument.model_validate(deepcopy(POLICY) | changes)


async def test_a_policy_comes_back_as_it_was_written(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    stored = await policies.create(conn, now, document(), actor=ACTOR)
    assert stored.document == document()
    assert stored.version == 1
    assert ("policy.created", "checkout") in await audited(conn)


async def test_a_ladder_copies_ids(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    stored = await policies.create(conn, now, document(), actor=ACTOR)
    assert await copy_store.copies(conn, [stored.id]) == {
        stored.id: {
            "id": stored.id,
            "key": "checkout",
            "name": "Checkout",
            "version": 1,
            "repeats": 1,
            "steps": [
                {
                    "delay_s": 300,
                    "targets": [{"type": "schedule", "id": ids["primary"]}, {"type": "user", "id": ids["ben"]}],
                },
                {"delay_s": 600, "targets": [{"type": "team", "id": ids["payments"]}]},
            ],
        }
    }


async def test_an_edit_puts_all_steps_in_place(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await policies.create(conn, now, document(), actor=ACTOR)
    wanted = PolicyEdit.model_validate(
        {"name": "Pay", "repeats": 0, "steps": [{"delay_s": 30, "targets": [{"type": "user", "key": "ana"}]}]}
    )
    edited = await policies.edit(conn, now, "checkout", wanted, actor=ACTOR, version=1)
    assert edited.version == 2
    assert edited.document.team is None
    assert edited.document.steps == wanted.steps


async def test_an_edit_that_changes_nothing_writes_nothing(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await policies.create(conn, now, document(), actor=ACTOR)
    same = await policies.edit(conn, now, "checkout", document(), actor=ACTOR)
    assert same.version == 1
    assert ("policy.edited", "checkout") not in await audited(conn)


async def test_an_edit_of_an_old_version_is_refused(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await policies.create(conn, now, document(), actor=ACTOR)
    await policies.edit(conn, now, "checkout", document(name="Pay"), actor=ACTOR, version=1)
    with pytest.raises(Conflict) as refused:
        await policies.edit(conn, now, "checkout", document(name="Payments"), actor=ACTOR, version=1)
    assert (refused.value.code, refused.value.fields) == ("outdated", {"current_version": 2})


async def test_every_unknown_name_is_told(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    steps = [{"delay_s": 60, "targets": [{"type": "user", "key": "ana"}, {"type": "schedule", "key": "ana"}]}]
    with pytest.raises(Invalid) as refused:
        await policies.create(conn, now, document(team="nobody", steps=steps), actor=ACTOR)
    assert refused.value.errors == [
        {"field": "team", "message": "there is no team 'nobody'"},
        {"field": "steps[0].targets[1].key", "message": "there is no schedule 'ana'"},
    ]


async def test_a_key_is_taken_once(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await policies.create(conn, now, document(), actor=ACTOR)
    with pytest.raises(Conflict, match="already") as refused:
        await policies.create(conn, now, document(), actor=ACTOR)
    assert refused.value.code == "key_taken"


async def test_a_policy_in_use_stays(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    stored = await policies.create(conn, now, document(), actor=ACTOR)
    await conn.execute(text("UPDATE services SET policy_id = :id"), {"id": stored.id})
    with pytest.raises(Conflict) as refused:
        await policies.delete(conn, now, "checkout", actor=ACTOR)
    assert refused.value.code == "in_use"
    assert refused.value.fields["used_by"] == [{"type": "service", "key": "checkout"}]
    await conn.execute(text("UPDATE services SET policy_id = NULL"))
    await policies.delete(conn, now, "checkout", actor=ACTOR)
    with pytest.raises(NotFound):
        await policies.read(conn, "checkout")


async def test_a_target_in_use_is_told_where(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await policies.refuse_if_target(conn, "schedule", "primary")
    await policies.create(conn, now, document(), actor=ACTOR)
    last_resort = LastResort.model_validate({"targets": [{"type": "schedule", "key": "primary"}]})
    await policies.set_last_resort(conn, now, last_resort, actor=ACTOR)
    with pytest.raises(Conflict) as refused:
        await policies.refuse_if_target(conn, "schedule", "primary")
    assert refused.value.fields["used_by"] == [
        {"type": "organisation", "key": "last_resort"},
        {"type": "policy", "key": "checkout"},
    ]
    with pytest.raises(Conflict) as refused:
        await oncall.delete(conn, now, "primary", actor=ACTOR)
    assert refused.value.code == "in_use"


async def test_the_last_resort_is_replaced_as_a_whole(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    assert await policy_store.last_resort(conn) == []
    for keys in (["ana", "ben"], ["cara"]):
        wanted = LastResort.model_validate({"targets": [{"type": "user", "key": k} for k in keys]})
        await policies.set_last_resort(conn, now, wanted, actor=ACTOR)
        assert await policy_store.last_resort(conn) == [{"type": "user", "id": ids[k]} for k in keys]
    unknown = LastResort.model_validate({"targets": [{"type": "user", "key": "eve"}]})
    with pytest.raises(Invalid, match=r"targets\[0\].key: there is no user 'eve'"):
        await policies.set_last_resort(conn, now, unknown, actor=ACTOR)


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"delay_s": 300, "targets": []}],
        [{"delay_s": 29, "targets": [{"type": "user", "key": "ana"}]}],
        [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}] * 2}],
        [{"delay_s": "300", "targets": [{"type": "user", "key": "ana"}]}],
    ],
    ids=["no step", "no target", "too soon", "twice", "not a number"],
)
def test_what_no_policy_can_be(steps: object) -> None:
    with pytest.raises(ValidationError, match="steps"):
        document(steps=steps)
