"""Processes of the service inside the running loop: web on a real socket, workers that tick when told."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn

from app.dev import wire
from app.main import Tocsin
from app.settings import Settings

PUBLIC_URL = "https://tocsin.test"
"""The address that messages and providers are given; the town knows where it is really served."""


@dataclass(frozen=True, slots=True)
class Web:
    """A web process. `port` is where it listens on loopback."""

    process: Tocsin
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @classmethod
    @asynccontextmanager
    async def serving(cls, settings: Settings, database_url: str) -> AsyncIterator[Web]:
        process = Tocsin(replace(settings, roles=("web",)), database_url)
        async with process.running():
            with socket.create_server(("127.0.0.1", 0)) as listening:
                config = uvicorn.Config(process.asgi, lifespan="off", log_level="warning", access_log=False)
                config.load()
                server = uvicorn.Server(config)
                server.lifespan = config.lifespan_class(config)
                await server.startup(sockets=[listening])
                try:
                    yield cls(process, listening.getsockname()[1])
                finally:
                    server.should_exit = True
                    await server.shutdown(sockets=[listening])


class Doomed:
    """A worker process outside."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    async def born(cls, settings: Settings, database_url: str) -> Doomed:
        told = {
            f"TOCSIN_{name.upper()}": str(getattr(settings, name))
            for name in ("data_dir", "public_url", "secret_key", "twilio_account_sid", "twilio_auth_token",
                         "twilio_from", "twilio_base_url", "smtp_url", "mail_from", "allow_private_networks")
        }  # fmt: skip
        told |= {"TOCSIN_DATABASE_URL": database_url, "TOCSIN_ROLES": "worker", "PATH": os.environ.get("PATH", "")}
        root = Path(__file__).resolve().parents[3]
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(Path(__file__).with_name("process.py")),
            env=told | {"PYTHONPATH": str(root)}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        return cls(process)

    async def kill(self) -> None:
        """`kill -9`, and it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()


class Watchdog:
    """What somebody else's monitoring is told when paging itself does not work."""

    process: Tocsin

    def __init__(self) -> None:
        self.posted: list[wire.Request] = []
        self.server = wire.Server(self._take)

    async def looks(self) -> None:
        """The process looks now, instead of within 15 s."""
        await self.process.second_path.check()

    async def _take(self, request: wire.Request) -> wire.Answer:
        self.posted.append(request)
        return wire.Answer(200)


@asynccontextmanager
async def worker(settings: Settings, database_url: str) -> AsyncIterator[Tocsin]:
    """A process with the role worker whose metronome is not started."""
    process = Tocsin(replace(settings, roles=("worker",)), database_url)
    async with AsyncExitStack() as parts:
        parts.push_async_callback(process.engine.dispose)
        parts.push_async_callback(process.second_path.close)
        parts.push_async_callback(process.calendars.close)
        parts.push_async_callback(process.vigil.close)
        for channel in (*process.channels.values(), process.webhooks):
            parts.push_async_callback(channel.close)
        yield process
