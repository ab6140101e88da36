"""The programs that are measured: `tocsin serve`, a FastAPI handler that only reads the body, Debian's Alertmanager.

Each is a process of its own on loopback, with its data in a directory that goes away with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Final, Self

READY_WITHIN_S: Final = 60.0
END_WITHIN_S: Final = 30.0
_ROOT: Final = Path(__file__).resolve().parents[3]

# In a process of its own and as text, because no room but web knows FastAPI.
NOOP: Final = """
import sys, uvicorn
from fastapi import FastAPI, Request
app = FastAPI(openapi_url=None)
@app.post("/{path:path}")
async def take(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False,
            log_level="error")
"""


class Failed(Exception):
    """A program did not start, ended, or refused what it was sent: there is nothing to report."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Program:
    """A child process that answers HTTP on `port`. Its output goes to `log`."""

    def __init__(self, name: str, command: Sequence[str], port: int, log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.port, self.log = name, port, log
        self._command, self._environment = list(command), dict(environment)
        self._child: subprocess.Popen[bytes] | None = None

    async def start(self, ready: str) -> float:
        """Returns the seconds from the command to the first 200 of `ready`, a path. "" : it accepts connections."""
        began = perf_counter()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: ASYNC220  # asyncio's would be told of its end by a watcher only
                self._command,
                env=_without_ours() | {"PYTHONPATH": str(_ROOT), **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        while not await _answers(self.port, ready):
            if self._child.poll() is not None or perf_counter() - began > READY_WITHIN_S:
                raise Failed(f"{self.name} did not start: {self.log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.005)
        return perf_counter() - began

    async def settled(self, last: str) -> None:
        """Returns when the rest of it is there, which it builds after it is ready: at the first 200 of `last`, a path.
        What is measured idle must not be measured beside that."""
        while not await _answers(self.port, last):
            if self._child is None or self._child.poll() is not None:
                raise Failed(f"{self.name} ended: {self.log.read_text(errors='replace')[-2000:]}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        if self._child is None:
            return
        for sign in (signal.SIGTERM, signal.SIGKILL):
            self._child.send_signal(sign)
            if await _ended(self._child):
                break
        self._child = None

    @property
    def rss_mb(self) -> float:
        """Resident memory of the process itself, in 10^6 bytes."""
        if self._child is None:
            raise Failed(f"{self.name} does not run")
        pages = int(Path(f"/proc/{self._child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def serve(data_dir: Path, environment: Mapping[str, str] | None = None) -> Program:
    """`tocsin serve` as an installation runs it, on a durable database of its own."""
    port = free_port()
    told = {
        "TOCSIN_DATA_DIR": str(data_dir),
        "TOCSIN_LISTEN": f"127.0.0.1:{port}",
        "TOCSIN_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "TOCSIN_LOG_LEVEL": "warning",
        **(environment or {}),
    }
    return Program("tocsin serve", [sys.executable, "-m", "app", "serve"], port, data_dir.with_suffix(".log"), told)


def noop(directory: Path) -> Program:
    port = free_port()
    return Program("the no-op", [sys.executable, "-c", NOOP, str(port)], port, directory / "noop.log", {})


def alertmanager(directory: Path) -> Program | None:
    """None where Debian's package is not installed."""
    found = shutil.which("prometheus-alertmanager")
    if found is None:
        return None
    port = free_port()
    config = directory / "alertmanager.yml"
    config.write_text("route: {receiver: nobody, group_by: [alertname]}\nreceivers: [{name: nobody}]\n")
    command = [found, f"--config.file={config}", f"--storage.path={directory / 'alertmanager'}", "--log.level=error",
               f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="]  # fmt: skip
    return Program("Alertmanager", command, port, directory / "alertmanager.log", {})


async def _ended(child: subprocess.Popen[bytes]) -> bool:
    for _ in range(int(END_WITHIN_S * 100)):
        if child.poll() is not None:
            return True
        await asyncio.sleep(0.01)
    return False


def _without_ours() -> dict[str, str]:
    """The environment without the settings of whatever else runs here."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TOCSIN_")}


async def _answers(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        if not path:
            return True
        writer.write(f"GET {path} HTTP/1.0\r\nHost: bench\r\n\r\n".encode())
        return (await reader.readline()).split()[1:2] == [b"200"]
    except OSError:
        return False
    finally:
        writer.close()
