"""What is said in a call: short sentences that a voice can read aloud. Pure.

The first words carry the most. What a sender wrote is made readable, not interpreted: `HighErrorRate` becomes three
words, `p99 > 2s` "p99 above 2s", an address "a link", a long number its digits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.escalation.answering import Standing

KEYS: Final = "Press 4 to acknowledge, 6 to escalate, 9 to resolve, or 0 to hear this again."
KEYS_OF_SEVERAL: Final = "Press 4 to acknowledge all of them, 6 to escalate them, or 0 to hear this again."
NAMED: Final = 3
_AT_MOST: Final = 160
_LINK: Final = re.compile(r"https?://\S+")
_WORDS_GROWN_TOGETHER: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_LONG_NUMBER: Final = re.compile(r"[0-9]{5,}")
_SYMBOLS: Final = {
    "%": " percent", "&": " and ", ">": " above ", "<": " below ", "#": " number ", "@": " at ", "+": " plus ",
    "°": " degrees ", "€": " euros ", "$": " dollars ",
}  # fmt: skip
_KEPT: Final = frozenset(".,:;!?'()")


def readable(text: str, at_most: int = _AT_MOST) -> str:
    """One line of a sender as it is read aloud, cut at a blank."""
    words = _LINK.sub(" a link ", unicodedata.normalize("NFKC", text))
    words = _WORDS_GROWN_TOGETHER.sub(" ", words)
    words = "".join(_SYMBOLS.get(c, c if c.isalnum() or c in _KEPT else " ") for c in words)
    words = _LONG_NUMBER.sub(lambda found: " ".join(found[0]), words)
    words = " ".join(words.split())
    if len(words) <= at_most:
        return words
    return words[: at_most + 1].rpartition(" ")[0] or words[:at_most]


def number(n: int) -> str:
    """Digit by digit where it is long."""
    return str(n) if n < 1000 else " ".join(str(n))


def one(incident: Any) -> str:
    """`incident` has priority, service, title and number."""
    named = f"Priority {incident.priority} on {readable(incident.service, 60)}: {readable(incident.title)}."
    return f"{named} Incident {number(incident.number)}."


def _calls(again: bool) -> str:
    return "Tocsin tries again" if again else "Tocsin calls"


def page(incidents: Sequence[Any], *, again: bool = False) -> str:
    """What a call says that is to be answered by a key; the most important incident first. `again`: an earlier call
    about the same may have come."""
    if len(incidents) == 1:
        return f"{_calls(again)}. {one(incidents[0])} {KEYS}"
    head = f"{_calls(again)} about {len(incidents)} incidents."
    named = " ".join(one(i) for i in incidents[:NAMED])
    more = f" And {len(incidents) - NAMED} more." if len(incidents) > NAMED else ""
    return f"{head} {named}{more} {KEYS_OF_SEVERAL}"


def over(incidents: Sequence[Any]) -> str:
    """For somebody who picks up when nothing is left to do."""
    first = incidents[0]
    state = f"{readable(first.holder, 60)} has it" if first.state == "acknowledged" and first.holder else "it is over"
    also = " The others are taken care of, too." if len(incidents) > 1 else ""
    return f"Tocsin called about incident {number(first.number)}, but {state}.{also} You need not do anything. Goodbye."


def information(incident: Any, *, again: bool = False) -> str:
    """For somebody who need not press a key."""
    return f"{_calls(again)} for your information. {one(incident)}"


def standing(seen: Standing, reader_id: int) -> str:
    """Who has it now, told to whoever pressed a key."""
    name = f"Incident {number(seen.number)}"
    if not seen.is_open:
        return f"{name} is resolved."
    if seen.state == "triggered" and seen.missing:
        return f"Thank you. {name} goes on until {readable(', '.join(seen.missing))} acknowledged, too."
    if seen.state == "triggered":
        return f"Nobody has {name.lower()}. The next step is being told."
    who = "You have" if seen.acknowledged_by_id == reader_id else f"{readable(seen.holder or 'Somebody', 60)} has"
    return f"{who} {name.lower()}."


def message(purpose: str, content: Mapping[str, Any], *, again: bool = False) -> str:
    """What is about no incident: a code is said digit by digit."""
    if purpose == "verification":
        return f"Your Tocsin verification code is {', '.join(str(content['code']))}."
    return f"{_calls(again)}. {readable(str(content.get('text', '')), 600)}"


def still_firing(firing: int) -> str:
    alerts = "1 alert still fires" if firing == 1 else f"{firing} alerts still fire"
    return f"It is not resolved: {alerts}. Press 9 again to resolve it anyway, 4 to acknowledge, or hang up."
