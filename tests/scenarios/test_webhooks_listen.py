"""A ticket system follows incidents over a webhook: in their order, at least once, given up where one can see it."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from town import Town, minutes

from app.access.links import Links
from app.access.secrets import Secrets
from app.channels.webhook import shown
from app.db.engine import transaction
from app.dev import wire
from app.incidents import store as incident_store
from app.incidents.timeline import Entry
from app.metrics import REGISTRY
from app.notifications import calling

PRIVATE = {"settings": {"allow_private_networks": True}}
pytestmark = pytest.mark.parametrize("town", [PRIVATE], indirect=True)


@dataclass
class Tickets:
    """A program that notes what it was told, and answers with the next of `answers`, else 204."""

    requests: list[wire.Request] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.asked, self.goes_on = asyncio.Event(), asyncio.Event()
        self.goes_on.set()

    async def take(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        self.asked.set()
        await self.goes_on.wait()
        return wire.Answer(self.answers.pop(0) if self.answers else 204)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}/hooks"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(r.body) for r in self.requests]

    @property
    def types(self) -> list[str]:
        return [t["type"].removeprefix("incident.") for t in self.told]


@pytest.fixture
async def tickets() -> AsyncIterator[Tickets]:
    tickets = Tickets()
    tickets.server = wire.Server(tickets.take)
    await tickets.server.start("127.0.0.1", 0)
    yield tickets
    await tickets.server.stop()


EVERYTHING = [
    "triggered", "acknowledged", "unacknowledged", "escalated", "priority_changed", "reassigned", "mitigated",
    "resolved", "closed", "note", "update",
]  # fmt: skip


def calls(result: str) -> float:
    return REGISTRY.get_sample_value("tocsin_webhook_calls_total", {"result": result}) or 0.0


async def test_the_life_of_an_incident_is_told_in_its_order(town: Town, tickets: Tickets) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(5), ben], criticality=1)
    await town.build.webhook("tickets", tickets.url, when={"happens": EVERYTHING})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    await ben.acknowledges()
    number = (await town.incident()).number
    await ben.asks("POST", f"/api/v1/incidents/{number}/notes", {"text": "the disk is full"})
    await ben.resolves(confirmed=True)
    await town.settle()
    assert tickets.types == ["triggered", "escalated", "acknowledged", "note", "resolved"]
    first, _, acknowledged, note, _ = tickets.told
    assert first["incident"]["labels"]["alertname"] == "HighErrorRate"
    assert (acknowledged["incident"]["acknowledged_by"], acknowledged["incident"]["state"]) == ("Ben", "acknowledged")
    assert note["because"] == "the disk is full"
    assert len({r.headers["webhook-id"] for r in tickets.requests}) == 5


async def test_what_fails_twice_and_is_then_taken_was_told_once_and_holds_the_next_up(
    town: Town, tickets: Tickets
) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered", "acknowledged"]})
    tickets.answers = [500, 503]
    before = calls("tried_again"), calls("delivered"), calls("given_up")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    assert len(tickets.requests) == 1, "the page went out at once all the same"
    await ana.acknowledges()
    assert tickets.types == ["triggered"], "what came later waits"
    await town.wait(timedelta(seconds=5))
    assert tickets.types == ["triggered"] * 2
    await town.wait(timedelta(seconds=20))
    assert tickets.types == ["triggered"] * 3 + ["acknowledged"]
    first, second, third, _ = tickets.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] == third.headers["webhook-id"]
    assert first.body == second.body == third.body, "every try says the same, also that nobody had it then"
    assert (calls("tried_again"), calls("delivered"), calls("given_up")) == (before[0] + 2, before[1] + 2, before[2])


async def test_what_is_refused_for_good_is_given_up_where_one_sees_it(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered", "acknowledged"]})
    tickets.answers = [410]
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    said = "The webhook Tickets was not told that it was triggered (the webhook answered 410): given up"
    assert said in await town.story()
    await ana.acknowledges()
    assert tickets.types == ["triggered", "acknowledged"], "the next is told nevertheless"
    listed = await cara.asks("GET", "/api/v1/webhooks/tickets/calls")
    assert [(c["happening"], c["state"]) for c in listed["items"]] == [
        ("acknowledged", "delivered"), ("triggered", "failed"),
    ]  # fmt: skip
    await cara.asks("POST", f"/api/v1/webhooks/tickets/calls/{listed['items'][1]['id']}/retry")
    await town.settle()
    assert tickets.types == ["triggered", "acknowledged", "triggered"]


async def test_after_eighteen_hours_it_is_given_up(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered"]})
    tickets.answers = [500] * 50
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.alertmanager.resolves("HighErrorRate")
    for wait in (5, 20, 60, 300, 1800, 7200, 18000, 36000):
        await town.wait(timedelta(seconds=wait))
    assert len(tickets.requests) == 9
    assert any("was not told that it was triggered" in line for line in await town.story())


async def test_who_listens_to_some_services_and_priorities_hears_of_those(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana], criticality=3)
    await town.service("billing", policy=[ana], criticality=3)
    when = {"happens": ["triggered", "priority_changed", "resolved"], "services": ["checkout"], "priority_at_least": 1}
    await town.build.webhook("tickets", tickets.url, when=when)
    await town.alertmanager.fires("Slow", service="billing", severity="warning")
    await town.alertmanager.fires("Slow", service="checkout", severity="warning")
    assert tickets.requests == []
    number = (await town.rows("SELECT i.number FROM incidents i JOIN services s ON s.id = i.service_id"
                              " WHERE s.key = 'checkout'"))[0].number  # fmt: skip
    cara = town.residents["Cara"]
    for grade in (1, 3):
        said = {"impact": grade, "urgency": grade, "reason": "as seen"}
        await cara.asks("PUT", f"/api/v1/incidents/{number}/priority", said)
    await town.settle()
    for _ in range(3):
        await ana.expects_mail("Slow")
    assert tickets.types == ["priority_changed"] * 2, "whoever was told of it hears the rest of it, too"


async def test_a_worker_killed_between_sending_and_recording_has_it_sent_once_more(
    town: Town, tickets: Tickets
) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered"]})
    tickets.goes_on.clear()
    sender = town.alertmanager
    alert = sender.alert("HighErrorRate", sender.labels("HighErrorRate", "checkout", "critical", {}))
    await sender.send("checkout", sender.body(alert))
    async with town.doomed_worker() as doomed:
        await town.until(lambda: is_so(town, "SELECT 1 FROM notifications WHERE state = 'sent'"))
        await town.until(lambda: is_so(town, "SELECT 1 FROM webhook_calls WHERE state = 'sending'"))
        await tickets.asked.wait()
        await doomed.kill()
    tickets.goes_on.set()
    await ana.expects_mail("HighErrorRate")
    await town.wait(timedelta(seconds=59))
    assert len(tickets.requests) == 1, "its lease still runs"
    await town.wait(timedelta(seconds=1))
    first, second = tickets.requests
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    [call] = await town.rows("SELECT state, tries FROM webhook_calls")
    assert tuple(call) == ("delivered", 2)


async def is_so(town: Town, statement: str) -> bool:
    return bool(await town.rows(statement))


@pytest.mark.parametrize("lacks", ["address", "secret"])
async def test_what_lacks_its_address_or_a_secret_waits_until_it_is_given(
    town: Town, tickets: Tickets, lacks: str
) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    request = {"headers": {"Authorization": "Bearer {secret.token}"}} if lacks == "secret" else None
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered"]}, request=request)
    if lacks == "address":
        await town.execute("UPDATE webhooks SET sealed_address = NULL")
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    for wait in (5, 20, 60, 300):
        await town.wait(timedelta(seconds=wait))
    [call] = (await cara.asks("GET", "/api/v1/webhooks/tickets/calls"))["items"]
    assert (call["state"], call["tries"], tickets.requests) == ("pending", 5, [])
    assert "sealed under another" in call["said"]
    if lacks == "address":
        await cara.asks("PUT", "/api/v1/webhooks/tickets/address", {"address": tickets.url})
    else:
        await cara.asks("PUT", "/api/v1/webhooks/tickets/secrets", {"secrets": {"token": "t0p"}})
    await town.settle()
    assert tickets.types == ["triggered"]


def signers(request: wire.Request, secrets: list[str]) -> list[int]:
    """Which of these secrets a request is signed with, in its order."""
    keys = [b64decode(secret.removeprefix("whsec_")) for secret in secrets]
    content = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    made = ["v1," + b64encode(hmac.digest(key, content, "sha256")).decode() for key in keys]
    return [made.index(signature) for signature in request.headers["webhook-signature"].split(" ")]


async def test_the_signing_secrets_before_count_for_a_day_unless_somebody_ends_them(
    town: Town, tickets: Tickets
) -> None:
    """What happens and what is sent by notifications, a test here, alike."""
    (ana,) = await town.people("Ana", each_with="mail")
    cara, path = town.residents["Cara"], "/api/v1/webhooks/tickets"
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered", "note"]})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    number = (await town.incident()).number
    await town.alertmanager.resolves("HighErrorRate")
    [webhook] = await town.rows("SELECT id FROM webhooks")
    secrets = [shown(Links(Secrets.load(town.settings)).webhook_key(webhook.id, 1))]
    assert signers(tickets.requests[0], secrets) == [0]

    async def renew(body: dict[str, Any] | None = None) -> timedelta | None:
        """For how long the one before counts."""
        made = await cara.asks("POST", f"{path}/secret", body)
        secrets.append(made["secret"])
        until = made["previous_secret_until"]
        assert (await cara.asks("GET", path))["previous_secret_until"] == until
        return None if until is None else datetime.fromisoformat(until) - town.now

    async def signs() -> list[int]:
        before = len(tickets.requests)
        await cara.asks("POST", f"{path}/test")
        await cara.asks("POST", f"/api/v1/incidents/{number}/notes", {"text": "and now?"})
        await town.settle()
        tested, told = (signers(r, secrets) for r in tickets.requests[before:])
        assert tested == told
        return told

    assert await renew() == timedelta(hours=24)
    assert await signs() == [1, 0]
    await town.wait(timedelta(hours=23))
    assert await renew({"overlap_h": 2}) == timedelta(hours=2)
    assert await signs() == [2, 1, 0], "whoever made two soon after another has lost no receiver by it"
    await town.wait(timedelta(hours=1))
    assert await signs() == [2, 1]
    assert await renew({"overlap_h": 0}) is None
    assert await signs() == [3], "a leaked one ends at once"


async def test_another_request_is_tried_at_once_and_another_name_is_not(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered"]})
    tickets.answers = [500, 500]
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.wait(timedelta(seconds=5))
    webhook = {"name": "Tracker", "when": {"happens": ["triggered"]}}
    await cara.asks("PUT", "/api/v1/webhooks/tickets", webhook)
    await town.settle()
    assert tickets.types == ["triggered"] * 2
    await cara.asks("PUT", "/api/v1/webhooks/tickets", webhook | {"request": {"json": {"summary": "{incident.title}"}}})
    await town.settle()
    assert tickets.told[2:] == [{"summary": "HighErrorRate of checkout"}]
    [call] = await town.rows("SELECT state, tries FROM webhook_calls")
    assert tuple(call) == ("delivered", 1)


async def test_what_a_deleted_webhook_waited_to_be_told_is_on_the_timeline(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered", "acknowledged"]})
    tickets.answers = [500]
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    plan = await cara.asks("POST", "/api/v1/configuration/plan?prune=true", {"webhooks": []})
    assert (len(plan["changes"]), plan["calls_given_up"]) == (1, {"tickets": 2})
    assert await cara.asks("DELETE", "/api/v1/webhooks/tickets") == {"calls_given_up": 2}
    said = [line for line in await town.story() if "was not told" in line]
    why = "(the webhook was deleted): given up"
    assert said == [
        f"The webhook Tickets was not told that it was {what} {why}" for what in ("triggered", "acknowledged")
    ]
    assert await town.rows("SELECT 1 FROM webhook_calls") == []


async def test_what_happens_while_its_webhook_is_deleted_is_given_up_too(town: Town, tickets: Tickets) -> None:
    """Of two transactions at once neither sees what the other wrote: the call is left without its webhook."""
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["note"]})
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    async with transaction(town.engine) as (conn, now):
        noted = Entry((await town.incident()).id, "note", data={"text": "the disk is full"})
        await incident_store.write_timeline(conn, [noted], now)
        assert await cara.asks("DELETE", "/api/v1/webhooks/tickets") == {"calls_given_up": 0}
    await town.wait(minutes(2))
    [left] = await town.rows("SELECT state, tries FROM webhook_calls")
    assert tuple(left) == ("pending", 0), "nobody makes it"
    for _ in range(2):  # once an hour
        async with transaction(town.engine) as (conn, now):
            await calling.sweep(conn, now)
    assert await town.rows("SELECT 1 FROM webhook_calls") == []
    said = [line for line in await town.story() if "was not told" in line]
    assert said == ["The webhook deleted just then was not told of a note (both happened at once): given up"]


async def test_the_call_of_a_step_that_waits_for_its_next_try_ends_with_its_webhook(
    town: Town, tickets: Tickets
) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    cara = town.residents["Cara"]
    program = await town.build.webhook("tickets", tickets.url)
    await town.service("checkout", policy=[[program, ana], minutes(5)])
    tickets.answers = [503]
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.execute("DELETE FROM escalation_targets WHERE webhook_id IS NOT NULL")
    assert await cara.asks("DELETE", "/api/v1/webhooks/tickets") == {"calls_given_up": 1}
    assert "The webhook to Tickets failed (the webhook was deleted)" in await town.story()
    await town.wait(minutes(1))
    assert len(tickets.requests) == 1


async def test_a_step_whose_only_webhook_was_deleted_goes_on_at_once_and_says_why(town: Town, tickets: Tickets) -> None:
    ana, ben = await town.people("Ana", "Ben", each_with="mail")
    cara = town.residents["Cara"]
    program = await town.build.webhook("tickets", tickets.url)
    await town.service("checkout", policy=[ana, minutes(5), program, minutes(5), ben])
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.execute("DELETE FROM escalation_targets WHERE webhook_id IS NOT NULL")
    assert await cara.asks("DELETE", "/api/v1/webhooks/tickets") == {"calls_given_up": 0}
    await town.wait(minutes(5))
    await ben.expects_mail("HighErrorRate")
    assert any("Step 2 reached nobody" in line and "its webhook was deleted" in line for line in await town.story())


async def test_what_lacks_its_secret_is_given_up_after_eighteen_hours(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana])
    request = {"headers": {"Authorization": "Bearer {secret.token}"}}
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered"]}, request=request)
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await ana.acknowledges()
    await town.alertmanager.resolves("HighErrorRate")
    for wait in (5, 20, 60, 300, 1800, 7200, 18000, 36000):
        assert not any("was not told" in line for line in await town.story())
        await town.wait(timedelta(seconds=wait))
    assert any("was not told that it was triggered (nobody gave the value" in line for line in await town.story())


@pytest.mark.parametrize("claimed", [8, 9])
async def test_a_call_whose_workers_keep_dying_is_given_up_after_nine_tries(
    town: Town, tickets: Tickets, claimed: int
) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["triggered", "acknowledged"]})
    tickets.answers = [503]
    await town.alertmanager.fires("HighErrorRate")
    await ana.expects_mail("HighErrorRate")
    await town.execute(
        "UPDATE webhook_calls SET state = 'sending', due_at = tocsin_now() + interval '1 minute', tries = :claimed",
        claimed=claimed,
    )
    before = calls("given_up")
    await ana.acknowledges()
    await town.wait(minutes(1))
    said = "was not told that it was triggered (the worker of its ninth try ended before it wrote"
    if claimed == 8:
        assert tickets.types == ["triggered", "triggered", "acknowledged"], "the ninth try"
    else:
        assert tickets.types == ["triggered", "acknowledged"], "the next is told nevertheless"
    assert (calls("given_up") - before, any(said in line for line in await town.story())) == (claimed - 8, claimed == 9)


async def test_what_comes_back_by_undoing_is_told_as_what_it_is(town: Town, tickets: Tickets) -> None:
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("checkout", policy=[ana, minutes(600)])
    await town.build.webhook("tickets", tickets.url, when={"happens": ["acknowledged", "closed", "triggered"]})
    for name in ("A", "B"):
        await town.alertmanager.fires(name)
        await ana.expects_mail(name)
    first, second = await town.incidents()
    await ana.acknowledges(second.number)
    await ana.asks("POST", f"/api/v1/incidents/{second.number}/merge", {"into": first.number})
    await ana.asks("POST", f"/api/v1/incidents/{first.number}/undo")
    await town.settle()
    assert tickets.types == ["triggered", "triggered", "acknowledged", "closed", "acknowledged"]
    *_, back = tickets.told
    assert (back["incident"]["number"], back["incident"]["state"]) == (second.number, "acknowledged")
    assert back["because"] == f"Ana took back the merge with incident {first.number}"
    tickets.requests.clear()
    await town.alertmanager.fires("A", pod="b")
    alerts = (await ana.asks("GET", f"/api/v1/incidents/{first.number}/alerts"))["items"]
    pod_b = [a["alert_id"] for a in alerts if a["labels"].get("pod") == "b"]
    split = await ana.asks("POST", f"/api/v1/incidents/{first.number}/split", {"alerts": pod_b})
    await town.settle()
    await ana.expects_mail("A of checkout")
    await ana.asks("POST", f"/api/v1/incidents/{split['other']['number']}/undo")
    await town.settle()
    assert tickets.types == ["triggered", "closed"]
    assert {t["incident"]["number"] for t in tickets.told} == {split["other"]["number"]}
