"""What holds in every night, whatever happened. Pure: a night and what was seen of it in, what is wrong out.

Each rule names the paragraph of the product's behaviour that it comes from. They look at the providers' own log first,
and believe the service only where nobody else could know.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from nights import digest_rules, hook_rules, wording_rules
from nights.evidence import Evidence, Letter, Seen
from nights.script import Night

Rule = Callable[[Night, Evidence], Iterator[str]]
FINAL = frozenset({"sent", "delivered", "undelivered", "failed", "cancelled"})
OPEN = frozenset({"triggered", "acknowledged", "mitigated"})
REASONS = frozenset(
    {"nobody_reached", "last_resort_unreachable", "joined_storm", "symptom_of", "silenced", "step_skipped"}
)
"""Why an incident pages nobody, as its timeline tells."""
SELDOM = frozenset({"last_resort_unreachable"})
LOST = frozenset({"failed", "undelivered"})
AT_ONCE = timedelta(seconds=1)
SAID_EVERY = timedelta(hours=1)
"""That the last resort cannot be reached is found each minute."""


def every_incident_pages_or_says_why(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 7, "silence is never the outcome": whenever an incident was triggered for as long as a worker needs,
    somebody was to be told, or its timeline says why not; and that in each of its epochs."""
    paged = {(n.number, n.epoch) for n in seen.rows.notifications if n.purpose == "page" and n.person is not None}
    for number, epoch, since, until in _triggered(seen):
        if until - since - seen.away(since, until) <= AT_ONCE or (number, epoch) in paged:
            continue
        told = [e for e in seen.rows.timeline if e.number == number and e.at <= until]
        said = {e.kind for e in told if e.at >= since} | {e.kind for e in told if e.at > since - SAID_EVERY} & SELDOM
        if not said & REASONS:
            yield f"incident {number} was triggered from {since} to {until} (epoch {epoch}): no page, no reason"


