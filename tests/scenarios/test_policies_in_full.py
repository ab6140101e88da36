"""Steps with conditions, turns, webhooks and acknowledgements by all; policies that hand over; support tiers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from town import Resident, Town, minutes, seconds

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.webhook import signed
from app.dev import wire

PRIVATE = {"settings": {"allow_private_networks": True}}


@dataclass
class Receiver:
    """Another program: notes what it was sent, and answers with the next of `answers`, else 204."""

    requests: list[wire.Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    async def take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        return wire.Answer(self.answers.pop(0) if self.answers else 204)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hooks/tocsin"


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    receiver.server = wire.Server(receiver.take)
    await receiver.server.start("127.0.0.1", 0)
    yield receiver
    await receiver.server.stop()


async def fires_together(town: Town, *names: str) -> None:
    """Several incidents at once, before any worker looks."""
    sender = town.alertmanager
    for name in names:
        alert = sender.alert(name, sender.labels(name, "checkout", "critical", {}))
        await sender.send("checkout", sender.body(alert))


# -- conditions


async def test_a_step_for_other_priorities_is_skipped_at_once_and_says_so(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy(
        "checkout", {"targets": [ana], "when": {"priority_at_least": 1}}, {"targets": [ben], "when": {}}
    )
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    town.nothing_else_arrived()
    told = await town.story()
    assert any(line.startswith("Step 1 is skipped: it is for P1 and more important, and this is P") for line in told)
    assert "Step 2 of round 1: paging Ben" in told


async def test_conditions_that_never_hold_end_with_the_last_resort(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana], "when": {"support_hours": "outside"}}, repeats=5)
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await town.residents["Cara"].phone.expects_sms("HighErrorRate")
    town.nothing_else_arrived()


async def test_a_step_until_resolved_is_taken_although_somebody_has_it_and_not_sooner(town: Town) -> None:
    ana, ben, dan = await town.people("Ana", "Ben", "Dan", each_with="mail")
    await town.build.policy(
        "checkout",
        {"targets": [ana]},
        {"targets": [ben], "delay_s": 600},
        {"targets": [dan], "when": {"state": "not_resolved"}},
    )
    await town.service("checkout", policy="checkout", criticality=3)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(14))
    town.nothing_else_arrived()
    assert "Step 2 is skipped: somebody has it" in await town.story()
    await town.wait(minutes(1))
    await dan.expects_mail("HighErrorRate")
    await ana.resolves(confirmed=True)
    await town.wait(minutes(10))


async def test_it_is_not_taken_when_it_is_resolved_by_then(town: Town) -> None:
    ana, dan = await town.people("Ana", "Dan", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana]}, {"targets": [dan], "when": {"state": "not_resolved"}})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.alertmanager.resolves("HighErrorRate")
    await town.wait(minutes(60))


# -- turns


@pytest.mark.parametrize("town", [{"workers": 2}], indirect=True)
async def test_two_workers_page_in_turn(town: Town) -> None:
    people = await town.people("Ana", "Ben", "Dan", each_with="mail")
    team = await town.team("payments", *people)
    await town.build.policy("checkout", {"targets": [team], "whom": "round_robin", "delay_s": 3600})
    await town.service("checkout", policy="checkout", criticality=1)
    await fires_together(town, *[f"Problem{n}" for n in range(9)])
    await town.settle()
    paged = Counter(
        [
            r.name
            for r in await town.rows("""
        SELECT u.name FROM notifications n JOIN users u ON u.id = n.user_id""")
        ]
    )
    assert paged == {"Ana": 3, "Ben": 3, "Dan": 3}
    for person in people:
        mail = await person.expects_mail("in turn, of 3 who can be reached")
        assert "member of team Payments" in mail.text
        await person.expects_mail("Problem")
        await person.expects_mail("Problem")


async def test_whoever_cannot_be_reached_loses_no_turn_to_another(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    (dan,) = await town.people("Dan", each_with=())
    await town.build.policy("checkout", {"targets": [ana, dan, ben], "whom": "round_robin", "delay_s": 3600})
    await town.service("checkout", policy="checkout")
    for n, person in enumerate((ana, ben, ana)):
        await town.alertmanager.fires(f"Problem{n}")
        await person.expects_mail(f"Problem{n}")
    await town.build.contact_method(dan, "mail")
    await town.alertmanager.fires("Problem3")
    await dan.expects_mail("Problem3")


# -- acknowledged by all


async def pages_both(town: Town) -> list[Resident]:
    both = await town.people("Ana", "Ben", each_with="mail")
    (dan,) = await town.people("Dan", each_with="mail")
    await town.build.policy("checkout", {"targets": both, "acknowledge": "all"}, {"targets": [dan]})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    for person in both:
        await person.expects_mail("HighErrorRate")
    return [*both, dan]


async def test_where_all_must_acknowledge_the_last_of_them_takes_it(town: Town) -> None:
    ana, ben, _ = await pages_both(town)
    screen = await ana.follows_link("Acknowledge")
    assert "Ben must acknowledge as well" in screen.words
    assert "Thank you. It goes on paging until the others have acknowledged, too." in screen.words
    assert (await town.incident()).state == "triggered"
    again = await ana.acknowledges()
    assert (again["result"], again["missing"]) == ("partly_acknowledged", ["Ben"])
    assert (await ben.acknowledges())["result"] == "acknowledged"
    assert (await town.incident()).acknowledged_by == "ben"
    await town.wait(minutes(30))
    told = await town.story()
    assert told.count("Acknowledged by Ana via link; still missing: Ben") == 1


async def test_while_one_is_missing_it_goes_on_and_then_anybody_may_take_it(town: Town) -> None:
    ana, _, dan = await pages_both(town)
    await ana.acknowledges()
    await town.wait(minutes(5))
    await dan.expects_mail("HighErrorRate")
    assert (await dan.acknowledges())["result"] == "acknowledged"


async def test_an_acknowledgement_by_one_of_all_cancels_what_waits_for_that_one_only(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    for person in (ana, ben):
        await town.build.notification_rules(person, [("loud", minutes(n), "mail") for n in (0, 2)])
    await town.build.policy("checkout", {"targets": [ana, ben], "acknowledge": "all", "delay_s": 3600})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.wait(minutes(2))
    await ben.expects_mail("HighErrorRate")
    cancelled = await town.rows("SELECT because FROM notifications WHERE state = 'cancelled'")
    assert [r.because for r in cancelled] == ["Ana acknowledged before this was sent"]


# -- handing over


async def test_a_policy_hands_over_after_its_rounds_and_the_last_resort_comes_after_all(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy("second", {"targets": [ben]})
    await town.build.policy("checkout", {"targets": [ana]}, repeats=1, hand_over_to="second")
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    for person in (ana, ana, ben):
        await person.expects_mail("HighErrorRate")
        town.nothing_else_arrived()
        await town.wait(minutes(5))
    await town.residents["Cara"].phone.expects_sms("HighErrorRate")
    told = await town.story()
    assert "The rounds of “Checkout” are over: “Second” takes over" in told
    assert [line for line in told if line.startswith("Step")] == [
        "Step 1 of round 1: paging Ana",
        "Step 1 of round 2: paging Ana",
        "Step 1 of round 1: paging Ben",
    ]


async def test_after_the_last_resort_whoever_of_any_leg_can_be_reached_by_now_is_paged(town: Town) -> None:
    (ana,) = await town.people("Ana", each_with=())
    (ben,) = await town.people("Ben", each_with=())
    cara = town.residents["Cara"]
    await town.build.policy("second", {"targets": [ben]})
    await town.build.policy("checkout", {"targets": [ana]}, hand_over_to="second")
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await cara.phone.expects_sms("HighErrorRate")
    await town.wait(minutes(6))
    await cara.phone.expects_sms("HighErrorRate")
    await town.build.contact_method(ana, "mail")
    await town.wait(minutes(24))
    await ana.expects_mail("HighErrorRate")


# -- webhooks


@pytest.mark.parametrize("town", [PRIVATE], indirect=True)
async def test_a_webhook_is_called_with_a_signed_body_and_counts_as_nobody(town: Town, receiver: Receiver) -> None:
    (ben,) = await town.people("Ben", each_with="mail")
    hook = await town.build.webhook("status", receiver.url)
    await town.build.policy("checkout", {"targets": [hook]}, {"targets": [ben]})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate")
    await ben.expects_mail("HighErrorRate")
    (request,) = receiver.requests
    body = json.loads(request.body)
    incident = await town.incident()
    assert (body["type"], body["step"]) == ("incident.escalated", 1)
    assert (body["incident"]["number"], body["incident"]["service"]) == (incident.number, "checkout")
    links = Links(Secrets.load(town.settings))
    key = links.webhook_key((await town.rows("SELECT id FROM webhooks"))[0].id, 1)
    expected = signed(request.headers["webhook-id"], town.now, request.body, [key])
    assert request.headers["webhook-signature"] == expected["webhook-signature"]
    told = await town.story()
    assert "Step 1 reached nobody: a webhook is no person; calling the webhook Status" in told
    assert "The webhook Status was called" in told


@pytest.mark.parametrize("town", [PRIVATE], indirect=True)
async def test_every_try_of_one_call_says_the_same(town: Town, receiver: Receiver) -> None:
    """docs/webhooks.md: receivers tell a repeat by its id, so what is under one id must not change between tries."""
    receiver.answers = [503]
    (ben,) = await town.people("Ben", each_with="mail")
    hook = await town.build.webhook("status", receiver.url)
    await town.build.policy("checkout", {"targets": [hook]}, {"targets": [ben]})
    await town.service("checkout", policy="checkout")
    await town.alertmanager.fires("HighErrorRate", pod="a")
    await town.alertmanager.fires("HighErrorRate", pod="b")
    await town.wait(seconds(10))
    first, again = receiver.requests
    assert first.headers["webhook-id"] == again.headers["webhook-id"]
    assert json.loads(first.body) == json.loads(again.body)
    assert first.body == again.body
    assert (await town.rows("SELECT firing FROM incidents"))[0].firing == 2
    await ben.expects_mail("HighErrorRate")


@pytest.mark.parametrize("town", [PRIVATE], indirect=True)
@pytest.mark.parametrize(("answer", "states"), [(204, {"delivered", "sent"}), (410, {"failed"})])
async def test_a_webhook_is_tried_by_a_button_and_says_what_came(
    town: Town, receiver: Receiver, answer: int, states: set[str]
) -> None:
    receiver.answers = [answer]
    cara = town.residents["Cara"]
    await town.build.webhook("status", receiver.url)
    test = await cara.asks("POST", "/api/v1/webhooks/status/test")
    await town.settle()
    (request,) = receiver.requests
    assert json.loads(request.body)["type"] == "test"
    assert request.headers["webhook-signature"].startswith("v1,")
    came = await cara.asks("GET", f"/api/v1/webhooks/status/tests/{test['id']}")
    assert came["state"] in states
    assert ("410" in came["because"]) == (answer == 410)


@pytest.mark.parametrize("town", [PRIVATE], indirect=True)
@pytest.mark.parametrize(("answers", "state", "tries"), [([503, 500], "sent", 3), ([410], "failed", 1)])
async def test_a_webhook_is_tried_again_or_not(
    town: Town, receiver: Receiver, answers: list[int], state: str, tries: int
) -> None:
    (ben,) = await town.people("Ben", each_with="mail")
    hook = await town.build.webhook("status", receiver.url)
    await town.build.policy("checkout", {"targets": [hook, ben], "delay_s": 3600})
    await town.service("checkout", policy="checkout")
    receiver.answers = answers
    await town.alertmanager.fires("HighErrorRate")
    await town.wait(minutes(1))
    await ben.expects_mail("HighErrorRate")
    (row,) = await town.rows("SELECT state, tries FROM notifications WHERE user_id IS NULL")
    assert tuple(row) == (state, tries)
    assert len({r.headers["webhook-id"] for r in receiver.requests}) == 1
    assert (await town.rows("SELECT step FROM ladders"))[0].step == 1  # its failure is nobody's: no next step for it


# -- support tiers


async def test_a_higher_tier_gets_it_with_a_reason_and_the_clock_runs_on(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana]})
    await town.build.policy("experts", {"targets": [ben], "delay_s": 3600})
    await town.team("payments", ana)
    await town.service("checkout", policy="checkout", team="payments")
    await town.build.tiers({"team": "payments", "tier": 2, "policy": "experts"})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    began = (await town.incident()).triggered_at
    await town.wait(minutes(3))
    number = (await town.incident()).number
    await ana.asks("POST", f"/api/v1/incidents/{number}/escalate", {"tier": 2, "reason": "needs the database people"})
    await town.settle()
    await ben.expects_mail("HighErrorRate")
    incident = await town.incident()
    assert (incident.state, incident.acknowledged_by, incident.triggered_at) == ("triggered", None, began)
    assert "Escalated to tier 2 by Ana: needs the database people" in await town.story()
    assert (await ana.asks("GET", f"/api/v1/incidents/{number}"))["tier"] == 2
    await town.wait(minutes(50))
    await ben.acknowledges()


async def test_a_tier_must_exist_be_higher_and_have_a_reason(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana], "delay_s": 3600})
    await town.build.policy("experts", {"targets": [ben], "delay_s": 3600})
    await town.service("checkout", policy="checkout")
    await town.build.tiers({"service": "checkout", "tier": 2, "policy": "experts"})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    path = f"/api/v1/incidents/{(await town.incident()).number}/escalate"
    headers = {"Authorization": f"Bearer {ana.api_key}"}

    async def refused(**body: object) -> tuple[int, str]:
        answer = await town.http.post(path, json=body, headers=headers)
        errors = answer.json().get("errors") or [{"field": answer.json()["code"]}]
        return answer.status_code, errors[0]["field"]

    assert await refused(tier=2) == (422, "reason")
    assert await refused(tier=3, reason="why not") == (422, "tier")
    assert await refused(tier=1, reason="back") == (422, "tier")
    assert (await town.http.post(path, json={"tier": 2, "reason": "help"}, headers=headers)).status_code == 200
    await town.settle()
    await ben.expects_mail("HighErrorRate")
    assert await refused(tier=2, reason="again") == (409, "tier_reached")


# -- before the upgrade


async def test_a_ladder_that_began_before_all_this_is_climbed_to_its_end(town: Town) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben, minutes(5)], repeats=1)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.execute("UPDATE ladders SET policy = policy - 'id'")  # which is all that a plain copy has more by now
    for person in (ben, ana, ben):
        await town.wait(minutes(5))
        await person.expects_mail("HighErrorRate")
        town.nothing_else_arrived()
    await town.wait(minutes(5))
    await town.residents["Cara"].phone.expects_sms("HighErrorRate")


# -- a worker that dies


async def test_a_worker_that_is_killed_takes_no_turn_and_loses_no_page(town: Town) -> None:
    """Whatever had been claimed and not committed is as if it had never been."""
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.build.policy("checkout", {"targets": [ana, ben], "whom": "round_robin", "delay_s": 3600})
    await town.service("checkout", policy="checkout", criticality=1)
    town.mailbox.hangs(at="data", to=ana.address)
    await fires_together(town, "Problem0")
    async with town.doomed_worker() as doomed:
        await town.until(lambda: claimed(town))
        await doomed.kill()
    await fires_together(town, "Problem1")
    await town.wait(minutes(2))
    await ana.expects_mail("Problem0", "(repeat)")
    await ben.expects_mail("Problem1")
    turns = (await town.rows("SELECT turns FROM round_robin_turns"))[0].turns
    assert turns == {str(ana.user_id): 1, str(ben.user_id): 2}


async def claimed(town: Town) -> bool:
    return bool(await town.rows("SELECT 1 FROM notifications WHERE state = 'sending'"))
