"""What somebody says by text message. Pure: the words as they came in, a value out; which incident is meant, `meaning`
decides.

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
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

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


def masked(number: str) -> str:
    """`+49*****567`: enough to recognise it in a log, and no more."""
    return f"{number[:3]}*****{number[-3:]}" if len(number) > 8 else "*****"
