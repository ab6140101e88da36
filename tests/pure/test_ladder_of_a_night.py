"""From when a quiet ladder counts whose people asked for digests: behaviour.md 4 and 7, 8 support hours after whoever
is asked has learned of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from app.escalation.ladder import climb
from app.escalation.policy_copy import PolicyCopy, Rung, Target
from app.escalation.positions import Ladder, Reach, Situation
from app.escalation.turns import Turns
from app.hours import parse_hours

NIGHT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SEVEN, NINE = NIGHT + timedelta(hours=4), NIGHT + timedelta(hours=6)
EIGHT_HOURS = timedelta(hours=8)
QUIET = Situation("triggered", 1, "quiet", priority=4)
ANA, BEN, CARA = 1, 2, 9
LAST_RESORT = (Target("user", CARA),)


def sleeping(mornings: Mapping[int, datetime]) -> Callable[[Sequence[Target]], Reach]:
    def find(targets: Sequence[Target]) -> Reach:
        return Reach(tuple((t.id, str(t.id), "named") for t in targets), mornings=mornings)

    return find


def ladder(*users: int, **more: object) -> Ladder:
    rung = Rung(600, tuple(Target("user", u) for u in users), **more)
    policy = PolicyCopy("P", 0, (rung, Rung(600, (Target("user", CARA),))), id=1)
    return Ladder(UUID(int=1), UUID(int=2), "page", policy, 1, 1, 0, 0, NIGHT)


@pytest.mark.parametrize(
    ("users", "mornings", "counts_from"),
    [
        ((ANA,), {}, NIGHT),
        ((ANA,), {ANA: NINE}, NINE),
        ((ANA, BEN), {ANA: SEVEN, BEN: NINE}, NINE),
        ((ANA, BEN), {ANA: NINE}, NINE),  # Ben knows, and Ana is asked as well: nobody else before both had their time
        ((ANA,), {BEN: NINE}, NIGHT),
    ],
)
def test_it_counts_from_when_the_last_of_the_step_knows(
    users: tuple[int, ...], mornings: Mapping[int, datetime], counts_from: datetime
) -> None:
    result = climb(ladder(*users), QUIET, sleeping(mornings), LAST_RESORT, NIGHT)
    assert result.ladder.next_step_at == counts_from + EIGHT_HOURS


def test_a_loud_one_waits_for_nobodys_morning() -> None:
    loud = replace(QUIET, loudness="loud", priority=1)
    result = climb(ladder(ANA), loud, sleeping({ANA: NINE}), LAST_RESORT, NIGHT)
    assert result.ladder.next_step_at == NIGHT + timedelta(minutes=10)


def test_one_in_turn_counts_for_whose_turn_it_is() -> None:
    result = climb(ladder(ANA, BEN, round_robin=True), QUIET, sleeping({BEN: NINE}), LAST_RESORT, NIGHT, Turns())
    asked = [p.user_id for p in result.pages]
    assert len(asked) == 1
    assert result.ladder.next_step_at == (NINE if asked == [BEN] else NIGHT) + EIGHT_HOURS
    assert asked == [ANA]


def test_who_acknowledged_already_is_not_waited_for() -> None:
    half = replace(QUIET, acknowledged=(BEN,))
    result = climb(ladder(ANA, BEN, all=True), half, sleeping({BEN: NINE}), LAST_RESORT, NIGHT)
    assert result.ladder.next_step_at == NIGHT + EIGHT_HOURS


def test_the_last_resort_has_its_time_as_well() -> None:
    at_the_end = replace(ladder(ANA), step=2, reached=1)
    result = climb(at_the_end, QUIET, sleeping({CARA: NINE}), LAST_RESORT, NIGHT)
    assert [p.user_id for p in result.pages] == [CARA]
    assert result.ladder.next_step_at == NINE + EIGHT_HOURS


def test_support_hours_are_counted_from_the_morning() -> None:
    hours = parse_hours({"time_zone": "UTC", "spans": [{"days": ["mon", "tue"], "from": "06:00", "to": "12:00"}]})
    result = climb(ladder(ANA), replace(QUIET, hours=hours), sleeping({ANA: NINE}), LAST_RESORT, NIGHT)
    assert result.ladder.next_step_at == datetime(2026, 11, 24, 10, 0, tzinfo=UTC)  # four hours of Monday, four more
