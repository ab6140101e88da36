"""`tocsin serve` as a process of its own: its start, its graceful stop, kill -9, roles."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli.front import FINISH_WITHIN_S, bind, claim
from app.db import clock_control, partition_store
from app.db import engine as db
from app.dev.exchange import AUTH_TOKEN, PhoneExchange
from app.dev.http import Client
from app.dev.program import NotReady, Service, free_port, tocsin, tocsin_json
from app.dev.senders import Alertmanager
from app.errors import Invalid

PATIENCE = 30.0
FOUNDING = ("--organisation", "Example Inc", "--time-zone", "UTC", "--name", "Ana", "--email", "ana@example.org",
            "--api-key", "tests", "--json")  # fmt: skip
TOWN = """
services:
  - {key: checkout, name: Checkout, criticality: 1}
schedules:
  - {key: night, name: Night, time_zone: UTC}
integrations:
  - {key: checkout-alertmanager, name: Alertmanager, source: alertmanager, service: checkout}
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that the embedded database can get into when it runs as another user than root."""
    with tempfile.TemporaryDirectory(prefix="tocsin-serve-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@asynccontextmanager
async def serving(settings: Mapping[str, str], place: Path, name: str = "serve") -> AsyncIterator[Service]:
    service = Service(settings, place / f"{name}.log")
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


def settings_for(place: Path, **more: str) -> dict[str, str]:
    port = free_port()
    return {"data_dir": str(place / "data"), "listen": f"127.0.0.1:{port}", **more}


def url_of(settings: Mapping[str, str]) -> str:
    return f"http://{settings['listen']}"


async def furnish(settings: Mapping[str, str], place: Path, *options: str) -> tuple[Client, str]:
    """Founds and configures as an operator would. A client with an API key, and the routing key."""
    founded = await tocsin_json(settings, "init", *FOUNDING, *options)
    (place / "town.yaml").write_text(TOWN)
    remote = {"url": url_of(settings), "api_key": founded["api_key"]}
    applied = await tocsin_json(remote, "apply", "-f", str(place / "town.yaml"), "--yes", "--json")
    client = Client(url_of(settings), {"Authorization": f"Bearer {founded['api_key']}"})
    return client, applied["routing_keys"]["checkout-alertmanager"]


async def until(true: Callable[[], bool], what: str) -> None:
    began = monotonic()
    while not true():
        assert monotonic() - began < PATIENCE, f"{what}: not within {PATIENCE} s"
        await asyncio.sleep(0.01)


class Halfway:
    """A request of which the service has the head and half the body."""

    def __init__(self, settings: Mapping[str, str], key: str, name: str) -> None:
        host, _, port = settings["listen"].rpartition(":")
        self._where, self._key = (host, int(port)), key
        alert = {"status": "firing", "labels": {"alertname": name, "severity": "critical"}, "annotations": {},
                 "startsAt": "2026-11-22T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": name}  # fmt: skip
        self._body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()

    async def begin(self) -> None:
        self._reader, self._writer = await asyncio.open_connection(*self._where)
        head = (
            f"POST /v1/intake/{self._key}/alertmanager HTTP/1.1\r\nHost: tocsin\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(self._body)}\r\n"
            "Expect: 100-continue\r\n\r\n"
        )
        self._writer.write(head.encode())
        said = await self._reader.readuntil(b"\r\n\r\n")  # it has the head, and is asked for the body
        assert said.startswith(b"HTTP/1.1 100 "), said
        self._writer.write(self._body[:20])
        await self._writer.drain()

    async def finish(self) -> bytes:
        self._writer.write(self._body[20:])
        answer = await self._reader.read()
        self._writer.close()
        return answer


async def titles(client: Client) -> list[str]:
    return sorted(i["title"] for i in (await client.get("/api/v1/incidents"))["items"])


def stopping(service: Service) -> Callable[[], bool]:
    return lambda: "stopping" in service.tail()


async def test_what_was_answered_survives_a_stop_and_a_kill(place: Path) -> None:
    settings = settings_for(place)
    async with serving(settings, place, "first") as first:
        assert f"is ready at {url_of(settings)} (web and worker, its own PostgreSQL in {place}/data)" in first.greeting
        client, key = await furnish(settings, place)
        await exported_and_applied_again_changes_nothing(client, settings, place)
        await lint_says_what_is_doubtful(client, settings)
        for path in ("/healthz", "/readyz", "/metrics"):
            assert (await client.request("GET", path)).status == 200, path

        watching = await follow_along(settings, client)
        request = Halfway(settings, key, "InFlight")
        await request.begin()
        assert first.process is not None
        first.process.send_signal(signal.SIGTERM)
        await until(stopping(first), "the first signal is heard")
        await until(lambda: not accepts(settings), "it takes no new connections")
        began = monotonic()
        assert (await request.finish()).startswith(b"HTTP/1.1 202 ")
        assert await first.process.wait() == 0
        assert monotonic() - began < FINISH_WITHIN_S, "a screen that follows along does not keep it"
        watching.close()

    async with serving(settings, place, "second") as second:
        assert await titles(client) == ["InFlight"]
        await Alertmanager(url_of(settings), key, "BeforeTheKill", "checkout").fires()
        assert second.process is not None
        second.process.kill()
        await second.process.wait()

    async with serving(settings, place, "third") as third:
        assert await titles(client) == ["BeforeTheKill on checkout", "InFlight"]
        request = Halfway(settings, key, "NeverFinished")
        await request.begin()
        assert third.process is not None
        third.process.send_signal(signal.SIGINT)
        await until(stopping(third), "the first signal is heard")
        third.process.send_signal(signal.SIGTERM)
        assert await third.process.wait() == 128 + signal.SIGTERM


async def follow_along(settings: Mapping[str, str], client: Client) -> asyncio.StreamWriter:
    """A screen's stream of events, which ends when the service ends it."""
    host, _, port = settings["listen"].rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET /live HTTP/1.1\r\nHost: t\r\nAuthorization: {client.headers['Authorization']}\r\n\r\n".encode())
    await reader.readuntil(b"event: ready")
    return writer


