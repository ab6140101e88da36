"""Handoffs and handshakes: who comes, who leaves, and that a handshake never leaves a gap."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from app import hours
from app.escalation.concern_store import OpenIncident
from app.notifications import handoff_texts
from app.oncall.edits import edited, morning
from app.oncall.handoffs import ChangeOfHands, Handshake, changes_of_hands, gone_on, on_call_until
from app.oncall.layers import Layer
from app.oncall.shifts import Override, Schedule, final, gaps, who

BERLIN = "Europe/Berlin"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NINE = datetime(2026, 10, 24, 7, tzinfo=UTC)
ANA, BEN, CHO = 1, 2, 3


def daily(members: tuple[tuple[int, ...], ...] = ((ANA,), (BEN,)), *overrides: Override, at: int = 9) -> Schedule:
    layer = Layer(1, "daily", 1, "day", 1, datetime(2026, 10, 24, at), members)
    return Schedule(1, "primary", BERLIN, (layer,), overrides)


def test_a_handoff_on_the_day_when_clocks_change() -> None:
    found = changes_of_hands(daily(), NINE, NINE + 2 * DAY + HOUR)
    assert [(c.at, c.incoming, c.outgoing) for c in found] == [
        (NINE + 25 * HOUR, (BEN,), (ANA,)),
        (NINE + 49 * HOUR, (ANA,), (BEN,)),
    ]


def test_turns_of_the_same_person_are_one() -> None:
    assert changes_of_hands(daily(((ANA,), (ANA,))), NINE, NINE + 7 * DAY) == []
    both = changes_of_hands(daily(((ANA, BEN), (BEN, CHO))), NINE, NINE + 25 * HOUR)
    assert both == [ChangeOfHands(NINE + 25 * HOUR, (CHO,), (ANA,))], "Ben stays"


def test_a_gap_has_who_leaves_and_nobody_who_comes() -> None:
    empty = Override(1, None, NINE + 25 * HOUR, NINE + 30 * HOUR, BEN)
    found = changes_of_hands(daily(((ANA,), (BEN,)), empty), NINE, NINE + 31 * HOUR)
    assert found == [
        ChangeOfHands(NINE + 25 * HOUR, (), (ANA,)),
        ChangeOfHands(NINE + 30 * HOUR, (BEN,), ()),
    ]


def test_until_when_somebody_is_on_call() -> None:
    assert on_call_until(daily(), [ANA], NINE) == NINE + 25 * HOUR
    assert on_call_until(daily(), [BEN], NINE) == NINE, "he is not"
    assert on_call_until(daily(((ANA,),)), [ANA], NINE) is None


HANDSHAKE = Handshake(NINE + 25 * HOUR, NINE + 49 * HOUR, (BEN,), (ANA,))


def test_a_handshake_goes_on_while_the_plan_is_so() -> None:
    assert gone_on(daily(), HANDSHAKE, NINE) == HANDSHAKE
    assert gone_on(daily(), HANDSHAKE, NINE + 30 * HOUR) == HANDSHAKE


def test_a_handshake_of_a_shift_that_somebody_else_took_is_none() -> None:
    swapped = daily(((ANA,), (BEN,)), Override(1, CHO, NINE + 25 * HOUR, NINE + 49 * HOUR, BEN))
    assert gone_on(swapped, HANDSHAKE, NINE) is None
    stays = daily(((ANA,), (BEN,)), Override(1, ANA, NINE + 25 * HOUR, NINE + 49 * HOUR, BEN))
    assert gone_on(stays, HANDSHAKE, NINE) is None, "nobody leaves"


def test_a_handshake_ends_when_its_shift_does() -> None:
    shorter = daily(((ANA,), (BEN,)), Override(1, CHO, NINE + 40 * HOUR, NINE + 49 * HOUR))
    assert gone_on(shorter, HANDSHAKE, NINE + 30 * HOUR) == replace(HANDSHAKE, ends_at=NINE + 40 * HOUR)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.integers(1, 40), st.lists(st.integers(0, 40), max_size=4), st.integers(1, 60))
def test_a_handshake_adds_people_and_makes_no_gap(start: int, length: int, holes: list[int], window: int) -> None:
    """Whatever the plan, also with gaps of its own: by the overrides that carry a handshake out nobody is lost."""
    empty = tuple(Override(n, None, NINE + h * 7 * HOUR, NINE + (h * 7 + 3) * HOUR) for n, h in enumerate(holes))
    plan = daily(((ANA,), (BEN,), (CHO,)), *empty)
    at = NINE + start * HOUR
    stay = Override(99, ANA, at, at + length * HOUR, adds=True, handshake_id=1)
    with_handshake = replace(plan, overrides=(*plan.overrides, stay))
    t0, t1 = NINE, NINE + (start + window) * HOUR
    for shift in final(plan, t0, t1):
        assert {shift.user_id} <= {entry.user_id for entry in who(with_handshake, shift.starts_at)}
    lost = sum((b - a for a, b in gaps(with_handshake, t0, t1)), timedelta())
    assert lost <= sum((b - a for a, b in gaps(plan, t0, t1)), timedelta())


def test_what_is_said_is_short_for_a_phone_and_full_for_a_mail() -> None:
    open_ones = [OpenIncident(n, 2, f"Disk {n} is full", "triggered", "Checkout") for n in (12, 15, 16, 17)]
    where = hours.zone(BERLIN)
    told = handoff_texts.incoming("Primary", NINE, NINE + 25 * HOUR, open_ones, where, NINE)
    assert told["text"] == (
        "You are on call for Primary until Sun 25 Oct 09:00 CET; open incidents: #12 Disk 12 is full,"
        " #15 Disk 15 is full, #16 Disk 16 is full and 1 more."
    )
    assert told["facts"][3] == ["P2 #17", "Disk 17 is full (Checkout), triggered"]
    quiet = handoff_texts.incoming("Primary", NINE, None, [], where, NINE - HOUR)
    assert quiet["text"] == "From Sat 24 Oct 09:00 CEST you are on call for Primary."
    assert handoff_texts.outgoing("Primary", [])["text"] == "Your shift in Primary is over. Nobody has it now."
    assert "Ana and Ben have it now." in handoff_texts.outgoing("Primary", ["Ana", "Ben"])["text"]


def test_what_somebody_gains_and_loses_by_edits() -> None:
    before, after = [(NINE, NINE + 4 * HOUR)], [(NINE + 2 * HOUR, NINE + 6 * HOUR)]
    found = edited(before, after, NINE + HOUR, NINE + 5 * HOUR)
    assert found.lost == ((NINE + HOUR, NINE + 2 * HOUR),)
    assert found.gained == ((NINE + 4 * HOUR, NINE + 5 * HOUR),)
    assert edited(before, before, NINE, NINE + DAY).nothing
    assert found.is_soon(NINE)
    assert not found.is_soon(NINE - 12 * HOUR)


def test_nobody_is_told_at_night() -> None:
    where = hours.zone(BERLIN)
    assert morning(NINE, where) is None
    assert morning(datetime(2026, 10, 24, 20, 30, tzinfo=UTC), where) == datetime(2026, 10, 25, 7, tzinfo=UTC)
    assert morning(datetime(2026, 10, 25, 2, tzinfo=UTC), where) == datetime(2026, 10, 25, 7, tzinfo=UTC)
