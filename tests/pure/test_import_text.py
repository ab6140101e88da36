"""What `tocsin import` says in a terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.cli import import_text
from app.moving.comparing import Comparison, Difference
from app.moving.moved import Moved, Notice, PlannedOverride

AT = datetime(2026, 3, 9, 13, tzinfo=UTC)


def test_notices_are_told_the_worst_first_and_the_same_once():
    moved = Moved({}, [
        Notice("told", "contact methods", "", "they are unverified"),
        Notice("left_out", "resolve", "a.json: E1", "nothing is resolved by itself", "the last resort is paged"),
        Notice("left_out", "resolve", "a.json: E2", "nothing is resolved by itself", "the last resort is paged"),
        Notice("missing", "the user P1", "b.json", "no file has it"),
    ])  # fmt: skip
    assert list(import_text.notices(moved)) == [
        "Missing, nothing can be imported without it:",
        "  the user P1: no file has it (b.json)",
        "Left out:",
        "  resolve: nothing is resolved by itself; here: the last resort is paged (2 times)",
        "Worth knowing:",
        "  contact methods: they are unverified",
    ]


def test_what_is_the_same_of_many_people_is_one_line():
    def voice(name: str) -> Notice:
        return Notice("changed", f"voice calls of {name}", f"users.json: {name}", "there is no voice channel", "SMS")

    def lines(*names: str) -> list[str]:
        return list(import_text.notices(Moved({}, [voice(name) for name in names])))[1:]

    assert lines("Ana") == ["  voice calls of Ana: there is no voice channel; here: SMS (users.json: Ana)"]
    assert lines("Ana", "Ben") == ["  voice calls of Ana and Ben: there is no voice channel; here: SMS (2 times)"]
    assert lines(*"abcd") == ["  voice calls of a, b, c and d: there is no voice channel; here: SMS (4 times)"]
    assert lines(*"abcde") == ["  voice calls of a, b, c and 2 more: there is no voice channel; here: SMS (5 times)"]
    missing = Moved({}, [Notice("missing", f"the mail address of {name}", "", "a user has one") for name in "ab"])
    assert len(list(import_text.notices(missing))) == 3, "whatever has to be found is named, each on a line"


def test_a_comparison_counts_equal_shifts_and_lists_where_it_differs():
    differences = tuple(
        Difference(AT + timedelta(days=n), AT + timedelta(days=n, hours=8), ("ana",), () if n else ("ben", "cara"))
        for n in range(12)
    )
    found = [Comparison("p", "layer 1", AT, AT, 30, 30, ()), Comparison("p", "final", AT, AT, 12, 0, differences)]
    told = list(import_text.compared(found))
    assert told[:4] == [
        "Compared with the source's own rendering: 30 of 42 shifts equal.",
        "  p, final: 0 of 12 equal",
        "    Mon 2026-03-09 13:00Z to Mon 2026-03-09 21:00Z: there ana, here ben, cara",
        "    Tue 2026-03-10 13:00Z to Tue 2026-03-10 21:00Z: there ana, here nobody",
    ]
    assert told[-1] == "    and 2 more, see --report"
    assert list(import_text.compared([])) == ["Nothing to compare: the export has no rendered shifts."]
    written = import_text.report(Moved({}), found)["comparisons"][1]
    assert len(written["differences"]) == 12
    assert written["differences"][0] == {
        "from": "2026-03-09T13:00:00Z", "to": "2026-03-09T21:00:00Z", "theirs": ["ana"], "ours": ["ben", "cara"],
    }  # fmt: skip


def test_overrides_as_lines_and_as_bodies():
    end = AT + timedelta(hours=1)
    plain = PlannedOverride("p", "ana", AT, end)
    place, besides = PlannedOverride("p", "ana", AT, end, "ben"), PlannedOverride("p", "ana", AT, end, adds=True)
    words = [import_text.override(o).partition("ana ")[2].partition(",")[0] for o in (plain, place, besides)]
    assert words == ["for whoever is on call", "for ben", "besides"]
    assert [import_text.overriding(o)["kind"] for o in (plain, place, besides)] == ["replace", "replace", "add"]
    assert import_text.overriding(place)["replaces"] == "ben"
