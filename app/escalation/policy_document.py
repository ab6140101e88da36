"""Escalation policies as people write them, by keys: the body of the API and a part of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from app.errors import WrongMember

MIN_DELAY_S = 30
"""There is no exception: people who should be paged at the same time are targets of the same step."""
MAX_DELAY_S = 7 * 86_400

HIGHER_TIERS = ("2", "3")

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["checkout-primary"])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Target(_Document):
    """Whom a step pages: one user, whoever is on call in a schedule, everybody in a team, or a support tier of the
    incident's service, whose key is `2` or `3`. A webhook is called as well, and counts as nobody reached."""

    type: Literal["user", "schedule", "team", "tier", "webhook"]
    key: Key

    @field_validator("key")
    @classmethod
    def _a_higher_tier(cls, key: str, info: ValidationInfo) -> str:
        if info.data.get("type") == "tier" and key not in HIGHER_TIERS:
            raise ValueError("the key of a support tier is '2' or '3'")
        return key


def _each_once(targets: list[Target]) -> list[Target]:
    seen: set[Target] = set()
    for target in targets:
        if target in seen:
            raise ValueError(f"{target.type} {target.key} is named twice")
        seen.add(target)
    return targets


Targets = Annotated[list[Target], Field(min_length=1, max_length=50), AfterValidator(_each_once)]
"""At least one, each named once."""


def _people_always(targets: list[Target]) -> list[Target]:
    if any(target.type == "webhook" for target in targets):
        raise ValueError("a webhook reaches nobody: the last resort must be people")
    if any(target.type == "tier" for target in targets):
        raise ValueError("a service may be without a support tier: the last resort must be people")
    return targets


PeopleTargets = Annotated[Targets, AfterValidator(_people_always)]
"""At least one, and none that is only a program, or that some services do not have."""

Priority = Annotated[int, Field(ge=1, le=5)]


class Condition(_Document):
    """When a step is taken; a step that is not taken is skipped at once, and the timeline says why.

    `priority_at_least` 2: for P1 and P2. `priority_only`: for just these. `support_hours`: `inside` or `outside` those
    of the service (without any it is always inside). `state`: `not_acknowledged`, the default, or `not_resolved`: the
    step is taken although somebody has the incident, as long as it is not resolved."""

    priority_at_least: Priority | None = None
    priority_only: Annotated[list[Priority], Field(min_length=1, max_length=5)] | None = None
    support_hours: Literal["inside", "outside"] | None = None
    state: Literal["not_acknowledged", "not_resolved"] | None = None

    @field_validator("priority_only")
    @classmethod
    def _in_order(cls, priorities: list[int] | None) -> list[int] | None:
        return None if priorities is None else sorted(set(priorities))

    @model_validator(mode="after")
    def _one_way_to_say_it(self) -> Condition:
        if self.priority_at_least is not None and self.priority_only is not None:
            raise ValueError("give priority_at_least or priority_only, not both")
        return self


class StepDocument(_Document):
    """One rung. `delay_s` is the wait before the next step; after the last one before the next round, or before the
    last resort. `whom`: everyone that the targets come to, or `round_robin`: one of them, each in turn. `acknowledge`:
    whether `any` of them or `all` must acknowledge."""

    delay_s: Annotated[int, Field(ge=MIN_DELAY_S, le=MAX_DELAY_S, description="seconds before the next step")]
    targets: Targets
    whom: Literal["everyone", "round_robin"] = "everyone"
    acknowledge: Literal["any", "all"] = "any"
    when: Condition | None = None

    @field_validator("when")
    @classmethod
    def _something(cls, when: Condition | None) -> Condition | None:
        return None if when == Condition() else when


_EXAMPLE: dict[str, Any] = {
    "name": "Checkout",
    "team": "payments",
    "repeats": 2,
    "steps": [
        {"delay_s": 300, "targets": [{"type": "schedule", "key": "payments-primary"}]},
        {
            "delay_s": 600,
            "targets": [{"type": "team", "key": "payments"}],
            "whom": "round_robin",
            "when": {"priority_at_least": 2},
        },
    ],
}


class PolicyEdit(_Document):
    """All of a policy that may change. `repeats`: how many rounds follow the first one. `hand_over_to`: the policy
    that follows them, in place of the last resort, which follows that one. `hand_over_to_tier`: in its place a support
    tier of the incident's service, whatever it has when the rounds are over."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    team: Key | None = None
    repeats: Annotated[int, Field(ge=0, le=20)] = 0
    hand_over_to: Key | None = None
    hand_over_to_tier: Literal[2, 3] | None = None
    steps: Annotated[list[StepDocument], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _one_follows(self) -> PolicyEdit:
        if self.hand_over_to is not None and self.hand_over_to_tier is not None:
            raise WrongMember("hand_over_to_tier", "give this or hand_over_to, not both")
        return self


class PolicyDocument(PolicyEdit):
    """A policy with its key, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "checkout"} | _EXAMPLE]})

    key: Key


class LastResort(_Document):
    """Who is paged when nobody else was reached; a user or more, a schedule, a team."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"targets": [{"type": "user", "key": "cara"}]}]})

    targets: PeopleTargets
