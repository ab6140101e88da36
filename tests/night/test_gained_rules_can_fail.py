"""The rules of digests, webhooks and templates find what they are there for: a night that went well, doctored."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from nights import digest_rules, gains, hook_rules, invariants, wording_rules
from nights.evidence import Answered, Evidence, Gone, Heard, Letter, Rows
from nights.generator import night
from nights.script import Hook, Kill, Night, Resident, Trouble

BEGAN = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
ANA = Resident("ana", ("sms", "mail"), (), "prompt", digest_at="22:00")
HOOK = Hook("hook0", ("triggered", "escalated", "resolved"))
TOWN = replace(night(0).organisation, zone="Europe/Berlin", people=(ANA,), hooks=(HOOK,), templates=(), policies=())
NIGHT: Night = replace(night(0), began=BEGAN, organisation=TOWN, happenings=())
MORNING = 3600.0
"""22:00 in Berlin, in s of the night."""
N1, N2, E1, E2, E3 = (UUID(int=n) for n in range(1, 6))
STEP = UUID(int=9)


def s(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def page(id_: UUID, number: int, **members: Any) -> Any:
    known: dict[str, Any] = {
        "id": id_, "number": number, "person": "ana", "purpose": "page", "loudness": "quiet", "created_at": s(100),
        "content": {"digest": "2026-11-23"}, "ladder_id": UUID(int=number), "epoch": 1, "webhook_id": None,
        "state": "sent", "round": 1, "step": 0,
    }  # fmt: skip
    return SimpleNamespace(**known | members)


def letter(**members: Any) -> Letter:
    known: dict[str, Any] = {
        "notification_id": N1, "number": 1, "channel": "sms", "to": "+491", "person": "ana", "purpose": "page",
        "loud": False, "subject": "Quiet last night: 2 incidents wait for you", "link": "https://t.test/l/abc",
        "text": "Quiet last night: 2 incidents wait for you: 1: P4 Disk (Web) since Mon 21:00; 2: P5 Cert (Web) since",
        "replies": ("Reply a all",), "token": "t", "claimed_at": s(MORNING), "at": s(MORNING + 1), "taken": True,
        "told": "sent", "carries": (N1, N2), "shown": "Quiet last night\nReply a all\nhttps://t.test/l/abc",
    }  # fmt: skip
    return Letter(**known | members)


def entry(id_: UUID, kind: str, at: float, **data: Any) -> Any:
    return SimpleNamespace(id=id_, number=1, at=s(at), kind=kind, actor="", data=data, service="web")


def call(id_: UUID, happening: str, at: float, **members: Any) -> Any:
    known: dict[str, Any] = {
        "hook": "hook0", "entry_id": id_, "number": 1, "happening": happening, "at": s(at), "state": "delivered",
        "tries": 1, "due_at": s(at), "finished_at": s(at + 1),
    }  # fmt: skip
    return SimpleNamespace(**known | members)


def heard(id_: UUID, type_: str, at: float, **members: Any) -> Heard:
    known: dict[str, Any] = {
        "hook": "hook0", "id": id_, "number": 1, "body": b"{}", "type": type_, "of_step": False, "claimed_at": s(at),
        "at": s(at + 1), "taken": True, "told": "sent",
    }  # fmt: skip
    return Heard(**known | members)


def answered(said: str, taken: tuple[int, ...], **members: Any) -> Answered:
    before = {1: ("triggered", ""), 2: ("triggered", ""), 3: ("triggered", "")}
    after = before | dict.fromkeys(taken, ("acknowledged", "ana"))
    known: dict[str, Any] = {"named": {7: 1, 8: 2}, "carried": frozenset({1, 2}), "newest": True, "able": True,
                             "before": before, "after": after}  # fmt: skip
    return Answered(s(MORNING + 60), "ana", said, **known | members)


def good() -> Evidence:
    """Two quiet pages go out in the morning; a webhook hears of an incident that opens, climbs and is resolved, and a
    step has called it."""
    rows = Rows(
        notifications=(page(N1, 1), page(N2, 2), page(STEP, 1, person=None, webhook_id=1, content={})),
        timeline=(entry(E1, "opened", 100), entry(UUID(int=77), "step", 100, round=1, step=1),
                  entry(E2, "step", 200, round=1, step=2), entry(E3, "resolved", 4000)),
        calls=(call(E1, "triggered", 100), call(E2, "escalated", 200), call(E3, "resolved", 4000)),
    )  # fmt: skip
    return Evidence(
        BEGAN, letters=[letter()], answered=[answered("a all", (1, 2))], rows=rows, ended=s(9000),
        spoken=[(s(50), "<Gather>Press 4 to acknowledge</Gather>")],
        heard=[heard(E1, "triggered", 100), heard(STEP, "escalated", 200, of_step=True), heard(E2, "escalated", 200),
               heard(E3, "resolved", 4000)],
    )  # fmt: skip


RULES = (*digest_rules.RULES, *hook_rules.RULES, *wording_rules.RULES)


def wrong(seen: Evidence, one: Night = NIGHT) -> set[str]:
    return {w.partition(":")[0] for w in invariants.broken(one, seen, RULES)}


def rows(seen: Evidence, **members: Any) -> Evidence:
    seen.rows = replace(seen.rows, **members)
    return seen


def test_a_good_night_is_good() -> None:
    assert invariants.broken(NIGHT, good(), RULES) == []
    assert set(RULES) <= set(invariants.RULES)


def test_a_quiet_page_in_the_night() -> None:
    seen = good()
    seen.letters[0].claimed_at = s(MORNING - 1)
    assert wrong(seen) == {"no_quiet_page_wakes_who_has_a_digest"}
    seen.letters[0].loud = True
    assert wrong(seen) == set()


def test_a_quiet_page_by_day_goes_out_at_once() -> None:
    seen = good()
    by_day = {"created_at": s(MORNING), "content": {}}
    rows(seen, notifications=(page(N1, 1, **by_day), page(N2, 2, **by_day)), calls=(), timeline=())
    seen.heard = []
    assert wrong(seen) == set()


def test_a_quiet_page_of_a_night_that_does_not_wait() -> None:
    seen = good()
    rows(seen, notifications=(page(N1, 1, content={}), *seen.rows.notifications[1:]))
    assert "what_waits_says_so" in wrong(seen)
    rows(seen, notifications=(page(N1, 1, loudness="loud"), *seen.rows.notifications[1:]))
    assert "what_waits_says_so" in wrong(seen)


def test_what_moves_on_is_of_the_same_night() -> None:
    seen = good()
    next_one = {"created_at": s(MORNING + 60), "ladder_id": UUID(int=1)}
    alone = page(UUID(int=99), 1, content={}, **next_one)
    assert wrong(rows(seen, notifications=(*seen.rows.notifications, alone))) == {"what_waits_says_so"}
    together = page(UUID(int=99), 1, **next_one)
    assert wrong(rows(seen, notifications=(*seen.rows.notifications[:-1], together))) == set()


def test_two_messages_about_one_night() -> None:
    seen = good()
    seen.letters = [letter(carries=(N1,)), letter(notification_id=N2, carries=(N2,), claimed_at=s(MORNING + 30))]
    assert wrong(seen) == {"what_waits_for_a_digest_goes_out_together"}
    seen.letters[1].to = "+492"  # another contact method
    assert wrong(seen) == set()


def test_a_digest_with_something_else_in_it_or_an_incident_twice() -> None:
    seen = good()
    rows(seen, notifications=(page(N1, 1), page(N2, 1), *seen.rows.notifications[2:]))
    assert wrong(seen) == {"what_waits_for_a_digest_goes_out_together"}
    rows(
        seen, notifications=(page(N1, 1), page(N2, 2, content={}, created_at=s(MORNING)), *seen.rows.notifications[2:])
    )
    assert wrong(seen) == {"what_waits_for_a_digest_goes_out_together"}


def test_an_answer_that_takes_too_much_or_too_little() -> None:
    for one, fine in (
        (answered("a all", (1,)), False),
        (answered("a all", (1,), able=False), True),
        (answered("a all", (1, 2, 3)), False),
        (answered("a 7", (1,)), True),
        (answered("a 7", (2,)), False),
        (answered("a 7 8", (1,)), False),
        (answered("a 7 999", (1,)), False),
        (answered("a 7 999", ()), True),
        (answered("s 30 8", (2,)), True),
        (answered("s 30 8", (1,)), False),
        (answered("c 7", (1,), before={1: ("acknowledged", "ben"), 2: ("triggered", ""), 3: ("triggered", "")}), True),
        (answered("n 7", (1,), before={1: ("acknowledged", "ben"), 2: ("triggered", ""), 3: ("triggered", "")}), False),
    ):
        seen = good()
        seen.answered = [one]
        assert (wrong(seen) == set()) == fine, one.said


def test_what_a_webhook_was_not_told() -> None:
    rule = {"webhooks_are_told_what_happens"}
    seen = good()
    assert wrong(rows(seen, calls=seen.rows.calls[:2])) == rule
    seen = good()
    seen.heard[0].taken = False
    assert wrong(seen) == rule
    seen = good()
    failed = call(E1, "triggered", 100, state="failed")
    assert wrong(rows(seen, calls=(failed, *seen.rows.calls[1:]))) == rule
    rows(seen, timeline=(*seen.rows.timeline, entry(UUID(int=80), "not_told", 101, name="Hook0")))
    assert wrong(seen) == set()


def test_what_is_left_in_the_morning() -> None:
    seen = good()
    seen.heard[-1].taken, seen.heard[-1].told = False, "failed"
    for due, fine in ((9001, True), (8999, False)):
        left = call(E3, "resolved", 4000, state="pending", finished_at=None, due_at=s(due))
        assert (wrong(rows(seen, calls=(*seen.rows.calls[:2], left))) == set()) == fine


def test_what_a_webhook_did_not_ask_for() -> None:
    seen = good()
    first = call(UUID(int=77), "escalated", 100)
    assert wrong(rows(seen, calls=(*seen.rows.calls, first))) == {"webhooks_are_told_what_happens"}
    assert wrong(good(), replace(NIGHT, organisation=replace(TOWN, hooks=(replace(HOOK, services=("db",)),)))) == {
        "webhooks_are_told_what_happens"
    }


def test_a_webhook_for_what_is_important_hears_the_rest_too() -> None:
    important = replace(NIGHT, organisation=replace(TOWN, hooks=(replace(HOOK, priority_at_least=2),)))
    seen = good()
    assert wrong(seen, important) == set()
    rows(seen, calls=seen.rows.calls[1:])  # from its second happening on
    seen.heard = seen.heard[1:]
    assert wrong(seen, important) == set()
    assert wrong(rows(seen, calls=seen.rows.calls[:1]), important) == {"webhooks_are_told_what_happens"}


def test_another_order() -> None:
    seen = good()
    seen.heard[0].claimed_at = seen.heard[0].at = s(300)
    assert "webhooks_are_told_in_order" in wrong(seen)
    seen = good()
    seen.heard[0].at = s(201)  # the next did not wait for its end
    assert wrong(seen) == {"webhooks_are_told_in_order"}


def test_a_webhook_that_waits_for_nothing() -> None:
    seen = good()
    seen.heard[-1].claimed_at, seen.heard[-1].at = s(4002), s(4003)
    assert wrong(seen) == {"webhooks_are_told_at_once"}
    seen.gone = [Gone(s(4000), s(4002), "no worker")]
    assert wrong(seen) == set()


def test_a_call_that_is_repeated() -> None:
    for told, fine in (("failed", True), ("unknown", True), ("died", True), ("sent", False), ("final", False)):
        seen = good()
        again = heard(E3, "resolved", 4010)
        seen.heard[-1].told = told
        seen.heard.append(again)
        assert (wrong(seen) == set()) == fine, told
        again.body = b"another"
        assert wrong(seen) == {"a_call_is_repeated_only_when_it_must_be"}


def test_calls_without_end() -> None:
    seen = good()
    seen.heard[-1:] = [heard(E3, "resolved", 4000 + 10 * n, told="failed") for n in range(10)]
    seen.heard[-1].told = "sent"
    assert wrong(seen) == {"a_call_is_repeated_only_when_it_must_be"}


def test_a_step_that_calls_nobody_or_a_stranger() -> None:
    seen = good()
    seen.heard[1].taken = False
    assert wrong(seen) == {"steps_call_webhooks"}
    seen = good()
    seen.heard[1].id = UUID(int=55)
    assert wrong(seen) == {"steps_call_webhooks"}


def test_a_page_that_cannot_be_answered() -> None:
    link, how = "https://t.test/l/abc", "Reply a all"
    one = {"carries": (N1,), "subject": "Down", "replies": ("Reply 12a to acknowledge",)}
    for channel, shown, members, fine in (
        ("sms", f"Down\n{how}\n{link}", {}, True),
        ("sms", f"Down\n{how}", {}, False),
        ("sms", f"Down\n{link}", {}, False),
        ("sms", f"{how}\n{link}", {}, False),
        ("sms", f"{'long ' * 90}\n{how}\n{link}", {}, False),
        ("sms", f"Down\nReply 12a to acknowledge\n{link}", one, True),
        ("sms", f"Down\nReply 12a to acknowledge\n{link}", one | {"replies": ()}, False),
        ("mail", f"Down\nPriority: P1\n{link}", {}, True),
        ("mail", "Down\nPriority: P1", {}, False),
        ("mail", f"Down\n{link}", {"replies": ()}, False),
        ("mail", f"\n{link}", {"subject": " "}, False),
    ):
        seen = good()
        seen.letters = [letter(channel=channel, shown=shown, **members)]
        assert ("every_page_can_be_answered" not in wrong(seen)) == fine, shown
    seen = good()
    seen.spoken = [(s(50), "<Gather>Something is down</Gather>")]
    assert wrong(seen) == {"every_page_can_be_answered"}


# -- what nights gain


def test_a_night_gains_and_loses_nothing() -> None:
    plain = replace(night(0), happenings=(), organisation=replace(TOWN, people=(ANA,), hooks=(), policies=()))
    for seed in range(30):
        before = replace(
            plain, seed=seed, organisation=replace(plain.organisation, services=night(0).organisation.services)
        )
        after = gains.with_gains(before)
        assert set(before.happenings) <= set(after.happenings)
        assert [p.key for p in after.organisation.people] == ["ana"]
        assert after == gains.with_gains(before)


def test_nights_gain_everything() -> None:
    towns = [night(seed) for seed in range(150)]
    happened = [h for one in towns for h in one.happenings]
    assert {h.kind for h in happened if isinstance(h, Trouble) and h.channel == "webhook"} == set(gains.RECEIVERS)
    assert {h.when for h in happened if isinstance(h, Kill) and h.calls} == {"claimed", "sent"}
    assert {t for one in towns for t in one.organisation.templates} >= set(gains.WORDINGS)
    assert {x for one in towns for h in one.organisation.hooks for x in h.happens} == set(gains.EVERYTHING)
    plain = [one for one in towns if not (one.organisation.hooks or one.organisation.templates
                                          or any(p.digest_at for p in one.organisation.people))]  # fmt: skip
    assert len(plain) > 30, "most nights are what they were"
