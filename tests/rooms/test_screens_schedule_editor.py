"""The editor of a schedule: layers and turns by buttons, a preview before it is saved, refusals that keep what was
typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from filled import Filled
from forms import get, send
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEEKLY = {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"], ["ben"]]}
SCHEDULE: dict[str, Any] = {
    "key": "primary", "name": "Primary", "team": "payments", "time_zone": "Europe/Berlin", "layers": [WEEKLY],
}  # fmt: skip
EDIT = "/schedules/primary/edit"


async def fresh(house: Whole, **changes: Any) -> None:
    await house.execute("DELETE FROM schedules")
    made = await house.http.post("/api/v1/schedules", json=SCHEDULE | changes, headers=house.as_person("cara"))
    assert made.status_code == 201, made.text


async def stored(house: Whole, key: str = "primary") -> dict[str, Any]:
    answer = await house.http.get(f"/api/v1/schedules/{key}", headers=house.as_person("cara"))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_schedule_is_made_by_buttons_alone(house: Whole) -> None:
    await house.execute("DELETE FROM schedules")
    form = await Filled(house, "/schedules/new", "ben").open()
    await form.press("preview", name="Payments primary", time_zone="Europe/Berlin", team="payments")
    assert form.wrong == {"layers.0.name": "It must not be empty"}
    form.pairs = [(n, "ana" if n == "layers.0.turns.0.users[]" else v) for n, v in form.pairs]
    await form.press("add:layers.0.turns", layers__0__name="weekly")
    assert form.value("layers.0.turns.0.users[]") == ["ana", ""]
    assert 'id="at-layers.0.turns.1" tabindex="-1" autofocus' in form.screen
    form.pairs = [(n, "ben" if n == "layers.0.turns.1.users[]" else v) for n, v in form.pairs]
    await form.press("preview")
    assert form.status == 200
    assert "Ana" in form.said.partition("Who gains and loses")[2]
    assert await house.one("SELECT count(*) FROM schedules") == 0
    await form.press("up:layers.0.turns.1")
    await form.press("save")
    assert "Nothing is saved yet: this is what it changes." in form.said
    await form.press("save")
    assert "The schedule is made." in form.said
    made = await stored(house, "payments-primary")
    assert made["layers"][0]["members"] == [["ben"], ["ana"]]
    assert (made["team"], made["layers"][0]["mode"]) == ("payments", "replace")


FULL = {
    "name": "nights", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", 
    "members": [["ana", "ben"], [], ["cara"]],
    "handoffs": [{"day": "mon", "at": "09:00"}, {"day": "fri", "at": "17:00"}],
    "restrictions": [{"days": ["mon", "sun"], "from": "18:00", "to": "24:00"},
                     {"from": "fri 17:00", "to": "sun 24:00"}],
    "uncovered_turns": "skip", "mode": "add", "time_zone": "America/New_York",
    "starts_at": "2026-10-25T00:30:30Z", "ends_at": "2026-11-01T06:30:00Z",
}  # fmt: skip


async def test_whatever_a_schedule_says_survives_the_form_untouched(house: Whole) -> None:
    """Among it an end in the second hour of a night in which clocks are put back, and a start with seconds."""
    await fresh(house, layers=[WEEKLY, FULL])
    before = await stored(house)
    form = await Filled(house, EDIT).open()
    await form.press("preview")
    assert form.status == 200, form.wrong
    await form.press("save")
    assert "There was nothing to save." in form.said
    assert await stored(house) == before


async def test_an_edit_shows_its_effect_is_saved_and_undone(house: Whole) -> None:
    await fresh(house)
    form = await Filled(house, EDIT, "ben").open()
    form.pairs = [(n, "ben" if n == "layers.0.turns.0.users[]" and v else v) for n, v in form.pairs]
    await form.press("preview")
    moved = form.said.partition("Who gains and loses")[2].partition("What is doubtful")[0]
    assert "Ben gains 14 d" in moved
    assert "Ana loses 14 d" in moved
    assert "Warning: Ben is on call for more than 7 days in a row" in form.said
    await form.press("save")
    assert "Saved. It can be undone for 15 minutes." in form.said
    assert (await stored(house))["layers"][0]["members"] == [["ben"], ["ben"]]
    undo = Filled(house, f"{EDIT}/undo", "ben")
    await undo.open(EDIT)
    await undo.press()
    assert "Undone" in undo.said
    assert (await stored(house))["layers"][0]["members"] == [["ana"], ["ben"]]


async def test_a_planned_edit_and_one_before_it(house: Whole) -> None:
    await fresh(house)
    form = await Filled(house, EDIT).open()
    ahead = f"{datetime.now(UTC) + timedelta(days=10):%Y-%m-%dT%H:%M}"
    await form.press("preview", layers__0__length="2", effective_from=ahead)
    await form.press("save")
    assert "it is planned, and takes effect when it says" in form.said
    assert "Undo version 2" in form.said
    await form.press("preview", layers__0__length="3", name="Renamed")
    await form.press("save")
    assert form.status == 409
    assert "is planned for" in form.wrong["effective_from"]
    assert form.value("layers.0.length") == ["3"]
    assert (await stored(house))["name"] == "Primary", "what is refused leaves nothing behind"
    long_ago = await form.press("preview", effective_from="2020-01-01T00:00")
    assert "the past is not rewritten" in long_ago.wrong["effective_from"]


async def test_somebody_else_saved_meanwhile(house: Whole) -> None:
    await fresh(house)
    hers = await Filled(house, EDIT, "cara").open()
    await hers.press("preview", name="Hers")
    theirs = await Filled(house, EDIT, "ben").open()
    await theirs.press("preview", name="Theirs")
    await theirs.press("save")
    await hers.press("preview")
    await hers.press("save")
    assert hers.status == 412
    assert "Nothing was saved" in hers.said
    assert "name: Theirs" in hers.said
    assert hers.value("name") == ["Hers"]
    await hers.press("save")
    assert (await stored(house))["name"] == "Hers"


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": " "}, "name", "must not be empty"),
        ({"time_zone": "Mars/Base"}, "time_zone", "unknown time zone"),
        ({"layers.0.length": "0"}, "layers.0.length", "it must be 1 or more"),
        ({"layers.0.length": "two"}, "layers.0.length", "a whole number is needed"),
        ({"layers.0.anchor": "soon"}, "layers.0.anchor", "local date and time"),
        ({"layers.0.turns.0.users[]": "zoe"}, "layers.0.turns.0", "there is no user 'zoe'"),
        ({"layers.0.starts_at": "x"}, "layers.0.starts_at", "a date and a time"),
        ({"layers.0.starts_at": "2026-02-02T00:00", "layers.0.ends_at": "2026-02-01T00:00"},
         "layers.0.ends_at", "later"),
        ({"layers.0.handoffs.0.day": "tue", "layers.0.handoffs.0.at": "09:00"}, "layers.0.handoffs", "anchor is one"),
        ({"layers.0.restrictions.0.kind": "days", "layers.0.restrictions.0.from": "09:00",
          "layers.0.restrictions.0.to": "17:00"}, "layers.0.restrictions.0", "days lists some"),
        ({"like": "nothing"}, "like", "there is no schedule 'nothing'"),
        ({"like": "primary"}, "like", "not like itself"),
        ({"team": "nothing"}, "team", "there is no team"),
        ({"effective_from": "soon"}, "effective_from", "a date and a time"),
    ],
)  # fmt: skip
async def test_what_is_wrong_stands_at_its_field_and_what_was_entered_stays(
    house: Whole, changes: dict[str, str], field: str, said: str
) -> None:
    await fresh(house)
    form = await Filled(house, EDIT).open()
    await form.press("save", **{name.replace(".", "__"): value for name, value in changes.items()})
    assert form.status == 422
    assert said.lower() in form.wrong[field].lower(), form.wrong
    for name, value in changes.items():
        if name not in ("like", "team") and not name.endswith(".kind"):
            assert value.strip() in [v.strip() for v in form.value(name)], name


async def test_who_may_edit(house: Whole) -> None:
    await fresh(house)
    for path in ("/schedules/new", EDIT):
        await get(house, path, "ana", 403)
    assert (await send(house, EDIT, "ana")).status_code == 403
    await fresh(house, team=None)
    await get(house, EDIT, "ben", 403)
    assert (await send(house, f"{EDIT}/delete", "ben")).status_code == 403
    await get(house, "/schedules/none/edit", "cara", 404)


async def test_deleting_what_a_policy_names_is_refused_with_the_reason(house: Whole) -> None:
    await fresh(house)
    steps = [{"delay_s": 60, "targets": [{"type": "schedule", "key": "primary"}]}]
    policy = {"key": "checkout", "name": "Checkout", "steps": steps}
    await house.http.post("/api/v1/policies", json=policy, headers=house.as_person("cara"))
    form = Filled(house, f"{EDIT}/delete")
    await form.open(EDIT)
    await form.press()
    assert form.status == 409
    assert "policy checkout" in form.said
    await house.execute("DELETE FROM escalation_policies")
    await form.press()
    assert await house.one("SELECT count(*) FROM schedules") == 0
