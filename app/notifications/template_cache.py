"""The templates in force, as one worker has read them: again only when the configuration changed (decision 9).

The claim brings the number of the configuration with its rows, so that where nobody wrote a template no query is made.
A template that this version cannot read, or that cannot be rendered, stops nothing: Tocsin's own words go out, and the
log says so.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import Refusal
from app.incidents import storm_store
from app.notifications import rendering, template_store
from app.notifications.template_language import Template
from app.notifications.template_parts import PARTS, parse
from app.notifications.template_values import NOTHING, Page, Sent, said, worded
from app.notifications.texts import About, Words

_LOOKED_UP: Final = frozenset({"labels", "annotations", "severity", "team"})
"""Names that ask for more than the claim brings."""
_FAULTS: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError)
"""What a rendering that went wrong could raise; it is written so that it raises nothing."""

log = structlog.get_logger()

Of = Mapping[str, Template]
"""By part."""


@dataclass(frozen=True, slots=True)
class InForce:
    """`own` of services, by their ids, have the organisation's in them where they have none."""

    of_all: Of = field(default_factory=dict)
    own: Mapping[int, Of] = field(default_factory=dict)
    sent: Mapping[UUID, Sent] = field(default_factory=dict)

    def of(self, row: Any) -> Of:
        """The templates for a row of the claim: those of its channel."""
        if not self.of_all and not self.own:
            return {}
        templates = self.own.get(row.service_id, self.of_all)
        return {key: t for key, t in templates.items() if row.channel in PARTS[key].channels}

    def worded(
        self, words: Words, row: Any, about: About, now: datetime, *, repeated: bool, parts: Collection[str] = PARTS
    ) -> Words:
        """A page about one incident in the words of its templates; only these parts of it."""
        if not (templates := {key: t for key, t in self.of(row).items() if key in parts}):
            return words
        why = str(row.content.get("why", ""))
        page = Page(about, self.sent.get(row.incident_id, NOTHING), why, row.time_zone, now, repeated)
        try:
            return worded(words, templates, page, links=rendering.carries_links(row))
        except _FAULTS as e:
            _failed(sorted(templates), repr(e))
            return words


NONE: Final = InForce()


class Templates:
    """Of one worker."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._read = NONE

    async def of(self, conn: AsyncConnection, rows: Sequence[Any]) -> InForce:
        """What applies to these rows of a claim, and what has to be looked up for them."""
        if not rows:
            return NONE
        version = max(row.configuration_version for row in rows)
        if version != self._version:
            self._read, self._version = read(await template_store.templates(conn)), version
        wanted = {
            row.incident_id
            for row in rows
            if row.purpose in ("page", "nudge") and row.incident_id is not None and _asks(self._read.of(row).values())
        }
        sent = await template_store.sent(conn, wanted)
        return InForce(self._read.of_all, self._read.own, sent) if sent else self._read


def read(rows: Sequence[Any]) -> InForce:
    """From what is stored. What cannot be parsed is left out, and told."""
    of_all: dict[str, Template] = {}
    own: dict[int, dict[str, Template]] = {}
    for row in rows:
        if (template := _parsed(row.part, row.text)) is not None:
            (of_all if row.service_id is None else own.setdefault(row.service_id, {}))[row.part] = template
    return InForce(of_all, {service: {**of_all, **theirs} for service, theirs in own.items()})


async def spoken(conn: AsyncConnection, incident: Any, why: str, now: datetime) -> str:
    """What a call about one incident says before its keys; empty: Tocsin's own words, as for a storm. `incident`: a
    row of `reading.CARRIED`."""
    text = await template_store.of_part(conn, "voice", incident.incident_id)
    if text is None or (template := _parsed("voice", text)) is None:
        return ""
    storm = await storm_store.running(conn)
    if storm is not None and storm.incident_id == incident.incident_id:
        return ""
    sent = await template_store.sent(conn, [incident.incident_id]) if _asks([template]) else {}
    about = About(
        incident.number, incident.title, incident.priority, incident.service, incident.opened_at, incident.firing, "", 0
    )
    page = Page(about, sent.get(incident.incident_id, NOTHING), why, incident.time_zone, now)
    try:
        return said("voice", template, page)
    except _FAULTS as e:
        _failed(["voice"], repr(e))
        return ""


def _asks(templates: Collection[Template]) -> bool:
    return any(t.roots & _LOOKED_UP for t in templates)


def _parsed(part: str, text: str) -> Template | None:
    try:
        return parse(PARTS[part], text)
    except (Refusal, *_FAULTS) as e:
        _failed([part], str(e))
        return None


def _failed(parts: Sequence[str], error: str) -> None:
    log.warning("message_template_failed", parts=list(parts), error=error)
