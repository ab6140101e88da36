"""A drill as people ask for it: the body of the API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints

from app.directory.documents import Document, Key


class DrillTarget(Document):
    """Whom to page: a person, whoever is on call in a schedule, or by the policy of a service."""

    type: Literal["user", "schedule", "service"]
    key: Key


class DrillDocument(Document):
    """A drill to start. For a person or a schedule: one page, and `wait_minutes` for an answer. For a service: its
    policy, once, with its own delays. `priority` is what the conditions of steps see; `last_resort`: when nobody has
    acknowledged by then, the last resort is paged, too."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"target": {"type": "schedule", "key": "primary"}, "wait_minutes": 10}]}
    )

    target: DrillTarget
    loudness: Literal["loud", "quiet"] = "loud"
    priority: Annotated[int, Field(ge=1, le=5)] = 2
    wait_minutes: Annotated[int, Field(ge=1, le=60)] = 10
    last_resort: bool = False
    note: Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""
