"""Host names to addresses: a name server that is silent holds up nobody else, and what it said before counts."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from app import clock
from app.channels import names
from app.channels.hosts import HostPolicy
from app.channels.http import Http, Unreachable
from app.channels.names import Names
from app.dev import wire

AGAIN = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
NO_SUCH_NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


class Server:
    """A name server. What it says of any name is `says`; while it is `silent` it says nothing."""

    def __init__(self) -> None:
        self.says: list[str] | OSError = ["192.0.2.7"]
        self.asked: list[str] = []
        self.now = 0.0
        self._speaks = threading.Event()
        self._speaks.set()

    def look_up(self, host: str) -> list[str]:
        self.asked.append(host)
        self._speaks.wait(20)
        if isinstance(self.says, OSError):
            raise self.says
        return self.says

    def silent(self) -> None:
        self._speaks.clear()

    def speaks(self) -> None:
        self._speaks.set()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.speaks()


@pytest.fixture
def known(server: Server) -> Names:
    return Names(server.look_up, elapsed=lambda: server.now)


async def test_everybody_who_waits_for_a_name_shares_one_look(server: Server, known: Names) -> None:
    server.silent()
    waiting = [asyncio.create_task(known.addresses("api.example")) for _ in range(50)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    server.speaks()
    assert await asyncio.gather(*waiting[1:]) == [["192.0.2.7"]] * 49
    assert server.asked == ["api.example"]
    await known.addresses("api.example")
    assert len(server.asked) == 2, "an answer is not kept for those who come later"


async def test_what_a_name_meant_before_counts_while_its_server_is_silent(
    server: Server, known: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "PATIENCE_S", 0.05)
    await known.addresses("api.example")
    server.silent()
    assert await known.addresses("api.example") == ["192.0.2.7"]
    assert await known.addresses("api.example") == ["192.0.2.7"]
    assert len(server.asked) == 2, "it is still being asked"
    server.says = ["192.0.2.8"]
    server.speaks()
    while await known.addresses("api.example") != ["192.0.2.8"]:
        await clock.pause(0)


async def test_what_fails_for_now_is_not_an_answer(server: Server, known: Names) -> None:
    await known.addresses("api.example")
    server.says = AGAIN
    assert await known.addresses("api.example") == ["192.0.2.7"]
    with pytest.raises(socket.gaierror):
        await known.addresses("never.seen.example")
    server.now += names.STALE_S
    assert await known.addresses("api.example") == ["192.0.2.7"]
    server.now += 1
    with pytest.raises(socket.gaierror):
        await known.addresses("api.example")


async def test_a_name_that_does_not_exist_any_more_is_forgotten(server: Server, known: Names) -> None:
    await known.addresses("api.example")
    server.says = NO_SUCH_NAME
    with pytest.raises(socket.gaierror):
        await known.addresses("api.example")
    server.says = AGAIN
    with pytest.raises(socket.gaierror):
        await known.addresses("api.example")


async def test_so_many_names_are_remembered_and_no_more(server: Server, known: Names) -> None:
    for n in range(501):
        await known.addresses(f"host{n}.example")
    server.says = AGAIN
    assert await known.addresses("host1.example") == ["192.0.2.7"]
    with pytest.raises(socket.gaierror):
        await known.addresses("host0.example")


@pytest.mark.parametrize("address", ["127.0.0.1", "2001:db8::1"])
async def test_an_address_is_not_looked_up(server: Server, known: Names, address: str) -> None:
    assert await known.addresses(address) == [address]
    assert server.asked == []


async def test_pages_do_not_wait_for_names_that_webhooks_wait_for(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More requests to a silent name than a process has threads for what blocks."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *rest: Any, **named: Any) -> Any:
        return server.look_up(str(host)) if host == "hooks.example" else real(host, *rest, **named)

    async def answer(request: wire.Request) -> wire.Answer:
        return wire.Answer(200, b"taken")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    provider = wire.Server(answer)
    await provider.start("127.0.0.1", 0)
    pages, webhooks = (Http(HostPolicy(allow_private=True)) for _ in range(2))
    server.silent()
    calls = [asyncio.create_task(webhooks.request("POST", "http://hooks.example/")) for _ in range(80)]
    while not server.asked:
        await clock.pause(0.01)
    async with asyncio.timeout(10):
        assert (await pages.request("POST", f"http://localhost:{provider.port}/")).body == b"taken"
    assert not any(call.done() for call in calls)
    server.says = AGAIN
    server.speaks()
    for failed in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(failed, Unreachable)
    await asyncio.gather(pages.close(), webhooks.close(), provider.stop())
