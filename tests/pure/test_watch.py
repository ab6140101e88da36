"""When the second path speaks and what it says. A script of looks, 15 s apart, gives a script of words."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.notifications import watch
from app.notifications.watch import Look, Overdue, Process, Standing, Word

FINE = Look(ladders=Overdue(), notifications=Overdue())
LATE = Look(ladders=Overdue(3, 250.0), notifications=Overdue())
SLOW = Look(ladders=Overdue(0, 59.0), notifications=Overdue())
ANA = Process(("web", "worker"), "pager-1", 4711, "https://tocsin.example.org")


def _told(looks: list[Look], every_s: float = 15) -> list[tuple[float, str]]:
    """What is said at which second: the reason, or `clear` and the reason."""
    state: watch.State = {}
    told: list[tuple[float, str]] = []
    for n, look in enumerate(looks):
        decision = watch.decide(look, state, n * every_s)
        state = decision.state
        told += [(n * every_s, f"clear {w.reason}" if w.clear else w.reason) for w in decision.words]
    return told


def test_nothing_is_said_while_nothing_is_wrong() -> None:
    assert _told([FINE, SLOW, FINE] * 10) == []


def test_trouble_is_told_at_once_then_every_ten_minutes_and_then_cleared() -> None:
    assert _told([FINE] + [LATE] * 90 + [FINE] * 10) == [
        (15, "ladder_overdue"),
        (615, "ladder_overdue"),
        (1215, "ladder_overdue"),
        (1380, "clear ladder_overdue"),
    ]


def test_one_good_look_is_no_all_clear() -> None:
    assert _told([LATE, FINE, LATE, FINE, LATE]) == [(0, "ladder_overdue")]


def test_what_comes_back_is_told_again_and_cleared_only_after_ten_calm_minutes() -> None:
    looks = [LATE, FINE, FINE, LATE, *[FINE] * 60]
    assert _told(looks) == [
        (0, "ladder_overdue"),
        (30, "clear ladder_overdue"),
        (45, "ladder_overdue"),
        (660, "clear ladder_overdue"),
    ]


def test_what_flaps_is_bounded() -> None:
    told = _told([LATE, FINE, FINE] * 80)  # an hour
    assert len(told) == 2 + 6
    assert [word for _, word in told].count("clear ladder_overdue") == 1


def test_after_calm_a_new_trouble_is_cleared_as_quickly_as_the_first() -> None:
    looks = [LATE, FINE, FINE, *[FINE] * 50, LATE, FINE, FINE]
    assert [word for _, word in _told(looks)] == ["ladder_overdue", "clear ladder_overdue"] * 2


def test_each_reason_is_told_for_itself() -> None:
    both = Look(ladders=Overdue(1, 61), notifications=Overdue(2, 90), unreachable=Overdue(1, 5))
    assert _told([LATE, both]) == [
        (0, "ladder_overdue"),
        (15, "notification_overdue"),
        (15, "last_resort_unreachable"),
    ]


@pytest.mark.parametrize(("unreadable_s", "told"), [(0, 0), (59.9, 0), (60, 1), (600, 1)])
def test_a_database_is_missed_after_a_minute(unreadable_s: float, told: int) -> None:
    decision = watch.decide(Look(unreadable_s=unreadable_s), {}, 1000)
    assert [w.reason for w in decision.words] == ["database_unreadable"] * told


def test_while_the_database_cannot_be_read_nothing_is_cleared_and_nothing_repeated() -> None:
    unreadable = [Look(unreadable_s=15 * n) for n in range(1, 60)]
    assert _told([LATE, *unreadable, FINE, FINE]) == [
        (0, "ladder_overdue"),
        (60, "database_unreadable"),
        (660, "database_unreadable"),
        (915, "clear ladder_overdue"),
        (915, "clear database_unreadable"),
    ]


def test_an_all_clear_says_how_long_it_was_wrong() -> None:
    before: watch.State = {"ladder_overdue": Standing(since=100, told_at=100, gone_since=400)}
    [word] = watch.decide(FINE, before, 415).words
    assert word == Word("ladder_overdue", clear=True, lasted_s=300)
    assert "about 5 min" in watch.text(word, ANA)


@pytest.mark.parametrize(
    ("word", "title"),
    [
        (
            Word("ladder_overdue", False, 3, 250),
            "Tocsin is not escalating: 3 ladders are overdue, the oldest by 4 min 10 s",
        ),
        (
            Word("notification_overdue", False, 1, 61),
            "Tocsin is not sending: 1 notification is overdue, the oldest by 1 min 1 s",
        ),
        (Word("database_unreadable", False, 1, 3720), "Tocsin cannot read its database, for 1 h 2 min now"),
        (
            Word("last_resort_unreachable", False, 2, 60),
            "Tocsin reached nobody, not even the last resort, 2 times in the last 2 min",
        ),
        (Word("database_unreadable", True), "All clear: the database can be read again"),
    ],
)
def test_the_title_says_what_is_wrong_in_words(word: Word, title: str) -> None:
    assert watch.title(word) == title


def test_the_message_names_who_says_it() -> None:
    text = watch.text(Word("ladder_overdue", False, 3, 250), ANA)
    assert "pager-1 (web and worker, process 4711) for https://tocsin.example.org" in text
    assert "every 10 minutes" in text


def test_the_document_ties_trouble_and_all_clear_together() -> None:
    trouble = watch.document(Word("ladder_overdue", False, 3, 250.04), ANA)
    clear = watch.document(Word("ladder_overdue", True), ANA)
    assert trouble["key"] == clear["key"]
    assert (trouble["status"], clear["status"]) == ("firing", "resolved")
    assert (trouble["count"], trouble["oldest_s"]) == (3, 250.0)
    assert trouble["process"] == {"roles": ["web", "worker"], "host": "pager-1", "pid": 4711}
    assert json.loads(json.dumps(trouble)) == trouble


_overdue = st.one_of(st.none(), st.builds(Overdue, st.integers(0, 2), st.floats(0, 1000)))
_looks = st.builds(
    Look,
    ladders=_overdue,
    notifications=_overdue,
    unreadable_s=st.floats(0, 120),
    unreachable=st.builds(Overdue, st.integers(0, 1), st.floats(0, 100)),
)


@given(st.lists(_looks, max_size=150))
def test_whatever_happens_news_alternate_and_nothing_is_said_too_often(looks: list[Look]) -> None:
    for reason in watch.found(FINE):
        words = [(at, word) for at, word in _told(looks) if word.endswith(reason)]
        clears = [at for at, word in words if word.startswith("clear")]
        assert not words or words[0][1] == reason, "an all-clear for what nobody was told of"
        assert all(b - a >= watch.REPEAT_S for a, b in itertools.pairwise(clears))
        for (a, first), (b, second) in itertools.pairwise(words):
            assert first != second or b - a >= watch.REPEAT_S
