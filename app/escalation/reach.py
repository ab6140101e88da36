"""Who the targets of a step are at this instant, and whether they can be paged. Looked up live, for a whole claim."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from app.directory import contacts, digests
from app.directory.contacts import Person
from app.escalation import store, tier_store
from app.escalation.policy_copy import Target
from app.escalation.positions import NAMED, FindReach, Reach
from app.escalation.tiers import NO_TIERS, ServiceTiers
from app.oncall import shifts
from app.oncall import store as oncall_store


@dataclass(frozen=True, slots=True)
class Town:
    """Schedules, teams and people that a claim may need, at one instant."""

    on_call: dict[int, tuple[str, tuple[tuple[int, str], ...]]]
    """By schedule id: its name and (user id, because) of whoever is on call."""
    teams: dict[int, tuple[str, tuple[int, ...]]]
    people: dict[int, Person]
    webhooks: dict[int, str] = field(default_factory=dict)
    """Names by id, of those that have an address."""
    shadows: dict[int, tuple[int, ...]] = field(default_factory=dict)
    """By schedule id, who looks on."""
    tiers: dict[int, ServiceTiers] = field(default_factory=dict)
    """By service id, for steps that name a support tier."""
    unaddressed: dict[int, str] = field(default_factory=dict)
    """Names by id, of webhooks without an address."""
    mornings: dict[int, datetime] = field(default_factory=dict)
    """By user id, when the digest is due for which quiet pages of this instant wait."""

    def of(self, service_id: int, *, programs: bool = True) -> FindReach:
        """Finds for incidents of a service. `programs`: webhooks as well; a drill calls none."""

        def find(targets: Sequence[Target]) -> Reach:
            found = self.find(targets, self.tiers.get(service_id, NO_TIERS))
            return found if programs else replace(found, webhooks=())

        return find

    def find(self, targets: Sequence[Target], tiers: ServiceTiers = NO_TIERS) -> Reach:
        """Each person once per step, whoever names them twice."""
        found: dict[int, tuple[int, str, str]] = {}
        missing: list[str] = []
        whys = list(tiers.resolved(targets, missing))
        targets = [target for target, _ in whys]
        called = {t.id: self.webhooks[t.id] for t in targets if t.type == "webhook" and t.id in self.webhooks}
        for target, why in whys:
            for user_id, because in self._named(target, missing):
                person = self.people.get(user_id)
                if person is None or not person.active:
                    missing.append(f"{person.name if person else user_id} is not active")
                elif not person.methods:
                    missing.append(f"{person.name} has no usable contact method")
                else:
                    found.setdefault(user_id, (user_id, person.name, why + because))
        looking_on = tuple(self._shadows(targets, found))
        because = "; ".join(dict.fromkeys(missing))
        return Reach(tuple(found.values()), because, tuple(called.items()), looking_on, self.mornings)

    def _shadows(
        self, targets: Sequence[Target], found: Mapping[int, tuple[int, str, str]]
    ) -> Iterator[tuple[int, str]]:
        """Who looks on in the schedules among the targets, and is not paged by them."""
        told = set(found)
        for target in targets:
            for user in self.shadows.get(target.id, ()) if target.type == "schedule" else ():
                names = [found[u][1] for u, _ in self.on_call[target.id][1] if u in found]
                if names and user not in told:
                    told.add(user)
                    yield user, ", ".join(names)

    def _named(self, target: Target, missing: list[str]) -> Iterable[tuple[int, str]]:
        if target.type == "webhook":
            if target.id in self.unaddressed:
                missing.append(f"the webhook {self.unaddressed[target.id]} has no address")
            elif target.id not in self.webhooks:
                missing.append("its webhook was deleted")
            return []
        if target.type == "user":
            return [(target.id, NAMED)]
        if target.type == "team":
            name, members = self.teams.get(target.id, ("?", ()))
            if not members:
                missing.append(f"team {name} has no members")
            return [(user_id, f"member of team {name}") for user_id in members]
        name, now_on_call = self.on_call.get(target.id, ("?", ()))
        if not now_on_call:
            missing.append(f"nobody is on call in schedule {name}")
        return [(user_id, f"on call in schedule {name}: {because}") for user_id, because in now_on_call]


async def town(
    conn: AsyncConnection,
    targets: Iterable[Target],
    channels: Collection[str],
    now: datetime,
    services: Collection[int] = (),
) -> Town:
    """Loads what these targets may come to: a few statements, however many targets. `services`: of the incidents, by
    id, for the support tiers among the targets."""
    wanted: dict[str, set[int]] = {"user": set(), "schedule": set(), "team": set(), "webhook": set(), "tier": set()}
    for target in targets:
        wanted[target.type].add(target.id)
    tiers = await tier_store.of_services(conn, services) if wanted["tier"] and services else {}
    for target in (t for of_service in tiers.values() for t in of_service.targets):
        wanted[target.type].add(target.id)
    window = (now, now + timedelta(seconds=1))
    schedules = (
        await oncall_store.schedules(conn, sorted(wanted["schedule"]), window=window) if wanted["schedule"] else {}
    )
    on_call = {
        s.id: (s.name, tuple((entry.user_id, entry.because) for entry in shifts.who(s, now)))
        for s in schedules.values()
    }
    looking_on = {s.id: tuple(e.user_id for e in shifts.who(shifts.shadowed(s), now)) for s in schedules.values()}
    teams = await store.team_members(conn, wanted["team"])
    users = wanted["user"].union(
        *(members for _, members in teams.values()), *({u for u, _ in people} for _, people in on_call.values())
    )
    programs = await store.webhooks(conn, wanted["webhook"])
    called = {webhook: name for webhook, (name, callable_) in programs.items() if callable_}
    deaf = {webhook: name for webhook, (name, callable_) in programs.items() if not callable_}
    people = await contacts.people(conn, users, channels)
    mornings = {p.id: waits.due_at for p in people.values() if (waits := digests.of(p, now)) is not None}
    return Town(on_call, teams, people, called, looking_on, tiers, deaf, mornings)
