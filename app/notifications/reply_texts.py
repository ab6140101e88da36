"""What is answered to a text message: short, the most important word first, in two segments at most. Pure.

Every answer names the incident and who has it since when: a person who answers at night must not guess what happened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from app.channels.gsm7 import size, transliterate
from app.escalation.answering import Standing
from app.hours import clock, local, zone
from app.notifications.meaning import Candidate, Meant
from app.notifications.replies import Said

COMMANDS: Final = "a acknowledge, e escalate, c resolve, n not actionable, s 10 snooze, r runbook, ? why me"
PART: Final = 280
"""Septets of one part of a runbook: with its number it fits two segments."""
PARTS: Final = 3
SEGMENTS: Final = 2
_NAMED: Final = 6
_NUMBERED: Final = 20


def fits(text: str) -> bool:
    """Whether it goes out uncut."""
    return size(transliterate(text)).segments <= SEGMENTS


def as_many(named: Sequence[str], said: Callable[[str], str], by: str = ", ") -> str:
    """What is said of as many of these names as there is room for, one at least, and of how many more there are."""
    for n in range(len(named), 1, -1):
        if fits(text := said(_and_more(named, n, by))):
            return text
    return said(_and_more(named, 1, by))


def _and_more(named: Sequence[str], n: int, by: str = ", ") -> str:
    return by.join(named[:n]) + (f" and {len(named) - n} more" if len(named) > n else "")


def clock_of(at: datetime | None, seen: Standing, now: datetime) -> str:
    """`02:14`, with the day where it is not today, in the reader's time zone."""
    if at is None:
        return "some time ago"
    there, today = local(at, zone(seen.time_zone)), local(now, zone(seen.time_zone))
    return clock(there) if there.date() == today.date() else f"{there:%a} {clock(there)}"


def standing(seen: Standing, reader_id: int, now: datetime) -> str:
    """Who has it since when; or that nobody has, and when the next person is paged."""
    name = f"#{seen.number}"
    if not seen.is_open:
        by = f" by {seen.resolver}" if seen.resolver else ""
        return f"{name} was resolved{by} at {clock_of(seen.resolved_at, seen, now)}."
    if seen.state == "triggered":
        waits = f" Still missing: {', '.join(seen.missing)}." if seen.missing else ""
        due = seen.next_step_at
        next_ = f" The next step is due at {clock_of(due, seen, now)}." if due is not None and due > now else ""
        return f"Nobody has {name} yet.{waits}{next_}"
    who = "You have" if seen.acknowledged_by_id == reader_id else f"{seen.holder or 'Its source'} has"
    return f"{who} {name} since {clock_of(seen.acknowledged_at, seen, now)}."


def taken(seen: Standing, reader_id: int, now: datetime) -> str:
    """After an acknowledgement, whoever was faster."""
    if seen.state == "triggered" and seen.missing:
        return f"Thank you. #{seen.number} goes on paging until {', '.join(seen.missing)} acknowledged, too."
    if seen.acknowledged_by_id != reader_id or not seen.is_open:
        return standing(seen, reader_id, now)
    if seen.wakes_at is not None:
        until = clock_of(seen.wakes_at, seen, now)
        return f"You have #{seen.number} until {until}, then it pages again: {what(seen)}"
    return f"You have #{seen.number}: {what(seen)}"


def escalated(seen: Standing) -> str:
    """What is quiet stays so, and whoever gathers it for a morning sleeps on: nobody shall wait for them unawares."""
    if seen.loudness == "quiet":
        told = (
            f"The next step of #{seen.number} is paged quietly, which may wait for a morning: a higher priority wakes."
        )
        return f"{told} {what(seen)}"
    return f"The next step of #{seen.number} is paged now: {what(seen)}"


def what(seen: Standing) -> str:
    return f"P{seen.priority} {seen.title} ({seen.service})"


def taken_all(several: Sequence[Standing], reader_id: int, now: datetime, *, snoozed: bool = False) -> str:
    """After `aa`, `a all`, `a 1 3` and "Acknowledge all": what the reader has, and what not and why. `snoozed`: until
    when is said, too."""
    if len(several) == 1:
        return taken(several[0], reader_id, now)
    mine = [s for s in several if s.is_open and s.acknowledged_by_id == reader_id]
    others = [s for s in several if s not in mine]
    have = _have(mine, _until(mine, now) if snoozed else "")
    told = [standing(s, reader_id, now) for s in others[:_NAMED]]
    shorter = (_have_and(have, told[:n], len(others) - n) for n in range(len(told), 0, -1))
    return next(filter(fits, shorter), _have_and(have, [], len(others)))


def _have_and(have: str, told: Sequence[str], more: int) -> str:
    unsaid = f"And {more} more that you do not have." if more else ""
    return " ".join(filter(None, [have, *told, unsaid]))


def _until(mine: Sequence[Standing], now: datetime) -> str:
    """Where it is the same instant for all of them."""
    ends = {s.wakes_at for s in mine}
    return f" until {clock_of(mine[0].wakes_at, mine[0], now)}" if len(ends) == 1 and None not in ends else ""


def _have(mine: Sequence[Standing], until: str) -> str:
    if not mine:
        return ""
    services = {s.service for s in mine}
    return f"You have {_numbers(mine)}{f' ({services.pop()})' if len(services) == 1 else ''}{until}."


