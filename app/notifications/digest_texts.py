"""What a digest says: what came quietly in the night and waits, the most important first; what is over in one line.
Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from app.hours import clock, local, zone
from app.notifications.texts import NAMED, About, Words

HOW_BY_MAIL: Final = (
    "You may answer this mail: a all in the first line acknowledges all of them, a {numbers} these; c {number}"
    " resolves, s 60 {number} snoozes for an hour."
)
OVER_NAMED: Final = 10


def digest(
    about: Sequence[About], fired: Sequence[int], over: Sequence[int], time_zone: str, *, repeated: bool = False
) -> Words:
    """`about`: what waits; `fired`: how often each; `over`: numbers of what ended meanwhile. On a phone each is named
    by its code, which stays bound to it: an answer to an old digest never means a new incident."""
    again = " (repeat)" if repeated else ""
    head = f"Quiet last night{again}: {len(about)} incident{'s wait' if len(about) > 1 else ' waits'} for you"
    lines = [_line(a, n, time_zone) for a, n in zip(about, fired, strict=True)]
    short = "; ".join(f"{f'{a.code}: ' if a.code else ''}P{a.priority} {line}" for a, line in _named(about, lines))
    facts = [(f"P{a.priority} #{a.number}", line) for a, line in _named(about, lines)]
    if len(about) > NAMED:
        facts.append(("And", f"{len(about) - NAMED} more"))
    resolved = _over(over)
    if resolved:
        facts.append(("Resolved meanwhile", resolved))
    return Words(
        subject=head,
        text=f"{head}: {short}",
        text_long=f"{head}.",
        facts=tuple(facts),
        link_label="See them and acknowledge" if len(about) > 1 else "Open and acknowledge",
        asides=(f"Resolved meanwhile: {resolved}.", f"{len(over)} resolved meanwhile.") if resolved else (),
        replies=_replies([a.code for a in about if a.code]),
    )


def _named(about: Sequence[About], lines: Sequence[str]) -> list[tuple[About, str]]:
    return list(zip(about, lines, strict=True))[:NAMED]


def _line(a: About, fired: int, time_zone: str) -> str:
    opened = local(a.opened_at, zone(time_zone))
    since = f"{opened:%a} {clock(opened)}"
    often = f", fired {fired} times" if fired > 1 else ""
    return f"{a.title} ({a.service}) since {since}{often}"


def _over(numbers: Sequence[int]) -> str:
    more = len(numbers) - OVER_NAMED
    return ", ".join(f"#{n}" for n in numbers[:OVER_NAMED]) + (f" and {more} more" if more > 0 else "")


def _replies(codes: Sequence[int]) -> tuple[str, ...]:
    """The longest form first."""
    if not codes:
        return ()
    some = " ".join(str(code) for code in codes[:2])
    return f"Reply a all, or a {some}; c resolves, s 60 {codes[0]} snoozes", f"Reply a all, or a {some}", "Reply a all"


def how_by_mail(numbers: Sequence[int]) -> str:
    return HOW_BY_MAIL.format(numbers=" ".join(str(n) for n in numbers[:2]), number=numbers[0])
