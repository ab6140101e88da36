"""The outgoing client: whom it calls, at which address, and how much of an answer it takes."""

from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from certificates import certificate

from app.channels import http as http_module
from app.channels.hosts import HostPolicy
from app.channels.http import MAX_BODY, Blocked, Http, Unreachable
from app.dev import wire
from app.settings import Settings


@dataclass
class Site:
    """A web server that notes who came."""

    answer: wire.Answer = field(default_factory=lambda: wire.Answer(200, b"hello"))
    requests: list[wire.Request] = field(default_factory=list)
    hangs: bool = False

    async def handle(self, request: wire.Request) -> wire.Answer:
        self.requests.append(request)
        if self.hangs:
            await asyncio.Event().wait()
        return self.answer

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        self.server = wire.Server(self.handle)
        await self.server.start("127.0.0.1", 0, tls)
        self.port = self.server.port


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.start()
    yield site
    await site.server.stop()


PRIVATE = HostPolicy(allow_private=True)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
     "0.0.0.0", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1",
     "::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::a9fe:a9fe", "198.18.0.1", "240.0.0.1"],
)  # fmt: skip
def test_inner_addresses_are_not_called(address: str) -> None:
    assert not HostPolicy().permits("name.example", 443, address)
    assert PRIVATE.permits("name.example", 443, address)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_called(address: str) -> None:
    assert HostPolicy().permits("name.example", 443, address)


