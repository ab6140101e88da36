"""The configuration as one document: what `tocsin export` writes and `tocsin apply` reads.

Entries are matched by their key. A section that is absent is left alone, and so are `contact_methods`,
`notification_rules` and `subscriptions` of a user and `rules` of a service; inside an entry an absent member means its
default. Secrets are no part of it: routing keys, ping tokens and secrets of webhooks are made by Tocsin and shown once,
passwords are set by their owners, signing secrets and addresses of calendars and webhooks are only named. Overrides are
no part of it either, nor is whether a heartbeat is paused.
"""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from app.alerts.routing_documents import RoutingRule
from app.alerts.suppression_documents import (
    InhibitionRuleDocument,
    MaintenanceWindowDocument,
    TimeIntervalDocument,
)
from app.calendars.documents import CalendarDocument
from app.directory.documents import (
    ContactMethodDocument,
    Document,
    IntegrationDocument,
    OrganisationEdit,
    Seconds,
    ServiceDocument,
    SubscriptionDocument,
    TeamDocument,
    UserDocument,
)
from app.errors import Invalid, wrong_members
from app.escalation.list_documents import MatrixRows, SupportTiers
from app.escalation.policy_document import PeopleTargets, PolicyDocument
from app.escalation.webhook_documents import WebhookDocument
from app.heartbeats.documents import HeartbeatDocument
from app.incidents.correlation_documents import CorrelationRule
from app.notifications.template_document import MessageTemplateDocument
from app.oncall.schedule_document import ScheduleDocument
from app.priority.documents import PriorityRule, Row
from app.rules.documents import RULE_LIMIT, only_whole

MAX_ENTRIES = 10_000


class NotificationRuleEntry(Document):
    """For this loudness, after `delay_s` seconds, use the contact method of this channel and address."""

    loudness: Literal["loud", "quiet"]
    delay_s: Seconds
    channel: str
    address: str


class UserEntry(UserDocument):
    """A user. New contact methods must be verified by their owner before they count. Without any notification rule a
    user has the default plan."""

    contact_methods: Annotated[list[ContactMethodDocument], Field(max_length=20)] | None = None
    notification_rules: Annotated[list[NotificationRuleEntry], Field(max_length=50)] | None = None
    subscriptions: Annotated[list[SubscriptionDocument], Field(max_length=200)] | None = None


RoutingRules = Annotated[list[RoutingRule], Field(max_length=RULE_LIMIT)]
CorrelationRules = Annotated[list[CorrelationRule], Field(max_length=RULE_LIMIT)]
PriorityRules = Annotated[list[PriorityRule], Field(max_length=RULE_LIMIT)]


class ServiceRules(Document):
    """All rule sets of a service. Its routing rules override what the organisation's set; its correlation and priority
    rules are asked before the organisation's."""

    routing: RoutingRules = Field(default=[])
    correlation: CorrelationRules = Field(default=[])
    priority: PriorityRules = Field(default=[])


class ServiceEntry(ServiceDocument):
    """A service with its own rules, which are left alone when `rules` is absent."""

    rules: ServiceRules | None = None


_EXAMPLE: dict[str, Any] = {
    "format": 1,
    "users": [{"key": "ana", "name": "Ana", "email": "ana@example.org", "role": "operator"}],
    "policies": [
        {
            "key": "checkout",
            "name": "Checkout",
            "steps": [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}]}],
        }
    ],
    "services": [{"key": "checkout", "name": "Checkout", "policy": "checkout"}],
}


class ConfigurationDocument(Document):
    """All configuration of an installation, or a part of it."""

    model_config = ConfigDict(serialize_by_alias=True, json_schema_extra={"examples": [_EXAMPLE]})

    format: Annotated[Literal[1], BeforeValidator(only_whole)] = 1
    organisation: OrganisationEdit | None = None
    users: Annotated[list[UserEntry], Field(max_length=MAX_ENTRIES)] | None = None
    teams: Annotated[list[TeamDocument], Field(max_length=MAX_ENTRIES)] | None = None
    calendars: Annotated[list[CalendarDocument], Field(max_length=MAX_ENTRIES)] | None = None
    schedules: Annotated[list[ScheduleDocument], Field(max_length=MAX_ENTRIES)] | None = None
    webhooks: Annotated[list[WebhookDocument], Field(max_length=MAX_ENTRIES)] | None = None
    policies: Annotated[list[PolicyDocument], Field(max_length=MAX_ENTRIES)] | None = None
    services: Annotated[list[ServiceEntry], Field(max_length=MAX_ENTRIES)] | None = None
    integrations: Annotated[list[IntegrationDocument], Field(max_length=MAX_ENTRIES)] | None = None
    heartbeats: Annotated[list[HeartbeatDocument], Field(max_length=MAX_ENTRIES)] | None = None
    message_templates: Annotated[list[MessageTemplateDocument], Field(max_length=MAX_ENTRIES)] | None = None
    maintenance_windows: Annotated[list[MaintenanceWindowDocument], Field(max_length=MAX_ENTRIES)] | None = None
    inhibition_rules: Annotated[list[InhibitionRuleDocument], Field(max_length=MAX_ENTRIES)] | None = None
    time_intervals: Annotated[list[TimeIntervalDocument], Field(max_length=MAX_ENTRIES)] | None = None
    last_resort: PeopleTargets | None = None
    support_tiers: SupportTiers | None = None
    escalation_matrix: MatrixRows | None = None
    routing_rules: RoutingRules | None = None
    correlation_rules: CorrelationRules | None = None
    priority_rules: PriorityRules | None = None
    priority_matrix: Annotated[list[Row], Field(min_length=3, max_length=3)] | None = None
    secrets: Annotated[list[str], Field(max_length=MAX_ENTRIES)] | None = None
    """Names of what an export cannot hold and somebody has to enter again elsewhere; an apply does not look at it."""

    @field_validator(
        "users", "teams", "calendars", "schedules", "policies", "services", "integrations", "heartbeats",
        "maintenance_windows", "inhibition_rules", "time_intervals", "webhooks", "message_templates",
    )  # fmt: skip
    @classmethod
    def _each_once(cls, entries: list[Any] | None) -> list[Any] | None:
        counted = Counter(entry.key for entry in entries or [])
        if twice := sorted(key for key, times in counted.items() if times > 1):
            raise ValueError(f"named twice: {', '.join(twice)}")
        return entries


def parse(value: object) -> ConfigurationDocument:
    """From JSON values. Raises `Invalid`; its errors have fields like `policies[2].steps[0].delay_s`."""
    try:
        return ConfigurationDocument.model_validate(value)
    except ValidationError as wrong:
        errors = wrong_members(map(dict, wrong.errors()), value)
        first = errors[0]
        raise Invalid(f"{first['field'] or 'the document'}: {first['message']}", errors=errors) from None


def plain(document: ConfigurationDocument) -> dict[str, Any]:
    """As JSON values, without what has its default."""
    return {"format": document.format} | document.model_dump(mode="json", exclude_defaults=True)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the document."""
    made = ConfigurationDocument.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tocsin configuration"}
    return head | {name: value for name, value in made.items() if name != "title"}
