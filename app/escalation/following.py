"""A policy hands over to a support tier of the incident's service: what becomes of the ladder. Pure.

The tier's policy takes the place of the ladder's own, as when a person escalates (functional escalation), and the tier
has the incident from then on; but nobody gives it up, so the epoch stays and rounds are counted on. A tier is reached
once: a ladder goes up only, so that no circle can arise. Where there is none it is as if nothing followed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from app.escalation.policy_copy import PolicyCopy
from app.escalation.positions import Ladder

Follows = Mapping[int, PolicyCopy]
"""The policies of the higher tiers of an incident's service, by tier."""
NOTHING_FOLLOWS: Final[Follows] = {}

NO_TIER: Final = "tier_not_there"


def follow(ladder: Ladder, follows: Follows) -> tuple[Ladder | None, tuple[str, dict[str, Any]] | None]:
    """At the end of all rounds: the ladder of the tier that follows, or None; and what is to be said, if anything."""
    tier, policy = ladder.climbed.hand_over_to_tier, ladder.climbed.name
    if tier is None or ladder.policy.drill:
        return None, None
    if ladder.tier >= tier:
        return None, (NO_TIER, {"policy": policy, "tier": tier, "because": f"tier {ladder.tier} has it already"})
    if (copy := follows.get(tier)) is None:
        return None, (NO_TIER, {"policy": policy, "tier": tier, "because": "the service has none"})
    begun = ladder.round + 1
    after = replace(
        ladder, policy=replace(copy, inform=ladder.policy.inform), tier=tier, leg=0, round=begun, leg_round=begun,
        step=0, reached=0,
    )  # fmt: skip
    return after, ("handed_over_to_tier", {"policy": policy, "tier": tier, "to": copy.name})
