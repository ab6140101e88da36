"""A schedule row by row, the axis it is drawn on, and what a screen offers to do with a shift."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import hours
from app.oncall.intervals import joined, seconds, without
from app.oncall.layers import Layer
from app.oncall.override_store import StoredOverride
from app.oncall.rows import REACH, effect, own_shifts, rows, with_override
from app.oncall.shifts import Override, Schedule, final, gaps
from app.oncall.swap_store import StoredSwap
from app.web.screens.rendering import dated, hours_of, when
from app.web.screens.schedule_drawing import LANE, OFFERED, Seen, bands
from app.web.screens.taking import presets
from app.web.screens.time_axis import VIEWS, axis, lanes

BERLIN = ZoneInfo("Europe/Berlin")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
ANA, BEN, CARA = 1, 2, 3
NAMES = {ANA: ("ana", "Ana"), BEN: ("ben", "Ben"), CARA: ("cara", "Cara")}
MONDAY = datetime(2026, 3, 2, 8, tzinfo=UTC)  # 09:00 in Berlin


def layer(position: int, *members: tuple[int, ...], **changes: Any) -> Layer:
    given_ = {"id": position, "name": f"layer {position}", "unit": "day", "length": 1} | changes
    return Layer(position=position, anchor=datetime(2026, 3, 2, 9), members=members, **given_)


def schedule(*layers: Layer, overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(1, "Primary", "Europe/Berlin", layers, overrides)


def days(n: float) -> timedelta:
    return timedelta(days=n)


NIGHTS = hours.parse_spans([{"days": ["mon", "tue"], "from": "22:00", "to": "06:00"}])
THREE = schedule(
    layer(1, (ANA,), (BEN,)),
    layer(2, (CARA,), restrictions=NIGHTS),
    layer(3, (CARA,), mode="shadow", restrictions=NIGHTS),
)


def test_every_layer_alone_the_highest_first_and_shadows_apart():
    found = rows(THREE, MONDAY, MONDAY + days(1))
    assert [row.name for row in found.layers] == ["layer 2", "layer 1"]
    assert [(s.user_id, s.starts_at - MONDAY) for s in found.layers[1].shifts] == [(ANA, days(0))]
    assert [s.user_id for s in found.final] == [ANA, CARA, ANA], "the night is Cara's"
    assert [s.user_id for s in found.shadows] == [CARA]
    assert found.gaps == ()


def test_shifts_are_whole_however_little_is_looked_at():
    noon = MONDAY + timedelta(hours=4)
    found = rows(schedule(layer(1, (ANA,), (BEN,), length=7)), noon, noon + timedelta(hours=1))
    assert [(s.starts_at, s.ends_at) for s in found.final] == [(MONDAY, datetime(2026, 3, 9, 8, tzinfo=UTC))]
    [gap] = rows(schedule(layer(1, (ANA,))), MONDAY - days(2), MONDAY).gaps
    assert gap == (MONDAY - days(2) - REACH, MONDAY)
    assert found.is_open(found.reach[1])
    assert not found.is_open(MONDAY)


def test_a_layer_that_two_versions_have_is_one_row():
    then = MONDAY + days(3)
    before = layer(1, (ANA,), ends_at=then)
    after = layer(1, (BEN,), starts_at=then)
    other = layer(1, (CARA,), name="new", starts_at=then)
    found = rows(schedule(before, after), MONDAY, MONDAY + days(7))
    assert [[s.user_id for s in row.shifts] for row in found.layers] == [[ANA, BEN]]
    assert [row.name for row in rows(schedule(before, other), MONDAY, MONDAY + days(7)).layers] == ["layer 1", "new"]
    assert [row.name for row in rows(schedule(before, other), then, then + days(7)).layers] == ["new"]


@given(st.integers(0, 2000), st.integers(1, 40))
def test_what_is_drawn_is_what_pages(start: int, length: int):
    """Cut to what is looked at, the final row and the gaps are those of `final` and `gaps`."""
    t0 = MONDAY + timedelta(hours=start)
    t1 = t0 + timedelta(hours=6 * length)
    found = rows(THREE, t0, t1)
    cut = [(s.user_id, max(s.starts_at, t0), min(s.ends_at, t1)) for s in found.final]
    assert cut == [(s.user_id, s.starts_at, s.ends_at) for s in final(THREE, t0, t1)]
    assert [(max(a, t0), min(b, t1)) for a, b in found.gaps] == gaps(THREE, t0, t1)
    covered = joined((max(s.starts_at, t0), min(s.ends_at, t1)) for s in found.final)
    assert without([(t0, t1)], covered) == [(max(a, t0), min(b, t1)) for a, b in found.gaps]


def test_the_effect_of_an_override_is_what_it_changes_from_now_on():
    taking = Override(9, CARA, MONDAY, MONDAY + timedelta(hours=10), ANA)
    now = MONDAY + timedelta(hours=4)
    changes = {c.user_id: (c.gained_seconds, c.lost_seconds) for c in effect(THREE, taking, now)}
    assert changes == {ANA: (0, 6 * 3600), CARA: (6 * 3600, 0)}
    assert effect(THREE, replace(taking, replaces_user_id=BEN), now) == [], "Ben has nothing then"
    assert seconds([(s.starts_at, s.ends_at) for s in final(with_override(THREE, taking), MONDAY, now)]) == 4 * 3600


def test_who_comes_before_and_after():
    pair = schedule(layer(1, (ANA, CARA), (ANA, BEN), ()))
    [first] = own_shifts(pair, CARA, MONDAY, MONDAY + days(2))
    assert (first.relieves, first.relieved_by, first.followed) == ((), (BEN,), True)
    [second] = own_shifts(pair, BEN, MONDAY, MONDAY + days(2))
    assert (second.relieves, second.relieved_by, second.followed) == ((CARA,), (), False)
    [whole] = own_shifts(pair, ANA, MONDAY, MONDAY + days(2))
    assert (whole.starts_at, whole.ends_at) == (MONDAY, MONDAY + days(2))
    [endless] = own_shifts(schedule(layer(1, (ANA,))), ANA, MONDAY + days(50), MONDAY + days(51))
    assert (endless.starts_at, endless.ends_at, endless.relieved_by, endless.followed) == (None, None, (), True)


@pytest.mark.parametrize(
    ("zone", "day", "length", "labels"),
    [
        (BERLIN, date(2026, 3, 28), 24, ["00:00", "03:00", "06:00"]),
        (BERLIN, date(2026, 3, 29), 23, ["00:00", "03:00", "06:00"]),
        (BERLIN, date(2026, 10, 25), 25, ["00:00", "03:00", "06:00"]),
        (LORD_HOWE, date(2026, 4, 5), 24.5, ["00:00", "03:00", "06:00"]),
        (ZoneInfo("Africa/Cairo"), date(2026, 4, 24), 23, ["01:00", "03:00", "06:00"]),
    ],
)
def test_a_day_is_as_long_as_it_is(zone: ZoneInfo, day: date, length: float, labels: list[str]):
    shown = axis("day", day, zone)
    assert (shown.t1 - shown.t0) == timedelta(hours=length)
    assert [tick.label for tick in shown.ticks()][:3] == labels
    assert bool(shown.odd_days()) == (length != 24)
    six = next(tick for tick in shown.ticks() if tick.label == "06:00")
    elapsed = (hours.instant(datetime(day.year, day.month, day.day, 6), zone) - shown.t0) / (shown.t1 - shown.t0)
    assert six.at == f"{100 * elapsed:.3f}%"


def test_odd_days_are_said():
    assert axis("week", date(2026, 3, 29), BERLIN).odd_days() == ["Sunday 29 March has 23 hours: clocks change"]
    [half] = axis("month", date(2026, 4, 9), LORD_HOWE).odd_days()
    assert half == "Sunday 05 April has 24 hours 30 minutes: clocks change"


@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)), st.sampled_from(VIEWS), st.sampled_from([BERLIN, LORD_HOWE]))
def test_periods_follow_each_other(on: date, view: Any, zone: ZoneInfo):
    shown = axis(view, on, zone)
    assert shown.first <= on < shown.after
    assert axis(view, shown.before, zone).t1 == shown.t0
    assert axis(view, shown.after, zone).t0 == shown.t1
    assert (shown.share(shown.t0 - days(1)), shown.share(shown.t1 + days(1))) == (0, 100)


def test_the_ends_of_the_calendar():
    assert axis("month", date.min, BERLIN).before == axis("month", date.min, BERLIN).first
    assert axis("month", date.max, BERLIN).after <= date(2999, 12, 1)


def test_titles():
    titles = [axis(view, date(2026, 10, 1), BERLIN).title for view in VIEWS]
    assert titles == ["Thursday 01 October 2026", "28 September to 04 October 2026", "October 2026"]
    assert axis("week", date(2026, 10, 21), BERLIN).title == "19 to 25 October 2026"


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), max_size=20))
def test_what_overlaps_lies_side_by_side(raw: list[tuple[int, int]]):
    spans = sorted((MONDAY + days(a), MONDAY + days(a + n)) for a, n in raw)
    found = list(zip(spans, lanes(spans), strict=True))
    for n, (one, lane) in enumerate(found):
        assert not [o for o, other in found[:n] if other == lane and o[1] > one[0]]


NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)  # 13:00 in Berlin


def labels(*args: Any) -> list[str]:
    return [p.label.replace("\xa0", " ") for p in presets(NOW, *args, BERLIN)]


def test_presets():
    tomorrow = NOW + days(1)
    assert labels(NOW - days(1), tomorrow) == ["The rest, until Wed 04 Mar 13:00", "For 1 h", "Until 18:00"]
    assert labels(NOW - days(1), None) == ["For 1 h", "Until 18:00"]
    assert labels(NOW - days(1), NOW + timedelta(minutes=30)) == ["The rest, until 13:30"]
    assert labels(NOW + timedelta(hours=1), tomorrow) == ["All of it, until Wed 04 Mar 13:00"]
    assert labels(tomorrow, None) == [], "one that comes and has no end takes the form"
    evening = presets(NOW + timedelta(hours=4, minutes=30), NOW, None, BERLIN)
    assert evening[-1].until == "2026-03-04T08:00:00+00:00", "18:00 is too near: the next morning"


def test_times_of_lists():
    assert dated(NOW, NOW, BERLIN) == "today 13:00"
    assert dated(NOW + days(1), NOW, BERLIN, NOW) == "Wed 04 Mar 13:00"
    assert dated(NOW + days(1), NOW, BERLIN, NOW + days(1)) == "13:00"
    assert dated(NOW + days(365), NOW, BERLIN) == "Wed 03 Mar 2027 13:00"
    back = [dated(datetime(2026, 10, 25, h, 30, tzinfo=UTC), NOW, BERLIN) for h in (0, 1, 2)]
    assert back == ["Sun 25 Oct 02:30 CEST", "Sun 25 Oct 02:30 CET", "Sun 25 Oct 03:30"]
    assert back == [when(datetime(2026, 10, 25, h, 30, tzinfo=UTC), NOW, BERLIN) for h in (0, 1, 2)]
    assert [hours_of(s).replace("\xa0", " ") for s in (0, 90, 3600, 27_000)] == ["0 min", "2 min", "1 h", "7 h 30 min"]


def stored(override_id: int, user: str | None, replaces: str | None, **changes: Any) -> StoredOverride:
    kind = "remove" if user is None else "replace"
    values = {"id": override_id, "schedule": "primary", "kind": kind, "user": user, "replaces": replaces}
    values |= {"starts_at": NOW, "ends_at": NOW + timedelta(hours=2), "swap": None, "created_by": "user:ben"}
    return StoredOverride(**(values | {"created_at": NOW} | changes))


def swap(user: str, starts_at: datetime, ends_at: datetime) -> StoredSwap:
    return StoredSwap(
        id=4, schedule="primary", user=user, user_id=ANA, to=None, to_id=None, starts_at=starts_at, ends_at=ends_at,
        return_starts_at=None, return_ends_at=None, comment="", state="open", taken_by=None, taken_by_id=None,
        overrides=[], created_by=f"user:{user}", created_at=NOW, decided_by=None, decided_at=None, schedule_id=1,
        because="",
    )  # fmt: skip


def seen(**changes: Any) -> Seen:
    shown = axis("week", NOW.date(), BERLIN)
    values = {"now": NOW, "axis": shown, "names": NAMES, "keys": dict(NAMES.values()), "user_key": "ana", "may": True}
    return Seen(**(values | changes))


def drawn(schedule: Schedule, overrides: Any = (), swaps: Any = (), **changes: Any) -> Any:
    look = seen(**changes)
    return bands(rows(schedule, look.axis.t0, look.axis.t1), overrides, swaps, look)


def test_bands_say_in_words_what_boxes_show():
    taken = Override(7, BEN, NOW, NOW + timedelta(hours=2), CARA)
    removed = Override(8, None, NOW + timedelta(hours=3), NOW + timedelta(hours=4), CARA)
    base = schedule(layer(1, (ANA,), (CARA,)), overrides=(taken, removed))
    away = stored(8, None, "cara", starts_at=removed.starts_at, ends_at=removed.ends_at)
    asked = swap("ana", NOW + timedelta(hours=20), NOW + timedelta(hours=21))
    found = drawn(base, [away, stored(7, "ben", "cara")], [asked])
    assert [(band.name, band.kind) for band in found] == [
        ("On call", "final"), ("Overrides", "overrides"), ("layer 1", "layer")
    ]  # fmt: skip
    running = [line for line in found[0].lines if line.state == "running"]
    assert [(line.name, line.because) for line in running] == [("Ben", "in place of Cara, by override 7")]
    gap = next(line for line in found[0].lines if line.state == "coming" and line.user is None)
    assert (gap.name, gap.because, gap.colour, gap.starts_at) == ("Nobody", "a gap", "gap", removed.starts_at)
    assert [line.because for line in found[1].lines] == [
        "in place of Cara, by override 7", "in place of Cara, by override 8"
    ]  # fmt: skip
    assert [line.starts_at for line in found[0].lines if line.swap] == [datetime(2026, 3, 4, 8, tzinfo=UTC)]
    assert {line.name for line in found[0].lines if line.mine} == {"Ana"}
    anchors = [line.anchor for band in found for line in band.lines]
    assert len(set(anchors)) == len(anchors)
    first = found[0].boxes[0]
    assert (first.x, first.line.starts_at) == ("0.000%", None), "since long before what is looked at"


def test_several_people_lie_side_by_side():
    [final_, _] = drawn(schedule(layer(1, (ANA, BEN))))
    assert (final_.height, sorted({box.y for box in final_.boxes})) == (2 * LANE, [0, LANE])


def test_only_who_may_and_only_the_next_ones_are_offered():
    base = schedule(layer(1, (ANA,), (BEN,), unit="hour"))
    [final_, _] = drawn(base)
    assert {line.state for line in final_.lines if line.presets} == {"running", "coming"}
    assert sum(bool(line.presets) for line in final_.lines) == OFFERED
    assert not any(line.presets for line in drawn(base, may=False)[0].lines)
