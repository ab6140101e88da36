"""SQL has one clock, one dialect's casts spelt out, and no names that say where a table lives."""

from __future__ import annotations

from collections.abc import Iterator

from tree import hits, strings, under

CLOCKS = r"\bnow\(\)|\b(?:current_timestamp|current_date|current_time|localtimestamp)\b|" \
         r"\b(?:clock|transaction|statement)_timestamp\(\)|\btimeofday\(\)"  # fmt: skip
CASTS = r"(?<![:\w]):\w+::\w+"
ANCHOR = ("app/db/clock_control.py", "migrations/versions/0001_the_road.py")
"""Where real time is taken to shift it: the function itself, and the row that tests and the demo write."""


def sql() -> Iterator[tuple[str, str]]:
    """Where SQL may be: in strings."""
    return strings(under("app/", "migrations/"))


def test_the_search_sees_what_it_must_not_find():
    texts = [("a.py", 'x = text("""\n  SELECT now(), {y}, :x::text\n""")\n"""now() is said here"""\n')]
    assert hits(CLOCKS, strings(texts)) == ["a.py:2: now()"]
    assert hits(CASTS, strings(texts)) == ["a.py:2: :x::text"]


def test_only_tocsin_now_tells_the_time():
    found = hits(rf"(?<![\w/])(?:{CLOCKS})", sql())
    assert [hit for hit in found if not hit.startswith(ANCHOR)] == []
    allowed = {hit.rsplit(": ", 1)[1] for hit in found}
    assert allowed == {"statement_timestamp()"}, "the anchor is statement time, nothing else"


def test_parameters_are_cast_with_cast():
    """`:x::type` is read as one odd parameter by some, and as a cast by others."""
    assert hits(CASTS, sql()) == []


def test_tables_are_named_without_a_schema():
    """Rehearsals shadow tables by search path (behaviour.md 16)."""
    assert hits(r"\b(?:FROM|JOIN|INTO|UPDATE|TABLE)\s+public\.", sql()) == []
