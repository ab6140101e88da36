"""What a drill showed, by example."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app.proof.scoring import Answered, PersonScore, Told, score, tally

BEGAN = datetime(2026, 11, 23, 9, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def told(user: str, channel: str, state: str, at: float, done: float | None = None, **more: object) -> Told:
    finished = None if done is None else after(done)
    known = {"because": "", "step": 1, "tried": state != "cancelled"} | more
    return Told(user, user.capitalize(), channel, state, at=after(at), finished_at=finished, **known)


def one(messages: list[Told], answers: list[Answered] | None = None) -> PersonScore:
    [person] = score(BEGAN, messages, answers or [])
    return person


def test_whoever_answered_was_reached_by_what_they_answered() -> None:
    messages = [told("ana", "mail", "sent", 0, 1), told("ana", "sms", "delivered", 0, 3)]
    found = one(messages, [Answered("ana", "Ana", after(40), "mail")])
    assert (found.result, found.by, found.reached_after_s, found.acknowledged_after_s) == (
        "acknowledged",
        "mail",
        3,
        40,
    )


def test_delivered_is_more_than_sent() -> None:
    both = [told("ana", "mail", "sent", 0, 1), told("ana", "sms", "delivered", 0, 9)]
    assert (one(both).result, one(both).by, one(both).reached_after_s) == ("delivered", "sms", 9)
    assert one(both[:1]).result == "sent"


def test_missed_says_why_and_spared_is_nobodys_fault() -> None:
    lost = one(
        [
            told("ana", "sms", "undelivered", 0, 5, because="unreachable"),
            told("ana", "mail", "failed", 0, 1, because="550"),
        ]
    )
    assert (lost.result, lost.by, lost.because) == ("missed", None, "sms: unreachable; mail: 550")
    assert one([told("ben", "sms", "cancelled", 300, 300, because="acknowledged")]).result == "spared"


def test_seconds_count_from_the_first_message_to_each() -> None:
    messages = [told("ana", "sms", "delivered", 0, 2), told("ben", "sms", "delivered", 300, 303, step=2)]
    ana, ben = score(BEGAN, messages, [Answered("ben", "Ben", after(340), "sms")])
    assert (ana.step, ben.step, ben.reached_after_s, ben.acknowledged_after_s) == (1, 2, 3, 40)
    assert tally([ana, ben], []) == {"paged": 2, "reached": 2, "acknowledged": 1, "missed": 0, "first_answer_s": 40}


def test_somebody_who_was_not_asked_and_those_whom_nothing_could_be_sent() -> None:
    people = score(BEGAN, [], [Answered("cara", "Cara", after(7), None)])
    assert (people[0].step, people[0].acknowledged_after_s) == (None, 7)
    assert tally(people, ["Ana has no usable contact method"])["missed"] == 1