def test_what_the_operator_configured_is_trusted_with_its_port_and_for_its_client_only() -> None:
    settings = Settings(data_dir=Path("unused"), twilio_base_url="http://Localhost:4010")
    policy = HostPolicy.of(settings, settings.twilio_base_url)
    assert policy.permits("localhost", 4010, "127.0.0.1")
    assert not policy.permits("localhost", 5432, "127.0.0.1")
    assert not policy.permits("127.0.0.1", 4010, "127.0.0.1")
    assert not HostPolicy.of(settings).permits("localhost", 4010, "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_however_it_is_written_loopback_is_blocked(site: Site, host: str) -> None:
    http = Http(HostPolicy())
    with pytest.raises(Blocked, match="TOCSIN_ALLOW_PRIVATE_NETWORKS"):
        await http.request("GET", f"http://{host}:{site.port}/")
    assert site.requests == []
    await http.close()


async def test_a_name_that_changes_its_mind_gains_nothing(site: Site) -> None:
    """DNS rebinding: public when judged, loopback when connected to."""
    asked = 0

    async def rebinding(host: str) -> list[str]:
        nonlocal asked
        asked += 1
        return ["192.0.2.1" if asked == 1 else "127.0.0.1"]

    class Everything(HostPolicy):
        def permits(self, host: str, port: int, address: str) -> bool:
            return address == "192.0.2.1"  # a documentation address in the part of a public one: nobody is there

    http = Http(Everything(), timeout_s=0.3, resolve=rebinding)
    with pytest.raises(Unreachable):
        await http.request("GET", f"http://rebind.example:{site.port}/")
    assert asked == 1
    with pytest.raises(Blocked):
        await http.request("GET", f"http://rebind.example:{site.port}/")
    assert site.requests == []
    await http.close()


async def test_it_connects_to_the_judged_address_and_keeps_the_name(site: Site) -> None:
    async def resolve(host: str) -> list[str]:
        assert host == "hooks.example"
        return ["127.0.0.2", "127.0.0.1"]  # nobody listens at the first

    http = Http(PRIVATE, resolve=resolve)
    answer = await http.request("POST", f"http://hooks.example:{site.port}/x?y=1", body=b"{}", auth=("u", "p"))
    assert (answer.status, answer.body) == (200, b"hello")
    assert site.requests[0].headers["host"] == f"hooks.example:{site.port}"
    assert site.requests[0].target == "/x?y=1"
    assert site.requests[0].headers["authorization"].startswith("Basic ")
    await http.close()


async def test_an_address_may_carry_its_login(site: Site) -> None:
    http = Http(PRIVATE)
    await http.request("POST", f"http://u:p@127.0.0.1:{site.port}/")
    assert site.requests[0].headers["authorization"] == "Basic dTpw"
    assert site.requests[0].headers["host"] == f"127.0.0.1:{site.port}"
    await http.close()


async def test_only_the_allowed_addresses_of_a_name_are_tried(site: Site) -> None:
    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1", "192.0.2.1"]

    class Documentation(HostPolicy):
        def permits(self, host: str, port: int, address: str) -> bool:
            return address == "192.0.2.1"

    http = Http(Documentation(), timeout_s=0.3, resolve=resolve)
    with pytest.raises(Unreachable):
        await http.request("GET", f"http://mixed.example:{site.port}/")
    assert site.requests == []
    await http.close()


@pytest.fixture(scope="module")
def certificate_of_hooks(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"), "DNS:hooks.example")


async def test_the_certificate_must_be_the_name_s(
    certificate_of_hooks: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connected by address, and still the certificate is compared with the name that was asked for."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificate_of_hooks)
    trusting = ssl.create_default_context(cafile=str(certificate_of_hooks[0]))
    monkeypatch.setattr(http_module, "_tls", lambda: trusting)
    site = Site()
    await site.start(tls)

    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    http = Http(PRIVATE, resolve=resolve)
    assert (await http.request("GET", f"https://hooks.example:{site.port}/")).status == 200
    with pytest.raises(Unreachable, match=r"(?i)certificate") as failed:
        await http.request("GET", f"https://other.example:{site.port}/")
    assert not failed.value.written
    assert len(site.requests) == 1
    await http.close()
    await site.server.stop()


async def test_redirects_are_not_followed(site: Site) -> None:
    site.answer = wire.Answer(302, b"", {"Location": f"http://127.0.0.1:{site.port}/inner"})
    http = Http(PRIVATE)
    answer = await http.request("GET", f"http://127.0.0.1:{site.port}/")
    assert (answer.status, answer.headers["location"][-6:]) == (302, "/inner")
    assert len(site.requests) == 1
    await http.close()


async def test_a_large_answer_is_cut_off(site: Site) -> None:
    http = Http(PRIVATE)
    site.answer = wire.Answer(200, b"x" * MAX_BODY)
    assert len((await http.request("GET", f"http://127.0.0.1:{site.port}/")).body) == MAX_BODY
    site.answer = wire.Answer(200, b"x" * (MAX_BODY + 1))
    with pytest.raises(Unreachable, match="larger") as failed:
        await http.request("GET", f"http://127.0.0.1:{site.port}/")
    assert failed.value.written
    await http.close()


async def test_a_packed_answer_stays_packed(site: Site) -> None:
    packed = gzip.compress(b"x" * 50_000_000)
    site.answer = wire.Answer(200, packed, {"Content-Encoding": "gzip"})
    http = Http(PRIVATE)
    assert (await http.request("GET", f"http://127.0.0.1:{site.port}/")).body == packed
    assert site.requests[0].headers["accept-encoding"] == "identity"
    await http.close()


async def test_no_answer_in_time_may_have_been_carried_out(site: Site) -> None:
    site.hangs = True
    http = Http(PRIVATE, timeout_s=1)
    with pytest.raises(Unreachable, match="no answer") as failed:
        await http.request("POST", f"http://127.0.0.1:{site.port}/")
    assert failed.value.written
    assert len(site.requests) == 1
    await http.close()


async def test_what_never_left_was_not_carried_out(site: Site) -> None:
    async def unknown(host: str) -> list[str]:
        raise OSError("no such name")

    async def forever(host: str) -> list[str]:
        await asyncio.Event().wait()
        raise AssertionError

    async def nowhere(host: str) -> list[str]:
        return []

    for resolve in (unknown, forever, nowhere):
        http = Http(PRIVATE, timeout_s=0.2, resolve=resolve)
        with pytest.raises(Unreachable) as failed:
            await http.request("POST", "http://gone.example/")
        assert not failed.value.written
        await http.close()


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x.example/", "//x.example/", "x", "", "http://", "http://[::1"]
)
async def test_only_http_and_https(url: str) -> None:
    http = Http(PRIVATE)
    with pytest.raises(Blocked):
        await http.request("GET", url)
    await http.close()


async def test_connections_are_kept_for_a_while_but_not_for_everybody(site: Site) -> None:
    async def resolve(host: str) -> list[str]:
        return ["127.0.0.1"]

    http = Http(PRIVATE, resolve=resolve)
    for _ in range(2):
        for number in range(40):
            await http.request("GET", f"http://host{number}.example:{site.port}/")
    assert len(site.requests) == 80
    assert len(http._transport._origins) == 32
    assert len(site.server._connections) <= 40
    await http.close()


async def test_one_connection_serves_many_requests_to_one_name(site: Site) -> None:
    http = Http(PRIVATE)
    for _ in range(5):
        await http.request("GET", f"http://127.0.0.1:{site.port}/")
    assert len(site.server._connections) == 1
    await http.close()
