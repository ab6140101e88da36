"""What holds of digests in every night: docs/answering.md, "The digest of a night", and decision 0018. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from nights.evidence import Answered, Evidence, Letter
from nights.script import Night

NIGHT: Final = timedelta(hours=12)
NEVER: Final = "999"
"""A code that nobody was given."""


def no_quiet_page_wakes_who_has_a_digest(night: Night, seen: Evidence) -> Iterator[str]:
    """What is asked for: "the night is the twelve hours of the person's clock before it. By day a quiet page goes out
    at once": what is planned in a night goes out when it is over and not before, by whatever way, also when another one
    failed."""
    planned = {n.id: n for n in seen.rows.notifications}
    for letter in seen.letters:
        if letter.purpose != "page" or letter.loud or not night.resident(letter.person).digest_at:
            continue
        for n in (planned[i] for i in letter.carries if i in planned):
            if (ends := _night(night, letter.person, n.created_at)) is not None and letter.claimed_at < ends:
                yield f"{_told(letter)} went out at {letter.claimed_at}, in the night until {ends}"


def what_waits_for_a_digest_goes_out_together(night: Night, seen: Evidence) -> Iterator[str]:
    """Who wants digests "gets the quiet pages of a night as one message", "where that fails all of it moves on as one
    message", and "whoever acknowledges or resolves takes it out": each contact method gets one for a date, and it names
    each incident once. What is tried again is the same message."""
    planned = {n.id: n for n in seen.rows.notifications}
    first: defaultdict[tuple[Any, ...], set[datetime]] = defaultdict(set)
    sent_before: set[Any] = set()
    for letter in sorted(seen.letters, key=lambda x: x.claimed_at):
        waited = [planned[i] for i in letter.carries if i in planned and planned[i].content.get("digest")]
        if not waited:
            continue
        if len(waited) != len(letter.carries):
            yield f"{_told(letter)} at {letter.claimed_at} carries more than a night"
        numbers = [n.number for n in waited]
        if len(set(numbers)) < len(numbers):
            yield f"{_told(letter)} at {letter.claimed_at} names an incident twice: {sorted(numbers)}"
        if letter.number == 1 and not sent_before & set(letter.carries):
            first[letter.person, letter.to, letter.channel, waited[0].content["digest"]].add(letter.claimed_at)
        sent_before |= set(letter.carries)
    for where, times in first.items():
        if len(times) > 1 and not seen.troubled:
            yield f"{where[0]} got {len(times)} digests of {where[-1]} by {where[2]}: {sorted(times)}"


def what_waits_says_so(night: Night, seen: Evidence) -> Iterator[str]:
    """Every quiet page that was planned in a night waits for its morning, visibly, with the date; what follows one that
    did not arrive is of that date too ("all of it moves on"); none by day, and nothing that is loud."""
    for n in seen.rows.notifications:
        if n.purpose != "page" or n.person is None or not night.resident(n.person).digest_at:
            continue
        waits = n.loudness == "quiet" and _night(night, n.person, n.created_at) is not None
        if bool(n.content.get("digest")) != (waits or _follows_one_that_waited(n, seen)):
            yield f"the {n.loudness} page to {n.person} of {n.created_at}: digest {n.content.get('digest')!r}"


def an_answer_to_a_digest_acts_on_what_it_named(night: Night, seen: Evidence) -> Iterator[str]:
    """One answer does for all: `a all`, `a 1 3`, `c 2`, `s 60 1`, "by reply codes": on these incidents and no others,
    on none when one of the codes is none, and not on what others have ("what others have stays theirs")."""
    alone = all(step.get("acknowledge") != "all" for p in night.organisation.policies for step in p["steps"])
    for a in seen.answered:
        changed = {n for n in a.after if a.after[n] != a.before.get(n)}
        meant = _meant(a)
        if meant is not None and changed - meant:
            yield f"{a.person} said {a.said!r} at {a.at}, and it changed {sorted(changed)}, not only {sorted(meant)}"
        verb = a.said.split()[0]
        theirs = {n for n in changed if verb != "c" and a.before[n][1] not in ("", a.person)}
        if theirs:
            yield f"{a.person} said {a.said!r} at {a.at}, and took {sorted(theirs)} from somebody else"
        if meant and a.able and alone and verb == "a" and (a.newest or "all" not in a.said):
            left = {n for n in meant if a.before[n][0] == "triggered"} - changed
            if left:
                yield f"{a.person} said {a.said!r} at {a.at}, and {sorted(left)} were not acknowledged"


RULES: Final[Sequence[Any]] = (
    no_quiet_page_wakes_who_has_a_digest,
    what_waits_for_a_digest_goes_out_together,
    what_waits_says_so,
    an_answer_to_a_digest_acts_on_what_it_named,
)


def _meant(a: Answered) -> set[int] | None:
    """Which incidents the words name; None where they do not say, because something else came since."""
    words = a.said.split()
    if NEVER in words:
        return set()
    if words[-1] == "all":
        return set(a.carried) if a.newest else None
    codes = [int(w) for w in words[(2 if words[0] == "s" else 1) :]]
    return {a.named[c] for c in codes} if all(c in a.named for c in codes) else None


def _night(night: Night, person: str, at: datetime) -> datetime | None:
    """When the night ends in which `at` is; None by day."""
    zone = ZoneInfo(night.organisation.zone)
    local = at.astimezone(zone).replace(tzinfo=None)
    wall = datetime.strptime(night.resident(person).digest_at, "%H:%M").time()
    for day in (local.date(), local.date() + timedelta(days=1)):
        ends = datetime.combine(day, wall)
        since, until = ((ends - NIGHT).replace(tzinfo=zone), ends.replace(tzinfo=zone))
        if since <= at < until:
            return until.astimezone(at.tzinfo)
    return None


def _follows_one_that_waited(n: Any, seen: Evidence) -> bool:
    """It is what moves on when a page of its step did not arrive."""
    place = n.person, n.ladder_id, n.epoch, n.round, n.step
    return any(
        (m.person, m.ladder_id, m.epoch, m.round, m.step) == place and m.id < n.id and m.content.get("digest")
        for m in seen.rows.notifications
    )


def _told(letter: Letter) -> str:
    return f"the {letter.channel} {letter.subject!r} to {letter.person}"
