"""Forms with lists in them: what browsers send becomes a tree, buttons change it, hostile names change nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.oncall.schedule_document import ScheduleDocument
from app.web.screens import form_tree, schedule_form
from app.web.screens.form_tree import Tree, grown, placed, pressed, shaped
from app.web.screens.shift_bars import WIDE, Stretch, long, weeks

LISTS = frozenset({"a", "a.b", "a.b.c[]"})


def empty(path: str) -> Tree | None:
    return {"a": {"n": "new"}, "a:other": {"n": "other"}, "a.b": {"c": []}}.get(path)


def names(tree: Tree) -> list[str]:
    return [entry["n"] for entry in tree["a"]]


def test_fields_become_lists_in_the_order_of_their_places() -> None:
    pairs = [("a.10.n", "third"), ("a.2.n", "second"), ("a.0.n", "first"), ("a.0.b.0.c[]", "x"), ("a.0.b.0.c[]", "y")]
    tree = grown(pairs)
    assert names(tree) == ["first", "second", "third"]
    assert tree["a"][0]["b"] == [{"c": ["x", "y"]}]


@pytest.mark.parametrize(
    ("press", "expected", "focus"),
    [
        ("up:a.1", ["2", "1", "3"], "a.0"),
        ("up:a.0", ["1", "2", "3"], "a.0"),
        ("down:a.1", ["1", "3", "2"], "a.2"),
        ("down:a.2", ["1", "2", "3"], "a.2"),
        ("remove:a.0", ["2", "3"], "a"),
        ("add:a", ["1", "2", "3", "new"], "a.3"),
        ("add:a:other", ["1", "2", "3", "other"], "a.3"),
        ("add:b", ["1", "2", "3"], "b"),
        ("remove:a.9", ["1", "2", "3"], "a"),
        ("remove:a.x", ["1", "2", "3"], "a"),
        ("remove:", ["1", "2", "3"], ""),
    ],
)
def test_buttons_change_one_list(press: str, expected: list[str], focus: str) -> None:
    tree = grown([("a.0.n", "1"), ("a.1.n", "2"), ("a.2.n", "3")])
    found = pressed(tree, press, empty)
    assert found is not None
    assert (names(found[0]), found[1]) == (expected, focus)
    assert names(tree) == ["1", "2", "3"], "what was sent stays as it was"


def test_a_list_that_is_not_there_yet_begins_with_what_is_added() -> None:
    found = pressed(grown([("a.0.n", "1")]), "add:a.0.b", empty)
    assert found is not None
    assert found[0]["a"][0]["b"] == [{"c": []}]
    assert pressed({}, "save", empty) is None


NAMES = st.lists(st.sampled_from(["a", "b", "c", "n", "0", "1", "00", "9999999", "c[]", "[]", "", "²"]), max_size=10)


@given(st.lists(st.tuples(NAMES.map(".".join), st.text(max_size=3))), NAMES.map(".".join))
def test_whatever_is_sent_the_shape_is_that_of_the_form(pairs: list[tuple[str, str]], path: str) -> None:
    tree = grown(pairs)
    for what in ("add", "remove", "up", "down"):
        pressed(tree, f"{what}:{path}", empty)
    shown = shaped(tree, LISTS)
    assert all(isinstance(value, str) for name, value in shown.items() if name != "a")
    for entry in shown["a"] or []:
        assert all(isinstance(turn["c"] or [], list) for turn in entry["b"] or [])
    schedule_form.document(tree | {"layers": tree.get("a", ""), "name": "x"})


def test_messages_find_the_nearest_field() -> None:
    known = {"layers", "layers.0.turns.1", "name"}.__contains__
    errors = [
        {"field": "layers[0].members[1][0]", "message": "who?"},
        {"field": "layers[3].length", "message": "what?"},
        {"field": "other", "message": "no"},
    ]
    assert placed(errors, {"layers.members": "turns"}, known) == {
        "layers.0.turns.1": "who?",
        "layers": "what?",
        "": "other: no",
    }


@pytest.mark.parametrize("entered", ["2026-10-25T02:30", "2026-10-25T03:30"])
def test_a_time_that_was_not_touched_stays_the_instant_it_was(entered: str) -> None:
    """02:30 comes twice on that night in Berlin; the second one is what was stored."""
    second = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)
    layer: dict[str, Any] = {
        "name": "l", "unit": "week", "length": "1", "anchor": "2026-01-05T09:00", "mode": "replace",
        "turns": [{"users": ["ana"]}], "uncovered_turns": "pass", "starts_at": entered,
        "starts_at_was": second.isoformat(),
    }  # fmt: skip
    made, errors = schedule_form.document({"name": "S", "time_zone": "Europe/Berlin", "layers": [layer]})
    assert made is not None, errors
    changed = datetime(2026, 10, 25, 2, 30, tzinfo=UTC)
    assert made.layers[0].starts_at == (second if entered.endswith("02:30") else changed)


def test_bars_of_a_week_with_25_hours_in_a_day_fill_it_and_lie_beside_each_other() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 19, tzinfo=berlin).astimezone(UTC)
    end = datetime(2026, 10, 26, tzinfo=berlin).astimezone(UTC)
    assert end - start == timedelta(days=7, hours=1)
    stretches = [Stretch("Ana", start, end), Stretch("Ben", start, start + timedelta(hours=84, minutes=30)),
                 Stretch("", end, end + timedelta(days=1))]  # fmt: skip
    first, second, *_ = weeks(stretches, start, berlin)
    assert [(bar.label, bar.x, bar.width, bar.lane) for bar in first.bars] == [
        ("Ana", 0, WIDE, 0),
        ("Ben", 0, WIDE / 2, 1),
    ]
    assert first.days[6].x == round(144 / 169 * WIDE, 2)
    assert [(bar.label, bar.colour) for bar in second.bars] == [("nobody", "gap")]


@pytest.mark.parametrize(("seconds", "words"), [(0, "0 min"), (90_060, "1 d 1 h 1 min"), (3_600, "1 h")])
def test_lengths(seconds: int, words: str) -> None:
    assert long(seconds) == words


def test_a_number_that_is_none_stays_a_text() -> None:
    assert [form_tree.number(text) for text in ("7", " -2 ", "x", "", "²", "9" * 20)] == [7, -2, "x", "", "²", "9" * 20]


def test_nothing_that_a_schedule_has_gets_lost_in_its_form() -> None:
    stored = ScheduleDocument.model_validate({
        "key": "primary",
        "name": "Primary",
        "time_zone": "Europe/Berlin",
        "handoff_notices": {"minutes_before": 30, "confirm_within_minutes": 10},
        "like": {"schedule": "other", "turns": -2},
        "layers": [
            {"name": "rota", "calendar": "outlook", "mode": "add", "holidays": {"calendar": "de", "counts": "only"},
             "restrictions": [{"days": ["mon"], "from": "09:00", "to": "17:00"}], "ends_at": "2027-01-01T00:00:00Z"},
            {"name": "nights", "unit": "week", "length": 1, "anchor": "2026-03-02T09:00", "order": "rested",
             "members": [["ana", "ben"], []], "holidays": {"calendar": "de", "counts": "never"},
             "uncovered_turns": "skip", "time_zone": "Asia/Tokyo", "mode": "shadow",
             "handoffs": [{"day": "mon", "at": "09:00"}, {"day": "fri", "at": "17:00"}],
             "restrictions": [{"from": "fri 17:00", "to": "mon 09:00"}], "starts_at": "2026-03-02T00:00:00Z"},
        ],
    })  # fmt: skip
    assert set(schedule_form.tree_of(stored)) - {"effective_from"} <= set(schedule_form.FIELDS)
    assert schedule_form.document(schedule_form.tree_of(stored)) == (stored, {})
