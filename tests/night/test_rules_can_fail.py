"""Each rule finds what it is there for: a night that went well, doctored in one place."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from nights import invariants
from nights.asked import Asked
from nights.evidence import Evidence, Gone, Late, Letter, Rows, Seen
from nights.generator import night
from nights.reading_back import carried_before
from nights.script import Alerts, Kill, Night, Resident, Trouble
from nights.shrinking import shrink
from nights.telling import script

NIGHT = night(0)
ANA = Resident("ana", ("sms", "mail"), (), "prompt")
TOWN = replace(NIGHT.organisation, people=(ANA,), hooks=(), templates=())
PLAIN: Night = replace(NIGHT, organisation=TOWN, happenings=())
BEGAN = NIGHT.began
N1, N2, LADDER = UUID(int=1), UUID(int=2), UUID(int=9)


def s(seconds: float) -> Any:
    return BEGAN + timedelta(seconds=seconds)


def letter(notification: UUID = N1, number: int = 1, at: float = 10, **members: Any) -> Letter:
    known: dict[str, Any] = {
        "channel": "sms", "to": "+491", "person": "ana", "purpose": "page", "loud": True, "subject": "Down",
        "text": "Down",
        "link": "", "replies": (), "token": "t", "claimed_at": s(at), "at": s(at + 1), "taken": True, "told": "sent",
        "provider_id": f"SM{notification.int}-{number}", "carries": (notification,),
    }  # fmt: skip
    return Letter(notification, number, **known | members)


def notification(id_: UUID = N1, **members: Any) -> Any:
    known: dict[str, Any] = {
        "id": id_, "number": 1, "person": "ana", "channel": "sms", "purpose": "page", "loudness": "loud",
        "state": "sent",
        "because": "", "finished_at": s(11), "epoch": 1, "round": 1, "step": 0, "ladder_id": LADDER, "content": {},
        "tries": 1,
        "created_at": s(9.5), "webhook_id": None,
    }  # fmt: skip
    return SimpleNamespace(**known | members)


def attempt(of: Letter) -> Any:
    return SimpleNamespace(notification_id=of.notification_id, number=of.number, provider_id=of.provider_id or None)


def entry(kind: str, at: float, **data: Any) -> Any:
    return SimpleNamespace(number=1, at=s(at), kind=kind, actor="", data=data)


def good() -> Evidence:
    """Ana is paged about incident 1 at 10 s, has it at 60 s, and it is over at 600 s."""
    sent = letter()
    seen = [Seen(s(10), 1, "triggered", 1, True, False), Seen(s(60), 1, "acknowledged", 1, False, False),
            Seen(s(600), 1, "resolved", 1, False, False)]  # fmt: skip
    told = {"id": N1, "tries": 1, "state": "sent"}
    rows = Rows(
        timeline=(entry("sent", 11, name="Ana", channel="sms"),), notifications=(notification(),),
        attempts=(attempt(sent),), told=((1, told),),
    )  # fmt: skip
    return Evidence(BEGAN, letters=[sent], seen=seen, rows=rows)


def rows(seen: Evidence, **members: Any) -> None:
    seen.rows = replace(seen.rows, **members)


def wrong(seen: Evidence, one: Night = PLAIN) -> set[str]:
    return {w.partition(":")[0] for w in invariants.broken(one, seen)}


def test_a_good_night_is_good() -> None:
    assert invariants.broken(PLAIN, good()) == []


def test_an_incident_without_page_or_reason() -> None:
    seen = good()
    rows(seen, notifications=(), timeline=(), told=())
    assert "every_incident_pages_or_says_why" in wrong(seen)
    rows(seen, timeline=(entry("nobody_reached", 11),))
    assert "every_incident_pages_or_says_why" not in wrong(seen)


def test_a_second_epoch_pages_too_unless_nobody_could_work() -> None:
    seen = good()
    seen.seen[2:] = [Seen(s(500), 1, "triggered", 2, True, False), Seen(s(600), 1, "resolved", 2, False, False)]
    assert wrong(seen) == {"every_incident_pages_or_says_why"}
    seen.gone = [Gone(s(500), s(600), "no worker")]
    assert wrong(seen) == set()


@pytest.mark.parametrize(("at", "allowed"), [(10, True), (60, True), (61, False), (601, False)])
def test_a_page_after_the_acknowledgement(at: float, allowed: bool) -> None:
    seen = good()
    seen.letters[0].claimed_at = s(at)
    assert wrong(seen) == (set() if allowed else {"nobody_is_paged_about_what_somebody_has"})


def test_a_step_that_lasts_until_resolved_pages_after_the_acknowledgement_and_not_after_the_end() -> None:
    seen = good()
    rows(seen, notifications=(notification(content={"until": "resolved"}),))
    seen.letters[0].claimed_at = s(100)
    assert wrong(seen) == set()
    seen.letters[0].claimed_at = s(700)
    assert wrong(seen) == {"nobody_is_paged_about_what_somebody_has"}


def again(**members: Any) -> Evidence:
    """The same notification a second time."""
    seen = good()
    second = letter(number=2, at=30, **members)
    seen.letters.append(second)
    rows(seen, attempts=(*seen.rows.attempts, attempt(second)), notifications=(notification(tries=2),),
         told=((1, {"id": N1, "tries": 2, "state": "sent"}),))  # fmt: skip
    return seen


def test_a_second_message_is_marked() -> None:
    assert wrong(again()) == {"what_goes_out_again_is_marked"}
    assert wrong(again(text="Down (repeat)")) == set()


def test_a_quiet_message_goes_out_once() -> None:
    assert wrong(again(text="Down (repeat)", loud=False)) == {"what_goes_out_again_is_marked"}


def test_what_cannot_have_been_sent_before_is_no_repeat() -> None:
    seen = good()
    seen.letters[0].text = "Down (repeat)"
    assert wrong(seen) == {"what_goes_out_again_is_marked"}


def test_a_second_notification_of_the_same_step() -> None:
    seen = good()
    more = [letter(UUID(int=n), at=10 + n) for n in (2, 3)]
    seen.letters += more
    rows(
        seen,
        attempts=(*seen.rows.attempts, *map(attempt, more)),
        notifications=(notification(), *(notification(UUID(int=n)) for n in (2, 3))),
        timeline=tuple(entry("sent", 11, name="Ana", channel="sms") for _ in range(3)),
    )
    assert wrong(seen) == {"the_same_page_is_planned_once"}  # her default plan has two texts
    rows(seen, notifications=tuple(notification(UUID(int=n), step=n) for n in (1, 2, 3)))
    assert wrong(seen) == set()


def test_bad_news_that_nobody_follows() -> None:
    seen = good()
    lost = notification(state="undelivered", because="lost", finished_at=s(20))
    rows(seen, notifications=(lost,))
    assert wrong(seen) == {"bad_news_moves_on"}
    for follower, fine in (
        (notification(N2, step=1, created_at=s(24)), True),
        (notification(N2, step=1, created_at=s(26)), False),
        (notification(N2, step=1, created_at=s(9)), True),  # somebody had pressed for the next step before
        (notification(N2, round=0, step=1, created_at=s(24)), False),
        (notification(N2, channel="mail", created_at=s(9.5)), True),
        (notification(N2, channel="mail", created_at=s(9.5), state="failed", because="no", finished_at=s(15)), False),
    ):
        rows(seen, notifications=(lost, follower))
        assert ("bad_news_moves_on" not in wrong(seen)) == fine
    rows(seen, notifications=(notification(state="undelivered", because="lost", finished_at=s(58)),))
    assert wrong(seen) == set()  # she has it before 5 s have passed


def test_what_is_late() -> None:
    seen = good()
    seen.late = [Late(s(10), s(40))]
    assert wrong(seen) == {"nothing_is_late"}
    seen.gone = [Gone(s(5), s(40), "the database was away")]
    assert wrong(seen) == set()


def test_a_ladder_that_stands_still() -> None:
    seen = good()
    seen.seen[0] = replace(seen.seen[0], climbs=False)
    assert wrong(seen) == {"no_ladder_stands_still"}
    seen.seen[0] = replace(seen.seen[0], withheld=True)
    assert "no_ladder_stands_still" not in wrong(seen)


@pytest.mark.parametrize("members", [{"state": "pending"}, {"state": "sending"}, {"state": "failed"}])
def test_a_notification_that_does_not_end_or_does_not_say_why(members: dict[str, Any]) -> None:
    seen = good()
    rows(seen, notifications=(notification(**members),))
    assert "every_notification_ends" in wrong(seen)


def test_a_message_that_is_not_on_record() -> None:
    seen = good()
    rows(seen, attempts=())
    assert wrong(seen) == {"what_a_provider_took_is_on_record"}


def test_a_message_under_another_id() -> None:
    seen = good()
    rows(seen, attempts=(SimpleNamespace(notification_id=N1, number=1, provider_id=None),))
    assert wrong(seen) == {"what_a_provider_took_is_on_record"}
    seen.letters[0].told = "died"
    assert wrong(seen) == {"what_a_provider_took_is_on_record"}  # a text can be asked for afterwards
    deaf = replace(PLAIN, happenings=(Trouble(5, 60, "sms", "down"),))
    assert wrong(seen, deaf) == set()


def test_a_message_that_no_provider_has() -> None:
    seen = good()
    seen.letters[0].taken = False
    assert "what_a_provider_took_is_on_record" in wrong(seen)


def test_a_timeline_that_tells_too_little_or_too_much() -> None:
    for times in (0, 2):
        seen = good()
        rows(seen, timeline=tuple(entry("sent", 11, name="Ana", channel="sms") for _ in range(times)))
        assert wrong(seen) == {"timeline_and_api_agree_with_the_providers"}


def test_an_api_that_forgets_a_try() -> None:
    seen = good()
    rows(seen, told=((1, {"id": N1, "tries": 0, "state": "sent"}),))
    assert wrong(seen) == {"timeline_and_api_agree_with_the_providers"}


def test_an_error_in_the_log() -> None:
    seen = good()
    seen.errors = ["handoffs_failed"]
    assert wrong(seen) == {"nothing_is_an_error"}


def test_other_pages_are_seen() -> None:
    assert good().pages() == deepcopy(good()).pages()
    other = good()
    other.letters[0].claimed_at = s(11)
    assert other.pages() != good().pages()


# -- what makes nights


def test_a_seed_makes_one_night_and_another_seed_another() -> None:
    assert night(7) == night(7)
    assert script(night(7)) == script(night(7))
    assert night(7) != night(8)


def test_nights_have_everything_in_them() -> None:
    happened = {type(h).__name__ for seed in range(100) for h in night(seed).happenings}
    assert happened == {"Alerts", "Trouble", "Kill", "Outage", "Jump", "Deed"}
    troubles = {h.kind for seed in range(300) for h in night(seed).happenings if isinstance(h, Trouble)}
    assert len(troubles) == 10
    assert {h.when for seed in range(100) for h in night(seed).happenings if isinstance(h, Kill)} == {"claimed", "sent"}
    assert any(len(h.names) > 20 for seed in range(100) for h in night(seed).happenings if isinstance(h, Alerts))


async def test_shrinking_keeps_what_the_failure_needs() -> None:
    long = next(n for n in map(night, range(100)) if len(n.happenings) > 10)
    needed = (long.happenings[2], long.happenings[-1])

    async def fails(candidate: Night) -> bool:
        return all(h in candidate.happenings for h in needed)

    shorter = await shrink(long, fails)
    assert shorter.happenings == needed
    assert {p.temper for p in shorter.organisation.people} == {"never"}


def test_what_a_message_carried_is_read_from_the_tries_that_are_missing() -> None:
    pages = {n: SimpleNamespace(id=n, created_at=s(0), contact_method_id=1) for n in (N1, N2)}
    first, own, other = (
        SimpleNamespace(id=i, notification_id=n, number=number, started_at=s(at))
        for i, n, number, at in ((1, N1, 1, 10), (2, N1, 2, 20), (3, N2, 2, 21))
    )
    assert dict(carried_before(pages, [first, own, other])) == {1: {N2}}
    assert not carried_before(pages, [first, own])
    pages[N2].contact_method_id = 2
    assert not carried_before(pages, [first, own, other])


def test_the_nights_that_were_asked_for() -> None:
    told = {"TOCSIN_NIGHTS": "10", "TOCSIN_NIGHTS_FROM": "100", "TOCSIN_REAL_NIGHTS_FROM": "7"}
    assert Asked(environment=told).seeds == range(100, 110)
    assert Asked(environment=told | {"TOCSIN_NIGHT": "7"}).seeds == range(7, 8)
    assert not Asked("REAL_NIGHT", 0, told).seeds
    assert Asked("REAL_NIGHT", 0, told | {"TOCSIN_REAL_NIGHTS": "3"}).seeds == range(7, 10)


def test_the_first_night_is_played_whatever_the_time() -> None:
    short, endless = Asked(environment={"TOCSIN_NIGHTS_FOR": "0"}), Asked(environment={})
    assert [short.time_is_up(), short.time_is_up()] == [False, True]
    assert [endless.time_is_up(), endless.time_is_up()] == [False, False]
