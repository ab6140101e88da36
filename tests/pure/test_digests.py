"""Which quiet pages wait for the morning; what the message about a night says, and what an answer to it means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from app.directory.contacts import Person, Rule, UsableMethod
from app.directory.digests import morning
from app.escalation.positions import PageOrder
from app.notifications import digest_texts
from app.notifications.meaning import Candidate, Meant, meant, understood
from app.notifications.plan import plan
from app.notifications.replies import parse
from app.notifications.texts import About

BERLIN = ZoneInfo("Europe/Berlin")
NIGHT = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # 03:00 in Berlin
SMS, MAIL = UsableMethod(1, "sms", "+1"), UsableMethod(2, "mail", "a@b")
ORDER = PageOrder(UUID(int=1), UUID(int=2), "page", 1, 1, 0, 5, "quiet", "named in the policy")


@pytest.mark.parametrize(
    ("local", "waits_for"),
    [
        ("2026-11-22T20:59:59", None),
        ("2026-11-22T21:00:00", "2026-11-23"),
        ("2026-11-23T00:00:00", "2026-11-23"),
        ("2026-11-23T08:59:59", "2026-11-23"),
        ("2026-11-23T09:00:00", None),
        ("2026-11-23T15:00:00", None),
    ],
)
def test_the_night_is_the_twelve_hours_before(local: str, waits_for: str | None) -> None:
    now = datetime.fromisoformat(local).replace(tzinfo=BERLIN).astimezone(UTC)
    found = morning(now, "09:00", BERLIN)
    assert (found.day.isoformat() if found else None) == waits_for
    assert found is None or found.due_at == datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


def test_a_digest_in_the_evening_belongs_to_its_own_date() -> None:
    found = morning(datetime(2026, 11, 23, 22, 0, tzinfo=UTC), "06:00", BERLIN)
    assert found is not None
    assert (found.day.isoformat(), found.due_at) == ("2026-11-24", datetime(2026, 11, 24, 5, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("first", "at"),
    [("2026-10-24", "02:30"), ("2026-03-28", "02:30"), ("2026-03-28", "03:00"), ("2026-10-24", "09:00")],
)
def test_one_digest_a_date_when_clocks_change(first: str, at: str) -> None:
    start = datetime.fromisoformat(first).replace(tzinfo=UTC)
    dues: dict[str, set[datetime]] = {}
    for n in range(3 * 24 * 12):
        now = start + timedelta(minutes=5 * n)
        if (found := morning(now, at, BERLIN)) is not None:
            assert now < found.due_at <= now + timedelta(hours=13)
            dues.setdefault(found.day.isoformat(), set()).add(found.due_at)
    assert len(dues) >= 3
    assert all(len(instants) == 1 for instants in dues.values()), dues


def somebody(digest_at: str | None, *rules: tuple[str, Rule]) -> Person:
    return Person(5, "ana", "Ana", True, None, (SMS, MAIL), rules, digest_at, "Europe/Berlin")


def test_who_asked_for_digests_gets_one_message_in_the_morning() -> None:
    rules = ("quiet", Rule("rule-1", 600, SMS)), ("quiet", Rule("rule-2", 0, MAIL))
    (one,) = plan([ORDER], {5: somebody("09:00", *rules)}, NIGHT)
    assert (one.channel, one.due_at) == ("mail", datetime(2026, 11, 23, 8, 0, tzinfo=UTC))
    assert one.because == "waits for the digest of 2026-11-23 at 09:00"
    assert one.content["digest"] == "2026-11-23"


@pytest.mark.parametrize(
    ("order", "digest_at"),
    [
        (ORDER, None),
        (replace(ORDER, loudness="loud"), "09:00"),
        (replace(ORDER, purpose="nudge"), "09:00"),
        (replace(ORDER, purpose="drill"), "09:00"),
        (replace(ORDER, purpose="inform"), "09:00"),
    ],
)
def test_everything_else_goes_out_at_once(order: PageOrder, digest_at: str | None) -> None:
    planned = plan([order], {5: somebody(digest_at)}, NIGHT)
    assert NIGHT in {p.due_at for p in planned}
    assert not any("digest" in p.content for p in planned)


def test_what_it_says() -> None:
    disk = About(41, "Disk fills", 4, "Search", NIGHT, 1, "", 0, code=3)
    certificate = About(42, "Certificate ends", 5, "Checkout", NIGHT + timedelta(hours=1), 1, "", 0, code=4)
    words = digest_texts.digest([disk, certificate], [7, 1], [40], "Europe/Berlin")
    assert words.text == (
        "Quiet last night: 2 incidents wait for you: 3: P4 Disk fills (Search) since Mon 03:00, fired 7 times;"
        " 4: P5 Certificate ends (Checkout) since Mon 04:00"
    )
    assert words.facts[-1] == ("Resolved meanwhile", "#40")
    assert "Reply a all, or a 3 4" in words.replies
    assert "a 41 42 these" in digest_texts.how_by_mail([41, 42])


def paged(
    code: int, digest: str = "", *, state: str = "triggered", mine: bool = False, at: datetime = NIGHT
) -> Candidate:  # fmt: skip
    """`at`: when its message went out, where that is no digest: those go out at nine."""
    incident = UUID(int=100 + code)
    sent_at = datetime.fromisoformat(f"{digest}T08:00:00+00:00") if digest else at
    return Candidate(
        code, 5, "ana", "Ana", 1, incident, UUID(int=code), 100 + code, f"Trouble{code}", 4, state, code, "Checkout",
        "+1", digest, mine, sent_at,
    )  # fmt: skip


OLD, NEW = "2026-11-22", "2026-11-23"
KNOWN = [paged(1, OLD), paged(2, NEW), paged(3, NEW), paged(4, NEW, state="acknowledged"), paged(5)]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("a all", [2, 3]),  # of the newest digest, and not what somebody else has
        ("c all", [2, 3]),
        ("s 60 all", [2, 3]),
        ("a 2 3", [2, 3]),
        ("c 3", [3]),
        ("a 2", [2]),  # a digest invites to it: no promise of two minutes
        ("a 1 5", [1, 5]),
    ],
)
def test_what_an_answer_means(text: str, codes: list[int]) -> None:
    assert [c.code for c in meant(understood(parse(text), KNOWN), KNOWN).these] == codes


@pytest.mark.parametrize("text", ["?", "r"])
def test_what_only_tells_is_about_what_the_digest_named(text: str) -> None:
    assert [c.code for c in meant(parse(text), KNOWN).among] == [2, 3]
    assert [c.code for c in meant(parse(text), [paged(1, OLD), paged(2, NEW)]).these] == [2]
    since = [*KNOWN, paged(7, at=NOON)]
    assert [c.code for c in meant(parse(text), since).among] == [1, 2, 3, 4, 5, 7], "which of all, as ever"


def test_one_wrong_number_does_nothing() -> None:
    found = meant(parse("a 2 9"), KNOWN)
    assert (found.these, found.why, found.unknown) == ((), "no_such_code", 9)


def test_what_is_mine_counts_for_all() -> None:
    assert [c.code for c in meant(parse("c all"), [paged(2, NEW, state="acknowledged", mine=True)]).these] == [2]


def test_without_a_digest_the_words_mean_what_they_did() -> None:
    only = [paged(1), paged(1)]
    assert meant(parse("a all"), only[:1]) == Meant(only[:1])
    assert meant(understood(parse("a 5"), KNOWN), KNOWN).why == "minutes_or_code"
    assert meant(parse("c all"), [paged(1), paged(2)]).why == "which"


NOON = datetime(2026, 11, 23, 11, 0, tzinfo=UTC)


@pytest.mark.parametrize("verb", ["a all", "c all", "n all", "s 60 all"])
def test_all_does_not_mean_the_night_when_something_else_was_paged_since(verb: str) -> None:
    candidates = [paged(2, NEW), paged(3, NEW), paged(7, at=NOON)]
    assert meant(parse(verb), candidates).why == "which"


def test_all_means_the_page_that_came_since_where_the_night_is_done() -> None:
    done = [paged(2, NEW, state="acknowledged"), paged(3, NEW, state="resolved")]
    assert [c.code for c in meant(parse("a all"), [*done, paged(7, at=NOON)]).these] == [7]


def test_who_took_the_newer_page_means_the_night() -> None:
    candidates = [paged(2, NEW), paged(7, at=NOON, state="acknowledged", mine=True)]
    assert [c.code for c in meant(parse("a all"), candidates).these] == [2]


def test_a_promise_stays_a_promise_when_something_else_was_paged_since() -> None:
    candidates = [paged(15, NEW), paged(7, at=NOON)]
    assert meant(understood(parse("a 15"), candidates), candidates).why == "minutes_or_code"
    assert understood(parse("7a 15"), candidates).minutes == 15


def test_an_answer_days_later_means_what_is_left_of_the_newest_digest() -> None:
    candidates = [paged(1, "2026-11-20"), paged(2, "2026-11-21", state="resolved"), paged(3, "2026-11-21")]
    assert [c.code for c in meant(parse("a all"), candidates).these] == [3]
