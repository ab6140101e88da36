"""What suppresses an alert, in which order, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app import hours
from app.alerts.inhibition import Inhibition
from app.alerts.maintenance import Window
from app.alerts.suppression import Quiet, Silence, Suppressions
from app.alerts.suppression_documents import MaintenanceWindowEdit, compiled
from app.rules.matching import Matching

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
CHECKOUT, SEARCH = 1, 2


def silence(text: str, *, n: int = 1, begins: timedelta = -HOUR, ends: timedelta = HOUR, service: int | None = None):
    return Silence(UUID(int=n), compiled(text), NOW + begins, NOW + ends, "ana", "planned", service)


INHIBITION = Inhibition("down", "Down", compiled('alertname="Down"'), compiled('alertname!="Down"'), ("host",))
WINDOW = Window("upgrade", "Upgrade", "ana", NOW - HOUR, NOW + 2 * HOUR)
QUIET = Quiet("always", "Always", (hours.parse_interval({}),), frozenset({CHECKOUT}), compiled("{}"))
SLOW = {"alertname": "Slow", "host": "a"}


def all_of_it(**without: object) -> Suppressions:
    source = INHIBITION.as_source(UUID(int=9), {"alertname": "Down", "host": "a"}, "f1", "Down of a")
    assert source is not None
    given = {
        "silences": (silence('alertname="Slow"'),),
        "windows": {CHECKOUT: (WINDOW,)},
        "inhibitions": (INHIBITION,),
        "quiet": (QUIET,),
    }
    return Suppressions(**(given | without)).while_firing([source])


def test_a_silence_first_then_maintenance_then_inhibition_then_a_time_interval() -> None:
    order = []
    without: dict[str, object] = {}
    for name, nothing in (("silences", ()), ("windows", {}), ("inhibitions", ()), ("quiet", ())):
        found = all_of_it(**without).judge(SLOW, CHECKOUT, NOW)
        assert found is not None
        order.append((found.by, found.until))
        without[name] = nothing
    quiet_until = hours.held_until(QUIET.intervals, NOW)
    assert order == [
        ("silence", NOW + HOUR),
        ("maintenance window", NOW + 2 * HOUR),
        ("inhibition", None),
        ("time interval", quiet_until),
    ]
    assert all_of_it(**without).judge(SLOW, CHECKOUT, NOW) is None


def test_the_silence_that_ends_last_is_named() -> None:
    found = Suppressions((silence('alertname="Slow"', n=1), silence('host="a"', n=2, ends=3 * HOUR)))
    why = found.judge(SLOW, CHECKOUT, NOW)
    assert why is not None
    assert (why.name, why.until) == (str(UUID(int=2)), NOW + 3 * HOUR)
    assert why.because == "ana silenced it: planned"


def test_silences_are_half_open_and_of_their_service() -> None:
    of_search = Suppressions((silence('host="a"', service=SEARCH),))
    assert of_search.judge(SLOW, CHECKOUT, NOW) is None
    assert of_search.judge(SLOW, SEARCH, NOW) is not None
    assert of_search.judge(SLOW, SEARCH, NOW - HOUR) is not None
    assert of_search.judge(SLOW, SEARCH, NOW + HOUR) is None
    assert of_search.judge(SLOW, SEARCH, NOW - HOUR - timedelta(microseconds=1)) is None


TEXTS = ('a="x"', 'a=~"x|y"', 'b!="x"', 'a="x",b=~"y.*"', 'a!~"x"', 'b="y",a!=""')


@given(
    st.lists(st.sampled_from(TEXTS), max_size=8),
    st.dictionaries(st.sampled_from("ab"), st.sampled_from(("x", "y", "yy", ""))),
)
def test_looked_up_by_label_or_one_by_one_they_are_the_same(texts: list[str], labels: dict[str, str]) -> None:
    given_ = tuple(silence(text, n=n) for n, text in enumerate(texts))
    found = Suppressions(given_).silenced_by(labels, CHECKOUT, NOW)
    assert {s.id for s in found} == {s.id for s in given_ if _matches(s.matching, labels)}


def _matches(matching: Matching, labels: dict[str, str]) -> bool:
    return matching(labels)


def weekly(**members: object) -> Window:
    given = {"name": "W", "comment": "c", "owner": "ana", "services": ["checkout"]}
    edit = given | {"weekly": {"days": ["sun"], "at": "22:00", "minutes": 240, "time_zone": "Europe/Berlin"}} | members
    return MaintenanceWindowEdit.model_validate(edit).window("w")


def test_a_weekly_window_passes_midnight_and_the_end_of_the_week() -> None:
    window = weekly()
    sunday = datetime(2026, 11, 22, 21, 0, tzinfo=UTC)  # 22:00 in Berlin
    assert window.until(sunday - timedelta(seconds=1)) is None
    assert window.until(sunday) == window.until(sunday + 3 * HOUR) == sunday + 4 * HOUR
    assert window.until(sunday + 4 * HOUR) is None
    periods = list(islice(window.periods(sunday + HOUR), 3))
    assert periods[0] == (sunday + HOUR, sunday + 4 * HOUR)
    assert [end - start for start, end in periods[1:]] == [4 * HOUR, 4 * HOUR]
    assert periods[1][0] == sunday + timedelta(days=7)


def test_a_weekly_window_within_bounds_ends() -> None:
    window = weekly(starts_at="2026-11-22T22:00:00Z", ends_at="2026-12-06T00:00:00Z")
    assert len(list(window.periods(NOW - timedelta(days=10)))) == 2
    assert window.until(datetime(2026, 11, 22, 21, 30, tzinfo=UTC)) is None


def test_periods_of_a_one_off_window() -> None:
    assert list(WINDOW.periods(NOW - 5 * HOUR)) == [(NOW - HOUR, NOW + 2 * HOUR)]
    assert list(WINDOW.periods(NOW + 2 * HOUR)) == []
