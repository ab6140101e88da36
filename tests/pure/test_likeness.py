"""Which incidents are alike, and why."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from app.incidents.likeness import SHOWN, Common, any_of, ranked, rare, telling


def common(n: int, **given: Any) -> Common:
    """`n` is the order in time."""
    nothing = {"same_key": False, "same_alerts": 0, "labels": (), "words": (), "explained": False}
    return Common(UUID(int=n), **(nothing | given))


def order(*found: Common, words: int = 4) -> list[int]:
    return [s.id.int for s in ranked(found, words)]


def test_the_same_problem_comes_before_the_same_alert_labels_and_words() -> None:
    found = (
        common(4, words=("disk", "full", "checkout")),
        common(3, labels=("host=db-1", "disk=sda", "mount=/var", "zone=a")),
        common(2, same_alerts=1),
        common(1, same_key=True),
    )
    assert order(*found) == [1, 2, 3, 4]


def test_of_equals_the_newest_and_what_somebody_explained_first() -> None:
    assert order(common(1, same_key=True), common(2, same_key=True)) == [2, 1]
    assert order(common(1, same_key=True, explained=True), common(2, same_key=True)) == [1, 2]


@pytest.mark.parametrize(
    "chance",
    [
        {},
        {"explained": True},
        {"labels": ("host=db-1",)},
        {"labels": ("host=db-1", "disk=sda")},
        {"words": ("full",)},
        {"words": ("disk", "full")},
    ],
)
def test_what_may_be_chance_is_not_shown(chance: dict[str, Any]) -> None:
    assert order(common(1, **chance)) == []


def test_labels_and_words_add_up() -> None:
    [one] = ranked([common(1, labels=("host=db-1",), words=("disk", "full"))], 4)
    assert one.why == ("the same label: host=db-1", "the same words: disk, full")


def test_a_problem_that_often_returns_leaves_room_for_others() -> None:
    returns = [common(n, same_key=True) for n in range(10, 20)]
    assert order(*returns, common(1, same_alerts=1)) == [19, 18, 17, 1, 16]
    assert len(order(*returns)) == SHOWN


def test_reasons_are_told_the_strongest_first_and_not_without_end() -> None:
    labels = [f"l{n}=v" for n in range(9)]
    [one] = ranked([common(1, same_key=True, same_alerts=2, labels=labels, words=("disk",))], 1)
    assert one.why == (
        "the same correlation key",
        "2 of the same alerts",
        "the same labels: l0=v, l1=v, l2=v, l3=v and 5 more",
        "the same word: disk",
    )


def test_labels_that_say_little_do_not_count() -> None:
    given = {"alertname": "DiskFull", "severity": "critical", "cluster": "eu", "host": "db-1", "empty": ""}
    assert telling(given) == {"alertname=DiskFull", "host=db-1"}


def test_the_rarest_words_are_looked_for() -> None:
    frequent = {"disk": 900.0, "checkout": 1_001.0, "full": 500.0}
    assert rare(["on", "97", "disk", "checkout", "full", "sda7", "db-1.example.com"], frequent) == [
        "db-1.example.com",
        "sda7",
        "full",
        "disk",
    ]
    assert len(rare([f"word{n}" for n in range(50)], {})) == 8
    assert rare([], {}) == []


def test_no_character_of_a_word_is_syntax() -> None:
    assert any_of([]) == ""
    assert any_of(["a", "o'brien", "c:\\temp", "!x|(y)&z:*"]) == r"'a' | 'o''brien' | 'c:\\temp' | '!x|(y)&z:*'"
