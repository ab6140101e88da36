"""What pings and time do to a heartbeat: facts in, beat out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.heartbeats import states
from app.heartbeats.rhythm import Rhythm, spell
from app.heartbeats.states import Beat, Ping

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
RHYTHM = Rhythm(timedelta(minutes=1), timedelta(minutes=5))
RUN, OTHER = "0b8d2f1e-3f4e-4d0e-9a51-7a4f3f0f0001", "0b8d2f1e-3f4e-4d0e-9a51-7a4f3f0f0002"
SUCCESS, START, FAIL, LOG = Ping("success"), Ping("start"), Ping("fail"), Ping("log")


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def after(*signs: tuple[float, Ping], beat: Beat = Beat()) -> Beat:
    for minutes, sign in signs:
        beat = states.ping(beat, RHYTHM, sign, at(minutes))
    return beat


def due(beat: Beat) -> float | None:
    limit = states.deadline(beat, RHYTHM)
    return None if limit is None else (limit - NOON) / timedelta(minutes=1)


def looked(beat: Beat, minutes: float) -> states.Told:
    return states.tell(states.overdue(beat, RHYTHM, at(minutes), "12:00"))


def test_nothing_is_expected_of_a_new_one():
    assert (due(Beat()), states.shown(Beat(), at(10_000))) == (None, "new")


def test_a_success_makes_it_expected():
    beat = after((0, SUCCESS))
    assert (beat.state, beat.expected_at, due(beat)) == ("up", at(5), 6)
    assert [states.shown(beat, at(m)) for m in (5, 5.5)] == ["up", "late"]


def test_overdue_from_the_deadline_on():
    beat = after((0, SUCCESS))
    assert states.overdue(beat, RHYTHM, at(5.99), "12:00") is beat
    told = looked(beat, 6)
    assert (told.fired, told.resolved, told.beat.state, told.beat.firing) == (True, False, "down", True)
    assert told.beat.down_since == at(6)
    assert told.beat.down_because == "no ping since 12:00, expected every 5 minutes, 1 minute grace"
    assert due(told.beat) is None, "it is down: nothing more is due"
    assert looked(told.beat, 60) == states.Told(False, False, told.beat)


def test_a_return_resolves():
    down = looked(after((0, SUCCESS)), 6).beat
    back = states.ping(down, RHYTHM, SUCCESS, at(20))
    assert states.due_at(back, RHYTHM, at(20)) == at(20), "its alert is to be told at once"
    told = states.tell(back)
    assert (told.fired, told.resolved, told.beat.state, told.beat.firing) == (False, True, "up", False)
    assert (told.beat.down_since, due(told.beat)) == (None, 26)


def test_a_failure_that_ended_before_anybody_looked_is_told_all_the_same():
    beat = after((0, SUCCESS), (1, Ping("fail", exit_status=3)), (1.1, SUCCESS))
    told = states.tell(beat)
    assert (told.fired, told.resolved, told.beat.firing, beat.down_because) == (
        True,
        True,
        False,
        "it ended with exit status 3",
    )
    again = after((1.2, FAIL), beat=beat)
    assert states.tell(again).fired
    assert not states.tell(again).resolved
    assert again.down_since == at(1)


@pytest.mark.parametrize(("sign", "words"), [(FAIL, "reported a failure"), (Ping("fail", "", 255), "exit status 255")])
def test_failures_are_down_at_once(sign, words):
    beat = after((0, SUCCESS), (2, sign))
    assert (beat.state, beat.down_since, beat.last_exit_status) == ("down", at(2), sign.exit_status)
    assert words in beat.down_because


def test_a_run_must_end_within_its_grace():
    beat = after((0, SUCCESS), (5, START))
    assert due(beat) == 6
    assert (states.shown(beat, at(5.5)), after((5.5, SUCCESS), beat=beat).last_duration_ms) == ("up", 30_000)
    assert looked(beat, 6).beat.down_because == "a run has not finished within 1 minute of its start"
    assert due(after((0, START))) == 1, "of a new one too"


def test_starting_again_and_again_is_no_sign_of_life():
    assert due(after((0, START), (0.9, START), (1.8, START))) == 1


def test_runs_are_told_apart_by_their_ids():
    beat = after((0, Ping("start", RUN)), (0.5, Ping("start", OTHER)), (0.6, Ping("success", OTHER)))
    assert (set(beat.runs), beat.last_duration_ms, due(beat)) == ({RUN}, 6_000, 1)
    assert looked(beat, 1).beat.state == "down"
    assert after((0.7, SUCCESS), beat=beat).runs == {}, "an end without an id ends them all"
    many = after(*((0, Ping("start", f"{n:032x}")) for n in range(50)))
    assert len(many.runs) == states.MAX_RUNS


def test_a_return_forgets_runs_that_were_overdue_meanwhile():
    beat = after((0, Ping("start", RUN)), (0.5, FAIL), (0.6, Ping("start", OTHER)), (9, SUCCESS))
    assert (beat.state, beat.runs) == ("up", {})
    beat = after((0, FAIL), (0.5, Ping("start", RUN)), (9, Ping("success", OTHER)))
    assert (beat.state, beat.runs, due(beat)) == ("up", {}, 15)


def test_a_log_is_only_remembered():
    beat = after((0, SUCCESS))
    logged = after((4, LOG), beat=beat)
    assert (logged.last_kind, due(logged)) == ("log", due(beat))


def test_a_paused_one_expects_nothing_and_stays_so():
    down = looked(after((0, SUCCESS)), 6).beat
    paused = states.pause(down)
    told = states.tell(paused)
    assert (told.resolved, told.beat.state, due(told.beat)) == (True, "paused", None)
    pinged = after((30, SUCCESS), (31, FAIL), beat=told.beat)
    assert (pinged.state, pinged.last_kind, pinged.untold) == ("paused", "fail", False)
    assert due(states.resume(pinged, RHYTHM, at(60))) == 66
    assert states.resume(states.pause(Beat()), RHYTHM, at(0)).state == "new"
    assert not states.tell(states.pause(after((0, FAIL)))).fired, "what nobody was told of is not told any more"


def test_an_edit_pages_nobody():
    beat = after((0, SUCCESS))
    soon = Rhythm(timedelta(), timedelta(seconds=10))
    assert states.deadline(states.retime(beat, soon, at(4)), soon) == at(4) + timedelta(seconds=10)


signs = st.builds(
    Ping, st.sampled_from(["success", "start", "fail", "log"]), st.sampled_from(["", RUN, OTHER]), st.none()
)


@given(st.lists(st.tuples(signs | st.sampled_from(["look", "pause", "resume"]), st.floats(0, 7)), max_size=30))
def test_whatever_happens_its_alert_knows_in_the_end(story):
    """Fired and resolved alternate; once it was looked at, its alert fires exactly while it is down."""
    beat, minutes, fires = Beat(), 0.0, False
    for step, later in [*story, ("look", 0.0)]:
        minutes += later
        if isinstance(step, Ping):
            beat = states.ping(beat, RHYTHM, step, at(minutes))
        elif step == "pause":
            beat = states.pause(beat)
        elif step == "resume":
            beat = states.resume(beat, RHYTHM, at(minutes))
        else:
            told = looked(beat, minutes)
            assert not (told.fired and fires)
            fires = (fires or told.fired) and not told.resolved
            beat = told.beat
            assert fires == beat.firing == (beat.state == "down")
            assert not beat.untold
            assert (beat.down_since is None) == (beat.state != "down")


def test_lengths_in_words():
    told = [spell(timedelta(seconds=s)) for s in (0, 1, 60, 90, 5400, 86_400, 90_061)]
    assert told == [
        "0 seconds",
        "1 second",
        "1 minute",
        "1 minute 30 seconds",
        "1 hour 30 minutes",
        "1 day",
        "1 day 1 hour",
    ]
    line = Rhythm(timedelta(hours=1), None, "0 2 * * *", "Europe/Berlin")
    assert str(line) == "expected by 0 2 * * * (Europe/Berlin), 1 hour grace"
