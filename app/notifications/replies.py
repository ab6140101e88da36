"""What somebody says by text message, and which incident is meant. Pure: the words as they came in, a value out.

    3a          acknowledge what the code 3 was sent for       a           the only one that waits
    3a 15       the same, with a promise of 15 minutes         3aa         all of its service
    3e  3c  3n  escalate, resolve, not actionable              3cc         resolve although alerts still fire
    3s 10       snooze for 10 minutes; 3s 2h: two hours        3r  3?      the runbook; why me, and who has it

Several at once, as a digest invites to: `a all`, `a 1 3`, `c 2`, `s 60 1 3`, for all that waits of the newest digest
or for what these codes were sent for.

Case, blanks and a full stop at the end do not matter, and the words `ack`, `acknowledge`, `escalate`, `resolve`,
`snooze`, `runbook` and `why` say the same. Everything else is no command: whoever writes prose, and every machine that
answers by itself, gets a short help at most. STOP and START are Twilio's own (its documentation, "Default handling of
opt-out keywords"), which is why END, QUIT, CANCEL and YES are no commands of ours.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from uuid import UUID

from app.incidents.states import OPEN

Verb = Literal[
    "acknowledge", "acknowledge_all", "escalate", "resolve", "resolve_anyway", "not_actionable", "runbook", "snooze",
    "why", "help", "stop", "start", "unknown",
]  # fmt: skip
ACTING: Final = frozenset(
    {"acknowledge", "acknowledge_all", "escalate", "resolve", "resolve_anyway", "not_actionable", "snooze"}
)
"""Verbs that change an incident."""
TAKING: Final = frozenset({"acknowledge", "acknowledge_all", "not_actionable", "snooze"})
"""Verbs that are about what nobody has: without a code they mean such an incident before any other."""

STOP_WORDS: Final = frozenset({"stop", "stopall", "unsubscribe", "cancel", "end", "quit", "revoke", "optout"})
START_WORDS: Final = frozenset({"start", "yes", "unstop"})

_WORDS: Final[dict[str, Verb]] = {
    "a": "acknowledge", "ack": "acknowledge", "acknowledge": "acknowledge", "acknowledged": "acknowledge",
    "aa": "acknowledge_all", "a all": "acknowledge_all", "ack all": "acknowledge_all",
    "e": "escalate", "escalate": "escalate",
    "c": "resolve", "resolve": "resolve", "resolved": "resolve",
    "cc": "resolve_anyway",
    "n": "not_actionable", "not actionable": "not_actionable",
    "r": "runbook", "runbook": "runbook",
    "s": "snooze", "snooze": "snooze",
    "?": "why", "why": "why", "why me": "why", "why me?": "why", "why?": "why",
    "h": "help", "help": "help", "info": "help",
}  # fmt: skip
_MANY: Final = frozenset({"acknowledge", "resolve", "resolve_anyway", "not_actionable", "snooze"})
_TIMED: Final = frozenset({"acknowledge", "snooze"})
_LONGEST_FIRST: Final = "|".join(re.escape(word) for word in sorted(_WORDS, key=len, reverse=True))
_UNIT: Final = "(?:m|min|minutes?|h|hours?)?"
_COMMAND: Final = re.compile(rf"([0-9]{{1,3}})? ?({_LONGEST_FIRST})(?: ?([0-9]{{1,5}} ?{_UNIT}))?")
_LASTING: Final = re.compile(rf"([0-9]{{1,5}}) ?{_UNIT}")
_NUMBER: Final = re.compile(r"[0-9]{1,9}")
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_AT_MOST: Final = 40
"""Characters of a command; what is longer is prose."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a text asks for. `code` None: none was named. `minutes`: a promise, or the length of a snooze. `codes`:
    several, named after the verb; `every`: all of a digest."""

    verb: Verb
    code: int | None = None
    minutes: int | None = None
    codes: tuple[int, ...] = ()
    every: bool = False

    @property
    def lasts(self) -> timedelta | None:
        return None if self.minutes is None else timedelta(minutes=self.minutes)


UNKNOWN: Final = Said("unknown")


def parse(body: str, opt_out: str = "") -> Said:
    """Never raises. `opt_out`: what Twilio took it for, STOP, START or HELP, where it says so (`OptOutType`)."""
    words = " ".join(unicodedata.normalize("NFKC", body[: 4 * _AT_MOST]).casefold().split())
    words = words.rstrip(" .!,;:").lstrip("#\"'").rstrip("\"'")
    told = opt_out.strip().casefold()
    if told == "stop" or words in STOP_WORDS:
        return Said("stop")
    if told == "start" or words in START_WORDS:
        return Said("start")
    if (many := _several(words)) is not None:
        return many
    if len(words) > _AT_MOST or (found := _COMMAND.fullmatch(words)) is None:
        return Said("help") if told == "help" else UNKNOWN
    verb = _WORDS[found[2]]
    if found[3] is not None and verb not in _TIMED:
        return UNKNOWN
    return Said(verb, int(found[1]) if found[1] else None, _minutes(found[3]) if found[3] else None)


def _minutes(words: str) -> int | None:
    """Of `15`, `15m`, `2h`: without a unit they are minutes. None: it says no such thing."""
    if (found := _LASTING.fullmatch(words)) is None:
        return None
    return int(found[1]) * (60 if "h" in words else 1)


def _several(words: str) -> Said | None:
    """A verb and then `all`, or codes; a snooze has its minutes between. `a 15` is none of these: it may be a promise,
    and `meant` knows."""
    verb, *rest = re.sub(r"[,#]| and ", " ", words).split() or [""]
    asked = _WORDS.get(verb, "unknown")
    minutes = _minutes(rest[0]) if asked == "snooze" and rest else None
    rest = rest if minutes is None else rest[1:]
    if asked not in _MANY or not rest or (asked == "snooze" and minutes is None):
        return None
    if rest == ["all"]:
        return Said(asked, minutes=minutes, every=True)
    if not all(_NUMBER.fullmatch(word) for word in rest) or (asked == "acknowledge" and len(rest) == 1):
        return None
    return Said(asked, minutes=minutes, codes=tuple(dict.fromkeys(int(word) for word in rest)))


@dataclass(frozen=True, slots=True)
class Candidate:
    """An incident that a number was paged about, under the code that was sent to it, and whose phone it is."""

    code: int
    user_id: int
    user_key: str
    user_name: str
    contact_method_id: int
    incident_id: UUID
    notification_id: UUID
    number: int
    title: str
    priority: int
    state: str
    service_id: int
    service: str
    address: str = ""
    digest: str = ""
    """The day of the digest that named it last; empty where it was a page of its own."""
    mine: bool = False
    """Its owner has it."""
    sent_at: datetime | None = None
    """When the newest message about it went out."""
    links: bool = True
    """Its owner wants links in texts to this number."""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN


@dataclass(frozen=True, slots=True)
class Meant:
    """`these`: what is meant, one or, for all of a service, several. Otherwise `why` not, and among what one may
    choose."""

    these: Sequence[Candidate] = ()
    why: Literal["", "which", "no_such_code", "nothing", "minutes_or_code"] = ""
    among: Sequence[Candidate] = field(default=())
    unknown: int = 0
    """Of several codes the first that is none."""


def understood(said: Said, candidates: Sequence[Candidate]) -> Said:
    """`a 3` is no promise of three minutes where the newest message is a digest that named an incident so: it invites
    to that answer."""
    named = {c.code for c in _of_a_night("acknowledge", candidates)}
    if said.verb != "acknowledge" or said.code is not None or said.minutes is None or said.minutes not in named:
        return said
    return Said("acknowledge", codes=(said.minutes,))


def meant(said: Said, candidates: Sequence[Candidate]) -> Meant:
    """Which incident a command is about: by its code, else the only one there is. `candidates`: of the number that it
    came from, which binds code and number together."""
    still_open = [c for c in candidates if c.is_open]
    if said.every:
        return _of_digest(said, candidates)
    if said.codes:
        known = {c.code for c in candidates}
        if unknown := [code for code in said.codes if code not in known]:
            return Meant(why="no_such_code", among=still_open, unknown=unknown[0])
        return Meant(_once([c for c in candidates if c.code in said.codes]))
    if said.code is not None:
        named = [c for c in candidates if c.code == said.code]
        if not named:
            return Meant(why="no_such_code", among=still_open)
        return Meant(_all_of_service(named[0], still_open) if said.verb == "acknowledge_all" else named)
    if said.minutes is not None and said.verb == "acknowledge" and said.minutes in {c.code for c in still_open}:
        return Meant(why="minutes_or_code", among=[c for c in still_open if c.code == said.minutes])
    chosen = still_open or candidates
    if said.verb in TAKING:
        chosen = [c for c in still_open if c.state == "triggered"] or chosen
    elif said.verb in ("why", "runbook"):  # they only tell, so they are about what was named last
        chosen = _of_a_night(said.verb, candidates) or chosen
    if not chosen:
        return Meant(why="nothing")
    if said.verb == "acknowledge_all" and len({c.service_id for c in chosen}) == 1 and chosen[0].is_open:
        return Meant(_all_of_service(chosen[0], still_open))
    if len({c.incident_id for c in chosen}) > 1:
        return Meant(why="which" if still_open else "nothing", among=chosen if still_open else ())
    return Meant(chosen[:1])


def _of_digest(said: Said, candidates: Sequence[Candidate]) -> Meant:
    """All that waits of the newest message, where that is a digest; else what the words mean without one: who was paged
    since about something else does not take the night's by accident, nor the other way round."""
    if these := _once(_of_a_night(said.verb, candidates)):
        return Meant(these)
    if said.verb == "acknowledge":
        return meant(replace(said, verb="acknowledge_all", every=False), candidates)
    still_open = [c for c in candidates if c.is_open]
    return Meant(why="which" if still_open else "nothing", among=still_open)


