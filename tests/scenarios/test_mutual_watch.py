"""Two Tocsins watch each other: a peer that is late, lies, or cannot be heard makes an incident here, which resolves by
itself. Real sockets, two databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from databases import TestServer
from sqlalchemy import text
from town import Town, minutes, seconds
from town.clock import VirtualClock
from town.serving import Web

from app.db import engine as db
from app.dev import wire
from app.main import Tocsin

TOKEN = "peer-token-of-thirty-two-characters"


class Peer:
    """The other one. `answer` None: it does as it is told by the test's handler."""

    def __init__(self) -> None:
        self.asked: list[wire.Request] = []
        self.answer = wire.Answer(503)
        self.server = wire.Server(self._take)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def _take(self, request: wire.Request) -> wire.Answer:
        self.asked.append(request)
        return self.answer


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    await peer.server.start("127.0.0.1", 0)
    yield peer
    await peer.server.stop()


async def watching(town: Town, url: str, **settings: Any) -> Tocsin:
    """Somebody is paged for the service pager, and a worker watches the other one."""
    (ana,) = await town.people("Ana")
    await town.service("pager", policy=[ana], criticality=1)
    town.workers.clear()
    given = {"peer_url": url, "peer_token": TOKEN, "vigil_service": "pager"} | settings
    return await town.another_worker(**given)


async def looks(town: Town, process: Tocsin, times: int) -> None:
    assert process.vigil.peering is not None
    for _ in range(times):
        await process.vigil.peering.ask()
        await town.settle()
        await town.wait(seconds(15))


@asynccontextmanager
async def another_tocsin(town: Town, url: str) -> AsyncIterator[tuple[Web, VirtualClock]]:
    """Another installation, whose clock stands where the town's does."""
    engine = db.create(url, size=2)
    clock = VirtualClock(engine, town.now)
    await clock.stop_at(town.now)
    async with Web.serving(replace(town.settings, peer_token=TOKEN), url) as web:
        yield web, clock
    await engine.dispose()


@pytest.fixture
async def other_database(server: TestServer) -> AsyncIterator[str]:
    url = await server.clone()
    yield url
    await server.drop(url)


async def test_a_peer_that_dies_pages_and_one_that_returns_resolves(town: Town, other_database: str) -> None:
    async with another_tocsin(town, other_database) as (web, _):
        await web.process.second_path.check()
        process = await watching(town, web.url)
        assert process.vigil.peering is not None
        await process.vigil.peering.ask()
        await town.settle()
        assert await town.incidents() == []
        port = web.port
    ana = town.residents["Ana"]
    await looks(town, process, 4)
    assert await town.incidents() == []
    await looks(town, process, 2)
    await ana.phone.expects_sms("does not answer")
    incident = await town.incident()
    assert (incident.service, incident.state) == ("pager", "triggered")
    assert "127.0.0.1" in incident.title
    described = str((await town.rows("SELECT annotations FROM alerts"))[0].annotations)
    assert "cannot be told apart" in described
    back = Peer()
    back.answer = wire.Answer(200, _report(town))
    await back.server.start("127.0.0.1", port)
    for _ in range(6):
        back.answer = wire.Answer(200, _report(town))
        await looks(town, process, 1)
    await back.server.stop()
    assert (await town.incident()).state == "resolved"


def _report(town: Town, **members: Any) -> bytes:
    fine = {
        "version": "1", "database_readable": True, "unreadable_s": 0, "unreachable": 0, "clock": town.now.isoformat(),
        "ladders": {"late": 0, "oldest_s": 0}, "notifications": {"late": 0, "oldest_s": 0}, "tick_s": 1, "looked_s": 9,
    }  # fmt: skip
    return db.dumps(fine | members).encode()


async def test_the_lateness_of_a_real_peer_is_told_in_words(town: Town, other_database: str) -> None:
    async with another_tocsin(town, other_database) as (web, clock):
        process = await watching(town, web.url)
        engine = db.create(other_database, size=1)
        async with engine.begin() as conn:
            await conn.execute(
                text("""
                INSERT INTO notifications (id, key, purpose, loudness, state, channel, address, webhook_id, content,
                                           created_at, due_at)
                VALUES (gen_random_uuid(), 'k', 'page', 'loud', 'pending', 'webhook', 'x', 1, '{}', tocsin_now(),
                        tocsin_now() - interval '4 minutes')
            """)
            )
        await engine.dispose()
        for _ in range(2):
            await clock.stop_at(town.now)
            await web.process.second_path.check()
            await looks(town, process, 1)
        town.ears.expect("second_path")
        await town.residents["Ana"].phone.expects_sms("1 notification overdue, the oldest by 4 min")


