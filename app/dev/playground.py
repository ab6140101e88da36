"""A small organisation around a real service: started, configured and read over sockets only, as anybody would."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from app.dev.example import ANA, BEN, CARA, ORGANISATION, PASSWORD, PEOPLE, ZONE, Somebody, configuration
from app.dev.exchange import AUTH_TOKEN, PhoneExchange
from app.dev.http import Client
from app.dev.mailbox import Mailbox
from app.dev.phone import Phone
from app.dev.program import Service, free_port, given, tocsin_json

CODE_WITHIN_S: Final = 20.0
NOTES: Final = "demo.json"
"""What a later start on the same data needs and the service would not tell again."""


class Playground:
    """`async with Playground(directory, speed=60): ...` is Example Inc with phones and mailboxes.

    `directory` holds the data; what is in it from an earlier time goes on. `port` 0: any free one. `speed`: how many
    seconds pass in one. `texted` and `mailed` get a line for every message that arrives, `tell` one for every part
    that runs. Raises `program.NotReady` when the service does not start, `http.Refused` when it does not take the
    configuration.
    """

    def __init__(
        self,
        directory: Path,
        *,
        speed: float,
        port: int = 0,
        texted: Callable[[str], None] = lambda line: None,
        mailed: Callable[[str], None] = lambda line: None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.directory, self.speed, self._tell = directory, speed, tell
        self.url = f"http://127.0.0.1:{port or free_port()}"
        self.exchange = PhoneExchange(log=texted)
        self.exchange.inbound_url = f"{self.url}/v1/twilio/sms"
        self.mailbox = Mailbox(log=mailed)
        for somebody in PEOPLE:
            self.phone(somebody)
        self.routing_keys: dict[str, str] = {}
        self.client = Client(self.url)
        self.service: Service
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as parts:
            for part in (self.exchange, self.mailbox):
                await part.start()
                parts.push_async_callback(part.stop)
            settings = self._settings()
            log = self.directory / "serve.log"
            self.service = Service(settings, log, "--speed", str(self.speed))
            parts.push_async_callback(self.service.stop)
            await self.service.start()
            self._tell("the service with its own PostgreSQL")
            await self._furnish(settings)
            self._parts = parts.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._parts.aclose()

    def phone(self, somebody: Somebody) -> Phone:
        return self.exchange.phone(somebody.number, somebody.name)

    async def incidents(self) -> list[dict[str, Any]]:
        """Newest first, open or not."""
        found: list[dict[str, Any]] = (await self.client.get("/api/v1/incidents?state=all"))["items"]
        return found

    async def timeline(self, number: int) -> list[dict[str, Any]]:
        """Oldest first."""
        found: list[dict[str, Any]] = (await self.client.get(f"/api/v1/incidents/{number}/timeline"))["items"]
        return found

    # -- setting up

    def _settings(self) -> dict[str, str]:
        return {
            "data_dir": str(self.directory),
            "listen": self.url.removeprefix("http://"),
            "public_url": self.url,
            "twilio_account_sid": self.exchange.account_sid,
            "twilio_auth_token": AUTH_TOKEN,
            "twilio_from": self.exchange.numbers[0],
            "twilio_base_url": self.exchange.url,
            "smtp_url": self.mailbox.url,
            "mail_from": "Tocsin <tocsin@example.org>",
            "clock_control": "true",
            **given("allow_private_networks"),  # to try a webhook or a calendar of one's own machine
        }

    async def _furnish(self, settings: dict[str, str]) -> None:
        notes = self.directory / NOTES
        if notes.exists():
            known = json.loads(notes.read_text())
            self._use(known["api_key"])
            self.routing_keys = known["routing_keys"]
            return
        founded = await self._found(settings)
        self._use(founded["api_key"])
        document = configuration(datetime.now(UTC).date())
        self._tell(f"{ORGANISATION}: founded by tocsin init")
        applied = await self.client.post("/api/v1/configuration/apply", document)
        self.routing_keys = applied["routing_keys"]
        await asyncio.gather(
            self._set_password(founded["password_token"]),
            *(self._settle_in(somebody) for somebody in (ANA, BEN)),
        )
        self._tell("people, schedules, a policy, services: applied, and phones and mailboxes verified by their codes")
        notes.touch(mode=0o600)
        notes.write_text(json.dumps({"api_key": founded["api_key"], "routing_keys": self.routing_keys}))

    async def _found(self, settings: dict[str, str]) -> dict[str, str]:
        options = {
            "--organisation": ORGANISATION,
            "--time-zone": ZONE,
            "--name": CARA.name,
            "--email": CARA.email,
            "--phone": CARA.number,
            "--mail": CARA.email,
            "--api-key": "demo",
        }
        words = [word for option in options.items() for word in option]
        made: dict[str, str] = await tocsin_json(settings, "init", *words, "--json")
        return made

    def _use(self, api_key: str) -> None:
        self.client = Client(self.url, {"Authorization": f"Bearer {api_key}"})

    async def _settle_in(self, somebody: Somebody) -> None:
        """What everybody does on their first day: a password, and both contact methods verified by their codes."""
        link = await self.client.post(f"/api/v1/users/{somebody.key}/password-link")
        await self._set_password(link["url"].rpartition("/")[2])
        at = f"/api/v1/users/{somebody.key}/contact-methods"
        for method in (await self.client.get(at))["items"]:
            await self.client.post(f"{at}/{method['id']}/code")
            code = await self._code(somebody, method["channel"])
            await self.client.post(f"{at}/{method['id']}/verify", {"code": code})

    async def _set_password(self, token: str) -> None:
        await Client(self.url).post("/api/v1/password", {"token": token, "password": PASSWORD})

    async def _code(self, somebody: Somebody, channel: str) -> str:
        if channel == "sms":
            words = (await self.phone(somebody).expects_sms("code", within_s=CODE_WITHIN_S)).body
        else:
            words = (await self.mailbox.expects_mail(somebody.email, "code", within_s=CODE_WITHIN_S)).text
        found = re.search(r"\b\d{6}\b", words)
        assert found is not None, f"no code in {words!r}"
        return found[0]
