"""A town with a push service and an ntfy server, and people whom they reach: added and verified as people do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from town import Town, opened
from town.clock import MONDAY
from town.residents import Resident
from town.serving import PUBLIC_URL

from app.channels.push import PushChannel
from app.dev.inbox import Inbox
from app.dev.ntfy_server import NtfyServer, Published
from app.dev.push_service import Device, Push, PushService


@dataclass
class Pushed:
    town: Town
    service: PushService
    ntfy: NtfyServer

    async def person(self, name: str, *also: str) -> Resident:
        (resident,) = await self.town.people(name, each_with=also)
        return resident

    async def device(self, owner: Resident, name: str = "phone") -> Device:
        """Subscribes, is added, and the code that comes back in a notification is entered."""
        channel = self.town.webs[0].process.channels["push"]
        assert isinstance(channel, PushChannel)
        device = self.service.subscribe(f"{owner.name}'s {name}", channel.server_key)
        method = await self._added(owner, {"channel": "push", "address": device.subscription, "label": name})
        await self._verified(owner, method, device.inbox, lambda push: push.data["body"])
        return device

    async def renews(self, device: Device, before: str = "") -> tuple[Device, int]:
        """The browser has another subscription, and its service worker says so; the device of now, and the status."""
        after = self.service.subscribe(device.name, device.server_key)
        told = {"before": before or device.subscription, "after": after.subscription}
        answer = await self.town.http.post("/v1/push/renewed", json=told)
        await self.town.settle()
        return after, answer.status_code

    async def topic(self, owner: Resident, topic: str) -> Inbox[Published]:
        method = await self._added(owner, {"channel": "ntfy", "address": f"{self.ntfy.url}/{topic}"})
        inbox = self.ntfy.topic(topic)
        await self._verified(owner, method, inbox, lambda message: message.message)
        return inbox

    async def moves(self, owner: Resident, topic: str) -> Inbox[Published]:
        """Another topic in place of the one before."""
        method, inbox = owner.methods["ntfy"], self.ntfy.topic(topic)
        path = f"/api/v1/users/{owner.key}/contact-methods/{method}"
        await owner.asks("PUT", path, {"address": f"{self.ntfy.url}/{topic}"})
        await self._verified(owner, method, inbox, lambda message: message.message)
        return inbox

    async def _added(self, owner: Resident, document: dict[str, str]) -> int:
        added = await owner.asks("POST", f"/api/v1/users/{owner.key}/contact-methods", document)
        owner.methods[document["channel"]] = added["id"]
        return int(added["id"])

    async def _verified(self, owner: Resident, method: int, inbox: Inbox[Any], text: Any) -> None:
        path = f"/api/v1/users/{owner.key}/contact-methods/{method}"
        await owner.asks("POST", f"{path}/code")
        await self.town.settle()
        words = text(await inbox.expects("verification code")).split()
        code = next(word.strip(".") for word in words if word.strip(".").isdigit())
        assert (await owner.asks("POST", f"{path}/verify", {"code": code}))["verified_at"]

    async def press(self, push: Push) -> httpx.Response:
        """What our service worker does when Acknowledge is pressed; what it learns then."""
        path = push.data["link"].removeprefix(PUBLIC_URL)
        form = push.data["button"]["form"]
        answer = await self.town.http.post(path, data=form, headers={"Accept": "application/json"})
        await self.town.settle()
        return answer

    async def look(self, push: Push) -> httpx.Response:
        path = push.data["link"].removeprefix(PUBLIC_URL)
        return await self.town.http.get(path, headers={"Accept": "application/json"})

    def nothing_else(self, *inboxes: Inbox[Any]) -> None:
        for inbox in inboxes:
            assert inbox.unexpected() == [], [str(m) for m in inbox.unexpected()]


@asynccontextmanager
async def pushed_town(database_url: str, directory: Path) -> AsyncIterator[Pushed]:
    service, ntfy = PushService(clock=lambda: town.now), NtfyServer(clock=lambda: town.now.timestamp())
    await service.start()
    await ntfy.start()
    told = {"ntfy_servers": (ntfy.url,), "allow_private_networks": True}
    try:
        async with opened(database_url, directory, at=MONDAY, settings=told) as town:
            ntfy.reroute[PUBLIC_URL] = town.webs[0].url
            (cara,) = await town.people("Cara", each_with="sms", role="admin")
            await town.build.last_resort([cara])
            yield Pushed(town, service, ntfy)
            town.inspect()
    finally:
        await service.stop()
        await ntfy.stop()
