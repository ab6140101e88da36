"""Who is woken next, and when. Pure: a ladder, its incident and who can be reached in; pages and the next due time out.

behaviour.md 7: a step that reaches nobody goes to the next one at once; a round that reached nobody goes straight to
the last resort; an exhausted policy repeats, then pages the last resort, and again after a while until somebody
acknowledges. If even the last resort cannot be reached, the ladder tries again every 60 s and the second path speaks.
Whenever a ladder that has reached nobody of its policy tries again, it looks at the policy first: a shift may have
begun since. Silence is never the outcome, nor is spinning.

A step whose condition does not hold is skipped at once and says so. A policy that hands over to another one is a
ladder with several legs; rounds are counted on from leg to leg. To a support tier: `following.py`. A ladder that
informs is climbed as long as its incident is open, to its end, and pages no last resort: nobody need answer it. Nor
does that of a drill, unless its copy has the last resort as a step. Steps "until resolved" are taken although somebody
has the incident; those between them keep their delay: nobody is asked sooner because somebody acknowledged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from msgspec.structs import replace

from app.escalation.following import NOTHING_FOLLOWS, Follows, follow
from app.escalation.policy_copy import Rung, Target
from app.escalation.positions import HANDED, NAMED, FindReach, Ladder, PageOrder, Reach, Shadowing, Situation, orders
from app.escalation.turns import People, Turns
from app.hours import advance_open
from app.incidents.states import OPEN
from app.incidents.timeline import Entry

QUIET_DELAY_S = 8 * 3600
"""A quiet incident climbs after so many seconds of support hours, whatever the policy's delays."""
LAST_RESORT_AGAIN = timedelta(minutes=30)
UNREACHABLE_AGAIN = timedelta(seconds=60)
ASSIGNED_DELAY_S = 300
ASSIGNED_STEP = -1
LAST_RESORT_LOST = -1
"""What `reached` says when not even the messages to the last resort arrived."""


@dataclass(slots=True)
class Climb:
    """What a claim decided. `ladder.next_step_at` None: parked. `everybody`: who all must acknowledge from now on;
    empty: anybody will do; None: as before."""

    ladder: Ladder
    pages: list[PageOrder] = field(default_factory=list)
    shadows: list[Shadowing] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    unreachable: bool = False
    everybody: tuple[int, ...] | None = None


def climb(
    ladder: Ladder,
    incident: Situation,
    find: FindReach,
    last_resort: Sequence[Target],
    now: datetime,
    turns: Turns | None = None,
    follows: Follows = NOTHING_FOLLOWS,
) -> Climb:
    """One claim of one ladder. `follows`: what support tiers of its service have."""
    if incident.withheld or not _goes_on(ladder, incident):
        return Climb(replace(ladder, next_step_at=None))
    extra: tuple[int, ...] = ()
    if not ladder.informs and ladder.epoch != incident.epoch:
        ladder = replace(ladder, epoch=incident.epoch, round=1, step=0, reached=0, leg=0, leg_round=1)
        extra = incident.held_before
        if incident.assigned_to_id is not None and not extra:
            ladder = replace(ladder, step=ASSIGNED_STEP)
        elif incident.assigned_to_id is not None:
            # Somebody had it and it came back: whoever it was handed to is paged along with who is on call now.
            extra = (*extra, incident.assigned_to_id)
    return _Climber(ladder, incident, find, now, turns or Turns(), follows).run(extra, last_resort)


def _goes_on(ladder: Ladder, incident: Situation) -> bool:
    if ladder.informs:
        return incident.state in OPEN
    if incident.state == "triggered":
        return True
    ahead = ladder.climbed.steps[max(ladder.step, 0) :]
    return incident.state in OPEN and ladder.epoch == incident.epoch and any(rung.lasts for rung in ahead)


