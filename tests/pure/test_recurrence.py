"""The n-th time, in one line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.channels.gsm7 import fit_sms, size
from app.errors import Invalid
from app.incidents.recurrence import COUNTED, LONGEST, Earlier, Recurrence, checked, line, shorter

NOW = datetime(2026, 11, 22, 1, 14, tzinfo=UTC)
LINK = "https://tocsin.example.org/l/0123456789012345678901"


def earlier(cause: str = "", fix: str = "", days: int = 3, minutes: int = 14) -> Earlier:
    over = NOW - timedelta(days=days, hours=2)
    return Earlier(41, over - timedelta(minutes=minutes), over, cause, fix)


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ""),
        (
            Recurrence(5, earlier("disk full", "rotating the logs")),
            "5th time in 30 days; last time, 3 days ago: disk full, fixed by rotating the logs, took 14 min",
        ),
        (Recurrence(2, earlier("disk full")), "2nd time in 30 days; last time, 3 days ago: disk full, took 14 min"),
        (
            Recurrence(3, earlier(fix="a restart", days=1)),
            "3rd time in 30 days; last time, 1 day ago: fixed by a restart, took 14 min",
        ),
        (Recurrence(11, earlier(minutes=125)), "11th time in 30 days; last time, 3 days ago: took 2 h 05 min"),
        (Recurrence(21, None), "21st time in 30 days"),
        (Recurrence(1, earlier("disk full", days=63)), "Last time, 63 days ago: disk full, took 14 min"),
        (Recurrence(COUNTED, None), "More than 999 times in 30 days"),
    ],
)
def test_what_is_known_in_one_line(known: Recurrence | None, said: str) -> None:
    assert line(known, NOW) == said


def test_long_words_are_cut_and_the_rest_is_still_said() -> None:
    said = line(Recurrence(2, earlier("c" * LONGEST, "f" * LONGEST)), NOW)
    assert said.endswith(f"{'c' * 77}..., fixed by {'f' * 77}..., took 14 min")


def test_where_there_is_less_room_the_fix_is_said_first() -> None:
    assert shorter(Recurrence(3, earlier("disk full", "rotating the logs"))) == (
        "3rd time in 30 days; last time fixed by rotating the logs",
        "3rd time in 30 days",
    )
    assert shorter(Recurrence(3, earlier("disk full"))) == (
        "3rd time in 30 days; last time disk full",
        "3rd time in 30 days",
    )
    assert shorter(Recurrence(3, earlier())) == ("3rd time in 30 days",)
    assert shorter(Recurrence(1, earlier("disk full"))) == shorter(None) == ()


def sms(title: str, known: Recurrence) -> str:
    return fit_sms(f"P1 #42 {title} (Checkout)", LINK, asides=(line(known, NOW), *shorter(known)))


def test_a_text_says_as_much_as_costs_no_segment_more() -> None:
    known = Recurrence(3, earlier("disk full", "rotating the logs"))
    assert sms("Disk full", known).splitlines()[1] == "3rd time in 30 days; last time fixed by rotating the logs"
    assert sms("Disk full on the second database of the shop", known).splitlines()[1] == "3rd time in 30 days"
    assert "time" not in sms("Disk full on the second database of the shop in the cellar of Frankfurt am Main", known)
    assert "took 14 min" in sms("Disk full " * 10, known), "two segments are paid for: there is room again"
    for length in range(1, 400):
        title = "x" * length
        assert size(sms(title, known)).segments == size(fit_sms(f"P1 #42 {title} (Checkout)", LINK)).segments


def test_words_that_would_change_the_alphabet_of_a_text_are_left_out() -> None:
    known = Recurrence(3, earlier("диск полон", "ротация"))
    assert sms("Disk full", known).splitlines()[1] == "3rd time in 30 days"


@pytest.mark.parametrize("text", ["x" * (LONGEST + 1), "two\nlines", "bell\x07", "line\u2028separator", "null\x00"])
def test_a_cause_is_one_line(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        checked("cause", text)
    assert [e["field"] for e in refused.value.errors] == ["cause"]


def test_a_cause_is_kept_as_it_was_written() -> None:
    assert checked("cause", "  диск 🔥 <b>полон</b>\n") == "диск 🔥 <b>полон</b>"
    assert checked("fix", "x" * LONGEST) == "x" * LONGEST