def nobody_is_paged_about_what_somebody_has(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 5 and 8: a page is looked at again at its claim; only what was claimed before an acknowledgement or the
    end of its incident may still arrive, and steps that last until the incident is resolved."""
    notifications = {n.id: n for n in seen.rows.notifications}
    for letter in seen.letters:
        n = notifications.get(letter.notification_id)
        if n is None or n.purpose != "page" or n.number is None:
            continue
        states = {s.state for s in _at(seen, n.number, letter.claimed_at)}
        allowed = OPEN if n.content.get("until") == "resolved" else {"triggered"}
        if states and not states & allowed:
            yield f"{_told(letter)}, claimed at {letter.claimed_at}: incident {n.number} was {sorted(states)}"


def what_goes_out_again_is_marked(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 8: at least once where loud, at most once where quiet; what may have been sent goes out again only
    marked "(repeat)", and nothing is marked that cannot have been sent before."""
    for notification, letters in _by_notification(seen).items():
        before: list[Letter] = []
        for letter in letters:
            if any(x.taken for x in before):
                if not letter.loud:
                    yield f"{_told(letter)} is quiet and went out again (notification {notification})"
                elif letter.heard and not letter.repeat:
                    yield f"{_told(letter)} went out again at {letter.claimed_at} and does not say so"
            before.append(letter)
    for letter in seen.letters:
        if letter.repeat and not any(_may_have_been_sent(x) for x in _earlier(seen, letter)):
            yield f"{_told(letter)} at {letter.claimed_at} says it is a repeat, and nothing went out before"


def the_same_page_is_planned_once(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 7 and 8: a person found twice is paged once per step, on each contact method as often as the person's
    notification rules name it."""
    taken = {i for x in seen.letters if x.taken for i in x.carries}
    groups: Counter[tuple[Any, ...]] = Counter()
    for n in seen.rows.notifications:
        if n.id in taken and n.ladder_id is not None and n.person is not None:
            where = n.ladder_id, n.epoch, n.round, n.step
            groups[n.person, n.channel, n.loudness, n.purpose, n.number, *where] += 1
    for (person, channel, loudness, purpose, number, *where), times in groups.items():
        most = _rules_for(night, person, channel, loudness)
        if times > most:
            yield f"{person} got the same {purpose} of incident {number} {times} times by {channel} ({where[1:]})"


def bad_news_moves_on(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 8: a page that is known not to arrive is followed within 5 s by the next contact method or the next
    person, unless another message of its step may still arrive or its ladder is further already; the last resort is
    tried again after a minute, also where nobody of it can be reached, which the timeline says once an hour (7)."""
    pages = [n for n in seen.rows.notifications if n.purpose == "page" and n.ladder_id is not None and n.person]
    told = {(e.number, e.at) for e in seen.rows.timeline if e.kind == "last_resort"}
    last = {_place(n) for n in pages if (n.number, n.created_at) in told}
    nobody_left = [(e.number, e.at) for e in seen.rows.timeline if e.kind == "last_resort_unreachable"]
    for n in pages:
        if n.state not in LOST or n.person is None or n.finished_at is None:
            continue
        within = timedelta(seconds=65 if _place(n) in last else 5)
        until = n.finished_at + within
        until += seen.away(n.finished_at, until)
        if {(s.state, s.epoch) for s in _during(seen, n.number, n.finished_at, until)} != {("triggered", n.epoch)}:
            continue
        others = [m for m in pages if m is not n and (m.ladder_id, m.epoch) == (n.ladder_id, n.epoch)]
        hope = any(_place(m) == _place(n) and _gave_hope(m, n.finished_at) for m in others)
        moved = any(_follows(m, n) and m.created_at <= until for m in others)
        tried = any(number == n.number and until - SAID_EVERY <= at <= until for number, at in nobody_left)
        if not hope and not moved and not tried:
            yield f"{_of(n)} was {n.state} at {n.finished_at}, and nothing followed"


def nothing_is_late(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 7 and 9: what falls due is looked at, unless no worker lived, the database was away or the clock
    jumped; and then as soon as that is over."""
    for late in seen.late:
        if late.at - late.due - seen.away(late.due, late.at) > AT_ONCE:
            yield f"what was due at {late.due} was looked at only at {late.at}"


def no_ladder_stands_still(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 7: the ladder of a triggered incident has a next step, unless a storm's incident speaks for it."""
    for s in seen.seen:
        if s.state == "triggered" and not s.climbs and not s.withheld:
            yield f"incident {s.number} was triggered at {s.at} and its ladder had no next step"


def every_notification_ends(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 8: in the morning nothing is left pending or in flight, and what did not arrive says why."""
    for n in seen.rows.notifications:
        if n.state not in FINAL or n.finished_at is None:
            yield f"{_of(n)} is {n.state} in the morning"
        elif n.state in ("undelivered", "failed", "cancelled") and not n.because:
            yield f"{_of(n)} is {n.state} and nobody says why"


def what_a_provider_took_is_on_record(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 8: each message has its attempt, with the provider's id unless the answer was lost and the provider
    cannot be asked; and no attempt claims a message that the provider does not have."""
    attempts = {(a.notification_id, a.number): a for a in seen.rows.attempts}
    known = {x.provider_id for x in seen.letters if x.taken} | {str(x.id) for x in seen.heard if x.taken}
    for letter in seen.letters:
        attempt = attempts.get((letter.notification_id, letter.number))
        if attempt is None:
            yield f"there is no attempt {letter.number} for {_told(letter)}"
        elif letter.taken and attempt.provider_id != letter.provider_id and not _unknowable(night, seen, letter):
            yield f"{_told(letter)} was taken as {letter.provider_id}; on record is {attempt.provider_id}"
    for attempt in seen.rows.attempts:
        if attempt.provider_id is not None and attempt.provider_id not in known:
            yield f"an attempt claims {attempt.provider_id}, which no provider has"


def timeline_and_api_agree_with_the_providers(night: Night, seen: Evidence) -> Iterator[str]:
    """Behaviour 8: the timeline tells of each message that went out once, and the API counts its tries."""
    letters = _by_notification(seen)
    entries = Counter(
        (e.number, str(e.data.get("name", "")).lower(), e.data["channel"])
        for e in seen.rows.timeline
        if e.kind == "sent" and e.data["channel"] != "webhook"
    )
    went = Counter[tuple[Any, ...]]()
    sure = Counter[tuple[Any, ...]]()
    for n in seen.rows.notifications:
        if n.number is not None and n.person is not None:
            place = n.number, n.person, n.channel
            went[place] += sum(x.taken for x in letters.get(n.id, ()))
            sure[place] += any(x.told == "sent" and not _lost_on_the_way(seen, x) for x in letters.get(n.id, ()))
    for place in went.keys() | entries.keys():
        if not sure[place] <= entries[place] <= went[place]:
            yield (f"{place}: the providers took {went[place]} messages, {sure[place]} of them surely; "
                   f"the timeline tells of {entries[place]}")  # fmt: skip
    for number, told in seen.rows.told:
        sent = letters.get(told["id"], ())
        if told["tries"] < len(sent) or (not told["tries"] and told["state"] in ("sent", "delivered")):
            yield f"the API tells of {told['tries']} tries of {told['id']} about {number}, there were {len(sent)}"


def nothing_is_an_error(night: Night, seen: Evidence) -> Iterator[str]:
    """An ERROR in the log means that somebody must act; in no night is there anything to mend."""
    yield from (f"the log says: {line}" for line in seen.errors)


RULES: Sequence[Rule] = (
    every_incident_pages_or_says_why,
    nobody_is_paged_about_what_somebody_has,
    what_goes_out_again_is_marked,
    the_same_page_is_planned_once,
    bad_news_moves_on,
    nothing_is_late,
    no_ladder_stands_still,
    every_notification_ends,
    what_a_provider_took_is_on_record,
    timeline_and_api_agree_with_the_providers,
    nothing_is_an_error,
    *digest_rules.RULES,
    *hook_rules.RULES,
    *wording_rules.RULES,
)


def broken(night: Night, seen: Evidence, rules: Sequence[Rule] = RULES) -> list[str]:
    """What is wrong, each with the rule that says so."""
    return [f"{rule.__name__}: {what}" for rule in rules for what in rule(night, seen)]


# -- what the rules are made of


def _triggered(seen: Evidence) -> Iterator[tuple[int, int, datetime, datetime]]:
    """(number, epoch, since, until) of every time in which an incident was triggered and not spoken for."""
    by_number: defaultdict[int, list[Seen]] = defaultdict(list)
    for s in seen.seen:
        by_number[s.number].append(s)
    for number, all_of_it in by_number.items():
        for s, after in pairwise(all_of_it):
            if s.state == "triggered" and not s.withheld:
                yield number, s.epoch, s.at, after.at


def _at(seen: Evidence, number: int, at: datetime) -> list[Seen]:
    """How the incident stood just before, and all that became of it in this instant, or while a look at it lasted."""
    of_it = [s for s in seen.seen if s.number == number]
    return [s for s in of_it if s.at < at][-1:] + [s for s in of_it if at <= s.at <= at + seen.slack]


def _during(seen: Evidence, number: int, since: datetime, until: datetime) -> list[Seen]:
    of_it = [s for s in seen.seen if s.number == number]
    return [s for s in of_it if s.at <= since][-1:] + [s for s in of_it if since < s.at <= until]


def _place(n: Any) -> tuple[Any, ...]:
    """The step that it is a page of; what follows a page that did not arrive is of the same."""
    return n.ladder_id, n.epoch, n.round, n.step


def _follows(m: Any, n: Any) -> bool:
    """It is of a later step, made when it may be, or came after it in the same."""
    step, failed = (m.round, m.step), (n.round, n.step)
    return step > failed or (step == failed and m.created_at > n.created_at)


def _gave_hope(n: Any, at: datetime) -> bool:
    """It was on its way then, or had arrived as far as anybody knew."""
    return n.created_at <= at and (n.state not in LOST or n.finished_at is None or n.finished_at > at)


def _by_notification(seen: Evidence) -> dict[Any, list[Letter]]:
    found: defaultdict[Any, list[Letter]] = defaultdict(list)
    for letter in sorted(seen.letters, key=lambda x: x.claimed_at):
        for notification in letter.carries:
            found[notification].append(letter)
    return found


def _earlier(seen: Evidence, letter: Letter) -> list[Letter]:
    return [x for x in seen.letters if x.claimed_at < letter.claimed_at and set(x.carries) & set(letter.carries)]


def _may_have_been_sent(letter: Letter) -> bool:
    return letter.taken or letter.told in ("unknown", "died")


def _lost_on_the_way(seen: Evidence, letter: Letter) -> bool:
    """The answer came, and the database was away when it was to be recorded."""
    return any(g.since <= letter.at <= g.until for g in seen.gone)


def _unknowable(night: Night, seen: Evidence, letter: Letter) -> bool:
    lost = letter.told != "sent" or _lost_on_the_way(seen, letter)
    deaf = any(getattr(h, "kind", "") == "down" and h.channel == letter.channel for h in night.happenings)  # type: ignore[attr-defined]
    return lost and (letter.unfindable or deaf)


def _rules_for(night: Night, person: str, channel: str, loudness: str) -> int:
    resident = night.resident(person)
    if resident.rules and loudness == "loud":
        return max(sum(c == channel for _, _, c in resident.rules), 1)
    return 2 if channel == "sms" and loudness == "loud" else 1


def _told(letter: Letter) -> str:
    return f"the {letter.channel} {letter.subject!r} to {letter.person}"


def _of(n: Any) -> str:
    return f"the {n.channel} ({n.purpose}) to {n.person} about incident {n.number}"