class _Climber:
    def __init__(
        self, ladder: Ladder, incident: Situation, find: FindReach, now: datetime, turns: Turns, follows: Follows
    ) -> None:
        self.result = Climb(ladder)
        self.incident = incident
        self.find = find
        self.now = now
        self.turns = turns
        self.follows = follows
        self.had = incident.state != "triggered"
        self.asks_all = any(rung.all for rung in ladder.policy.rungs)

    def run(self, extra: tuple[int, ...], last_resort: Sequence[Target]) -> Climb:
        if self.result.ladder.step == ASSIGNED_STEP and self._assigned():
            return self.result
        self.result.unreachable = self.result.ladder.reached == LAST_RESORT_LOST
        self._look_again()
        more = tuple(Target("user", u) for u in extra)
        while True:
            ladder = self.result.ladder
            if ladder.step < len(ladder.climbed.steps):
                rung = ladder.climbed.steps[ladder.step]
                if self._skipped(rung):
                    continue
                if self._passed_over(rung) or self._step(rung, more):
                    return self.result
                more = ()
            elif self.had and not ladder.informs:
                self.result.ladder = replace(ladder, next_step_at=None)
                return self.result
            elif ladder.reached > 0 and ladder.lap <= ladder.climbed.repeats and not ladder.informs:
                self.result.ladder = replace(ladder, round=ladder.round + 1, step=0, reached=0)
            elif ladder.leg + 1 < len(ladder.policy.legs):
                self._hand_over()
            elif self._follow():
                continue
            elif ladder.informs or ladder.policy.drill:
                self.result.ladder = replace(ladder, next_step_at=None)
                return self.result
            else:
                return self._last_resort((*last_resort, *more))

    def _look_again(self) -> None:
        """A policy that had reached nobody when it was climbed is looked at again: from the first step that reaches
        somebody by now."""
        ladder = self.result.ladder
        once = ladder.informs or ladder.policy.drill
        waits = ladder.reached <= 0 and ladder.step >= len(ladder.climbed.steps) and not once
        if not waits or self.had:
            return
        for leg, policy in enumerate(ladder.policy.legs):
            for step, rung in enumerate(policy.steps):
                if not self._unfit(rung) and self._asked(rung, self.find(rung.targets).people):
                    began = ladder.leg_round if leg == ladder.leg else ladder.round
                    self.result.ladder = replace(ladder, leg=leg, leg_round=began, step=step, reached=0)
                    return

    def _hand_over(self) -> None:
        ladder = self.result.ladder
        after = replace(
            ladder, leg=ladder.leg + 1, round=ladder.round + 1, leg_round=ladder.round + 1, step=0, reached=0
        )
        self._say("handed_over", policy=ladder.climbed.name, to=after.climbed.name)
        self.result.ladder = after

    def _follow(self) -> bool:
        """Whether a support tier takes over."""
        after, said = follow(self.result.ladder, self.follows)
        if said is not None:
            self._say(said[0], **said[1])
        if after is not None:
            self.result.ladder = after
            self.asks_all = self.asks_all or any(rung.all for rung in after.policy.rungs)
        return after is not None

    def _unfit(self, rung: Rung) -> str:
        """Why this step is not for this incident now; empty: it is."""
        if self.had and rung.when.state == "not_acknowledged" and self.result.ladder.informs:
            return "it is for incidents that nobody has"
        return rung.when.fails(self.incident.priority, self.incident.hours, self.now)

    def _skipped(self, rung: Rung) -> bool:
        """Goes to the next step at once, and says why."""
        because = self._unfit(rung)
        if because:
            ladder = self.result.ladder
            self._say("step_skipped", step=ladder.step + 1, because=because)
            self.result.ladder = replace(ladder, step=ladder.step + 1)
        return bool(because)

    def _passed_over(self, rung: Rung) -> bool:
        """A step that somebody who has the incident made needless: time passes as if it had been taken."""
        if not self.had or rung.lasts or self.result.ladder.informs:
            return False
        ladder = self.result.ladder
        self._say("step_skipped", step=ladder.step + 1, because="somebody has it")
        self.result.ladder = replace(ladder, step=ladder.step + 1, next_step_at=self._after(rung.delay_s))
        return True

    def _assigned(self) -> bool:
        """A person it was handed to is paged alone, before the policy's first step."""
        ladder = self.result.ladder
        delay = ladder.policy.steps[0].delay_s if ladder.policy.steps else ASSIGNED_DELAY_S
        assigned = self.incident.assigned_to_id
        return assigned is not None and self._step(Rung(delay, ()), (Target("user", assigned),))

    def _reach(self, rung: Rung, more: Sequence[Target]) -> Reach:
        """Whom the step asks: one person in turn, or everyone; with whoever is paged besides."""
        ladder = self.result.ladder
        if not rung.round_robin or ladder.climbed.id is None:
            return self.find((*rung.targets, *more))
        found = self.find(rung.targets)
        turn = self.turns.next if ladder.policy.drill else self.turns.take
        people = turn((ladder.climbed.id, ladder.step), self._asked(rung, found.people))
        besides = self.find(more) if more else Reach()
        known = {person[0] for person in people}
        people += tuple(person for person in besides.people if person[0] not in known)
        return replace(found, people=people)

    def _asked(self, rung: Rung, people: People) -> People:
        """Without those who acknowledged already, where all must."""
        if not rung.all:
            return people
        return tuple(person for person in people if person[0] not in self.incident.acknowledged)

    def _step(self, rung: Rung, more: Sequence[Target]) -> bool:
        """Pages a step; False when it reached nobody."""
        ladder = self.result.ladder
        reach = self._reach(rung, more) if ladder.step != ASSIGNED_STEP else _as_handed(self._reach(rung, more))
        asked = replace(reach, people=self._asked(rung, reach.people))
        after = replace(ladder, step=ladder.step + 1, reached=max(ladder.reached, 0) + len(asked.people))
        self._page(asked, lasts=rung.lasts)
        if not asked.people:
            acknowledged = "all who can be reached have acknowledged" if reach.people else ""
            called = {"webhooks": [name for _, name in reach.webhooks]} if reach.webhooks else {}
            because = reach.because or acknowledged or ("a webhook is no person" if called else "")
            self._say("nobody_reached", step=max(ladder.step + 1, 0), because=because, **called)
            self.result.ladder = replace(after, reached=ladder.reached)
            return False
        self._must(tuple(person[0] for person in reach.people) if rung.all else ())
        self._say(
            "step", step=max(ladder.step + 1, 0), round=ladder.lap, policy=ladder.climbed.name, **self._told(asked)
        )
        self.result.ladder = replace(after, next_step_at=self._after(rung.delay_s, asked.told_at))
        return True

    def _must(self, everybody: tuple[int, ...]) -> None:
        if self.asks_all and not self.had and not self.result.ladder.informs:
            self.result.everybody = everybody

    def _told(self, reach: Reach) -> dict[str, Any]:
        told: dict[str, Any] = {"names": [name for _, name, _ in reach.people]}
        if reach.because:
            told["not_reached"] = reach.because
        if reach.webhooks:
            told["webhooks"] = [name for _, name in reach.webhooks]
        return told | ({"informs": True} if self.result.ladder.informs else {})

    def _last_resort(self, targets: Sequence[Target]) -> Climb:
        ladder = self.result.ladder
        reach = _as_last_resort(self.find(targets))
        if not reach.people:
            self.result.unreachable = True
            self._say("last_resort_unreachable", because=reach.because or "there is none")
            self.result.ladder = replace(ladder, next_step_at=self.now + UNREACHABLE_AGAIN)
            return self.result
        self._page(reach)
        self._must(())
        self._say("last_resort", **self._told(replace(reach, webhooks=())))
        loud = self.incident.loudness == "loud"
        again = self.now + LAST_RESORT_AGAIN if loud else self._after(QUIET_DELAY_S, reach.told_at)
        # The next round has a number of its own, so that its pages are not taken for these.
        self.result.ladder = replace(ladder, round=ladder.round + 1, reached=max(ladder.reached, 0), next_step_at=again)
        return self.result

    def _after(self, delay_s: int, told_at: datetime | None = None) -> datetime:
        if self.incident.loudness == "loud" or self.result.ladder.informs:
            return self.now + timedelta(seconds=delay_s)
        return advance_open(self.incident.hours, told_at or self.now, QUIET_DELAY_S)

    def _page(self, reach: Reach, *, lasts: bool = False) -> None:
        ladder = self.result.ladder
        inform = ladder.policy.inform
        loudness = inform.loudness if inform is not None else self.incident.loudness
        self.result.pages += orders(ladder, reach, loudness, lasts=lasts)
        if reach.people and not ladder.informs:
            self.result.shadows += [
                Shadowing(ladder.id, ladder.incident_id, ladder.epoch, user, names) for user, names in reach.shadows
            ]

    def _say(self, kind: str, **data: Any) -> None:
        self.result.entries.append(Entry(self.result.ladder.incident_id, kind, data=data))


def _as_handed(reach: Reach) -> Reach:
    """Whoever it was handed to is told so: no policy names them."""
    return replace(reach, people=tuple((user, name, HANDED) for user, name, _ in reach.people))


def _as_last_resort(reach: Reach) -> Reach:
    """Whoever is paged as the last resort is told so: no policy names them."""
    named = [(user, name, "the last resort" + ("" if why == NAMED else f", {why}")) for user, name, why in reach.people]
    return replace(reach, people=tuple(named))
