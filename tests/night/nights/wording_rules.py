"""What holds of templates in every night: docs/messages.md, "What is always there". Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from app.channels.gsm7 import size
from nights.evidence import Evidence, Letter
from nights.script import Night

SEGMENTS_AT_MOST: Final = 2
HOW_BY_TEXT: Final = re.compile(r"(?m)^Reply (?:\d{1,3}a|a all)")
HOW_BY_MAIL: Final = "You may answer this mail"
KEYS: Final = "Press 4"


def every_page_can_be_answered(night: Night, seen: Evidence) -> Iterator[str]:
    """Behind any text: "no template can make a page that cannot be answered": texts have the link and how to reply, in
    two segments, mails the link and how to answer, calls the keys; and none of them says nothing of its incident."""
    for letter in seen.letters:
        if letter.purpose != "page" or letter.channel == "voice" or not letter.shown:
            continue
        lacks = _lacks_by_text(letter) if letter.channel == "sms" else _lacks_by_mail(letter)
        if lacks:
            yield f"the {letter.channel} to {letter.person} at {letter.claimed_at} lacks {lacks}: {letter.shown!r}"
    for at, said in seen.spoken:
        if "<Gather" in said and KEYS not in said:
            yield f"a call of {at} does not say its keys: {said}"


RULES: Final[Sequence[Any]] = (every_page_can_be_answered,)


def _lacks_by_text(letter: Letter) -> str:
    if not letter.link or letter.link not in letter.shown:
        return "its link"
    if letter.replies and not HOW_BY_TEXT.search(letter.shown):
        return "how to reply"
    if len(letter.carries) == 1 and not letter.replies:
        return "its code"
    if size(letter.shown).segments > SEGMENTS_AT_MOST:
        return "shortness"
    return "" if HOW_BY_TEXT.split(letter.shown.replace(letter.link, ""))[0].strip() else "words"


def _lacks_by_mail(letter: Letter) -> str:
    if not letter.link or letter.link not in letter.shown:
        return "its link"
    if not any(letter.replies):
        return "how to answer"
    return "" if letter.subject.strip() and letter.text.strip() else "words"