def _of_a_night(verb: Verb, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """What nobody else has of the digest that is the newest message about what waits; empty where another is newer. Who
    has one of them already may take the others, or resolve all."""
    waiting = [c for c in candidates if c.is_open and (c.state == "triggered" or c.mine)]
    asked = [c for c in waiting if c.state == "triggered"] if verb in TAKING else waiting
    newest = max(asked or waiting, key=lambda c: c.sent_at or _LONG_AGO, default=None)
    return [c for c in waiting if c.digest == newest.digest] if newest is not None and newest.digest else []


def _once(these: Sequence[Candidate]) -> Sequence[Candidate]:
    """Each incident once: two people may share a number."""
    return list({c.incident_id: c for c in reversed(these)}.values())[::-1]


def _all_of_service(one: Candidate, still_open: Sequence[Candidate]) -> Sequence[Candidate]:
    mine = [c for c in still_open if c.service_id == one.service_id and c.user_id == one.user_id]
    waiting = [c for c in mine if c.state == "triggered"]
    return waiting or [one]


FEW: Final = 99
MOST: Final = 999


def next_codes(last: int, taken: set[int], wanted: int) -> list[int]:
    """New codes for one number: those that follow the last one given, 1 after 99, without those `taken` by incidents
    that are open. Where more are open than two digits can say, three digits are used; fewer than `wanted` are answered
    where even these are taken."""
    most = FEW if len(taken) + wanted <= FEW // 2 else MOST
    order = [*range(last + 1, most + 1), *range(1, min(last, most) + 1)]
    return [code for code in order if code not in taken][:wanted]


def masked(number: str) -> str:
    """`+49*****567`: enough to recognise it in a log, and no more."""
    return f"{number[:3]}*****{number[-3:]}" if len(number) > 8 else "*****"
