"""A whole Tocsin on a socket with a small organisation in it, and a telephone exchange: what a browser test stands on.

Ana is paged first, Ben after five minutes, Cara is the admin and the last resort. Everybody has a phone and the same
password.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.access import commands as access
from app.db.engine import transaction
from app.dev.exchange import PhoneExchange
from app.dev.phone import Phone
from app.directory import contact_methods, integrations, people, services, teams
from app.directory.documents import (
    ContactMethodDocument,
    IntegrationDocument,
    OrganisationEdit,
    ServiceDocument,
    TeamDocument,
    UserDocument,
)
from app.escalation import policies
from app.escalation.policy_document import LastResort, PolicyDocument
from app.main import Tocsin
from app.oncall import commands as oncall
from app.oncall.schedule_document import ScheduleDocument
from app.settings import Settings

PASSWORD = "correct horse battery"
NUMBERS = {"ana": "+4930901820001", "ben": "+4930901820002", "cara": "+4930901820003"}
RUNBOOK = "https://wiki.example.org/checkout"
ACTOR = "test"


@dataclass
class House:
    """`url` is the public address; `keys` are the routing keys by service."""

    url: str
    tocsin: Tocsin
    exchange: PhoneExchange
    keys: dict[str, str] = field(default_factory=dict)
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    def phone(self, person: str) -> Phone:
        return self.exchange.phone(NUMBERS[person], person)

    async def fires(self, name: str, service: str = "checkout", **changes: Any) -> int:
        """Alertmanager tells that an alert fires. The number of the newest incident: they may have gaps."""
        await self._send(service, name, {"status": "firing", "severity": "critical", "summary": name} | changes)
        async with transaction(self.tocsin.engine) as (conn, _):
            return int((await conn.execute(text("SELECT max(number) FROM incidents"))).scalar_one())

    async def resolves(self, name: str, service: str = "checkout", **changes: Any) -> None:
        await self._send(service, name, {"status": "resolved", "severity": "critical", "summary": name} | changes)

    async def _send(self, service: str, name: str, given: dict[str, str]) -> None:
        resolved = given["status"] == "resolved"
        alert = {
            "status": given["status"],
            "labels": {"alertname": name, "severity": given["severity"], "service": service},
            "annotations": {"summary": given["summary"], "description": given.get("description", "")},
            "startsAt": self.began.isoformat(),
            "endsAt": datetime.now(UTC).isoformat() if resolved else "0001-01-01T00:00:00Z",
            "generatorURL": given.get("url", ""),
        }
        body = {
            "version": "4", "groupKey": "g", "status": given["status"], "receiver": "tocsin", "groupLabels": {},
            "commonLabels": {}, "commonAnnotations": {}, "externalURL": "", "alerts": [alert], "truncatedAlerts": 0,
        }  # fmt: skip
        async with httpx.AsyncClient() as client:
            answer = await client.post(f"{self.url}/v1/intake/{self.keys[service]}/alertmanager", json=body)
        assert answer.is_success, answer.text

    async def link_of(self, person: str, *parts: str) -> str:
        """The link in the next text that this person gets."""
        sms = await self.phone(person).expects_sms(*parts, within_s=15)
        return sms.body[sms.body.index("http") :].split()[0]


@asynccontextmanager
async def living(database_url: str, directory: Path, **changes: Any) -> AsyncIterator[House]:
    """A house that answers on a free port."""
    exchange = PhoneExchange()
    await exchange.start()
    # asyncio switches Nagle's algorithm off only where the protocol is named; else every answer takes 40 ms.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        given = {
            "data_dir": directory,
            "public_url": url,
            "twilio_account_sid": exchange.account_sid,
            "twilio_auth_token": exchange.auth_token,
            "twilio_from": exchange.numbers[0],
            "twilio_base_url": exchange.url,
            "allow_private_networks": True,
        }
        tocsin = Tocsin(Settings(**(given | changes)), database_url)
        house = House(url, tocsin, exchange)
        server = uvicorn.Server(uvicorn.Config(tocsin.asgi, log_level="warning", lifespan="off"))
        async with tocsin.running():
            async with transaction(tocsin.engine) as (conn, now):
                await _furnish(conn, now, house)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield house
            finally:
                tocsin.api.state.live.close()
                server.should_exit = True
                await serving
    await exchange.stop()


async def _furnish(conn: AsyncConnection, now: Any, house: House) -> None:
    await teams.create_organisation(
        conn, now, OrganisationEdit(name="Example Inc", time_zone="Europe/Berlin"), actor=ACTOR
    )
    for key in ("ana", "ben", "cara"):
        role = "admin" if key == "cara" else "operator"
        user = UserDocument(key=key, name=key.title(), email=f"{key}@example.org", role=role)
        made = await people.create_user(conn, now, user, actor=ACTOR)
        token = await access.give_password_link(conn, now, made.id, key, actor=ACTOR)
        await access.set_password(conn, now, token=token, password=PASSWORD)
        method = ContactMethodDocument(channel="sms", address=NUMBERS[key], label="work phone")
        await contact_methods.add(conn, now, made.id, method, house.tocsin.channels, actor=ACTOR, verified=True)
    members = [{"user": "ana"}, {"user": "ben"}]
    team = TeamDocument.model_validate({"key": "payments", "name": "Payments", "members": members})
    await teams.create_team(conn, now, team, actor=ACTOR)
    await oncall.create(conn, now, ScheduleDocument.model_validate(SCHEDULE), actor=ACTOR)
    await policies.create(conn, now, PolicyDocument.model_validate(POLICY), actor=ACTOR)
    last_resort = LastResort.model_validate({"targets": [{"type": "user", "key": "cara"}]})
    await policies.set_last_resort(conn, now, last_resort, actor=ACTOR)
    for key, name in (("checkout", "Checkout"), ("search", "Search")):
        service = ServiceDocument(
            key=key, name=name, team="payments", policy="payments", runbook_url=RUNBOOK,
            runbook_text="Look at the queue first.\nThen at the database.",
        )  # fmt: skip
        await services.create(conn, now, service, actor=ACTOR)
        integration = IntegrationDocument(key=key, name=name, source="alertmanager", service=key)
        _, house.keys[key] = await integrations.create(conn, now, integration, ["alertmanager"], actor=ACTOR)


SCHEDULE = {
    "key": "payments-primary",
    "name": "Payments primary",
    "team": "payments",
    "time_zone": "Europe/Berlin",
    "layers": [
        {"name": "weekly", "unit": "week", "length": 1, "anchor": "2026-01-05T09:00", "members": [["ana"]]},
    ],
}
POLICY = {
    "key": "payments",
    "name": "Payments",
    "team": "payments",
    "repeats": 1,
    "steps": [
        {"delay_s": 300, "targets": [{"type": "schedule", "key": "payments-primary"}]},
        {"delay_s": 600, "targets": [{"type": "user", "key": "ben"}]},
    ],
}