def accepts(settings: Mapping[str, str]) -> bool:
    host, _, port = settings["listen"].rpartition(":")
    with socket.socket() as s:
        return s.connect_ex((host, int(port))) == 0


async def exported_and_applied_again_changes_nothing(client: Client, settings: Mapping[str, str], place: Path) -> None:
    key = str(client.headers["Authorization"]).removeprefix("Bearer ")
    remote = {"url": url_of(settings), "api_key": key}
    file = place / "exported.yaml"
    code, exported, err = await tocsin(remote, "export")
    assert code == 0, err
    assert "key: checkout-alertmanager" in exported
    file.write_text(exported)
    assert (await tocsin(remote, "apply", "-f", str(file), "--prune", "--yes"))[:2] == (0, "Nothing to change.\n")
    file.write_text(exported.replace("name: Example Inc", "name: Another Inc"))
    code, plan, _ = await tocsin(remote, "apply", "-f", str(file), "--plan")
    assert (code, plan) == (0, '~ organisation\n    name: "Example Inc" -> "Another Inc"\n1 to edit.\n')
    assert (await tocsin(remote, "apply", "-f", str(file)))[0] == 1, "nobody was there to be asked"
    assert (await client.get("/api/v1/organisation"))["name"] == "Example Inc"


async def lint_says_what_is_doubtful(client: Client, settings: Mapping[str, str]) -> None:
    key = str(client.headers["Authorization"]).removeprefix("Bearer ")
    remote = {"url": url_of(settings), "api_key": key}
    code, said, err = await tocsin(remote, "lint")
    assert (code, err) == (0, "")
    assert said.startswith("night: warning: nobody is on call once, 365 d together (first 20")
    assert (await tocsin(remote, "lint", "night", "--strict"))[0] == 1
    code, _, err = await tocsin(remote, "lint", "nowhere")
    assert (code, err) == (1, "tocsin: there is no schedule 'nowhere'\n")


