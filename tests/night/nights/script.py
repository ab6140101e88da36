"""What a night is: an organisation, what happens to it, and how its people answer. Values only; a seed makes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

Channel = Literal["sms", "voice", "mail"]
Temper = Literal["prompt", "late", "wrong", "twice", "never", "busy"]
TroubleKind = Literal["down", "slow", "hangs", "limits", "lies", "refuses", "broken", "mute", "twice", "backwards"]


@dataclass(frozen=True, slots=True)
class Resident:
    """A person. `rules`: (loudness, delay in s, channel); none: the default plan. `digest_at`: when, by the clocks of
    the organisation, the quiet pages of a night go out as one message; empty: each at once."""

    key: str
    channels: tuple[Channel, ...]
    rules: tuple[tuple[str, int, Channel], ...]
    temper: Temper
    digest_at: str = ""

    @property
    def name(self) -> str:
        return self.key.capitalize()


@dataclass(frozen=True, slots=True)
class Service:
    """A monitored thing; `policy` by key."""

    key: str
    criticality: int
    policy: str
    office_hours: bool
    recovery_delay_s: int
    depends_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hook:
    """A webhook: what it is told of (nothing: only steps call it), of which services (none: all) and of which
    priorities (5: all). `at`: where it listens, in place of an address that is only a name."""

    key: str
    happens: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    priority_at_least: int = 5
    at: str = ""

    @property
    def address(self) -> str:
        return self.at or f"https://{self.key}.example.org/hooks/tocsin"


@dataclass(frozen=True, slots=True)
class Organisation:
    """All configuration of a night. Schedules, overrides and policies are documents as the API takes them.
    `templates`: (key, text) of messages, as they are stored: also such as no version would save."""

    zone: str
    people: tuple[Resident, ...]
    last_resort: tuple[str, ...]
    schedules: tuple[dict[str, Any], ...]
    overrides: tuple[dict[str, Any], ...]
    policies: tuple[dict[str, Any], ...]
    services: tuple[Service, ...]
    informed: tuple[dict[str, Any], ...]
    storm_threshold: int = 20
    hooks: tuple[Hook, ...] = ()
    templates: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """Something at `at` seconds after the night began."""

    at: float

    def tell(self) -> str:
        return f"{type(self).__name__.lower()}"


@dataclass(frozen=True, slots=True)
class Alerts(Happening):
    """One request of a sender. `began`: since when they fire, in s; `copies`: so many redundant senders say it."""

    service: str = ""
    names: tuple[str, ...] = ()
    pod: str = ""
    severity: str = "critical"
    fires: bool = True
    began: float = 0.0
    copies: int = 1

    def tell(self) -> str:
        what = ", ".join(self.names) if len(self.names) < 4 else f"{len(self.names)} alerts"
        said = f"{what} {'fires' if self.fires else 'is resolved'} on {self.service}{self.pod} ({self.severity})"
        return said + (f", says each of {self.copies} senders" if self.copies > 1 else "")


@dataclass(frozen=True, slots=True)
class Trouble(Happening):
    """A provider misbehaves for `lasts` seconds, for everybody or for one `person`; the `webhook` whose receiver it is
    stands in the person's place.

    `down`: cannot be reached; `slow`: takes its time; `hangs`: no answer in time, taken or not; `limits`: too many
    requests; `lies`: takes messages and never delivers; `refuses`: the last word, but not about the address; `broken`:
    the address is no good; `mute`: delivers and never says so; `twice` and `backwards`: says so again, or in any order.
    """

    lasts: float = 0.0
    channel: Channel | Literal["webhook"] = "sms"
    kind: TroubleKind = "down"
    person: str = ""

    def tell(self) -> str:
        return f"{self.channel} {self.kind}{f' for {self.person}' if self.person else ''} for {self.lasts:.0f} s"


@dataclass(frozen=True, slots=True)
class Kill(Happening):
    """The next message of a worker is its last: killed after the claim, or after the provider took it. `calls`: its
    next call of a webhook."""

    worker: int = 0
    when: Literal["claimed", "sent"] = "claimed"
    back_after: float = 30.0
    calls: bool = False

    def tell(self) -> str:
        what = "call of a webhook" if self.calls else "message"
        return f"worker {self.worker} dies when its next {what} is {self.when}; back after {self.back_after:.0f} s"


@dataclass(frozen=True, slots=True)
class Outage(Happening):
    """The database is away, every connection to it cut."""

    lasts: float = 10.0

    def tell(self) -> str:
        return f"the database restarts, away for {self.lasts:.0f} s"


@dataclass(frozen=True, slots=True)
class Jump(Happening):
    """The clock steps forwards, or all workers stood still: nothing was done in between."""

    by: float = 60.0

    def tell(self) -> str:
        return f"the clock jumps by {self.by:.0f} s"


@dataclass(frozen=True, slots=True)
class Deed(Happening):
    """A person does something on the screen, to the `nth` open incident (modulo how many there are)."""

    person: str = ""
    what: str = ""
    nth: int = 0
    minutes: int = 10

    def tell(self) -> str:
        return f"{self.person}, on the screen: {self.what} (open incident {self.nth})"


@dataclass(frozen=True, slots=True)
class Reaction:
    """What somebody does about a message: (`what`, seconds after it) pairs, in order."""

    does: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Night:
    """A whole night. `lasts`: seconds until dawn, when a manager resolves whatever is still open."""

    seed: int
    began: datetime
    lasts: float
    organisation: Organisation
    happenings: tuple[Happening, ...]

    def chance(self, *about: object) -> Random:
        """Chance that belongs to one thing, whatever else was taken out of the night."""
        return Random("/".join(str(part) for part in (self.seed, *about)))

    def resident(self, key: str) -> Resident:
        return next(r for r in self.organisation.people if r.key == key)
