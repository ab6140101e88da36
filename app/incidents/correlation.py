"""Which incident an occurrence belongs to, and why. Pure: a fold over what a batch did to alerts.

behaviour.md 3: an incident holds its correlation key while it accepts occurrences. Each correlation key is held by at
most one incident; it is given up when the window or the cap has passed, in the same fold that opens a successor.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from app.alerts.suppression import Suppressed
from app.db import ids
from app.incidents import states
from app.incidents.happenings import Correlated, Happening, Rank, Ranking
from app.incidents.states import Incident
from app.incidents.timeline import Entry
from app.incidents.topology import NOWHERE, Topology, reason
from app.priority.assign import PriorityVerdict, Raised, raise_only

NO_RULE: Mapping[str, Any] = {}
FLAPPING_QUIET = timedelta(minutes=5)
"""How long an alert that flapped must stay resolved before its incident is."""


def correlation_key(service_id: int, labels: Mapping[str, str], dedup_key: str) -> str:
    """The default: service and alertname; an alert without that label is its own problem."""
    name = labels.get("alertname")
    return f"{service_id}:{name}" if name else f"{service_id}::{dedup_key}"


def provenance(verdict: PriorityVerdict) -> dict[str, Any]:
    """Where a priority comes from, as it is stored and shown."""
    inputs = [
        {"what": p.what, "value": p.value, "rule": p.rule, "name": p.name, "version": p.version, "because": p.because}
        | ({"scope": p.scope} if p.scope else {})
        for p in verdict.inputs
    ]
    failed = [{"rule": f.rule, "error": f.error} for f in verdict.failures]
    return {"inputs": inputs, "failures": failed} if failed else {"inputs": inputs}


class Fold:
    """The incidents of a batch while it is decided."""

    def __init__(
        self,
        known: Iterable[Incident],
        rank: Rank,
        now: datetime,
        waiting: Mapping[str, Collection[UUID]],
        topology: Topology,
    ) -> None:
        self.incidents = {i.id: i for i in known}
        self.holders = {i.open_key: i.id for i in self.incidents.values() if i.open_key is not None}
        self.newest: dict[str, UUID] = {}
        for incident in sorted(self.incidents.values(), key=lambda i: i.id):
            self.newest[incident.correlation_key] = incident.id
        self.speaking = {i.merged_into_id for i in self.incidents.values() if i.merged_into_id is not None}
        self.topology = topology
        self.rank = rank
        self.now = now
        self.waiting = {key: set(occurrence_ids) for key, occurrence_ids in waiting.items()}
        self.result = Correlated()

    def run(self, happenings: Sequence[Happening]) -> Correlated:
        for happening in happenings:
            if happening.kind == "opened":
                self._arrive(happening)
            elif happening.kind == "changed":
                self._change(happening)
            elif happening.kind == "resolved":
                self._end(happening)
            else:
                self._acknowledge(happening)
        return self.result

    def _acknowledge(self, h: Happening) -> None:
        """Who acknowledges the only alert that fires has the incident; of several, that would speak for the others."""
        incident = self._incident_of(h)
        if incident is None:
            return
        self._say(incident, "acknowledged_at_source", h.actor, title=h.title)
        if incident.state == "triggered" and incident.firing <= 1:
            self._put(states.acknowledge(incident, self.now, None))

    def _incident_of(self, h: Happening) -> Incident | None:
        incident_id = self.result.belongs.get(h.occurrence_id, h.incident_id)
        incident = self._speaker(incident_id)
        if incident is not None and incident.id != incident_id:
            self._belongs(h, incident)
        return incident

    def _speaker(self, incident_id: UUID | None) -> Incident | None:
        """The incident, or what it was merged into."""
        incident = None if incident_id is None else self.incidents.get(incident_id)
        if incident is None or incident.merged_into_id is None:
            return incident
        return self.incidents.get(incident.merged_into_id)

    def _arrive(self, h: Happening) -> None:
        if self._is_put(h):
            return
        if self._leads_astray(h):
            h = replace(h, correlation_key=h.own_key, terms=replace(h.terms, threshold=None))
        key = h.correlation_key
        holder = self._holder(key)
        if holder is not None and self._accepts(holder, h):
            minutes = h.terms.window // timedelta(minutes=1)
            self._join(holder, h, "joined", f"{h.terms.because}, within {minutes} minutes of its last occurrence",
                       h.terms.source)  # fmt: skip
            return
        newest = self.incidents.get(self.newest[key]) if key in self.newest else None
        speaker = None if newest is None or newest.merged_into_id is None else self._speaker(newest.id)
        if newest is not None and speaker is not None and speaker.is_open and self._accepts(speaker, h):
            self._join(speaker, h, "joined", f"incident {newest.number}, where it would belong, was merged into this")
            return
        if self._suffers(h) or self._waits(h):
            return
        if holder is not None:
            self._put(replace(holder, open_key=None))
            del self.holders[key]
        last = speaker or newest
        if last is not None and last.state == "resolved" and self._is_recent(last, h):
            self._reopen(last, h)
        else:
            self._open(h, newest)

    def _is_put(self, h: Happening) -> bool:
        """A person decided where it belongs: for as long as that incident is open, or may be reopened."""
        incident = self._speaker(h.decided.belongs_with)
        if incident is None or incident.id in h.decided.not_with:
            return False
        if incident.is_open:
            self._join(incident, h, "joined", "a person put it here")
            return True
        if incident.state == "resolved" and self._is_recent(incident, h):
            self._reopen(incident, h)
            return True
        return False

    def _leads_astray(self, h: Happening) -> bool:
        """Whether its correlation key leads to an incident that a person parted it from."""
        for found in {self.holders.get(h.correlation_key), self.newest.get(h.correlation_key)} - {None}:
            speaker = self._speaker(found)
            if speaker is None or not {found, speaker.id} & set(h.decided.not_with):
                continue
            if speaker.is_open or self._is_recent(speaker, h):
                return True
        return False

    def _suffers(self, h: Happening) -> bool:
        """Joins the incident of an upstream service, if there is one that is no less important (behaviour.md 3)."""
        if not self.topology.upstreams.get(h.service_id):
            return False
        priority = self.rank(h, 1).verdict.priority
        found = reason(h.service_id, priority, self.incidents.values(), self.topology, self.now, h.decided.not_with)
        if found is None:
            return False
        incident, path = found
        self.result.symptoms.add(h.occurrence_id)
        self.result.priorities[h.occurrence_id] = priority
        said = self.topology.said(path)
        self._say(incident, "symptom_joined", h.actor, title=h.title, severity=h.severity, path=said,
                  alert=str(h.alert_id))  # fmt: skip
        self._belongs(h, incident)
        self._put(self._counted(incident))
        return True

    def _counted(self, incident: Incident) -> Incident:
        return replace(
            self._stirred(incident),
            firing=incident.firing + 1,
            occurrences=incident.occurrences + 1,
            last_occurrence_at=self.now,
            recovery_due_at=None,
        )

    def _stirred(self, incident: Incident) -> Incident:
        """An alert that counts is not silenced: an incident that was quiet for silences is so no more."""
        if not incident.silenced:
            return incident
        self._say(incident, "silence_ended", "tocsin")
        return states.trigger(incident, self.now)

    def _holder(self, key: str) -> Incident | None:
        return self.incidents[self.holders[key]] if key in self.holders else None

    def _accepts(self, incident: Incident, h: Happening) -> bool:
        terms = h.terms
        return self.now - incident.last_occurrence_at <= terms.window and self.now - incident.opened_at < terms.cap

    def _is_recent(self, incident: Incident, h: Happening) -> bool:
        return incident.resolved_at is not None and self.now - incident.resolved_at < h.terms.reopen_within

    def _waits(self, h: Happening) -> bool:
        """Below its threshold it is held, visibly; the one that reaches it lets the others go."""
        if h.terms.threshold is None:
            return False
        count, within = h.terms.threshold
        key = h.correlation_key
        waiting = self.waiting.setdefault(key, set())
        waiting.add(h.occurrence_id)
        come = sum(ids.instant_of(o) >= self.now - within for o in waiting)
        if come < count:
            minutes = within // timedelta(minutes=1)
            because = f"{come} of {count} within {minutes} minutes: {h.terms.because}"
            held = Suppressed("hold", h.terms.name, because, self.now + within, **h.terms.source)
            self.result.held[h.occurrence_id] = key, held
            return True
        self.result.released.add(key)
        for occurrence_id, (other, held) in self.result.held.items():
            if other == key:
                self.result.held[occurrence_id] = key, dataclasses.replace(held, until=self.now)
        return False

    def _open(self, h: Happening, earlier: Incident | None) -> None:
        ranking = self.rank(h, 1)
        self.result.priorities[h.occurrence_id] = ranking.verdict.priority
        incident = new_incident(h, ranking, self.now, None if earlier is None else earlier.id)
        incident = replace(incident, symptoms_due_at=self._symptoms_due_at(incident))
        self.result.opened[incident.id] = incident
        self.incidents[incident.id] = incident
        self.holders[h.correlation_key] = self.newest[h.correlation_key] = incident.id
        self._belongs(h, incident)
        because = h.terms.because if h.terms.rule is not None else f"no correlation rule matched: {h.terms.because}"
        said: dict[str, Any] = {"severity": h.severity, "priority": incident.priority, "alert": str(h.alert_id)}
        said |= {"because": because} | h.terms.source
        self._say(incident, "opened", h.actor, title=h.title, **said)
        self._say(incident, "priority_assigned", "tocsin", priority=incident.priority, verdict=incident.verdict)
        if earlier is not None:
            self._say(incident, "recurrence", "tocsin", of=earlier.number, was=earlier.state)

    def _reopen(self, incident: Incident, h: Happening) -> None:
        quietly = h.flapping and incident.resolved_by == "source"
        again = states.reopen_quietly if quietly else states.reopen
        reopened = replace(
            again(incident, self.now, self._free_key(incident, h)),
            symptoms_due_at=self._symptoms_due_at(incident),
            firing=incident.firing + 1,
            occurrences=incident.occurrences + 1,
            last_occurrence_at=self.now,
        )
        if reopened.open_key is not None:
            self.holders[reopened.open_key] = incident.id
        self._belongs(h, reopened)
        said: dict[str, Any] = {"severity": h.severity, "priority": reopened.priority, "count": reopened.reopened}
        if quietly:
            said["because"] = "it flaps: whoever was paged is not paged again"
            self.result.continued.add(incident.id)
        self._say(reopened, "reopened", h.actor, title=h.title, **said)
        self._put(self._ranked(reopened, h, already_triggered=not quietly))

    def _free_key(self, incident: Incident, h: Happening) -> str | None:
        """The key that a reopened incident holds: its own, when whoever else holds it would have been seen."""
        key = incident.correlation_key
        seen = key in (h.correlation_key, h.own_key) or incident.id in self.speaking
        return key if seen and self.holders.get(key, incident.id) == incident.id else None

    def _symptoms_due_at(self, incident: Incident) -> datetime | None:
        """By itself a batch sees no more than what is above it, and not what another one is just opening."""
        return self.now if self.topology.knows(incident.service_id) else incident.symptoms_due_at

    def _join(
        self, incident: Incident, h: Happening, kind: str, because: str, source: Mapping[str, Any] = NO_RULE
    ) -> None:
        joined = self._counted(incident)
        self._belongs(h, joined)
        self._say(joined, kind, h.actor, title=h.title, severity=h.severity, because=because, alert=str(h.alert_id),
                  **source)  # fmt: skip
        self._put(self._ranked(joined, h))

    def _change(self, h: Happening) -> None:
        incident = self._incident_of(h)
        if incident is None or not incident.is_open:
            return
        self._say(incident, "alert_changed", h.actor, title=h.title, severity=h.severity)
        self._put(self._ranked(self._stirred(incident), h))

    def _ranked(self, incident: Incident, h: Happening, *, already_triggered: bool = False) -> Incident:
        """Automation only raises; a raise pages again, unless the incident begins a new epoch anyway."""
        ranking = self.rank(h, max(incident.firing, 1))
        self.result.priorities[h.occurrence_id] = ranking.verdict.priority
        raised = raise_only(incident.priority, ranking.verdict, pinned=incident.priority_pin is not None)
        if not isinstance(raised, Raised):
            return incident
        verdict = ranking.verdict
        self._say(incident, "priority_raised", "tocsin", was=incident.priority, priority=verdict.priority,
                  verdict=provenance(verdict))  # fmt: skip
        after = states.with_priority(incident, verdict.priority, verdict.impact, verdict.urgency, provenance(verdict))
        after = states.with_loudness(after, ranking.loudness, ranking.loud_due_at)
        after = replace(after, symptoms_due_at=self._symptoms_due_at(after))
        if already_triggered or incident.id in self.result.opened:
            return after
        return states.trigger(after, self.now)

    def _end(self, h: Happening) -> None:
        incident = self._incident_of(h)
        if incident is None:
            return
        ended = replace(incident, firing=max(incident.firing - 1, 0))
        if incident.is_open:
            flaps = {"flapping": True} if h.flapping else {}
            self._say(ended, "alert_resolved", h.actor, title=h.title, firing=ended.firing, **flaps)
        if ended.firing == 0 and ended.is_open and not ended.held_open:
            ended = self._recovered(ended, h)
        elif ended.firing == 0 and not ended.is_open:
            ended = replace(ended, recovery_due_at=None)
        self._put(ended)

    def _recovered(self, incident: Incident, h: Happening) -> Incident:
        delay = max(h.recovery_delay, FLAPPING_QUIET) if h.flapping else h.recovery_delay
        if delay:
            return replace(incident, recovery_due_at=self.now + delay)
        if incident.open_key is not None:
            self.holders.pop(incident.open_key, None)
        because = "all its alerts are resolved"
        self._say(incident, "resolved", h.actor, priority=incident.priority, because=because)
        return states.resolve(incident, self.now, "source")

    def _belongs(self, h: Happening, incident: Incident) -> None:
        self.result.belongs[h.occurrence_id] = incident.id

    def _put(self, incident: Incident) -> None:
        if incident == self.incidents[incident.id]:
            return
        self.incidents[incident.id] = incident
        target = self.result.opened if incident.id in self.result.opened else self.result.changed
        target[incident.id] = incident

    def _say(self, incident: Incident, kind: str, actor: str, **data: Any) -> None:
        self.result.entries.append(Entry(incident.id, kind, actor, data))


def new_incident(h: Happening, ranking: Ranking, now: datetime, recurrence_of_id: UUID | None) -> Incident:
    """As its first occurrence makes it."""
    verdict = ranking.verdict
    return Incident(
        id=ids.new(now),
        number=0,
        service_id=h.service_id,
        correlation_key=h.correlation_key,
        open_key=h.correlation_key,
        title=h.title,
        state="triggered",
        epoch=1,
        priority=verdict.priority,
        impact=verdict.impact,
        urgency=verdict.urgency,
        verdict=provenance(verdict),
        priority_pin=None,
        loudness=ranking.loudness,
        loud_due_at=ranking.loud_due_at,
        held_open=False,
        opened_at=now,
        triggered_at=now,
        acknowledged_at=None,
        acknowledged_by_id=None,
        wakes_at=None,
        wakes_because=None,
        assigned_to_id=None,
        mitigated_at=None,
        resolved_at=None,
        resolved_by=None,
        closed_at=None,
        recovery_due_at=None,
        paging_due_at=None,
        reopened=0,
        recurrence_of_id=recurrence_of_id,
        last_occurrence_at=now,
        firing=1,
        occurrences=1,
        version=1,
    )


def correlate(
    known: Iterable[Incident],
    happenings: Sequence[Happening],
    rank: Rank,
    now: datetime,
    waiting: Mapping[str, Collection[UUID]] | None = None,
    topology: Topology = NOWHERE,
) -> Correlated:
    """④ Decides a batch. `known` holds the holders of its keys, the newest incident of each key, and the incidents of
    occurrences that changed; `waiting` by key the occurrences that wait for others."""
    return Fold(known, rank, now, waiting or {}, topology).run(happenings)
