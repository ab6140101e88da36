"""A small HTTP client of the standard library, in threads: what a program or a browser would send. For development."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    """With lower-case names."""
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        return json.loads(self.body)


class Refused(Exception):
    """An answer other than 2xx where one was needed."""

    def __init__(self, what: str, reply: Reply) -> None:
        super().__init__(f"{what} was answered with {reply.status}: {reply.text[:500]}")
        self.reply = reply


class Client:
    """Requests to one `http://host:port`. `headers` go along with every request."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        parts = urlsplit(url)
        assert parts.scheme == "http"
        assert parts.hostname is not None
        self._host, self._port = parts.hostname, parts.port or 80
        self.headers = dict(headers or {})

    async def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises OSError when there is no answer."""
        return await asyncio.to_thread(self._request, method, path, body, self.headers | dict(headers or {}))

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        connection = HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        except HTTPException as e:
            raise ConnectionError(f"{method} {path}: {e!r}") from e
        finally:
            connection.close()

    async def get(self, path: str) -> Any:
        """The JSON of a 2xx answer. Raises `Refused`, OSError."""
        return _json(f"GET {path}", await self.request("GET", path))

    async def post(self, path: str, document: Any = None) -> Any:
        """Posts JSON; the JSON of a 2xx answer. Raises `Refused`, OSError."""
        body = b"" if document is None else json.dumps(document).encode()
        headers = {} if document is None else {"Content-Type": "application/json"}
        return _json(f"POST {path}", await self.request("POST", path, body, headers))

    async def submit(self, path: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> Reply:
        """Posts a form, as a browser does; redirects are not followed."""
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return await self.request("POST", path, urlencode(fields).encode(), form | dict(headers))


def _json(what: str, reply: Reply) -> Any:
    if not 200 <= reply.status < 300:
        raise Refused(what, reply)
    return reply.json() if reply.body else None
