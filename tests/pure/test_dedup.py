"""behaviour.md 2: which events are the same alert, and which change nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.alerts.dedup import AlertState, Arrival, Decision, Outcome, decide, digest, fold
from app.ingest.event import Event, EventKind

T0 = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
WINDOW_S = 300


def s(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def event(
    kind: EventKind = "firing",
    starts: datetime = T0,
    ends: datetime | None = None,
    key: str = "k",
    severity: str = "critical",
    **labels: str,
) -> Event:
    every = {"alertname": "X"} | labels
    return Event(kind, key, repr(sorted(every.items())), "Title", severity, every, starts, ends)  # type: ignore[arg-type]


def arrival(told: Event, index: int = 0) -> Arrival:
    return Arrival(told, 1, "am", "alertmanager", 7, WINDOW_S, UUID(int=1), index)


def fires(starts: datetime = T0, **more: str) -> Event:
    return event("firing", starts, **more)


def resolves(ends: datetime, starts: datetime = T0) -> Event:
    return event("resolved", starts, ends)


def play(*told: tuple[Event, datetime], alert: AlertState | None = None) -> list[Decision]:
    """One event after the other, each at its instant."""
    decisions: list[Decision] = []
    for said, now in told:
        decision = decide(alert, arrival(said), now)
        decisions.append(decision)
        alert = decision.alert
    return decisions


def silent(alert: AlertState, at: datetime) -> AlertState:
    """The alert after its expiry."""
    return AlertState(
        alert.id, 1, alert.dedup_key, False, alert.occurrence_id, alert.starts_at, alert.digest, alert.severity,
        ended_at=at, end_kind="expired", end_received_at=at,
    )  # fmt: skip


def outcomes(decisions: Sequence[Decision]) -> list[Outcome]:
    return [d.outcome for d in decisions]


def test_a_first_firing_opens_and_its_repeats_change_nothing() -> None:
    first, again = play((fires(), T0 + s(5)), (fires(), T0 + s(60)))
    assert outcomes([first, again]) == [Outcome.OPENED, Outcome.REPEATED]
    assert again.alert == first.alert


def test_the_earliest_start_of_a_redundant_pair_is_kept() -> None:
    decisions = play((fires(T0 + s(4)), T0 + s(5)), (fires(T0), T0 + s(6)), (fires(T0 + s(4)), T0 + s(7)))
    assert outcomes(decisions) == [Outcome.OPENED, Outcome.REPEATED, Outcome.REPEATED]
    assert decisions[-1].alert.starts_at == T0


def test_another_severity_or_label_is_a_change_of_the_same_occurrence() -> None:
    first, worse, other = play(
        (fires(severity="error"), T0), (fires(severity="critical"), T0 + s(60)), (fires(pod="b"), T0 + s(90))
    )
    assert (worse.outcome, other.outcome) == (Outcome.CHANGED, Outcome.CHANGED)
    assert first.alert.occurrence_id == other.alert.occurrence_id
    assert worse.alert.severity == "critical"


def test_ignored_labels_change_nothing() -> None:
    assert digest(event(replica="a"), frozenset({"replica"})) == digest(event(replica="b"), frozenset({"replica"}))
    assert digest(event(replica="a")) != digest(event(replica="b"))
    assert digest(event(a="b", c="d")) != digest(event(a="b\x00c\x01d"))


def test_a_resolve_matches_whatever_start_it_carries() -> None:
    decisions = play((fires(), T0), (resolves(T0 + s(60), starts=T0 + s(30)), T0 + s(61)))
    assert outcomes(decisions) == [Outcome.OPENED, Outcome.RESOLVED]
    assert decisions[-1].alert.ended_at == T0 + s(60)


def test_a_resolve_that_ended_before_the_firing_began_is_stale() -> None:
    *_, late = play(
        (fires(), T0), (resolves(T0 + s(10)), T0 + s(11)), (fires(T0 + s(100)), T0 + s(101)),
        (resolves(T0 + s(10)), T0 + s(102)),
    )  # fmt: skip
    assert late.outcome is Outcome.STALE
    assert late.alert.firing


def test_firing_after_the_end_is_a_new_occurrence() -> None:
    first, _, second = play((fires(), T0), (resolves(T0 + s(10)), T0 + s(11)), (fires(T0 + s(12)), T0 + s(13)))
    assert second.outcome is Outcome.OPENED
    assert second.alert.occurrence_id != first.alert.occurrence_id
    assert second.alert.id == first.alert.id


@pytest.mark.parametrize(("after_s", "outcome"), [(0, Outcome.STALE), (299, Outcome.STALE), (300, Outcome.REVIVED)])
def test_firing_that_began_before_an_explicit_end_is_stale_for_five_minutes(after_s: int, outcome: Outcome) -> None:
    first, _, late = play((fires(), T0), (resolves(T0 + s(10)), T0 + s(20)), (fires(), T0 + s(20 + after_s)))
    assert late.outcome is outcome
    assert late.alert.occurrence_id == first.alert.occurrence_id
    assert late.alert.firing is (outcome is Outcome.REVIVED)


def test_after_an_expiry_firing_revives_at_once() -> None:
    (first,) = play((fires(), T0))
    expired = silent(first.alert, T0 + s(240))
    (back,) = play((fires(), T0 + s(241)), alert=expired)
    assert back.outcome is Outcome.REVIVED


def test_an_explicit_resolve_after_an_expiry_makes_late_firing_stale_again() -> None:
    (first,) = play((fires(), T0))
    expired = silent(first.alert, T0 + s(240))
    told, late = play((resolves(T0 + s(250)), T0 + s(260)), (fires(), T0 + s(261)), alert=expired)
    assert (told.outcome, late.outcome) == (Outcome.REPEATED, Outcome.STALE)
    assert told.alert.end_kind == "explicit"


def test_an_unmatched_resolve_is_an_occurrence_of_no_length_that_makes_earlier_firing_stale() -> None:
    alone, late, later = play((resolves(T0 + s(60)), T0 + s(61)), (fires(), T0 + s(62)), (fires(), T0 + s(361)))
    assert outcomes([alone, late, later]) == [Outcome.UNMATCHED, Outcome.STALE, Outcome.REVIVED]
    assert alone.alert.starts_at == alone.alert.ended_at == T0 + s(60)


def test_a_resolve_without_an_end_ends_now() -> None:
    *_, ended = play((fires(), T0), (event("resolved"), T0 + s(30)))
    assert ended.alert.ended_at == T0 + s(30)


def test_a_source_whose_clock_is_ahead_can_still_resolve() -> None:
    ahead = T0 + s(3600)
    opened, ended = play((fires(ahead), T0), (resolves(T0 + s(30), starts=ahead), T0 + s(31)))
    assert opened.alert.starts_at == T0
    assert ended.outcome is Outcome.RESOLVED


def test_a_renewal_moves_the_expiry_only_forward_and_leaves_the_indexed_instant_alone() -> None:
    first, later, earlier = play(
        (event("firing", T0, T0 + s(240)), T0),
        (event("firing", T0, T0 + s(300)), T0 + s(60)),
        (event("firing", T0, T0 + s(250)), T0 + s(61)),
    )
    assert outcomes([first, later, earlier]) == [Outcome.OPENED, Outcome.REPEATED, Outcome.REPEATED]
    assert later.alert.expires_at == earlier.alert.expires_at == T0 + s(300)
    assert {d.alert.expiry_due_at for d in (first, later, earlier)} == {T0 + s(240)}


def test_an_acknowledgement_at_the_source_changes_no_state() -> None:
    fired, taken = play((fires(), T0), (event("acknowledged"), T0 + s(5)))
    assert taken.outcome is Outcome.ACKNOWLEDGED
    assert taken.alert == fired.alert
    (unknown,) = play((event("acknowledged"), T0))
    assert unknown.outcome is Outcome.UNMATCHED
    assert not unknown.alert.firing


def test_a_key_may_occur_several_times_in_a_batch() -> None:
    told = [fires(), resolves(T0 + s(10)), fires(T0 + s(20)), fires(T0 + s(20)), event(key="other")]
    folded = fold([], [arrival(e, i) for i, e in enumerate(told)], T0 + s(30))
    assert outcomes(folded.decisions) == [
        Outcome.OPENED, Outcome.RESOLVED, Outcome.OPENED, Outcome.REPEATED, Outcome.OPENED
    ]  # fmt: skip
    assert folded.created.keys() == {(1, "k"), (1, "other")}
    assert not folded.rewritten
    assert folded.created[1, "k"].alert.firing
    assert folded.created[1, "k"].arrival.event is told[2]  # the words of the newest change


# -- properties


def keyed(e: Event, key: str) -> Event:
    return Event(e.kind, key, key, e.title, e.severity, e.labels, e.starts_at, e.ends_at)


INSTANTS = st.integers(0, 1800)
EVENTS = st.one_of(
    st.builds(lambda start: fires(T0 + s(start)), INSTANTS),
    st.builds(lambda start, sev: fires(T0 + s(start), severity=sev), INSTANTS, st.sampled_from(["error", "warning"])),
    st.builds(lambda start, ends: event("firing", T0 + s(start), T0 + s(start + ends)), INSTANTS, INSTANTS),
    st.builds(lambda end: resolves(T0 + s(end)), INSTANTS),
    st.builds(lambda start: event("acknowledged", T0 + s(start)), INSTANTS),
)
HISTORIES = st.lists(st.tuples(EVENTS, INSTANTS), max_size=12).map(
    lambda told: [(e, T0 + s(at)) for e, at in sorted(told, key=lambda pair: pair[1])]
)


@given(st.lists(st.sampled_from([0, 0, 1, 4]), min_size=1, max_size=20))
def test_redundant_deliveries_in_any_order_are_one_firing(skews: list[int]) -> None:
    decisions = play(*((fires(T0 + s(skew)), T0 + s(10 + n)) for n, skew in enumerate(skews)))
    assert outcomes(decisions) == [Outcome.OPENED] + [Outcome.REPEATED] * (len(skews) - 1)
    assert decisions[-1].alert.firing
    assert decisions[-1].alert.starts_at == T0 + s(min(skews))


@given(HISTORIES)
def test_no_history_can_hide_a_source_that_goes_on_firing(history: list[tuple[Event, datetime]]) -> None:
    decisions = play(*history)
    alert = decisions[-1].alert if decisions else None
    received = [now for _, now in history]
    later = max([T0, *received]) + s(WINDOW_S)
    (decision,) = play((fires(), later), alert=alert)
    assert decision.alert.firing


@given(HISTORIES, st.lists(st.integers(0, 900), max_size=10))
def test_repeated_resolves_open_nothing(history: list[tuple[Event, datetime]], repeats: list[int]) -> None:
    decisions = play(*history)
    last = max([T0, *(now for _, now in history)])
    end = last + s(1)
    told = [(resolves(end), end + s(after)) for after in sorted(repeats)]
    after = play((resolves(end), end), *told, alert=decisions[-1].alert if decisions else None)
    assert not after[-1].alert.firing
    assert not {Outcome.OPENED, Outcome.REVIVED, Outcome.CHANGED} & set(outcomes(after))


@given(HISTORIES)
def test_states_are_what_the_table_allows(history: list[tuple[Event, datetime]]) -> None:
    for decision, (_, now) in zip(play(*history), history, strict=True):
        alert = decision.alert
        assert alert.firing == (alert.ended_at is None) == (alert.end_kind is None)
        assert alert.firing or (alert.expires_at is None and alert.expiry_due_at is None)
        assert not alert.firing or alert.starts_at <= now
        assert alert.expiry_due_at is None or (alert.expires_at and alert.expiry_due_at <= alert.expires_at)


@given(st.lists(st.tuples(EVENTS, st.sampled_from("abc")), max_size=12), st.sets(st.sampled_from("abc")))
def test_a_batch_decides_as_if_its_events_came_one_by_one(told: list[tuple[Event, str]], known: set[str]) -> None:
    now = T0 + s(1800)
    states = {(1, k): decide(None, arrival(event(key=k)), T0).alert for k in known}
    arrivals = [arrival(keyed(e, k), n) for n, (e, k) in enumerate(told)]
    folded = fold(states.values(), arrivals, now)
    final = dict(states)
    for a, decision in zip(arrivals, folded.decisions, strict=True):
        alone = decide(final.get(a.identity), a, now)
        assert alone.outcome is decision.outcome
        final[a.identity] = decision.alert
    written = [*folded.created, *folded.rewritten, *folded.moved]
    assert len(written) == len(set(written))
    for key, state in final.items():
        if key in folded.created:
            assert folded.created[key].alert == state
        elif key in folded.rewritten:
            assert folded.rewritten[key].alert == state
        elif key in folded.moved:
            assert folded.moved[key] == state
        else:
            assert states[key] == state


def test_a_slower_one_of_a_pair_does_not_make_an_occurrence_older_than_the_end_of_the_one_before() -> None:
    told = (fires(), resolves(T0 + s(10)), fires(T0 + s(20)))
    *_, again = play(*[(e, T0 + s(30)) for e in told])
    first, over, late = play(*[(e, T0 + s(40)) for e in told], alert=again.alert)
    assert [d.outcome for d in (first, over, late)] == [Outcome.STALE, Outcome.STALE, Outcome.REPEATED]
    assert late.alert == again.alert
    (much_later,) = play((fires(), T0 + s(40 + WINDOW_S)), alert=again.alert)
    assert (much_later.outcome, much_later.alert) == (Outcome.REPEATED, again.alert)


@st.composite
def interleaved(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """What one sender tells of an alert, and two of them in some order that keeps each one's own."""
    told: list[Event] = []
    at = T0
    for _ in range(draw(st.integers(1, 4))):
        # Of one occurrence with two severities nobody can tell which one a slower sender has not heard of yet.
        severity = draw(st.sampled_from(["critical", "warning"]))
        for _ in range(draw(st.integers(1, 3))):
            at += s(draw(st.integers(1, 60)))
            told.append(fires(at, severity=severity))
        at += s(draw(st.integers(1, 60)))
        told.append(resolves(at, at))
    mixed, ahead, behind = [], list(told), list(told)
    while ahead or behind:
        queue = draw(st.sampled_from([q for q in (ahead, behind) if q]))
        mixed.append(queue.pop(0))
    if draw(st.booleans()):  # it may still fire at the end
        last = fires(at + s(1))
        return [*told, last], [*mixed, last, last]
    return told, mixed


@given(interleaved())
def test_two_senders_in_any_order_that_keeps_each_ones_own_are_as_one(given_: tuple[list[Event], list[Event]]) -> None:
    told, mixed = given_
    now = T0 + s(1000)
    once, both = play(*[(e, now) for e in told])[-1].alert, play(*[(e, now) for e in mixed])[-1].alert
    seen = ("firing", "starts_at", "ended_at", "digest", "severity", "flips", "earlier_ended_at")
    assert [getattr(once, a) for a in seen] == [getattr(both, a) for a in seen]
