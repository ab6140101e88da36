"""The service as a process of its own, as an operator would start it. For the demo, benches and tests."""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 40.0
_PR_SET_PDEATHSIG: Final = 1


class NotReady(Exception):
    """The process ended, or did not become ready in time. The text ends with what it said."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listened on a moment ago."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Ours without any setting of Tocsin, and these settings (names without `TOCSIN_`)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TOCSIN_") and k != "PYTHONDONTWRITEBYTECODE"}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return kept | {"PYTHONPATH": path} | {f"TOCSIN_{name.upper()}": value for name, value in settings.items()}


def given(*names: str) -> dict[str, str]:
    """Those of these settings (names without `TOCSIN_`) that our environment has."""
    values = {name: os.environ.get(f"TOCSIN_{name.upper()}", "") for name in names}
    return {name: value for name, value in values.items() if value}


async def tocsin(settings: Mapping[str, str], *arguments: str) -> tuple[int, str, str]:
    """Runs a `tocsin` command to its end: exit code, stdout, stderr."""
    process = await _start(settings, arguments, PIPE)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def tocsin_json(settings: Mapping[str, str], *arguments: str) -> Any:
    """Runs a command that prints JSON. Raises `NotReady` with its words when it fails."""
    code, out, err = await tocsin(settings, *arguments)
    if code != 0:
        raise NotReady(f"tocsin {' '.join(arguments)} ended with {code}: {err.strip()[-2000:]}")
    return json.loads(out)


class Service:
    """`tocsin serve` with these settings; its log goes to the file `log`. Ends with this program, however that ends."""

    def __init__(self, settings: Mapping[str, str], log: Path, *arguments: str) -> None:
        self._settings, self.log, self._arguments = settings, log, arguments
        self.greeting = ""
        self.process: Process | None = None

    async def start(self) -> None:
        """Returns when it is ready. Raises `NotReady`."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = await _start(self._settings, ["serve", *self._arguments], log.fileno())
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                self.greeting = (await self.process.stdout.readline()).decode().strip()
        except TimeoutError:
            raise NotReady(f"tocsin serve was not ready within {READY_WITHIN_S:.0f} s\n{self.tail()}") from None
        if "is ready" not in self.greeting:
            raise NotReady(f"tocsin serve ended\n{self.tail()}")

    async def stop(self) -> int:
        """Gracefully, the hard way when that takes too long. The exit code; 0 when it never ran."""
        if self.process is None:
            return 0
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_S):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


async def _start(settings: Mapping[str, str], arguments: Sequence[str], stderr: int) -> Process:
    # A session of its own: Ctrl-C is for whoever started it, who then ends it in order.
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-m",
        "app.cli",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=stderr,
        env=environment(settings),
        start_new_session=True,
        preexec_fn=end_with_parent,
    )


_libc: Final = ctypes.CDLL(None)


def end_with_parent() -> None:
    """For `preexec_fn`: the kernel asks the child to end when the thread that started it is gone."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
