"""Support tiers and the escalation matrix as people write them: bodies of the API and parts of the configuration
document."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.escalation.policy_document import Key, Priority

E = TypeVar("E", "SupportTier", "MatrixRow")
"""An entry of a list. `place` is what only one of them may have; lists are in this order."""
MOST = 10_000


class _Entry(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _each_once(entries: list[E]) -> list[E]:
    in_order = sorted(entries, key=lambda entry: entry.place)
    for before, after in pairwise(in_order):
        if before.place == after.place:
            raise ValueError(f"{' '.join(str(part) for part in after.place if part)} is named twice")
    return in_order


class SupportTier(_Entry):
    """The policy of a higher support tier, of a `team` or of one `service`. A service's own goes before its team's."""

    team: Key | None = None
    service: Key | None = None
    tier: Literal[2, 3]
    policy: Key

    @property
    def place(self) -> tuple[str, str, int]:
        return self.team or "", self.service or "", self.tier

    @model_validator(mode="after")
    def _one_owner(self) -> SupportTier:
        if (self.team is None) == (self.service is None):
            raise ValueError("give a team or a service")
        return self


Delay = Annotated[int, Field(ge=60, le=7 * 86_400, description="seconds")]


class MatrixRow(_Entry):
    """Who is informed of incidents of a priority: the people of a `policy`, by a ladder of its own, as `loudness` says.
    `first_update_s` and `update_interval_s`: after so many seconds whoever has the incident is reminded to post an
    update. With a `service` the row is for that service only, in place of the organisation's."""

    service: Key | None = None
    priority: Priority
    policy: Key | None = None
    loudness: Literal["loud", "quiet"] = "quiet"
    first_update_s: Delay | None = None
    update_interval_s: Delay | None = None

    @property
    def place(self) -> tuple[str, int]:
        return self.service or "", self.priority


SupportTiers = Annotated[list[SupportTier], Field(max_length=MOST), AfterValidator(_each_once)]
MatrixRows = Annotated[list[MatrixRow], Field(max_length=MOST), AfterValidator(_each_once)]


class SupportTiersEdit(BaseModel):
    """All support tiers."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"tiers": [{"team": "payments", "tier": 2, "policy": "database-experts"}]}]},
    )

    tiers: SupportTiers


_ROW: dict[str, Any] = {
    "priority": 1, "policy": "leadership", "loudness": "loud", "first_update_s": 900, "update_interval_s": 1800,
}  # fmt: skip


class EscalationMatrixEdit(BaseModel):
    """All rows of the escalation matrix."""

    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, json_schema_extra={"examples": [{"rows": [_ROW]}]}
    )

    rows: MatrixRows
