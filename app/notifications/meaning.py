"""Which incident an answer means: by the code that its number was sent, by a digest, or as the only one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

from app.incidents.states import OPEN
from app.notifications.replies import TAKING, Said, Verb

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


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
