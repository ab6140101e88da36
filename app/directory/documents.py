"""People and things as people write them, by keys: the bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo, field_validator

from app import hours
from app.channels.banned import BANNED
from app.directory.mapping_document import MappingDocument
from app.errors import Invalid

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["checkout"])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
Seconds = Annotated[int, Field(ge=0, le=86_400)]
Text = Annotated[str, Field(max_length=10_000)]
Banned = Annotated[str, Field(min_length=2, max_length=100, pattern=r"^[^\s{}|\"]*[^\s{}|\"*]+[^\s{}|\"]*$")]
Word = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S")]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+$"),
    Field(examples=["ana@example.org"]),
]
"""What one logs in with. Whether mail reaches it is shown by a verified contact method, not by its form."""


def _zone(name: str) -> str:
    try:
        return hours.zone(name).key
    except Invalid as refused:
        raise ValueError(refused.message) from None


Zone = Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Berlin"])]
"""An IANA zone."""


ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["09:00"])]
"""A time of day by a clock on a wall."""


class Document(BaseModel):
    """Strict; NUL, which PostgreSQL cannot store, is refused in every text."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _storable(cls, value: Any) -> Any:
        if isinstance(value, str) and "\x00" in value:
            raise ValueError("a text cannot hold the character NUL")
        return value


def _example(**members: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [members]})


class OrganisationEdit(Document):
    """The one owner of the database. `catch_all_policy` is for incidents whose service has no policy."""

    model_config = _example(name="Example Inc", time_zone="Europe/Berlin", catch_all_policy="everybody")

    name: Name
    time_zone: Zone
    catch_all_policy: Key | None = None
    storm_threshold: Annotated[int, Field(ge=1, le=1_000_000)] = 20
    """More new incidents than this in a minute are a storm."""
    banned_in_messages: Annotated[list[Banned], Field(max_length=200)] = list(BANNED)
    """What message templates may not hold; found anywhere in a word, `*` stands for any characters of it."""


class Member(Document):
    """A user in a team. A `manager` may edit what belongs to the team, given the role manager."""

    user: Key
    role: Literal["member", "manager"] = "member"


_TEAM: dict[str, Any] = {"name": "Payments", "members": [{"user": "ana", "role": "manager"}, {"user": "ben"}]}


class TeamEdit(Document):
    """All of a team that may change; `members` is the whole list."""

    model_config = _example(**_TEAM)

    name: Name
    members: Annotated[list[Member], Field(max_length=1000)] = []

    @field_validator("members")
    @classmethod
    def _each_once(cls, members: list[Member]) -> list[Member]:
        users = [m.user for m in members]
        if twice := sorted({u for u in users if users.count(u) > 1}):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return sorted(members, key=lambda m: m.user)


class TeamDocument(TeamEdit):
    """A team with its key, which never changes."""

    model_config = _example(key="payments", **_TEAM)

    key: Key


_USER = {"name": "Ana", "email": "ana@example.org", "role": "operator", "time_zone": "Europe/Berlin"}


class UserEdit(Document):
    """All of a user that may change. An inactive user can neither log in nor be paged. `time_zone` null: the
    organisation's. `digest_at`: when, by their clock, the quiet pages of the night go out as one message; null: each at
    once."""

    model_config = _example(**_USER)

    name: Name
    email: Email
    role: Literal["viewer", "operator", "manager", "admin"]
    time_zone: Zone | None = None
    digest_at: ClockTime | None = None
    active: bool = True


class UserDocument(UserEdit):
    """A user with the key, which never changes."""

    model_config = _example(key="ana", **_USER)

    key: Key

    @field_validator("key")
    @classmethod
    def _not_reserved(cls, key: str) -> str:
        if key == "me":
            raise ValueError("me stands for whoever is asking")
        return key


ONLY_TEXTS = "only text messages go without links (channel sms); leave it out, or say true"


class ContactMethodDocument(Document):
    """An address of a user on a channel; the channel says what an address looks like. `links` false: text messages to
    this number carry no links. Every other channel has it true, and nothing else is taken."""

    model_config = _example(channel="sms", address="+49 30 901820", label="work phone")

    channel: Literal["sms", "voice", "mail", "push", "chat", "webhook", "ntfy", "slack", "apprise"]
    address: Annotated[str, Field(min_length=1, max_length=2000)]
    label: Annotated[str, Field(max_length=100)] = ""
    links: bool = True

    @field_validator("links")
    @classmethod
    def _of_texts(cls, links: bool, info: ValidationInfo) -> bool:
        if not links and info.data.get("channel", "sms") != "sms":
            raise ValueError(ONLY_TEXTS)
        return links


class ContactMethodEdit(Document):
    """What may change of a contact method. Another address must be verified again. `links` as when it was made; left
    out, or null, it stays as it is."""

    model_config = _example(address="+49 30 901821", label="work phone", links=False)

    address: Annotated[str, Field(min_length=1, max_length=2000)]
    label: Annotated[str, Field(max_length=100)] = ""
    links: bool | None = None


class NotificationRuleDocument(Document):
    """For this loudness, `delay_s` seconds after the page was decided, use the contact method with this id."""

    loudness: Literal["loud", "quiet"]
    delay_s: Seconds
    contact_method: int


