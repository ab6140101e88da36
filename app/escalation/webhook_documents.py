"""Webhooks as people write them: bodies of the API and parts of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.channels import webhook_request
from app.channels.webhook_request import LONGEST, Template
from app.errors import WrongMember
from app.escalation.policy_document import Key, Name, Priority
from app.incidents.listening import HAPPENINGS, Happening

Address = Annotated[
    str,
    Field(
        max_length=2000,
        pattern=r"^https?://[^\s/@#]+(/[^\s#]*)?$",
        examples=["https://status.example.org/hooks/tocsin"],
    ),
]
"""Of a webhook. It is kept encrypted and never shown again."""

_JIRA: Final[dict[str, Any]] = {
    "headers": {"Authorization": "Basic {secret.token}"},
    "json": {
        "fields": {"project": {"key": "OPS"}, "issuetype": {"name": "Bug"}, "summary": "{incident.title}"},
    },
}


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, serialize_by_alias=True)


class WebhookRequest(_Part):
    """A request of its own in place of the usual one. At most one of `json`, `form` and `text` is its body; `{names}`
    inside them and inside `headers` are values (docs/webhooks.md)."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"examples": [_JIRA]})

    method: Literal["POST", "PUT", "PATCH"] = "POST"
    headers: Annotated[dict[str, Annotated[str, Field(max_length=2000)]], Field(max_length=30)] = {}
    content: dict[str, Any] | list[Any] | None = Field(default=None, alias="json")
    form: Annotated[dict[str, Annotated[str, Field(max_length=LONGEST)]], Field(max_length=100)] | None = None
    text: Annotated[str, Field(max_length=LONGEST)] | None = None

    @model_validator(mode="after")
    def _can_be_made(self) -> WebhookRequest:
        for place, said in webhook_request.mistakes(self.template):
            raise WrongMember(place, said)
        return self

    @property
    def template(self) -> Template:
        return Template(self.method, self.headers, self.content, self.form, self.text)


def _in_order(happenings: list[Happening]) -> list[Happening]:
    return [h for h in HAPPENINGS if h in happenings]


def _sorted(keys: list[str] | None) -> list[str] | None:
    return None if keys is None else sorted(set(keys))


Keys = Annotated[list[Key], Field(max_length=1000), AfterValidator(_sorted)]


class WebhookWhen(_Part):
    """Of what it is told, beside the steps of policies that name it: what `happens` to incidents of these `services`
    or of services of these `teams` (neither: all), that are at least of this priority, or of which it was told
    before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"happens": ["triggered", "resolved"], "services": ["checkout"], "priority_at_least": 2}]
        }
    )

    happens: Annotated[list[Happening], Field(min_length=1, max_length=100), AfterValidator(_in_order)]
    services: Keys | None = None
    teams: Keys | None = None
    priority_at_least: Priority | None = None


class WebhookEdit(_Part):
    """All of a webhook that may change, but its address and its secrets."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Status page"}]})

    name: Name
    request: WebhookRequest | None = None
    when: WebhookWhen | None = None


class WebhookDocument(WebhookEdit):
    """A webhook with its key, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "status-page", "name": "Status page"}]})

    key: Key