async def test_web_and_worker_may_be_processes_of_their_own(
    place: Path, engine: AsyncEngine, database_url: str
) -> None:
    exchange = PhoneExchange()
    await exchange.start()
    common = {
        "database_url": database_url,
        "secret_key": "the same in both of them, and long enough",
        "twilio_account_sid": exchange.account_sid,
        "twilio_auth_token": AUTH_TOKEN,
        "twilio_from": exchange.numbers[0],
        "twilio_base_url": exchange.url,
    }
    web = settings_for(place, roles="web", **common)
    worker = settings_for(place, roles="worker", public_url=url_of(web), **common)
    try:
        async with serving(web, place, "web"), serving(worker, place, "worker") as working:
            assert "(worker, an external PostgreSQL)" in working.greeting
            client, key = await furnish(web, place, "--phone", "+4915112345678")
            await Alertmanager(url_of(web), key, "HighErrorRate", "checkout").fires()
            text = await exchange.phone("+4915112345678").expects_sms("HighErrorRate", within_s=PATIENCE)
            assert f"{url_of(web)}/l/" in text.body
            only_probes = Client(url_of(worker))
            assert (await only_probes.request("GET", "/readyz")).json()["roles"] == ["worker"]
            assert (await only_probes.request("POST", f"/v1/intake/{key}/alertmanager", b"{}")).status == 404
            assert (await only_probes.request("GET", "/api/v1/incidents")).status == 404
            assert (await client.request("GET", "/readyz")).json()["roles"] == ["web"]
            await partitions_are_made(engine)
            assert await working.stop() == 0
    finally:
        await exchange.stop()


def behind_a_door(database_url: str, place: Path) -> tuple[str, Callable[[], None]]:
    """The address of the database under another directory for its socket, and what puts the socket there."""
    url = db.normalise(database_url)
    there, name = Path(str(url.query["host"])), f".s.PGSQL.{url.query.get('port') or url.port or 5432}"
    here = url.set(drivername="postgresql").update_query_dict({"host": str(place)})
    return here.render_as_string(hide_password=False), lambda: (place / name).symlink_to(there / name)


async def test_a_start_waits_for_its_database(place: Path, database_url: str) -> None:
    address, open_the_door = behind_a_door(database_url, place)
    service = Service(settings_for(place, roles="worker", database_url=address), place / "serve.log")
    starting = asyncio.create_task(service.start())
    try:
        await until(lambda: "waiting for the database" in service.tail(), "it says what it waits for")
        open_the_door()
        await starting
        assert service.tail() == "tocsin: waiting for the database of TOCSIN_DATABASE_URL: No such file or directory"
    finally:
        starting.cancel()
        assert await service.stop() == 0


async def test_a_start_that_waits_is_stopped_at_once(place: Path, database_url: str) -> None:
    address, _ = behind_a_door(database_url, place)
    service = Service(settings_for(place, roles="worker", database_url=address), place / "serve.log")
    starting = asyncio.create_task(service.start())
    await until(lambda: "waiting for the database" in service.tail(), "it says what it waits for")
    assert await service.stop() == 0
    assert service.tail(1) == "tocsin: stopped before it was ready"
    with pytest.raises(NotReady):
        await starting


async def test_a_command_says_at_once_that_the_database_is_away(place: Path, database_url: str) -> None:
    address, _ = behind_a_door(database_url, place)
    code, _, err = await tocsin(settings_for(place, database_url=address), "user", "link", "ana@example.org")
    why = "the database of TOCSIN_DATABASE_URL cannot be reached: No such file or directory"
    assert (code, err) == (1, f"tocsin: {why}\n")


async def partitions_are_made(engine: AsyncEngine) -> None:
    """The worker keeps house soon after its start."""
    for _ in range(int(PATIENCE / 0.1)):
        async with engine.connect() as conn:
            if len(await partition_store.existing(conn, "timeline_entries")) > 1:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("no partition was made")


async def test_a_clock_that_is_played_with_is_for_demos_only(
    place: Path, engine: AsyncEngine, database_url: str
) -> None:
    async with engine.begin() as conn:
        await clock_control.run_at(conn, 60.0)
    with pytest.raises(NotReady, match="this database's clock is shifted or scaled"):
        async with serving(settings_for(place, database_url=database_url), place):
            pass


async def test_an_address_that_is_taken_is_said_before_anything_starts(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        code, _, err = await tocsin({"data_dir": str(place / "data"), "listen": listen}, "serve")
    assert (code, err) == (1, f"tocsin: TOCSIN_LISTEN: cannot listen on {listen}: {os.strerror(98)}\n")
    assert not (place / "data").exists()


def test_of_two_that_have_bound_one_address_one_serves_and_the_other_learns_it() -> None:
    """They started in the same second: neither listened when the other bound."""
    with bind("127.0.0.1", 0) as first, bind(*first.getsockname()) as second:
        claim(first)
        with pytest.raises(Invalid, match=f"cannot listen on 127.0.0.1:{first.getsockname()[1]}: "):
            claim(second)
