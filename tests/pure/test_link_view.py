"""What may still be done from a screen that shows how things were."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args
from uuid import UUID

import pytest

from app.escalation.answering import Standing
from app.web.link_view import Action, View, offered, said

NOW = datetime(2026, 11, 22, 2, 14, tzinfo=UTC)
ANA, BEN = 1, 2
TRIGGERED = Standing(
    id=UUID(int=1), number=7, title="HighErrorRate", state="triggered", epoch=1, priority=1, firing=2, opened_at=NOW,
    reopened=0, acknowledged_at=None, acknowledged_by_id=None, holder=None, wakes_at=None, wakes_because=None,
    resolved_at=None, resolved_by=None, resolver="", service="Checkout", runbook_url="", runbook_text="", round=1,
    step=1, next_step_at=NOW + timedelta(minutes=5), time_zone="UTC", note="",
)  # fmt: skip
ANA_HAS = replace(TRIGGERED, state="acknowledged", acknowledged_at=NOW, acknowledged_by_id=ANA, holder="Ana")
BEN_HAS = replace(TRIGGERED, state="acknowledged", acknowledged_at=NOW, acknowledged_by_id=BEN, holder="Ben")
RESOLVED = replace(TRIGGERED, state="resolved", resolved_at=NOW, resolved_by="source", firing=0)
AGAIN = replace(TRIGGERED, epoch=2)
CLIMBED = replace(TRIGGERED, step=2, next_step_at=NOW + timedelta(minutes=9))
MORE = replace(TRIGGERED, firing=3)


def test_a_view_survives_the_form() -> None:
    for seen in (TRIGGERED, ANA_HAS, RESOLVED, replace(TRIGGERED, next_step_at=None)):
        assert View.read(str(View.of(seen))) == View.of(seen)


@pytest.mark.parametrize("text", ["", "1", "1.triggered.0.1.1.0", "1.triggered.0.1.1.0.2.9", "x.triggered.0.1.1.0.2"])
def test_what_no_screen_of_ours_sent_is_no_view(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # int() and unpacking word it differently
        View.read(text)


@pytest.mark.parametrize("action", get_args(Action))
def test_nothing_is_stale_while_nothing_changed(action: Action) -> None:
    for seen in (TRIGGERED, ANA_HAS):
        assert View.of(seen).allows(action, View.of(seen))


@pytest.mark.parametrize("now", [ANA_HAS, BEN_HAS, RESOLVED, AGAIN, CLIMBED, MORE])
def test_acknowledging_holds_from_any_view(now: Standing) -> None:
    assert View.of(TRIGGERED).allows("acknowledge", View.of(now))


@pytest.mark.parametrize(
    ("action", "now", "holds"),
    [
        ("escalate", BEN_HAS, False),  # it would take it from Ben
        ("escalate", AGAIN, False),
        ("escalate", CLIMBED, False),  # the step that was asked for has been paged, by time or by a first press
        ("escalate", MORE, True),  # one more alert is no reason to ask
        ("resolve", BEN_HAS, False),
        ("resolve", AGAIN, False),
        ("resolve", CLIMBED, True),
        ("resolve", MORE, True),  # the command asks, because alerts fire
        ("resolve_anyway", MORE, False),  # more fire than the person was told of
        ("resolve_anyway", replace(TRIGGERED, firing=1), True),
        ("resolve_anyway", BEN_HAS, False),
    ],
)
def test_what_concerns_others_needs_the_view_to_hold(action: Action, now: Standing, holds: bool) -> None:
    assert View.of(TRIGGERED).allows(action, View.of(now)) is holds


def test_escalating_away_from_whoever_has_it_does_not_ask_where_the_ladder_stands() -> None:
    parked = replace(ANA_HAS, next_step_at=None)
    assert View.of(ANA_HAS).allows("escalate", View.of(parked))


def test_a_screen_offers_what_makes_sense() -> None:
    assert list(offered(TRIGGERED, ANA, NOW)) == ["acknowledge", "escalate", "resolve"]
    assert list(offered(ANA_HAS, ANA, NOW)) == ["resolve", "escalate"]
    assert list(offered(BEN_HAS, ANA, NOW)) == ["escalate", "resolve"]
    assert list(offered(RESOLVED, ANA, NOW)) == []


def test_whoever_has_it_may_say_so_again_shortly_before_it_expires() -> None:
    until = NOW + timedelta(minutes=30)
    kept = replace(ANA_HAS, wakes_at=until, wakes_because="expires")
    assert list(offered(kept, ANA, until - timedelta(minutes=6))) == ["resolve", "escalate"]
    assert list(offered(kept, ANA, until - timedelta(minutes=5))) == ["acknowledge", "resolve", "escalate"]
    assert list(offered(kept, BEN, until - timedelta(minutes=5))) == ["escalate", "resolve"]
    snoozed = replace(kept, wakes_because="snoozed")
    assert list(offered(snoozed, ANA, until)) == ["resolve", "escalate"]


@pytest.mark.parametrize(
    ("pressed", "now", "told"),
    [
        ("acknowledge", ANA_HAS, "Thank you. Nobody else is paged."),
        ("acknowledge", BEN_HAS, "Ben was faster."),
        ("acknowledge", RESOLVED, "It was over before you pressed."),
        ("acknowledge", TRIGGERED, ""),  # it expired meanwhile: the screen says that nobody has it
        ("escalate", TRIGGERED, "The next step is being paged now."),
        (
            "escalate",
            replace(TRIGGERED, loudness="quiet"),
            "The next step is paged quietly, which may wait for somebody's morning. Raise the priority to wake them.",
        ),
        ("escalate", RESOLVED, "It was over before you pressed. Nobody was paged."),
        ("resolve", RESOLVED, ""),
        ("resolve", replace(TRIGGERED, reopened=1), "It is open again."),
        ("<script>", TRIGGERED, ""),
    ],
)
def test_what_is_said_after_a_press_is_told_from_how_things_are(pressed: str, now: Standing, told: str) -> None:
    assert said(pressed, now, ANA) == told