def _numbers(several: Sequence[Standing], most: int = _NUMBERED) -> str:
    return _and_more([f"#{s.number}" for s in several], most)


def resolved_all(several: Sequence[Standing], codes: Sequence[int]) -> str:
    """After `c all` or `c 1 3`: what is over, and what still fires with how to resolve it all the same. `codes`: of
    each."""
    over = [s for s in several if not s.is_open]
    firing = [f"#{s.number} ({code}cc)" for s, code in zip(several, codes, strict=True) if s.is_open]
    if not firing:
        return f"Resolved: {_numbers(over)}."
    head = f"Resolved: {_numbers(over, 10)}. " if over else ""
    how = "Reply what is in brackets to resolve it anyway; it comes back if that goes on."
    return as_many(firing, lambda named: f"{head}Not resolved, alerts still fire: {named}. {how}")


def still_firing_here(firing: int) -> str:
    """Where a button resolves it anyway."""
    return f"It is not resolved: {firing} alert{'s still fire' if firing > 1 else ' still fires'}. It would come back."


def only_a_drill(seen: Standing) -> str:
    return f"#{seen.number} is a drill: it is acknowledged, no more."


def still_firing(seen: Standing, code: int, firing: int) -> str:
    alerts = f"{firing} alert{'s' if firing > 1 else ''}"
    return (
        f"#{seen.number} is not resolved: {alerts} of it still fire{'' if firing > 1 else 's'}. Reply {code}cc to"
        " resolve it anyway; it comes back if that goes on."
    )


def why(seen: Standing, because: str, reader_id: int, now: datetime) -> str:
    told = f"You were paged as {because}. " if because else ""
    return f"{what(seen)}. {told}{standing(seen, reader_id, now)}"


def runbook(seen: Standing, *, links: bool) -> list[str]:
    """Its parts, in order. `links`: whether this number may be sent any."""
    link = seen.runbook_url if links else ""
    words = " ".join(" ".join(filter(None, [seen.note, seen.runbook_text])).split())
    if not words and seen.runbook_url and not links:
        return [f"The runbook of #{seen.number} is a link, and this number gets none: it is on the incident's screen."]
    if not words:
        return [f"The runbook of #{seen.number}: {link}" if link else f"There is no runbook for #{seen.number}."]
    parts = _parts(transliterate(words))
    if len(parts) > PARTS:
        parts = [*parts[: PARTS - 1], f"{parts[PARTS - 1]} ..."]
    if link:
        parts[-1:] = [f"{parts[-1]} {link}"] if size(f"{parts[-1]} {link}").units <= PART else [parts[-1], link]
    return parts if len(parts) == 1 else [f"({n}/{len(parts)}) {part}" for n, part in enumerate(parts, 1)]


def _parts(words: str) -> list[str]:
    limit = PART if size(words).encoding == "gsm7" else PART * 67 // 153
    parts = [""]
    for word in (piece[i : i + limit] for piece in words.split() for i in range(0, len(piece), limit)):
        longer = f"{parts[-1]} {word}".strip()
        if size(longer).units <= limit:
            parts[-1] = longer
        else:
            parts.append(word)
    return parts


def ask(meant: Meant, said: Said) -> str:
    """Where it is not clear which incident a command is about."""
    match meant.why:
        case "which":
            letters = {"acknowledge_all": "aa", "resolve_anyway": "cc"}.get(said.verb, _LETTERS.get(said.verb, "a"))
            if said.minutes is not None:
                letters = f"{letters.split()[0]} {said.minutes}"
            return as_many(_choices(meant.among, letters), lambda named: f"Which one? {named}", "; ")
        case "no_such_code":
            wrong = f"{said.code or meant.unknown} is no code of this number."
            if not meant.among:
                return f"{wrong} Nothing is open for you."
            return as_many(_choices(meant.among), lambda named: f"{wrong} Open: {named}", "; ")
        case "minutes_or_code":
            code, number = meant.among[0].code, meant.among[0].number
            return f"Reply {code}a to acknowledge #{number}, or {code}a 15 to promise to have it for 15 minutes."
        case _:
            return "Nothing is open for you."


_LETTERS: Final = {
    "acknowledge": "a", "escalate": "e", "resolve": "c", "not_actionable": "n", "snooze": "s 10", "runbook": "r",
    "why": "?",
}  # fmt: skip


def needs_minutes(said: Said, most: int) -> str:
    code = said.code or ""
    letter = "s" if said.verb == "snooze" else "a"
    return f"Say for how many minutes, 1 to {most}: {code}{letter} 10"


def help_text(candidates: Sequence[Candidate], *, asked: bool) -> str:
    """For whoever asks; and for what is no command, where nobody shall take the answer for an acknowledgement."""
    still_open = [c for c in candidates if c.is_open]
    if not still_open:
        return f"Nothing is open for you. Reply to a page with its code and one of: {COMMANDS}."
    how = f"{'' if asked else 'Nothing acknowledged. '}Reply with a code and one of: {COMMANDS}. Open:"
    return as_many(_choices(still_open), lambda named: f"{how} {named}", "; ")


def _choices(among: Sequence[Candidate], letters: str = "") -> list[str]:
    return [f"{c.code}{letters} P{c.priority} #{c.number} {c.title[:40]} ({c.service})" for c in among]
