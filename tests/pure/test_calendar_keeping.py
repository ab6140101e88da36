"""What is kept of a calendar, what layers become of it, and which entry of a feed is which."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import count, pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import hours
from app.calendars.following import Shown, Told, followed
from app.calendars.naming import Named, succeeded
from app.calendars.writing import Line, calendar, folded
from app.oncall import feeds
from app.oncall import given as made
from app.oncall.fairness import fairness
from app.oncall.layers import Layer
from app.oncall.shifts import Override, Schedule, by_user, final, gaps, who

NOW = datetime(2026, 3, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
moments = st.integers(-200, 200).map(lambda n: NOW + n * HOUR)


@st.composite
def named(draw: st.DrawFn) -> list[Named]:
    """Disjoint entries of each user."""
    found = []
    for user in (1, 2):
        marks = sorted(draw(st.sets(moments, max_size=8)))
        found += [Named(a, b, user, "") for a, b in list(pairwise(marks))[::2]]
    return sorted(found)


def times(entries: list[Named], user: int, at: datetime) -> bool:
    return any(e.user_id == user and e.starts_at <= at < e.ends_at for e in entries)


@given(old=named(), new=named(), at=moments)
def test_the_past_stays_and_the_future_is_as_the_calendar_says(
    old: list[Named], new: list[Named], at: datetime
) -> None:
    old = [entry for entry in old if entry.ends_at > NOW]
    kept = succeeded(old, new, NOW)
    for user in (1, 2):
        assert times(kept, user, at) == times(old if at < NOW else new, user, at)
    assert all(entry.starts_at < entry.ends_at for entry in kept)
    assert succeeded([e for e in kept if e.ends_at > NOW], new, NOW) == [e for e in kept if e.ends_at > NOW]


def layer(entries: list[Named], **members: object) -> Layer:
    rows = [SimpleNamespace(starts_at=e.starts_at, ends_at=e.ends_at, user_id=e.user_id, said=e.said) for e in entries]
    given_shifts, turns = made.given(rows)
    values = {"id": 1, "name": "rota", "position": 1, "unit": "hour", "length": 1, "anchor": datetime(1970, 1, 1)}
    return Layer(**(values | {"members": turns, "given": given_shifts} | members))  # type: ignore[arg-type]


def schedule(*layers: Layer, zone: str = "UTC", overrides: tuple[Override, ...] = ()) -> Schedule:
    return Schedule(1, "Primary", zone, layers, overrides)


@given(entries=named(), at=moments, cut=moments)
def test_who_is_named_is_on_call(entries: list[Named], at: datetime, cut: datetime) -> None:
    one = schedule(layer(entries))
    assert {entry.user_id for entry in who(one, at)} == {user for user in (1, 2) if times(entries, user, at)}
    t0, t1 = NOW - 300 * HOUR, NOW + 300 * HOUR
    whole = by_user(final(one, t0, t1))
    parts = by_user(final(one, t0, cut) + final(one, cut, t1))
    assert whole == parts


def test_an_unknown_name_lets_the_layer_below_through() -> None:
    rows = [SimpleNamespace(starts_at=NOW, ends_at=NOW + DAY, user_id=None, said="Zoe")]
    shifts, turns = made.given(rows)
    imported = layer([], members=turns, given=shifts)
    assert who(schedule(imported), NOW) == ()
    [told] = made.unknown([imported], NOW + HOUR, NOW + 9 * DAY)
    assert (told.layer, told.said, told.starts_at, told.ends_at) == ("rota", "Zoe", NOW + HOUR, NOW + DAY)


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Havana", "Pacific/Apia", "Asia/Kathmandu"])
def test_holidays_are_days_of_the_layers_zone(zone: str) -> None:
    """From the first instant of the day to the first of the next, whatever clocks do meanwhile."""
    days = [date(2026, 3, 8), date(2026, 3, 29), date(2026, 10, 25)]
    base = Layer(1, "base", 1, "week", 1, datetime(2026, 1, 5), ((1,),))
    stored = {"holidays": {"calendar": 7, "counts": "only"}}
    top = made.filled(
        Layer(2, "top", 2, "week", 1, datetime(2026, 1, 5), ((2,),)), stored, ({}, {7: dict.fromkeys(days, "")})
    )
    own = by_user(
        final(schedule(base, top, zone=zone), datetime(2026, 2, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    )
    where = ZoneInfo(zone)
    assert own[2] == [(hours.day_start(day, where), hours.day_start(day + DAY, where)) for day in days]
    never = made.filled(top, {"holidays": {"calendar": 7, "counts": "never"}}, ({}, {7: dict.fromkeys(days, "")}))
    inverse = by_user(
        final(schedule(base, never, zone=zone), datetime(2026, 2, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    )
    assert (inverse[1], inverse[2]) == (own[2], own[1])


def test_holidays_are_fair_in_everybodys_own_zone() -> None:
    one = schedule(Layer(1, "base", 1, "day", 1, datetime(2026, 5, 1), ((1,), (2,))))
    zones = {1: ZoneInfo("Asia/Tokyo"), 2: ZoneInfo("UTC")}
    t0 = datetime(2026, 5, 1, tzinfo=UTC)
    found = fairness(one, t0, t0 + 4 * DAY, zones, {1: {date(2026, 5, 1)}, 2: {date(2026, 5, 2)}})
    assert [load.holiday_seconds for load in found.loads] == [15 * 3600, 24 * 3600]
    assert found.parts["holidays"] == pytest.approx(1 - (9 / 39))
    assert fairness(one, t0, t0 + 4 * DAY, zones).parts["holidays"] is None


def test_support_hours_leave_holidays_out() -> None:
    christmas = ["2026-12-24", "2026-12-25"]
    raw = {"time_zone": "Europe/Berlin", "spans": [{"days": ["mon", "thu", "fri"], "from": "09:00", "to": "17:00"}]}
    support = hours.parse_hours(raw | {"holidays": "berlin", "days_off": christmas})
    closed = datetime(2026, 12, 24, 10, tzinfo=UTC)
    assert hours.within(hours.parse_hours(raw), closed)
    assert not hours.within(support, closed)
    assert hours.next_open(support, closed) == datetime(2026, 12, 28, 8, tzinfo=UTC)
    before = datetime(2026, 12, 21, 15, tzinfo=UTC)
    assert hours.advance_open(support, before, 2 * 3600) == datetime(2026, 12, 28, 9, tzinfo=UTC)
    always = hours.parse_hours({"time_zone": "Europe/Berlin", "spans": [], "holidays": "berlin", "days_off": christmas})
    assert hours.next_open(always, closed) == datetime(2026, 12, 25, 23, tzinfo=UTC)
    late = datetime(2026, 12, 23, 22, tzinfo=UTC)
    assert hours.advance_open(always, late, 7200) == datetime(2026, 12, 26, tzinfo=UTC)
    assert hours.advance_open(always, closed + 9 * DAY, 60) == closed + 9 * DAY + timedelta(minutes=1)
    assert hours.hours_json(support) == raw | {"holidays": "berlin"}


shown_lists = named().map(lambda found: [Shown(e.user_id, e.starts_at, e.ends_at, e.said) for e in found])


def tell(before: list[Told], shown: list[Shown], uids: count[int], now: datetime = NOW) -> list[Told]:
    return followed(before, shown, NOW - 300 * HOUR, now, lambda: str(next(uids)))


@given(first=shown_lists, second=shown_lists)
def test_uids_are_kept_and_changes_counted(first: list[Shown], second: list[Shown]) -> None:
    uids = count()
    before = tell([], first, uids)
    assert tell(before, first, uids, NOW + DAY) == before
    after = tell(before, second, uids, NOW + DAY)
    assert len({told.uid for told in after}) == len(after) == len(second)
    known = {told.uid: told for told in before}
    for told in after:
        old = known.get(told.uid)
        if old is None:
            assert (told.sequence, told.changed_at) == (0, NOW + DAY)
        elif (old.starts_at, old.ends_at) == (told.starts_at, told.ends_at):
            assert old == told
        else:
            assert (told.user_id, told.sequence, told.changed_at) == (old.user_id, 1, NOW + DAY)
            assert told.starts_at < old.ends_at
            assert old.starts_at < told.ends_at


def test_a_shift_that_is_cut_in_two_is_the_longer_part() -> None:
    uids = count()
    [whole] = tell([], [Shown(1, NOW, NOW + 7 * DAY, "")], uids)
    parts = [
        Shown(1, NOW, NOW + DAY, ""),
        Shown(2, NOW + DAY, NOW + 2 * DAY, ""),
        Shown(1, NOW + 2 * DAY, NOW + 7 * DAY, ""),
    ]
    assert [told.uid for told in tell([whole], parts, uids)] == ["1", "2", whole.uid]


def test_a_window_that_moves_on_changes_no_shift_that_it_cuts() -> None:
    uids = count()
    before = followed([], [Shown(1, NOW, NOW + 7 * DAY, "")], NOW, NOW, lambda: str(next(uids)))
    cut = NOW + 3 * DAY
    assert followed(before, [Shown(1, cut, NOW + 7 * DAY, "")], cut, cut, lambda: str(next(uids))) == before


@pytest.mark.parametrize(
    ("now", "span"),
    [
        ("2026-03-03", ("2026-02-01", "2026-09-01")),
        ("2026-12-31", ("2026-12-01", "2027-07-01")),
        ("2026-06-10", ("2026-05-01", "2027-01-01")),
    ],
)
def test_the_window_of_a_feed_is_whole_months(now: str, span: tuple[str, str]) -> None:
    assert feeds.window(datetime.fromisoformat(now).replace(tzinfo=UTC)) == tuple(
        datetime.fromisoformat(at).replace(tzinfo=UTC) for at in span
    )


@given(entries=named())
def test_a_feed_shows_every_second_once(entries: list[Named]) -> None:
    one = schedule(layer(entries))
    t0, t1 = NOW - 300 * HOUR, NOW + 300 * HOUR
    shown = feeds.shown(one, t0, t1)
    assert [(s.starts_at, s.ends_at) for s in shown if s.user_id is None] == gaps(one, t0, t1)
    for user, intervals in by_user(final(one, t0, t1)).items():
        assert [(s.starts_at, s.ends_at) for s in shown if s.user_id == user] == intervals


@given(st.text(max_size=300))
def test_lines_are_folded_at_octets_and_never_within_a_character(text: str) -> None:
    line = "SUMMARY:" + "".join(c for c in text if c not in "\r\n" and not "\ud800" <= c <= "\udfff")
    pieces = folded(line).split(b"\r\n")
    assert pieces[-1] == b""
    assert all(len(piece) <= 75 for piece in pieces)
    assert all(piece.decode() or True for piece in pieces)
    assert folded(line).decode().replace("\r\n ", "").removesuffix("\r\n") == line


@given(st.text(max_size=80))
def test_what_is_written_is_read_again(summary: str) -> None:
    """Whatever somebody is called: no name ends a line, or begins another property."""
    from app.calendars import entries

    name = "".join(c for c in summary if not "\ud800" <= c <= "\udfff")
    body = calendar(name, [Line("1", NOW, NOW + DAY, name, NOW, extra={"X-TOCSIN-USER": "ana"})])
    found = entries.read(body, "UTC", NOW, NOW + DAY)
    assert [(e.starts_at, e.ends_at, e.words.user) for e in found.entries] == [(NOW, NOW + DAY, "ana")]
    assert found.problems == []
