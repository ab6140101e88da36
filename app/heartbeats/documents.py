"""A heartbeat as people write it: the body of the API, and a part of the configuration document."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from app.directory.documents import Document, Key, Name, Zone
from app.errors import Invalid
from app.heartbeats.rhythm import Rhythm
from app.hours import cron as cron_lines
from app.rules import conditions

SOURCE = "heartbeat"
"""The source of integrations that heartbeats belong to."""

DAY_S = 86_400


class FedBy(Document):
    """Firing alerts of another integration that are pings of this heartbeat: the Watchdog of a Prometheus."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"integration": "payments-prometheus", "matchers": 'alertname="Watchdog"'}]}
    )

    integration: Key
    matchers: Annotated[str, Field(min_length=1, max_length=1000)] = 'alertname="Watchdog"'

    @field_validator("matchers")
    @classmethod
    def _matchers(cls, source: str) -> str:
        try:
            conditions.compile(braced(source))
        except Invalid as refused:
            raise ValueError(refused.message) from None
        return source


def braced(source: str) -> str:
    """Matchers so that nobody takes them for anything else."""
    return source if source.lstrip().startswith("{") else f"{{{source}}}"


_HEARTBEAT: dict[str, Any] = {
    "name": "Nightly backup of db-1",
    "cron": "30 2 * * *",
    "time_zone": "Europe/Berlin",
    "grace_s": 1800,
}


class HeartbeatEdit(Document):
    """All of a heartbeat that may change. Either `interval_s`, or `cron` (five fields) with `time_zone`. `grace_s`: how
    late a ping may be, and how long a run may take. `severity` is that of its alert."""

    model_config = ConfigDict(json_schema_extra={"examples": [_HEARTBEAT]})

    name: Name
    interval_s: Annotated[int, Field(ge=1, le=366 * DAY_S)] | None = None
    cron: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    time_zone: Zone | None = None
    grace_s: Annotated[int, Field(ge=0, le=31 * DAY_S)] = 300
    severity: Literal["critical", "error", "warning", "info"] = "error"
    fed_by: FedBy | None = None

    @field_validator("cron")
    @classmethod
    def _cron(cls, line: str | None) -> str | None:
        try:
            if line is not None:
                cron_lines.parse(line)
        except Invalid as refused:
            raise ValueError(refused.message) from None
        return line

    @model_validator(mode="after")
    def _one_rhythm(self) -> Self:
        if (self.interval_s is None) == (self.cron is None):
            raise ValueError("give either interval_s, or cron with time_zone")
        if (self.cron is None) != (self.time_zone is None):
            raise ValueError("cron and time_zone belong together")
        return self

    @property
    def rhythm(self) -> Rhythm:
        return rhythm_of(self.interval_s, self.cron, self.time_zone, self.grace_s)


class HeartbeatDocument(HeartbeatEdit):
    """A heartbeat with its key and its integration, which never change. The integration is one of the source
    `heartbeat`: its service is the heartbeat's, and its routing key the ping key for `/ping/{ping key}/{key}`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"key": "backup-db-1", "integration": "payments-heartbeats", **_HEARTBEAT}]}
    )

    key: Key
    integration: Key


def rhythm_of(interval_s: int | None, line: str | None, zone: str | None, grace_s: int) -> Rhythm:
    """From the columns of a row."""
    interval = None if interval_s is None else timedelta(seconds=interval_s)
    return Rhythm(timedelta(seconds=grace_s), interval, line or "", zone or "UTC")