class NotificationRulesEdit(Document):
    """All notification rules of a user; a loudness without any has the default plan."""

    model_config = _example(
        rules=[
            {"loudness": "loud", "delay_s": 0, "contact_method": 1},
            {"loudness": "loud", "delay_s": 180, "contact_method": 2},
        ]
    )

    rules: Annotated[list[NotificationRuleDocument], Field(max_length=50)]

    @field_validator("rules")
    @classmethod
    def _each_once(cls, rules: list[NotificationRuleDocument]) -> list[NotificationRuleDocument]:
        if len({(r.loudness, r.delay_s, r.contact_method) for r in rules}) < len(rules):
            raise ValueError("a rule occurs twice")
        return sorted(rules, key=lambda r: (r.loudness, r.delay_s, r.contact_method))


class SubscriptionDocument(Document):
    """To be told of incidents of a service, or of all, that are of this priority or more important."""

    service: Key | None = None
    priority_at_least: Annotated[int, Field(ge=1, le=5)] = 2


class SubscriptionsEdit(Document):
    """All subscriptions of a user. What is said about a service goes before what is said about all."""

    model_config = _example(subscriptions=[{"service": "checkout", "priority_at_least": 2}])

    subscriptions: Annotated[list[SubscriptionDocument], Field(max_length=200)]

    @field_validator("subscriptions")
    @classmethod
    def _each_once(cls, subscriptions: list[SubscriptionDocument]) -> list[SubscriptionDocument]:
        if len({s.service for s in subscriptions}) < len(subscriptions):
            raise ValueError("a service occurs twice")
        return sorted(subscriptions, key=lambda s: s.service or "")


_SERVICE: dict[str, Any] = {
    "name": "Checkout",
    "description": "Takes the money",
    "team": "payments",
    "policy": "checkout-primary",
    "criticality": 1,
    "tags": ["revenue"],
    "support_hours": {
        "time_zone": "Europe/Berlin",
        "spans": [{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "09:00", "to": "17:00"}],
    },
    "runbook_url": "https://wiki.example.org/checkout",
    "runbook_text": "Look at the queue first.",
    "recovery_delay_s": 0,
    "acknowledgement_minutes": {"P1": 15},
    "depends_on": ["payments"],
}


def _long_enough(minutes: int) -> int:
    """6 at least, so that the reminder 5 minutes before the end comes after the acknowledgement."""
    if 0 < minutes < 6:
        raise ValueError("6 minutes or more, or 0 for ever")
    return minutes


class ServiceEdit(Document):
    """All of a service that may change. `criticality`: 1 matters most. `support_hours` null: always worked on;
    in them `holidays` may name a calendar, whose days are no support time.
    `recovery_delay_s`: how long all alerts must be gone before its incidents resolve.
    `acknowledgement_minutes`: by priority, how long an acknowledgement lasts until it pages again, 0 for ever; what is
    not named lasts as usual, 30 for P1, 60 for P2, others for ever. `depends_on`: services whose incidents explain its
    own; together they have no cycle."""

    model_config = _example(**_SERVICE)

    name: Name
    description: Text = ""
    team: Key | None = None
    policy: Key | None = None
    criticality: Annotated[int, Field(ge=1, le=3)] = 2
    tags: Annotated[list[Word], Field(max_length=50)] = []
    support_hours: dict[str, Any] | None = None
    runbook_url: Annotated[str, Field(max_length=2000, pattern=r"^$|^https?://[^\s/]+\S*$")] = ""
    runbook_text: Text = ""
    recovery_delay_s: Seconds = 0
    acknowledgement_minutes: dict[
        Literal["P1", "P2", "P3", "P4", "P5"],
        Annotated[int, Field(ge=0, le=10_080, strict=True), AfterValidator(_long_enough)],
    ] = {}
    depends_on: Annotated[list[Key], Field(max_length=100)] = []

    @field_validator("tags", "depends_on")
    @classmethod
    def _sorted(cls, tags: list[str]) -> list[str]:
        return sorted(set(tags))

    @field_validator("acknowledgement_minutes")
    @classmethod
    def _by_priority(cls, minutes: dict[str, int]) -> dict[str, int]:
        return dict(sorted(minutes.items()))

    @field_validator("support_hours")
    @classmethod
    def _hours(cls, raw: dict[str, Any] | None) -> dict[str, Any] | None:
        try:
            if raw is not None and "days_off" in raw:
                raise Invalid("days_off is not written by people: name a calendar in holidays")
            return None if raw is None else hours.hours_json(hours.parse_hours(raw))
        except Invalid as refused:
            raise ValueError(refused.message) from None


class ServiceDocument(ServiceEdit):
    """A service with its key, which never changes."""

    model_config = _example(key="checkout", **_SERVICE)

    key: Key


class IntegrationEdit(Document):
    """All of an integration that may change. `ignored_labels` do not count for the identity of an alert;
    `resolve_timeout_s`: how long an alert without an end lives unless renewed, for sources that renew;
    `stale_window_s`: how long after an explicit resolve was received an older firing event is stale; `mapping`: how
    events are made of JSON that is not ours, for the sources generic and grafana."""

    model_config = _example(name="Prometheus of payments", service="checkout", ignored_labels=["replica"])

    name: Name
    service: Key
    ignored_labels: Annotated[list[Word], Field(max_length=50)] = []
    resolve_timeout_s: Annotated[int, Field(ge=30, le=86_400)] = 300
    stale_window_s: Seconds = 300
    mapping: MappingDocument | None = None
    enabled: bool = True

    @field_validator("ignored_labels")
    @classmethod
    def _sorted(cls, labels: list[str]) -> list[str]:
        return sorted(set(labels))


class IntegrationDocument(IntegrationEdit):
    """An integration with its key and its source, which never change."""

    model_config = _example(
        key="payments-prometheus", name="Prometheus of payments", source="alertmanager", service="checkout"
    )

    key: Key
    source: Annotated[str, Field(min_length=1, max_length=50, examples=["alertmanager"])]
