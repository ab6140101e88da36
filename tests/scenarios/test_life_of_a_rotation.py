"""The whole life of a rotation, through HTTP alone: people, numbers, schedule, policy; nights, a swap, an override, an
edit that is undone, a night in which clocks change; who was on call and why; the end of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from town import Resident, Town, minutes

SATURDAY = datetime(2026, 10, 24, 8, 0, tzinfo=UTC)
"""10:00 in Berlin, the day before the night in which clocks go back."""
WEEKLY = {
    "name": "weekly", "unit": "week", "length": 1, "anchor": "2026-10-19T09:00", "members": [["anna"], ["bela"]],
}  # fmt: skip
ROTA: dict[str, Any] = {
    "key": "rota", "name": "Rota", "team": "web", "time_zone": "Europe/Berlin", "layers": [WEEKLY],
}  # fmt: skip
SCHEDULE = "/api/v1/schedules/rota"


@dataclass(frozen=True, slots=True)
class Place:
    """The town, the admin, and a client for each who has an API key."""

    town: Town
    admin: Resident

    async def person(self, name: str, number: str, role: str = "operator") -> Resident:
        """A user with an API key and a number that was verified by the code that came to it."""
        key, ask = name.lower(), self.admin.asks
        await ask("POST", "/api/v1/users", {
            "key": key, "name": name, "email": f"{key}@example.org", "role": role, "time_zone": "Europe/Berlin",
        })  # fmt: skip
        scopes = {"key": f"{key}-phone", "name": name, "scopes": ["read", "respond", "configure"], "user": key}
        token = (await ask("POST", "/api/v1/api-keys", scopes))["secret"]
        person = replace(self.admin, name=name, key=key, user_id=0, api_key=token, number=number, methods={})
        methods = f"/api/v1/users/{key}/contact-methods"
        method = await person.asks("POST", methods, {"channel": "sms", "address": number})
        await person.asks("POST", f"{methods}/{method['id']}/code")
        await self.town.settle()
        code = re.search(r"\b\d{6}\b", (await person.phone.expects_sms("code")).body)
        assert code is not None
        await person.asks("POST", f"{methods}/{method['id']}/verify", {"code": code[0]})
        return person

    async def pages(self, person: Resident) -> None:
        """An alert comes, and this person alone is paged and has it."""
        name = f"At{self.town.now:%d%H%M%S}"
        await self.town.alertmanager.fires(name, service="shop")
        await person.phone.expects_sms(name)
        number = max(i.number for i in await self.town.incidents())
        assert (await person.acknowledges(number))["result"] == "acknowledged"
        await self.town.alertmanager.resolves(name, service="shop")
        self.town.nothing_else_arrived()

    async def on_call(self) -> list[str]:
        found = await self.admin.asks("GET", f"{SCHEDULE}/on-call")
        return [user["key"] for user in found["users"]]


@pytest.mark.parametrize("town", [{"at": SATURDAY}], indirect=True)
async def test_from_its_first_shift_to_its_end(town: Town) -> None:
    admin = town.residents["Cara"]
    place = Place(town, admin)
    anna = await place.person("Anna", "+4915112345601", "manager")
    bela = await place.person("Bela", "+4915112345602")
    cleo = await place.person("Cleo", "+4915112345603")

    members = [{"user": "anna", "role": "manager"}, {"user": "bela"}, {"user": "cleo"}]
    await admin.asks("POST", "/api/v1/teams", {"key": "web", "name": "Web", "members": members})
    assert (await anna.asks("POST", "/api/v1/schedules/preview", ROTA))["gaps"] == []
    await anna.asks("POST", "/api/v1/schedules", ROTA)
    steps = [{"delay_s": 3600, "targets": [{"type": "schedule", "key": "rota"}]}]
    await anna.asks("POST", "/api/v1/policies", {"key": "shop", "name": "Shop", "team": "web", "steps": steps})
    await anna.asks("POST", "/api/v1/services", {"key": "shop", "name": "Shop", "team": "web", "policy": "shop"})
    made = await anna.asks("POST", "/api/v1/integrations", {
        "key": "shop-am", "name": "Alertmanager", "service": "shop", "source": "alertmanager",
    })  # fmt: skip
    town.routing_keys["shop", "alertmanager"] = made["routing_key"]
    feed = (await bela.asks("POST", "/api/v1/users/me/feeds", {"name": "phone"}))["url"]

    # Anna's week. The night has 25 hours, the handoff stays at 09:00.
    await place.pages(anna)
    await town.wait_until(datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    await place.pages(anna)
    await town.wait_until(datetime(2026, 10, 26, 7, 59, 59, tzinfo=UTC))
    assert await place.on_call() == ["anna"]
    await town.wait(timedelta(seconds=1))
    await place.pages(bela)

    # Bela is away on Wednesday: Cleo takes it.
    wednesday = {"starts_at": "2026-10-28T08:00:00Z", "ends_at": "2026-10-29T08:00:00Z"}
    swap = await bela.asks("POST", f"{SCHEDULE}/swaps", wednesday | {"to": "cleo"})
    await town.settle()
    await cleo.phone.expects_sms("Bela asks you to take Rota")
    await cleo.asks("POST", f"{SCHEDULE}/swaps/{swap['id']}/take")
    await town.settle()
    await bela.phone.expects_sms("Cleo takes Rota")
    text = (await town.http.get(feed.replace("https://tocsin.test", ""))).text.replace("\r\n ", "")
    assert "DTEND:20261028T080000Z" in text, "the feed has the shift up to the swap"
    await town.wait_until(datetime(2026, 10, 28, 9, tzinfo=UTC))
    await cleo.phone.expects_sms("Rota")
    await place.pages(cleo)

    # Anna covers an hour for her; then it is Cleo's again.
    await anna.asks("POST", f"{SCHEDULE}/overrides", {
        "user": "anna", "replaces": "cleo", "starts_at": "2026-10-28T10:00:00Z", "ends_at": "2026-10-28T11:00:00Z",
    })  # fmt: skip
    await town.wait_until(datetime(2026, 10, 28, 10, 30, tzinfo=UTC))
    await cleo.phone.expects_sms("Rota")
    await place.pages(anna)
    await town.wait_until(datetime(2026, 10, 28, 11, tzinfo=UTC))
    assert await place.on_call() == ["cleo"]

    # An edit from next week on: Cleo joins. Then one by mistake, undone before anybody heard of it.
    await town.wait_until(datetime(2026, 10, 30, 9, tzinfo=UTC))
    three = {k: v for k, v in ROTA.items() if k != "key"} | {
        "layers": [WEEKLY | {"members": [["anna"], ["bela"], ["cleo"]]}]
    }
    await anna.asks("PUT", f"{SCHEDULE}?effective_from=2026-11-09T08:00:00Z", three)
    await town.wait(minutes(15))
    told = [person for person in (bela, cleo) if person.phone.inbox.unexpected()]
    for person in told:
        await person.phone.expects_sms("Rota")
    assert cleo in told
    versions = (await anna.asks("GET", f"{SCHEDULE}/versions"))["items"]
    assert [v["number"] for v in versions] == [2, 1]
    mistake = three | {"layers": [WEEKLY | {"members": [["anna"]]}]}
    await anna.asks("PUT", f"{SCHEDULE}?effective_from=2026-11-09T08:00:00Z", mistake)
    await anna.asks("POST", f"{SCHEDULE}/versions/3/undo")
    await town.wait(minutes(15))
    town.nothing_else_arrived()

    # Who was it, and why?
    then = await admin.asks("GET", f"{SCHEDULE}/on-call?at=2026-10-28T10:30:00Z")
    assert [u["key"] for u in then["users"]] == ["anna"]
    assert "override" in str(then["users"])
    shifts = (await admin.asks("GET", f"{SCHEDULE}/shifts?from=2026-10-26T08:00:00Z&to=2026-11-23T08:00:00Z"))["shifts"]
    assert [(s["user"]["key"], s["starts_at"][5:13]) for s in shifts] == [
        ("bela", "10-26T08"), ("cleo", "10-28T08"), ("anna", "10-28T10"), ("cleo", "10-28T11"), ("bela", "10-29T08"),
        ("anna", "11-02T08"), ("bela", "11-16T08"),
    ]  # fmt: skip
    fair = await anna.asks("GET", f"{SCHEDULE}/fairness?from=2026-10-24T08:00:00Z&to=2026-10-30T08:00:00Z")
    assert {p["user"]["key"]: p["pages"] for p in fair["people"]} == {"anna": 3, "bela": 1, "cleo": 1}
    assert not [f for f in (await anna.asks("GET", f"{SCHEDULE}/lint"))["findings"] if f["code"] == "gap"]

    # The end: what needs it has to go first.
    refused = await town.http.delete(SCHEDULE, headers={"Authorization": f"Bearer {anna.api_key}"})
    assert (refused.status_code, refused.json()["code"]) == (409, "in_use")
    for path in ("integrations/shop-am", "services/shop", "policies/shop", "schedules/rota"):
        head = {"Authorization": f"Bearer {admin.api_key}"}
        gone = await town.http.delete(f"/api/v1/{path}", headers=head)
        assert gone.status_code in (204, 409), gone.text
