"""Versions of a schedule laid side by side: each counts in its own time, and what is computed over all of them is what
each says alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app.oncall.layers import Layer
from app.oncall.shifts import Schedule, gaps, who
from app.oncall.versions import Version, followed, laid

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PRIMARY, SECONDARY = 1, 2


def layer(*users: int, days: int = 1, **more: object) -> Layer:
    made = Layer(1, "daily", 1, "day", days, START.replace(tzinfo=None), tuple((user,) for user in users))
    return replace(made, **more)


def version(number: int, *layers: Layer, schedule: int = PRIMARY, **more: object) -> Version:
    made = Version(schedule, f"schedule-{schedule}", number, "UTC", layers)
    return replace(made, **more)


def users(layers: tuple[Layer, ...], at: datetime) -> list[int]:
    return [entry.user_id for entry in who(Schedule(9, "any", "UTC", layers, ()), at)]


VERSIONS = st.lists(
    st.tuples(
        st.integers(1, 30 * 24), st.permutations([1, 2, 3]), st.integers(1, 3), st.sampled_from(["UTC", "Asia/Tokyo"])
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(VERSIONS, st.integers(-3, 3))
def test_each_version_counts_in_its_time_and_no_gap_comes_of_it(
    drawn: list[tuple[int, list[int], int, str]], turns: int
) -> None:
    starts = [None, *(START + offset * HOUR for offset in sorted(offset for offset, *_ in drawn[1:]))]
    ends = [*starts[1:], None]
    versions = [
        version(n, layer(*order, days=days), zone=zone, starts_at=a, ends_at=b)
        for n, ((_, order, days, zone), a, b) in enumerate(zip(drawn, starts, ends, strict=True), start=1)
    ]
    like = version(1, schedule=SECONDARY, like=PRIMARY, like_turns=turns)
    both = {PRIMARY: versions, SECONDARY: [like]}
    whole, derived = laid(versions, both), laid([like], both)
    t1 = START + 40 * DAY
    assert gaps(Schedule(9, "any", "UTC", whole, ()), START, t1) == []
    assert gaps(Schedule(9, "any", "UTC", derived, ()), START, t1) == []
    for at in (START + n * 7 * HOUR for n in range(130)):
        [current] = [v for v in versions if (v.starts_at or at) <= at and (v.ends_at is None or at < v.ends_at)]
        alone = laid([replace(current, starts_at=None, ends_at=None)], {})
        assert users(whole, at) == users(alone, at)
        order = [turn[0] for turn in current.layers[0].members]
        [primary], [secondary] = users(whole, at), users(derived, at)
        assert secondary == order[(order.index(primary) + turns) % 3]


def test_a_version_of_no_time_says_nothing() -> None:
    now = START + DAY
    never = version(2, layer(7), starts_at=now, ends_at=now)
    whole = laid([version(1, layer(1), ends_at=now), never, version(3, layer(2), starts_at=now)], {})
    assert [users(whole, at) for at in (now - HOUR, now, now + HOUR)] == [[1], [2], [2]]


def test_layers_keep_their_own_bounds_within_a_version() -> None:
    bounded = layer(1, starts_at=START + 2 * DAY, ends_at=START + 9 * DAY)
    whole = laid([version(1, bounded, starts_at=START + DAY, ends_at=START + 4 * DAY)], {})
    seen = [day for day in range(12) if users(whole, START + day * DAY)]
    assert seen == [2, 3]


def test_a_draft_follows_what_was_so_before() -> None:
    first, planned = version(1, layer(1), ends_at=START + 5 * DAY), version(2, layer(2), starts_at=START + 5 * DAY)
    draft = version(0, layer(3), starts_at=START + 2 * DAY)
    whole = laid(followed([first, planned], draft), {})
    assert [users(whole, START + day * DAY) for day in (1, 2, 6)] == [[1], [3], [3]]
    assert followed([first], version(0, layer(3))) == [version(0, layer(3))]