async def test_a_peer_that_lies_is_bounded_and_said_to_talk_nonsense(town: Town, peer: Peer) -> None:
    process = await watching(town, peer.url)
    for body in (b"x" * 2_000_000, b'{"version": "1", "unreachable": -5}', _report(town, unreachable=10**15)):
        peer.answer = wire.Answer(200, body)
        await looks(town, process, 2)
    await town.residents["Ana"].phone.expects_sms("The other Tocsin")
    assert len((await town.incident()).title) < 200
    assert {request.headers["authorization"] for request in peer.asked} == {f"Bearer {TOKEN}"}
    assert {request.path for request in peer.asked} == {"/v1/peer"}


async def test_two_workers_ask_once_and_agree(town: Town, peer: Peer) -> None:
    process = await watching(town, peer.url)
    other = await town.another_worker(peer_url=peer.url, peer_token=TOKEN, vigil_service="pager")
    assert process.vigil.peering is not None
    assert other.vigil.peering is not None
    await process.vigil.peering.ask()
    await other.vigil.peering.ask()
    assert len(peer.asked) == 1


async def test_a_service_that_is_not_there_is_an_error_in_the_log(town: Town, peer: Peer) -> None:
    process = await watching(town, peer.url, vigil_service="nobody")
    town.ears.expect("peer_unwell_untold")
    await looks(town, process, 6)
    assert await town.incidents() == []


async def test_the_private_address_of_the_setting_is_allowed_and_no_other(town: Town, peer: Peer) -> None:
    peer.answer = wire.Answer(302, b"", {"Location": "http://127.0.0.1:9/"})
    process = await watching(town, peer.url)
    await looks(town, process, 1)
    assert len(peer.asked) == 1


async def test_nothing_is_open_by_default_and_the_token_counts(town: Town, other_database: str) -> None:
    closed = await town.http.get("/v1/peer", headers={"Authorization": f"Bearer {TOKEN}"})
    assert closed.status_code == 404
    async with another_tocsin(town, other_database) as (web, _), httpx.AsyncClient(base_url=web.url) as http:
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Bearer {TOKEN}é".encode()}):
            answer = await http.get("/v1/peer", headers=headers)
            assert answer.status_code == 401
            assert "ladders" not in answer.text
        await web.process.second_path.check()
        told = (await http.get("/v1/peer", headers={"Authorization": f"Bearer {TOKEN}"})).json()
        assert told["database_readable"] is True
        assert told["ladders"] == {"late": 0, "oldest_s": 0.0}


async def test_an_incident_of_the_peer_waits_for_the_return_to_resolve(town: Town, peer: Peer) -> None:
    process = await watching(town, peer.url)
    await looks(town, process, 6)
    ana = town.residents["Ana"]
    await ana.phone.expects_sms("does not answer")
    await ana.acknowledges()
    await town.wait(minutes(2))
    for _ in range(6):
        peer.answer = wire.Answer(200, _report(town))
        await looks(town, process, 1)
    assert (await town.incident()).state == "resolved"


async def test_a_process_that_runs_pings_asks_and_writes_by_itself(town: Town, peer: Peer, tmp_path: Path) -> None:
    await town.people("Canary")
    (ana,) = await town.people("Ana", each_with="mail")
    await town.service("pager", policy=[ana])
    town.workers.clear()
    peer.answer = wire.Answer(200, _report(town))
    settings = {
        "heartbeat_url": f"{peer.url}/ping/secret", "peer_url": peer.url, "peer_token": TOKEN, "vigil_service": "pager",
        "canary_user": "canary", "paper_dir": str(tmp_path / "paper"),
    }  # fmt: skip
    async with town.metronome(**settings):
        await town.residents["Canary"].phone.expects_sms("CANARY")

        async def both() -> bool:
            return {"/v1/peer", "/ping/secret"} <= {r.path for r in peer.asked} and any((tmp_path / "paper").glob("*"))

        await town.until(both)
    [ping, *_] = [r for r in peer.asked if r.path == "/ping/secret"]
    assert (ping.method, ping.body) == ("POST", b"ok")
    assert (tmp_path / "paper" / "on-call.html").exists()
