"""The screen of reachability: who is shown, what a drill's form answers, who may begin one."""

from __future__ import annotations

import pytest
from forms import get, press, refused
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORM = {"type": "user", "key": "ana"}
POST = "/reachability/drills"


async def test_who_is_not_ready_is_shown_with_what_to_do(house: Whole) -> None:
    shown = await get(house, "/reachability")
    assert "Not reachable" in shown
    assert "To do:" in shown
    assert "No schedules yet" in shown
    everybody = await get(house, "/reachability?everybody=yes")
    assert "Only those who are not ready" in everybody
    assert "cursor" in await get(house, "/reachability?limit=1")


async def test_a_drill_begins_once_and_is_listed(house: Whole) -> None:
    shown = await press(house, POST, "cara", FORM, note="<b>after the move")
    assert "The drill has begun" in shown
    assert "Ana has no usable contact method" in shown
    assert "<b>after the move" in shown, "unescaped by the helper, escaped on the screen"
    assert "is under way" in await refused(house, POST, 409, "cara", FORM)
    assert "there is no schedule 'nothing'" in await refused(
        house, POST, 422, "cara", {"type": "schedule", "key": "nothing"}
    )
    assert "no drill was begun" in (await refused(house, POST, 422, "cara", {"type": "user", "key": "NO"})).lower()


async def test_only_managers_of_the_team_and_admins_begin_drills(house: Whole) -> None:
    assert "Start the drill" not in await get(house, "/reachability", "ana")
    await refused(house, POST, 403, "ana", FORM)
    assert "does not manage the team" in await refused(house, POST, 403, "ben", {"type": "user", "key": "cara"})
    assert 'href="/reachability"' not in await get(house, "/incidents", "ana")
    assert 'href="/reachability"' in await get(house, "/incidents", "ben")
