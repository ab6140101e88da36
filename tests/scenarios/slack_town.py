"""A town with a Slack workspace, and people who are in it: their member ID is added and verified as people do it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from town import Town, opened
from town.clock import MONDAY
from town.residents import Resident

from app.dev.http import Reply
from app.dev.inbox import Inbox
from app.dev.slack_server import Said, SlackServer


@dataclass
class SlackTown:
    town: Town
    slack: SlackServer

    async def person(self, name: str, *also: str) -> Resident:
        (resident,) = await self.town.people(name, each_with=also)
        return resident

    async def joins(self, owner: Resident) -> Inbox[Said]:
        """Adds the member ID and enters the code that came as a direct message."""
        member = self.member_of(owner)
        inbox, path = self.slack.member(member), f"/api/v1/users/{owner.key}/contact-methods"
        added = await owner.asks("POST", path, {"channel": "slack", "address": f"<@{member}>"})
        owner.methods["slack"] = added["id"]
        assert added["address"] == member
        await owner.asks("POST", f"{path}/{added['id']}/code")
        await self.town.settle()
        words = (await inbox.expects("verification code")).text.split()
        code = next(word.strip(".") for word in words if word.strip(".").isdigit())
        assert (await owner.asks("POST", f"{path}/{added['id']}/verify", {"code": code}))["verified_at"]
        return inbox

    def member_of(self, owner: Resident) -> str:
        return f"U0{owner.key.upper()}"

    async def press(self, message: Said, label: str, **how: str) -> Reply:
        answer = await self.slack.press(message, label, **how)  # type: ignore[arg-type]  # by, secret and value only
        await self.settle()
        return answer

    async def settle(self) -> None:
        """What is due goes out, and messages in the workspace follow their incidents."""
        await self.town.settle()
        for process in self.town.workers:
            assert process.worker is not None
            await process.worker.chat.update_due()

    def nothing_else(self, *inboxes: Inbox[Said]) -> None:
        for inbox in inboxes:
            assert inbox.unexpected() == [], [str(m) for m in inbox.unexpected()]


@asynccontextmanager
async def slack_town(database_url: str, directory: Path, workers: int = 1) -> AsyncIterator[SlackTown]:
    slack = SlackServer(clock=lambda: town.now.timestamp())
    await slack.start()
    told = {"slack_token": slack.token, "slack_signing_secret": slack.secret, "slack_base_url": slack.url}
    try:
        async with opened(database_url, directory, at=MONDAY, settings=told, workers=workers) as town:
            slack.interactions_url = f"{town.webs[0].url}/v1/slack/interactions"
            (cara,) = await town.people("Cara", each_with="sms", role="admin")
            await town.build.last_resort([cara])
            yield SlackTown(town, slack)
            town.inspect()
    finally:
        await slack.stop()
