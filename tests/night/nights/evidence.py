"""What was seen of a night: at the providers, at the clock, in the rows that it left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

RANG: Final = "rang"


@dataclass(slots=True)
class Letter:
    """One message that was handed to a provider. `claimed_at`: when the worker took it up; `at`: when the provider
    answered. `taken`: the provider has it. `told`: what the worker heard: `sent`, `failed`, `unknown` (no answer in
    time) or `died` (nobody was there any more). `unfindable`: this provider cannot be asked about it afterwards."""

    notification_id: UUID
    number: int
    channel: str
    to: str
    person: str
    purpose: str
    loud: bool
    subject: str
    text: str
    link: str
    replies: tuple[str, ...]
    token: str
    claimed_at: datetime
    at: datetime
    taken: bool = False
    told: str = "died"
    provider_id: str = ""
    unfindable: bool = False
    carries: tuple[UUID, ...] = ()
    """The notifications in it, its own first."""
    shown: str = ""
    """All that its reader sees, with link and code, of a text message."""

    @property
    def digest(self) -> bool:
        """It is about a night."""
        return self.purpose == "page" and self.subject.startswith("Quiet last night")

    @property
    def repeat(self) -> bool:
        said = self.shown or f"{self.subject}\n{self.text}"
        return "(repeat)" in said or "tries again" in said

    @property
    def heard(self) -> bool:
        """Whether anybody knows what it said: not of what never arrived, nor of a call that nobody picked up."""
        return self.text not in ("", RANG)


@dataclass(slots=True)
class Heard:
    """One request to a receiver. `id` and `body` as it got them: the same at every try; `of_step`: a step of a policy
    called, in place of what happened to an incident. `taken` and `told` as of a letter, `claimed_at` and `at` too."""

    hook: str
    id: UUID
    number: int
    body: bytes
    type: str
    of_step: bool
    claimed_at: datetime
    at: datetime
    taken: bool = False
    told: str = "died"


@dataclass(frozen=True, slots=True)
class Answered:
    """What somebody made of a digest by text message. `named`: the incidents in it, by the code that it named them by;
    `carried`: all in it; `newest`: no later text about an incident went to that number; `able`: it is a verified number
    of somebody who is there. `before` and `after`: (state, who has it) of every incident."""

    at: datetime
    person: str
    said: str
    named: Mapping[int, int]
    carried: frozenset[int]
    newest: bool
    able: bool
    before: Mapping[int, tuple[str, str]]
    after: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Seen:
    """An incident from `at` on. `climbs`: its ladder has a next step; `withheld`: another incident speaks for it."""

    at: datetime
    number: int
    state: str
    epoch: int
    climbs: bool
    withheld: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """`[since, until)`: nobody could work, or the database could not be asked."""

    since: datetime
    until: datetime
    why: str


@dataclass(frozen=True, slots=True)
class Late:
    """What was due at `due` was looked at only at `at`."""

    due: datetime
    at: datetime


@dataclass(frozen=True, slots=True)
class Rows:
    """What is on record in the morning, as lists of rows."""

    incidents: tuple[Any, ...] = ()
    timeline: tuple[Any, ...] = ()
    notifications: tuple[Any, ...] = ()
    attempts: tuple[Any, ...] = ()
    told: tuple[Any, ...] = ()
    """What the API tells about the notifications of each incident: (incident id, mapping)."""
    rules: tuple[Any, ...] = ()
    calls: tuple[Any, ...] = ()
    """What webhooks were to be told of what happened to incidents."""


@dataclass(slots=True)
class Evidence:
    """`story`: what happened, in words, by instant. `errors`: of the log."""

    began: datetime
    letters: list[Letter] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)
    spoken: list[tuple[datetime, str]] = field(default_factory=list)
    """What calls said when somebody picked up."""
    seen: list[Seen] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    late: list[Late] = field(default_factory=list)
    story: list[tuple[datetime, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    rows: Rows = field(default_factory=Rows)
    ended: datetime | None = None
    slack: timedelta = timedelta()
    """How long a claim may have lasted where time does not stand still: until it looked."""
    troubled: bool = False
    """Some provider left workers without an answer, or some worker died, or the database was away."""

    def says(self, at: datetime, words: str) -> None:
        self.story.append((at, words))

    def away(self, since: datetime, until: datetime) -> timedelta:
        """How long nobody could work within `[since, until)`; what overlaps counts twice, which is lenient."""
        parts = (min(g.until, until) - max(g.since, since) for g in self.gone)
        return sum((p for p in parts if p > timedelta()), timedelta())

    def pages(self) -> list[tuple[Any, ...]]:
        """What was sent to whom and when, without what is drawn by chance for each message."""
        return sorted(
            ((x.claimed_at - self.began).total_seconds(), (x.at - self.began).total_seconds(), x.person, x.channel,
             x.purpose, x.subject, x.text, x.taken, x.told)
            for x in self.letters
        )  # fmt: skip
