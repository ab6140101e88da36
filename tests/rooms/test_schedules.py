"""Schedules and overrides as rows: what is stored, refused, loaded for the escalation loop."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from rows import audited, cast
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Conflict, Invalid, NotFound
from app.oncall import commands, override_store, overriding, shifts, store
from app.oncall.override_document import OverrideDocument
from app.oncall.schedule_document import ScheduleDocument

ACTOR = "user:cara"
SCHEDULE = {
    "key": "primary",
    "name": "Primary",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [
        {"name": "base", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", "members": [["ana"], ["ben"]]},
        {
            "name": "nights",
            "unit": "day",
            "length": 1,
            "anchor": "2026-03-02T22:00",
            "members": [["cara", "dan"], []],
            "restrictions": [{"days": ["mon", "tue"], "from": "22:00", "to": "06:00"}],
            "starts_at": "2026-03-02T00:00:00Z",
            "ends_at": "2027-03-02T00:00:00Z",
        },
    ],
}
MONDAY = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
async def ids(conn: AsyncConnection, now: datetime) -> dict[str, int]:
    return await cast(conn, now)


def document(**changes: object) -> ScheduleDocument:
    return ScheduleDocument.model_validate(deepcopy(SCHEDULE) | changes)


def cover(user: str, start: datetime, hours: float, replaces: str | None = None) -> OverrideDocument:
    return OverrideDocument(user=user, replaces=replaces, starts_at=start, ends_at=start + timedelta(hours=hours))


async def on_call(conn: AsyncConnection, at: datetime) -> list[int]:
    [schedule] = (await store.schedules(conn, window=(at, at))).values()
    return [entry.user_id for entry in shifts.who(schedule, at)]


async def test_a_schedule_comes_back_as_it_was_written(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    stored = await commands.create(conn, now, document(), actor=ACTOR)
    assert stored.document == document()
    assert await audited(conn) == [("schedule.created", "primary")]


async def test_the_later_layer_wins_where_it_has_somebody(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await commands.create(conn, now, document(), actor=ACTOR)
    assert await on_call(conn, MONDAY) == [ids["ana"]]
    assert await on_call(conn, MONDAY.replace(hour=22)) == [ids["cara"], ids["dan"]]
    assert await on_call(conn, MONDAY.replace(day=3, hour=22)) == [ids["ana"]]
    assert await on_call(conn, MONDAY.replace(day=9)) == [ids["ben"]]


async def test_many_schedules_load_with_the_overrides_that_touch_the_window(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    first = await commands.create(conn, MONDAY, document(), actor=ACTOR)
    second = await commands.create(conn, MONDAY, document(key="secondary", layers=[]), actor=ACTOR)
    third = await commands.create(conn, MONDAY, document(key="third"), actor=ACTOR)
    before = await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 1), actor=ACTOR)
    within = await overriding.override(
        conn, MONDAY, "primary", cover("ben", MONDAY + timedelta(hours=1), 1), actor=ACTOR
    )
    await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY + timedelta(hours=9), 1), actor=ACTOR)
    window = (MONDAY + timedelta(hours=1), MONDAY + timedelta(hours=2))
    loaded = await store.schedules(conn, [first.id, second.id], window=window)
    assert set(loaded) == {first.id, second.id}
    assert [o.id for o in loaded[first.id].overrides] == [within.id]
    assert loaded[second.id].layers == loaded[second.id].overrides == ()
    assert set(await store.schedules(conn, window=window)) == {first.id, second.id, third.id}
    assert before.id < within.id


async def test_an_override_counts_from_its_first_instant(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 1), actor="user:dan")
    assert await on_call(conn, MONDAY) == [ids["dan"]]
    assert await on_call(conn, MONDAY + timedelta(hours=1)) == [ids["ana"]]


async def test_two_overrides_for_everybody_cannot_overlap(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    first = await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 2), actor=ACTOR)
    with pytest.raises(Conflict) as refused:
        await overriding.override(conn, MONDAY, "primary", cover("ben", MONDAY + timedelta(hours=1), 2), actor=ACTOR)
    assert refused.value.code == "overlapping"
    assert [o["id"] for o in refused.value.fields["overrides"]] == [first.id]
    await overriding.override(conn, MONDAY, "primary", cover("ben", MONDAY + timedelta(hours=2), 2), actor=ACTOR)
    await overriding.override(conn, MONDAY, "primary", cover("cara", MONDAY, 2, replaces="dan"), actor=ACTOR)
    assert await on_call(conn, MONDAY) == [ids["cara"]]


async def test_overrides_need_a_person_who_can_be_paged_and_a_time_to_come(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    await conn.execute(text("UPDATE users SET active = false WHERE key = 'dan'"))
    with pytest.raises(Invalid) as refused:
        await overriding.override(
            conn, MONDAY, "primary", cover("dan", MONDAY - timedelta(hours=2), 1, replaces="eve"), actor=ACTOR
        )
    assert [e["field"] for e in refused.value.errors] == ["user", "replaces", "ends_at"]
    with pytest.raises(Invalid, match="400 days"):
        await overriding.override(conn, MONDAY, "primary", cover("ben", MONDAY, 401 * 24), actor=ACTOR)
    with pytest.raises(NotFound):
        await overriding.override(conn, MONDAY, "nowhere", cover("ben", MONDAY, 1), actor=ACTOR)


async def test_a_withdrawn_override_keeps_what_was_so(
    conn: AsyncConnection, now: datetime, ids: dict[str, int]
) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    override = await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 4), actor=ACTOR)
    later = MONDAY + timedelta(hours=1)
    await overriding.withdraw_override(conn, later, "primary", override.id, actor=ACTOR)
    assert await on_call(conn, MONDAY) == [ids["dan"]]
    assert await on_call(conn, later) == [ids["ana"]]
    with pytest.raises(Conflict, match="over"):
        await overriding.withdraw_override(conn, later, "primary", override.id, actor=ACTOR)
    future = await overriding.override(conn, MONDAY, "primary", cover("dan", later, 4), actor=ACTOR)
    await overriding.withdraw_override(conn, MONDAY, "primary", future.id, actor=ACTOR)
    assert await override_store.one(conn, "primary", future.id) is None
    with pytest.raises(NotFound):
        await overriding.withdraw_override(conn, MONDAY, "primary", future.id, actor=ACTOR)


async def test_an_edit_keeps_overrides(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 4), actor=ACTOR)
    edited = await commands.edit(conn, MONDAY, "primary", document(layers=[]), actor=ACTOR, version=1)
    assert (edited.version, edited.document.layers) == (2, [])
    assert await on_call(conn, MONDAY) == [ids["dan"]]
    same = await commands.edit(conn, MONDAY, "primary", document(layers=[]), actor=ACTOR)
    assert same.version == 2
    with pytest.raises(Conflict) as refused:
        await commands.edit(conn, MONDAY, "primary", document(), actor=ACTOR, version=1)
    assert refused.value.code == "outdated"


async def test_every_unknown_name_is_told(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    layers = deepcopy(SCHEDULE["layers"])
    layers[1]["members"] = [["ana"], ["ben", "eve"]]
    with pytest.raises(Invalid) as refused:
        await commands.create(conn, now, document(team="nobody", layers=layers), actor=ACTOR)
    assert [e["field"] for e in refused.value.errors] == ["team", "layers[1].members[1][1]"]


async def test_deleted_with_its_overrides(conn: AsyncConnection, now: datetime, ids: dict[str, int]) -> None:
    await commands.create(conn, MONDAY, document(), actor=ACTOR)
    await overriding.override(conn, MONDAY, "primary", cover("dan", MONDAY, 4), actor=ACTOR)
    await commands.delete(conn, MONDAY, "primary", actor=ACTOR)
    assert await store.schedules(conn, window=(MONDAY, MONDAY)) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anchor": "2026-03-02T09:00:00Z"}, "without a zone"),
        ({"anchor": "0001-01-01T00:00"}, "1970"),
        ({"unit": "fortnight"}, "'hour', 'day', 'week' or 'month'"),
        ({"length": 0}, "greater than or equal to 1"),
        ({"members": []}, "at least 1 item"),
        ({"members": [["ana", "ana"]]}, "twice"),
        ({"restrictions": [{"days": ["mon"], "from": "25:00", "to": "06:00"}]}, "from is a time of day"),
        ({"starts_at": "2026-03-02T00:00:00Z", "ends_at": "2026-03-01T00:00:00Z"}, "later than starts_at"),
        ({"starts_at": "2026-03-02T00:00:00"}, "an instant with its time zone"),
        ({"handoff": "09:00"}, "Extra inputs"),
    ],
)
def test_what_no_layer_can_be(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        document(layers=[SCHEDULE["layers"][0] | change])


def test_a_zone_must_exist() -> None:
    with pytest.raises(ValidationError, match="did you mean Europe/Berlin"):
        document(time_zone="Europe/Berln")
