"""Escalation policies as people write them, by keys: the body of the API and a part of the configuration document."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MIN_DELAY_S = 30
"""There is no exception: people who should be paged at the same time are targets of the same step."""
MAX_DELAY_S = 7 * 86_400

Key = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["checkout-primary"])]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Target(_Document):
    """Whom a step pages: one user, whoever is on call in a schedule, or everybody in a team."""

    type: Literal["user", "schedule", "team"]
    key: Key


def _each_once(targets: list[Target]) -> list[Target]:
    seen: set[Target] = set()
    for target in targets:
        if target in seen:
            raise ValueError(f"{target.type} {target.key} is named twice")
        seen.add(target)
    return targets


Targets = Annotated[list[Target], Field(min_length=1, max_length=50), AfterValidator(_each_once)]
"""At least one, each named once."""


class StepDocument(_Document):
    """One rung. `delay_s` is the wait before the next step; after the last one before the next round, or before the
    last resort."""

    delay_s: Annotated[int, Field(ge=MIN_DELAY_S, le=MAX_DELAY_S, description="seconds before the next step")]
    targets: Targets


_EXAMPLE: dict[str, Any] = {
    "name": "Checkout",
    "team": "payments",
    "repeats": 2,
    "steps": [
        {"delay_s": 300, "targets": [{"type": "schedule", "key": "payments-primary"}]},
        {"delay_s": 600, "targets": [{"type": "user", "key": "cara"}]},
    ],
}


class PolicyEdit(_Document):
    """All of a policy that may change. `repeats`: how many rounds follow the first one."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    name: Name
    team: Key | None = None
    repeats: Annotated[int, Field(ge=0, le=20)] = 0
    steps: Annotated[list[StepDocument], Field(min_length=1, max_length=50)]


class PolicyDocument(PolicyEdit):
    """A policy with its key, which never changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"key": "checkout"} | _EXAMPLE]})

    key: Key


class LastResort(_Document):
    """Who is paged when nobody else was reached; a user or more, a schedule, a team."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"targets": [{"type": "user", "key": "cara"}]}]})

    targets: Targets
