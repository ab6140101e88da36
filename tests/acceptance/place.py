"""A Tocsin that was set up from outside: over its API, with a phone that was verified by the code that it received."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
from served import bound, served
from sqlalchemy import text

from app.access import api_keys
from app.db import engine as db
from app.db.engine import transaction
from app.dev.exchange import PhoneExchange
from app.dev.phone import Phone
from app.directory import people, teams
from app.directory.documents import OrganisationEdit, UserDocument
from app.main import Tocsin
from app.settings import Settings

ANA = "+4915112345001"
LATER = text("""
    INSERT INTO clock_control (id, anchor_real, anchor_virtual, speed)
    VALUES (1, statement_timestamp(), tocsin_now() + make_interval(secs => :seconds), 1)
    ON CONFLICT (id) DO UPDATE SET anchor_real = excluded.anchor_real, anchor_virtual = excluded.anchor_virtual
""")


class Place:
    """`http` speaks with the admin's API key."""

    def __init__(self, url: str, tocsin: Tocsin, exchange: PhoneExchange, http: httpx.AsyncClient) -> None:
        self.url, self.exchange, self.http = url, exchange, http
        self._tocsin = tocsin

    @property
    def phone(self) -> Phone:
        return self.exchange.phone(ANA, "Ana")

    async def asks(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.http.request(method, f"/api/v1{path}", json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    @asynccontextmanager
    async def over_tls(self, certificate: Path, key: Path) -> AsyncIterator[str]:
        """The same service at an address of https."""
        with bound() as (listening, url):
            async with served(self._tocsin.asgi, listening, (certificate, key)):
                yield url.replace("http:", "https:")

    async def furnish(self, source: str) -> str:
        """Ana with her phone, whom a policy pages for checkout; a routing key for this source."""
        await self.asks("POST", "/users", {"key": "ana", "name": "Ana", "email": "ana@example.org", "role": "operator"})
        method = await self.asks("POST", "/users/ana/contact-methods", {"channel": "sms", "address": ANA})
        await self.asks("POST", f"/users/ana/contact-methods/{method['id']}/code")
        code = re.search(r"\b\d{6}\b", (await self.phone.expects_sms()).body)
        assert code is not None
        await self.asks("POST", f"/users/ana/contact-methods/{method['id']}/verify", {"code": code[0]})
        steps = [{"delay_s": 300, "targets": [{"type": "user", "key": "ana"}]}]
        await self.asks("POST", "/policies", {"key": "checkout", "name": "Checkout", "steps": steps})
        await self.asks("PUT", "/last-resort", {"targets": [{"type": "user", "key": "ana"}]})
        await self.asks("POST", "/services", {"key": "checkout", "name": "Checkout", "policy": "checkout"})
        return await self.integrate(source)

    async def integrate(self, source: str) -> str:
        """The routing key of an integration of checkout."""
        integration = {"key": f"checkout-{source}", "name": source, "source": source, "service": "checkout"}
        return str((await self.asks("POST", "/integrations", integration))["routing_key"])

    async def incident(self) -> dict[str, Any]:
        """The only one there is, beside that of a source that fell silent."""
        lines = (await self.asks("GET", "/incidents?state=all"))["items"]
        [line] = [line for line in lines if not line["title"].startswith("Source silent")]
        return dict(await self.asks("GET", f"/incidents/{line['number']}"))

    async def timeline(self) -> list[str]:
        number = (await self.incident())["number"]
        return [entry["text"] for entry in (await self.asks("GET", f"/incidents/{number}/timeline"))["items"]]

    async def becomes(self, wanted: Callable[[dict[str, Any]], bool], within_s: float = 15) -> dict[str, Any]:
        """The incident, once it is as wanted."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_s
        while not wanted(incident := await self.incident()):
            assert loop.time() < until, f"after {within_s} s it is still {incident}"
        return incident

    async def goes_by(self, seconds: float) -> None:
        """All of a sudden it is later."""
        async with self._tocsin.engine.begin() as conn:
            await conn.execute(LATER, {"seconds": seconds})
        self._tocsin.wake()

    async def presses(self, link: str, caption: str) -> str:
        """Opens a link from a message as a browser without JavaScript does, and presses a button: the screen after."""
        async with httpx.AsyncClient(follow_redirects=True, timeout=20) as browser:
            screen = await browser.get(link)
            assert screen.status_code == 200, screen.text
            form = next(f for f in Forms.of(screen.text) if f.caption == caption)
            after = await browser.post(
                self.url + form.action, data=form.fields, headers={"Origin": self.url, "Referer": link}
            )
            assert after.status_code == 200, after.text
            return after.text


class Form:
    def __init__(self, action: str) -> None:
        self.action, self.fields, self.caption = action, dict[str, str](), ""


class Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._button = False

    @classmethod
    def of(cls, html: str) -> list[Form]:
        parser = cls()
        parser.feed(html)
        return parser.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            assert given["method"].lower() == "post"
            self.found.append(Form(given["action"]))
        elif tag == "input":
            self.found[-1].fields[given["name"]] = given["value"]
        self._button = tag == "button"

    def handle_data(self, data: str) -> None:
        if self._button:
            self.found[-1].caption += data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._button = False


@asynccontextmanager
async def opened(database_url: str, directory: Path) -> AsyncIterator[Place]:
    exchange = PhoneExchange()
    await exchange.start()
    with bound() as (listening, url):
        settings = Settings(
            data_dir=directory,
            public_url=url,
            secret_key="a" * 40,
            twilio_account_sid=exchange.account_sid,
            twilio_auth_token=exchange.auth_token,
            twilio_from=exchange.numbers[0],
            twilio_base_url=exchange.url,
        )
        tocsin = Tocsin(settings, database_url)
        async with tocsin.running():
            key = await _first_admin(database_url)
            async with (
                served(tocsin.asgi, listening),
                httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=20) as http,
            ):
                yield Place(url, tocsin, exchange, http)
    await exchange.stop()


async def _first_admin(database_url: str) -> str:
    engine = db.create(database_url, size=1)
    async with transaction(engine) as (conn, now):
        await teams.create_organisation(conn, now, OrganisationEdit(name="Example", time_zone="UTC"), actor="cli")
        cara = UserDocument(key="cara", name="Cara", email="cara@example.org", role="admin")
        user_id = (await people.create_user(conn, now, cara, actor="cli")).id
        scopes = ["read", "respond", "configure", "admin"]
        key = await api_keys.create(conn, now, actor="cli", key="cara", name="Cara", scopes=scopes, user_id=user_id)
    await engine.dispose()
    return key
