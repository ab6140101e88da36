"""⑩ Which words a parcel of notifications gets, and what they need to know beside the claimed rows.

What happened before is looked up here, when a page is rendered, for those that are about one incident: intake pays
nothing for it, nor does a message about many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from app.incidents import recurrence_store
from app.incidents.recurrence_store import Known
from app.incidents.storms import Storm
from app.notifications import digest_store, digest_texts, rendering, storm_texts, template_cache, texts
from app.notifications.claiming import Parcel

THREAD = ("mail-subject",)
"""The part that reminders share with pages, so that their mails are in one thread."""


@dataclass(frozen=True, slots=True)
class Wording:
    """What is known about the incidents of some parcels. `storm`: the one that lasts."""

    known: Mapping[UUID, Known]
    storm: Storm | None
    codes: Mapping[UUID, int] = field(default_factory=dict)
    """Reply codes by notification."""
    templates: template_cache.InForce = template_cache.NONE
    fired: Mapping[UUID, int] = field(default_factory=dict)
    """How many occurrences each incident of a digest has."""
    over: Mapping[tuple[int, str], Sequence[int]] = field(default_factory=dict)
    """By (user, day of a digest) what was to be in it and is over."""

    @classmethod
    async def of(
        cls,
        conn: AsyncConnection,
        now: datetime,
        parcels: Sequence[Parcel],
        storm: Storm | None = None,
        codes: Mapping[UUID, int] | None = None,
        templates: template_cache.Templates | None = None,
    ) -> Wording:
        alone = {p[0].incident_id for p in parcels if len(p) == 1 and p[0].incident_id is not None}
        known = await recurrence_store.known(conn, alone)
        worded = template_cache.NONE
        if templates is not None:
            worded = await templates.of(conn, [p[0] for p in parcels if len(p) == 1])
        if not (digests := [p for p in parcels if rendering.is_digest(p)]):
            return cls(known, storm, codes or {}, worded)
        fired = await digest_store.fired(conn, {r.incident_id for p in digests for r in p})
        over = await digest_store.over(conn, now, {(r.user_id, r.content["digest"]) for p in digests for r in p})
        return cls(known, storm, codes or {}, worded, fired, over)

    def words(self, parcel: Parcel, now: datetime) -> texts.Words:
        row, repeated = parcel[0], any(r.repeated for r in parcel)
        if row.incident_id is None:
            if row.purpose == "verification":
                return texts.verification(row.content, repeated=repeated)
            return texts.notice(row.content, repeated=repeated, links=rendering.carries_links(row))
        about = [self._about(r) for r in parcel]
        if row.purpose == "update" and "update" in row.content:
            return texts.posted(about[0], row.content, row.incident_state, repeated=repeated)
        if row.purpose == "update":
            return texts.for_information(about[0], row.content, row.incident_state, row.time_zone, repeated=repeated)
        if row.purpose == "drill":
            return texts.drill(about[0], row.content, repeated=repeated)
        if row.purpose == "notice":
            return texts.shadow(about[0], row.content, row.time_zone, repeated=repeated)
        if "expires_at" in row.content:
            words = texts.expires_soon(about[0], row.content, row.time_zone, repeated=repeated)
            return self.templates.worded(words, row, about[0], now, repeated=repeated, parts=THREAD)
        if row.purpose == "nudge":
            words = texts.update_is_due(about[0], row.time_zone, repeated=repeated)
            return self.templates.worded(words, row, about[0], now, repeated=repeated, parts=THREAD)
        if rendering.is_digest(parcel):
            fired = [self.fired.get(r.incident_id, 1) for r in parcel]
            days = sorted({(r.user_id, r.content["digest"]) for r in parcel})
            over = [number for day in days for number in self.over.get(day, ())]
            return digest_texts.digest(about, fired, over, row.time_zone, repeated=repeated)
        if self.storm is not None and (len(parcel) > 1 or row.incident_id == self.storm.incident_id):
            return storm_texts.summary(about, self.storm, row.time_zone, repeated=repeated)
        if len(parcel) > 1:
            return texts.several(about, repeated=repeated)
        words = texts.page(about[0], row.content, row.time_zone, now, repeated=repeated)
        return self.templates.worded(words, row, about[0], now, repeated=repeated)

    def _about(self, row: Any) -> texts.About:
        known = self.known.get(row.incident_id)
        return texts.About(
            number=row.number,
            title=row.title,
            priority=row.priority,
            service=row.service,
            opened_at=row.opened_at,
            firing=row.firing,
            runbook_url=known.runbook_url if known else row.runbook_url,
            reopened=row.reopened,
            code=self.codes.get(row.id),
            recurrence=known.recurrence if known else None,
        )
