"""Support tiers as targets of a step: whom they come to for the service of an incident. Pure.

A tier stands for the targets of the first step of its policy, as they are when the step falls due: all of them,
whatever that step's conditions and mode are, since the step that names the tier has its own. The incident stays with
the tier that has it: whoever wants to hand it on escalates it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from app.escalation.policy_copy import Target


class Tier(Struct, frozen=True, gc=False):
    """`owner`: whose it is, `team Payments`; `targets`: those of the first step of its policy."""

    owner: str
    targets: tuple[Target, ...]


class ServiceTiers(Struct, frozen=True, gc=False):
    """The higher support tiers of a service, its team's included, by number."""

    service: str
    tiers: Mapping[int, Tier]

    @property
    def targets(self) -> Iterator[Target]:
        """All that they may come to, tiers not among them."""
        return (target for tier in self.tiers.values() for target in tier.targets if target.type != "tier")

    def resolved(
        self, targets: Sequence[Target], missing: list[str], through: tuple[int, ...] = ()
    ) -> Iterator[tuple[Target, str]]:
        """The targets with others in place of tiers, each with the words that its reason begins with; what there is not
        is added to `missing`. `through`: the tiers that led here, so that a circle ends."""
        for target in targets:
            if target.type != "tier":
                yield target, ""
            elif (tier := self.tiers.get(target.id)) is None:
                missing.append(f"there is no support tier {target.id} for service {self.service}")
            elif target.id in through:
                missing.append(f"support tier {target.id} of {tier.owner} leads back to itself")
            else:
                why = f"support tier {target.id} of {tier.owner}: "
                for found, more in self.resolved(tier.targets, missing, (*through, target.id)):
                    yield found, why + more


NO_TIERS = ServiceTiers("?", {})
"""For targets that are of no service, like those of the last resort."""
