"""Escalation policies on screens: in words, edited step by step, refusals that keep what was entered."""

from __future__ import annotations

from typing import Any

import pytest
from filled import Filled
from forms import get, send
from whole import Whole

pytestmark = pytest.mark.asyncio(loop_scope="module")

POLICY: dict[str, Any] = {
    "key": "night",
    "name": "Night",
    "team": "payments",
    "repeats": 2,
    "steps": [
        {"delay_s": 300, "targets": [{"type": "user", "key": "ana"}, {"type": "team", "key": "payments"}],
         "whom": "round_robin", "when": {"priority_at_least": 2, "support_hours": "outside"}},
        {"delay_s": 90, "targets": [{"type": "user", "key": "ben"}, {"type": "tier", "key": "2"}], "acknowledge": "all",
         "when": {"priority_only": [1, 3], "state": "not_resolved"}},
    ],
}  # fmt: skip
EDIT = "/policies/night"


async def fresh(house: Whole, **changes: Any) -> None:
    await house.execute("UPDATE services SET policy_id = NULL")
    await house.execute("DELETE FROM escalation_policies")
    made = await house.http.post("/api/v1/policies", json=POLICY | changes, headers=house.as_person("cara"))
    assert made.status_code == 201, made.text


async def stored(house: Whole, key: str = "night") -> dict[str, Any]:
    answer = await house.http.get(f"/api/v1/policies/{key}", headers=house.as_person("cara"))
    return dict(answer.json())


def chosen(form: Filled, name: str, *values: str) -> None:
    """The choices of a list, in place of those that it has."""
    form.pairs = [pair for pair in form.pairs if pair[0] != name] + [(name, value) for value in values]


async def test_a_policy_is_made_step_by_step_and_told_in_words(house: Whole) -> None:
    await fresh(house)
    form = await Filled(house, "/policies/new", "ben").open()
    chosen(form, "steps.0.targets[]", "user:ana")
    await form.press("add:steps", name="Checkout", team="payments")
    chosen(form, "steps.1.targets[]", "team:payments")
    await form.press("preview", steps__1__delay="1", steps__1__unit="3600", steps__1__whom="round_robin")
    assert "Step 1. Page Ana. If it is not acknowledged within 5 minutes, the next step is taken." in form.said
    assert "Page one of everybody in Payments, each in turn." in form.said
    assert "within 1 hour, what follows the steps is taken." in form.said
    assert "1 more round like this follows" in form.said
    await form.press("up:steps.1")
    await form.press("save")
    assert "The policy is made." in form.said
    made = await stored(house, "checkout")
    assert [(s["delay_s"], s["whom"]) for s in made["steps"]] == [(3600, "round_robin"), (300, "everyone")]


async def test_whatever_a_policy_says_survives_the_form_untouched(house: Whole) -> None:
    await fresh(house)
    before = await stored(house)
    form = await Filled(house, EDIT).open()
    assert "If it is P2 or more important and it is outside the support hours of the service: page one of" in form.said
    assert "If it is P1 or P3 and it is not resolved" in form.said
    assert "page Ben and whoever the first step of support tier 2 names." in form.said
    await form.press("save")
    assert "There was nothing to save." in form.said
    assert await stored(house) == before


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"name": ""}, "name", "must not be empty"),
        ({"steps.0.delay": "10", "steps.0.unit": "1"}, "steps.0.delay", "must be 30 or more"),
        ({"steps.0.delay": "soon"}, "steps.0.delay", "whole number is needed"),
        ({"steps.0.targets[]": "user:zoe"}, "steps.0.targets", "there is no user 'zoe'"),
        ({"steps.0.only[]": "3"}, "steps.0.at_least", "not both"),
        ({"repeats": "99"}, "repeats", "must be 20 or less"),
        ({"hand_over_to": "night"}, "hand_over_to", "in a circle"),
        ({"team": "nothing"}, "team", "there is no team"),
    ],
)
async def test_what_is_wrong_stands_at_its_field(house: Whole, changes: dict[str, str], field: str, said: str) -> None:
    await fresh(house)
    form = await Filled(house, EDIT).open()
    given = {"name": "Changed"} | changes
    await form.press("save", **{name.replace(".", "__"): value for name, value in given.items()})
    assert form.status == 422
    assert said in form.wrong[field].replace("There", "there"), form.wrong
    assert (await stored(house))["name"] == "Night", "what is refused leaves nothing behind"


async def test_steps_without_targets_or_none_at_all(house: Whole) -> None:
    await fresh(house)
    form = await Filled(house, EDIT).open()
    chosen(form, "steps.1.targets[]")
    await form.press("save")
    assert form.wrong == {"steps.1.targets": "It must not be empty"}
    await form.press("remove:steps.0")
    await form.press("remove:steps.0")
    await form.press("save")
    assert form.wrong == {"steps": "It must not be empty"}


async def test_somebody_else_saved_meanwhile(house: Whole) -> None:
    await fresh(house)
    hers, theirs = await Filled(house, EDIT, "cara").open(), await Filled(house, EDIT, "ben").open()
    await theirs.press("save", name="Theirs")
    await hers.press("preview", name="Hers")
    await hers.press("save")
    assert hers.status == 412
    assert "name: Theirs" in hers.said
    await hers.press("save")
    assert (await stored(house))["name"] == "Hers"


async def test_what_is_in_use_is_not_deleted(house: Whole) -> None:
    await fresh(house)
    await house.execute("UPDATE services SET policy_id = (SELECT id FROM escalation_policies) WHERE key = 'checkout'")
    form = Filled(house, f"{EDIT}/delete", "ben")
    await form.open(EDIT)
    assert "Service checkout" in form.said
    await form.press()
    assert form.status == 409
    assert "is in use: service checkout" in form.said
    await house.execute("UPDATE services SET policy_id = NULL")
    await form.press()
    assert "The policy is deleted." in form.said


async def test_viewers_read_and_only_managers_of_the_team_edit(house: Whole) -> None:
    await fresh(house)
    shown = await get(house, EDIT, "ana")
    assert "read only" in shown
    assert "<form" not in shown.partition("<main")[2]
    assert "Page one of" in (await get(house, "/policies", "ana")).replace("page one of", "Page one of")
    assert (await send(house, EDIT, "ana")).status_code == 403
    await get(house, "/policies/new", "ana", 403)
    await fresh(house, team=None)
    assert "read only" in await get(house, EDIT, "ben")
    assert (await send(house, EDIT, "ben", press="save")).status_code == 403
    assert (await send(house, f"{EDIT}/delete", "ben", version="1")).status_code == 403
    await get(house, "/policies/none", "cara", 404)


async def test_a_policy_that_hands_over_to_a_tier_is_edited_and_told(house: Whole) -> None:
    await fresh(house)
    form = await Filled(house, EDIT).open()
    await form.press("preview", hand_over_to="tier:3")
    assert "Then the policy of support tier 3 goes on, if the incident's service has it." in form.said
    await form.press("save", hand_over_to="tier:3")
    assert ((await stored(house))["hand_over_to"], (await stored(house))["hand_over_to_tier"]) == (None, 3)
    again = await Filled(house, EDIT).open()
    await again.press("save")
    assert "There was nothing to save." in again.said
