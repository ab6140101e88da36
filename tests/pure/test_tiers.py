"""Support tiers as targets: whom they come to, what is said where there is none, and circles that end."""

from __future__ import annotations

from app.directory.contacts import Person, UsableMethod
from app.escalation.policy_copy import Target
from app.escalation.reach import Town
from app.escalation.tiers import NO_TIERS, ServiceTiers, Tier

SECOND, THIRD = Target("tier", 2), Target("tier", 3)
PRIMARY, BEN, HOOK = Target("schedule", 1), Target("user", 2), Target("webhook", 9)


def of(**tiers: tuple[Target, ...]) -> ServiceTiers:
    return ServiceTiers("Checkout", {int(n[-1]): Tier("team Payments", targets) for n, targets in tiers.items()})


def resolved(tiers: ServiceTiers, *targets: Target) -> tuple[list[tuple[Target, str]], list[str]]:
    missing: list[str] = []
    return list(tiers.resolved(targets, missing)), missing


def test_a_tier_is_replaced_by_its_targets_in_place() -> None:
    found = resolved(of(tier2=(PRIMARY, HOOK)), BEN, SECOND)
    why = "support tier 2 of team Payments: "
    assert found == ([(BEN, ""), (PRIMARY, why), (HOOK, why)], [])


def test_what_there_is_not_is_said() -> None:
    assert resolved(of(tier2=(BEN,)), THIRD) == ([], ["there is no support tier 3 for service Checkout"])
    assert resolved(NO_TIERS, SECOND)[0] == []


def test_a_tier_may_name_the_next_and_a_circle_ends() -> None:
    followed = of(tier2=(THIRD,), tier3=(BEN,))
    whys = [why for _, why in resolved(followed, SECOND)[0]]
    assert whys == ["support tier 2 of team Payments: support tier 3 of team Payments: "]
    circle = of(tier2=(BEN, THIRD), tier3=(SECOND,))
    found, missing = resolved(circle, SECOND)
    assert [target for target, _ in found] == [BEN]
    assert missing == ["support tier 2 of team Payments leads back to itself"]


def person(user_id: int, name: str) -> Person:
    return Person(user_id, name.lower(), name, True, None, (UsableMethod(user_id, "mail", "x@example.org"),), ())


TOWN = Town(
    {1: ("Primary", ((1, "layer Main"),)), 3: ("Empty", ())},
    {},
    {1: person(1, "Ana"), 2: person(2, "Ben")},
    {9: "Status"},
    {1: (2,)},
    {5: of(tier2=(PRIMARY, HOOK)), 6: of(tier2=(Target("schedule", 3),))},
)


def test_people_of_a_tier_are_found_with_the_reason_and_with_what_comes_with_them() -> None:
    reach = TOWN.of(5)([SECOND])
    why = "support tier 2 of team Payments: on call in schedule Primary: layer Main"
    assert reach.people == ((1, "Ana", why),)
    assert (reach.webhooks, reach.shadows) == (((9, "Status"),), ((2, "Ana"),))
    assert TOWN.of(5, programs=False)([SECOND]).webhooks == (), "a drill calls no program"


def test_whoever_a_step_names_besides_is_paged_once() -> None:
    assert [p[2] for p in TOWN.of(5)([Target("user", 1), SECOND]).people] == ["named in the policy"]


def test_a_tier_is_that_of_the_service() -> None:
    assert TOWN.of(6)([SECOND]).because == "nobody is on call in schedule Empty"
    assert TOWN.of(7)([SECOND]).people == ()
    assert TOWN.of(5)([THIRD]).because == "there is no support tier 3 for service Checkout"
