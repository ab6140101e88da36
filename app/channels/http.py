"""The one outgoing HTTP client, with a host policy: addresses that people type must not open the inner network.

A name is resolved here, the policy judges the *resolved* addresses, and the connection is made to the very address that
was judged, so a name that changes its mind in between (DNS rebinding) gains nothing. Redirects are not followed.
Bodies and times are bounded. Proxies of the environment are not used: they would resolve names themselves.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final

import httpx

from app.channels.hosts import HostPolicy, Resolve
from app.channels.names import Names

MAX_BODY: Final = 1024 * 1024
_KEPT_ORIGINS: Final = 32
_KEPT_CONNECTIONS: Final = 20
"""To one origin, while nobody uses them."""
_LANE: Final = "tocsin_lane"


class Blocked(Exception):
    """The host policy does not allow this address. The message says how an operator can allow it."""


class Unreachable(Exception):
    """No usable answer. `written`: the request may have been received, so it may have been carried out."""

    def __init__(self, message: str, *, written: bool) -> None:
        super().__init__(message)
        self.written = written


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of any status. `headers` have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def _key(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.raw_host.decode("ascii").lower(), url.port or (443 if url.scheme == "https" else 80)


@cache
def _tls() -> ssl.SSLContext:
    """Made once, in a thread: reading the certificates takes 0.2 s."""
    return httpx.create_ssl_context()


@dataclass(slots=True)
class _Origin:
    """The connections to one scheme, name and port, each in a pool of its own. A pool looks through all that it holds
    at each request, several times: with a few dozen of them that took longer than the request."""

    idle: list[httpx.AsyncHTTPTransport] = field(default_factory=list)
    busy: int = 0

    async def aclose(self) -> None:
        for lane in self.idle:
            await lane.aclose()


class _Checked(httpx.AsyncBaseTransport):
    """Resolves, judges, and connects to what was judged.

    Connections are kept per name, not per address: one that was opened for another name at the same address has shown
    another certificate.
    """

    def __init__(self, policy: HostPolicy, resolve: Resolve) -> None:
        self._policy = policy
        self._resolve = resolve
        self._origins: dict[tuple[str, str, int], _Origin] = {}
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _, host, port = _key(request.url)
        lane: httpx.AsyncHTTPTransport = request.extensions[_LANE]
        failure: httpx.ConnectError | httpx.ConnectTimeout | None = None
        for address in await self._addresses(request, host, port):
            bound = httpx.Request(
                request.method,
                request.url.copy_with(host=address),
                headers=request.headers,  # with the Host that the caller meant
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            try:
                return await lane.handle_async_request(bound)
            except (httpx.ConnectError, httpx.ConnectTimeout) as e:
                failure = e
        raise failure or httpx.ConnectError(f"{host} has no address", request=request)

    async def _addresses(self, request: httpx.Request, host: str, port: int) -> list[str]:
        try:
            found = await self._resolve(host)
        except OSError as e:
            raise httpx.ConnectError(f"{host} cannot be resolved", request=request) from e
        allowed = [a for a in found if self._policy.permits(host, port, a)]
        if found and not allowed:
            raise Blocked(f"{host} is an address of a private network; TOCSIN_ALLOW_PRIVATE_NETWORKS=true allows those")
        return allowed

    @asynccontextmanager
    async def lane(self, url: httpx.URL) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """A connection to this address for one exchange: the one that was used last, or one that is to be made."""
        origin = self._origins.pop(_key(url), None) or _Origin()
        self._origins[_key(url)] = origin  # now the most recently used
        lane = origin.idle.pop() if origin.idle else _new_lane()
        origin.busy += 1
        try:
            yield lane
        finally:
            origin.busy -= 1
            if self._closed or len(origin.idle) == _KEPT_CONNECTIONS:
                await lane.aclose()
            else:
                origin.idle.append(lane)
            await self._forget_idle()

    async def _forget_idle(self) -> None:
        """Keeps the connections of the most recently used origins only."""
        spare = max(0, len(self._origins) - _KEPT_ORIGINS)
        for key in [k for k, origin in self._origins.items() if not origin.busy][:spare]:
            await self._origins.pop(key).aclose()

    async def aclose(self) -> None:
        self._closed = True
        for origin in self._origins.values():
            await origin.aclose()
        self._origins.clear()


def _new_lane() -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=_tls(), trust_env=False, limits=httpx.Limits(max_connections=1))


class Http:
    """The client. One per channel; `close` it."""

    def __init__(self, policy: HostPolicy, *, timeout_s: float = 15, resolve: Resolve | None = None) -> None:
        self._timeout_s = timeout_s
        self._prepared = False
        self._transport = _Checked(policy, resolve or Names().addresses)
        self._client = httpx.AsyncClient(
            transport=self._transport,
            timeout=httpx.Timeout(timeout_s, connect=min(5, timeout_s)),
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "tocsin", "Accept-Encoding": "identity"},
        )

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, Any] | None = None,
        form: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
    ) -> Answer:
        """One request, no redirect, at most `MAX_BODY` of answer, all of it within `timeout_s`.

        Raises `Blocked` when the host policy forbids it, `Unreachable` when there is no usable answer.
        """
        written = _Written()
        if not self._prepared:  # outside the time that the other side has
            await asyncio.to_thread(_tls)
            self._prepared = True
        try:
            request = self._client.build_request(
                method,
                url,
                params=dict(params) if params else None,
                data=dict(form) if form is not None else None,
                content=body,
                headers=dict(headers or {}),
                extensions={"trace": written},
            )
            async with asyncio.timeout(self._timeout_s):
                return await self._exchange(request, auth)
        except TimeoutError as e:
            raise Unreachable(f"no answer within {self._timeout_s:g} s", written=written.yes) from e
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as e:
            raise Blocked(f"not an http or https address: {e}") from e
        except httpx.TransportError as e:
            said = str(e) or "the connection broke"  # of a reset there are no words
            raise Unreachable(f"{type(e).__name__}: {said}", written=written.yes) from e

    async def _exchange(self, request: httpx.Request, auth: tuple[str, str] | None) -> Answer:
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise httpx.UnsupportedProtocol(str(request.url.scheme) or "no scheme")
        async with self._transport.lane(request.url) as lane:
            request.extensions[_LANE] = lane
            by_url = httpx.USE_CLIENT_DEFAULT  # what the address itself carries as user:password@
            return await _read(await self._client.send(request, auth=auth or by_url, stream=True))

    async def close(self) -> None:
        await self._client.aclose()


class _Written:
    """Listens to httpx's trace extension: from the first header on, the other side may have the request."""

    def __init__(self) -> None:
        self.yes = False

    async def __call__(self, name: str, info: Mapping[str, Any]) -> None:
        self.yes = self.yes or name.endswith(".send_request_headers.started")


async def _read(response: httpx.Response) -> Answer:
    body = bytearray()
    try:
        async for chunk in response.aiter_raw():  # never unpacked: a packed body can be any size
            body += chunk
            if len(body) > MAX_BODY:
                raise httpx.ReadError(f"the answer is larger than {MAX_BODY} bytes")
    finally:
        await response.aclose()
    return Answer(response.status_code, _lower(response.headers.items()), bytes(body))


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}
