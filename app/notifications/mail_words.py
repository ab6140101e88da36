"""What somebody says in a mail, and what is said back. Pure.

The commands are those of text messages (`replies.py`), in the first line of what is above the quote. An incident is
named by its number, `#42 a` or `42a`, where a mail is about several. Everything else is prose: a note.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from app.escalation.answering import Standing
from app.notifications import reply_texts
from app.notifications.meaning import Candidate, Meant
from app.notifications.replies import Said, masked, parse

HOW: Final = (
    "You may answer this mail: a in the first line acknowledges, a 15 promises to have it for 15 minutes, e escalates,"
    " c resolves, s 10 snoozes, ? says why you. Other words become a note on the incident."
)
HOW_OF_SEVERAL: Final = (
    "You may answer this mail: #{number} a in the first line acknowledges that one, #{number} aa all of its service;"
    " e escalates, c resolves, s 10 snoozes."
)
COMMANDS: Final = (
    "a acknowledges, a 15 promises to have it for 15 minutes, aa acknowledges all of its service, e escalates,"
    " c resolves, n says that it was not actionable, s 10 snoozes, r sends the runbook, ? says why you"
)
NOTE_AT_MOST: Final = 2000
"""Characters of a note; the rest of a mail is not kept."""
_SHOWN: Final = 300

_NUMBERED: Final = re.compile(r"(#?)([1-9][0-9]{0,8})\s*[:,.]?\s*(\S.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Written:
    """`note`: prose, in place of a command; then `said` names at most the incident that it is about."""

    said: Said
    note: str = ""

    @property
    def verb(self) -> str:
        return "note" if self.note else self.said.verb


def written(text: str) -> Written:
    """What a mail asks for, by its first line; never raises. A word that only phones know (STOP) is prose here."""
    first = next(iter(text.strip().splitlines()), "").strip()
    if not first:
        return Written(Said("help"))
    said = _command(first)
    found = _NUMBERED.fullmatch(first)
    if said is None and found is not None and (named := _command(found[3])) is not None:
        said = replace(named, code=int(found[2]))
    if said is not None:
        return Written(said)
    about = _NUMBERED.fullmatch(text.strip())
    if about is not None and about[1]:
        return Written(Said("unknown", int(about[2])), about[3][:NOTE_AT_MOST].strip())
    return Written(Said("unknown"), text.strip()[:NOTE_AT_MOST].strip())


def _command(line: str) -> Said | None:
    """None for what is none. A code of text messages means nothing here."""
    said = parse(line)
    return None if said.verb in ("unknown", "stop", "start") or said.code is not None else said


def how(numbers: Sequence[int]) -> str:
    """The line in a mail that says how to answer it. `numbers`: of the incidents that it is about."""
    return HOW if len(set(numbers)) == 1 else HOW_OF_SEVERAL.format(number=numbers[0])


def help_text(candidates: Sequence[Candidate]) -> str:
    there = f"\n\nThe mail is about: {named(candidates)}." if candidates else "\n\nNothing of that mail is open."
    return f"Answer with one of these in the first line: {COMMANDS}.{there}"


def named(among: Sequence[Candidate]) -> str:
    return "; ".join(f"#{c.number} P{c.priority} {c.title} ({c.service})" for c in among[:20])


def ask(found: Meant, said: Said) -> str:
    """Where it is not clear which incident is meant."""
    if found.why == "no_such_code":
        there = f" It was about: {named(found.among)}." if found.among else ""
        return f"The mail that you answered was not about #{said.code or found.unknown}.{there}"
    if found.why == "nothing":
        return "Nothing of the mail that you answered is open."
    return reply_texts.ask(found, said)


def ask_which_note(among: Sequence[Candidate]) -> str:
    number = among[0].number
    return (
        "Nothing was noted, and nothing acknowledged: these words are no command. To acknowledge, answer with"
        f" #{number} a and nothing else in the first line.\n\n"
        f"Which one is your note about? Begin it with its number, like #{number}. {named(among)}"
    )


def noted(one: Candidate, seen: Standing, note: str, now: datetime) -> str:
    """Says the note back, and that it is no more than that."""
    shown = f"{note[:_SHOWN]}..." if len(note) > _SHOWN else note
    held = "" if seen.state != "triggered" else " This is no acknowledgement: answer with a and nothing else for that."
    return f"Noted on #{one.number}: “{shown}”\n\n{reply_texts.standing(seen, one.user_id, now)}{held}"


def runbook(seen: Standing) -> str:
    """The whole of it: a mail has room."""
    words = "\n\n".join(filter(None, (seen.note, seen.runbook_text, seen.runbook_url)))
    return f"The runbook of #{seen.number}:\n\n{words}" if words else f"There is no runbook for #{seen.number}."


def hidden(address: str) -> str:
    """`a*****@example.org`: enough to recognise it in a log, and no more."""
    local, at, domain = address.rpartition("@")
    return f"{local[:1]}*****@{domain}" if at else masked(address)
