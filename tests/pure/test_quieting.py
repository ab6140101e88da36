"""When silences make an incident quiet, until when, and when it pages again."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace
from test_states import NOW, incident

from app.alerts.suppression import Silence
from app.incidents import states
from app.incidents.quieting import judge
from app.rules import matching


def silence(hours: int) -> Silence:
    return Silence(UUID(int=hours), matching.of([]), NOW, NOW + timedelta(hours=hours), "Ana", "planned")


def quiet(until: datetime) -> states.Incident:
    return states.acknowledge(incident(state="triggered"), NOW, None, until, states.SILENCED)


def test_all_that_fires_must_be_silenced_and_the_first_end_counts() -> None:
    triggered = incident(state="triggered")
    assert judge(triggered, [], NOW) is None
    assert judge(triggered, [silence(1), None], NOW) is None
    change = judge(triggered, [silence(2), silence(1)], NOW)
    assert change is not None
    assert change[0] == quiet(NOW + timedelta(hours=1))
    assert (change[1].kind, change[1].data["silence"]) == ("silenced", str(UUID(int=1)))


def test_quiet_follows_the_silences_and_ends_with_them() -> None:
    was = quiet(NOW + timedelta(hours=1))
    assert judge(was, [silence(1)], NOW) is None
    longer, none = judge(was, [silence(2)], NOW), judge(was, [None, silence(2)], NOW)
    assert longer is not None
    assert longer[0] == replace(was, wakes_at=NOW + timedelta(hours=2))
    assert none is not None
    assert (none[0].state, none[0].epoch, none[1].kind) == ("triggered", was.epoch + 1, "silence_ended")


def test_whoever_has_it_keeps_it() -> None:
    hers = states.acknowledge(incident(state="triggered"), NOW, 7)
    assert judge(hers, [silence(1)], NOW) is None
    assert judge(hers, [None], NOW) is None


def test_what_was_only_silenced_was_nobodys_when_it_flaps() -> None:
    over = states.resolve(quiet(NOW + timedelta(hours=1)), NOW, "source")
    assert states.reopen_quietly(over, NOW, None).state == "triggered"
