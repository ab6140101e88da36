"""`tocsin demo`."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Final

import typer

from app import settings
from app.cli import telling
from app.dev import demo as playing
from app.dev import story
from app.dev.http import Refused
from app.dev.program import NotReady
from app.dev.prometheus import missing
from app.errors import Conflict, Invalid

app = typer.Typer(add_completion=False)

_PLACES: Final = ("TOCSIN_DATA_DIR", "XDG_DATA_HOME", "HOME")


@app.command()
def demo(
    speed: Annotated[
        float | None,
        typer.Option(
            help="So many seconds pass in one: 60 makes seconds of minutes (10, scripted 90).", min=1.0, max=600.0
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Where the screens are (8080, or any that is free).", min=1, max=65535)
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the data of the last time.")] = False,
    prometheus: Annotated[
        bool, typer.Option("--prometheus", help="Let a real Prometheus and Alertmanager send, where installed.")
    ] = False,
    script: Annotated[bool, typer.Option("--script", help="Play the whole story unattended, and exit 0 or 1.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --script: one JSON object on stdout.")] = False,
) -> None:
    """A playground: a service, two phones' worth of people and an alert.

    Starts Tocsin with its own database, a telephone exchange and a mail server on this machine's sockets, and Example
    Inc: Ana is on call, Ben is next, Cara is their manager. An alert fires, and the pages arrive here in the
    terminal. Open the link in one and acknowledge, or do nothing and see it climb. Nothing leaves this machine.

    --script plays fire, page, nobody answers, climb, acknowledge by the link, resolve, in under 20 seconds.
    """
    if script:
        raise typer.Exit(_script(speed or 90.0, as_json))
    with telling.explained(), _directory(keep) as directory:
        if prometheus and (absent := missing()):
            raise Invalid(
                f"--prometheus: {' and '.join(absent)} not found; on Debian: apt-get install {' '.join(absent)}"
            )
        try:
            asyncio.run(playing.run(directory, speed=speed or 10.0, port=_port(port), prometheus=prometheus))
        except (NotReady, Refused, AssertionError) as e:
            raise Conflict(str(e), code="demo") from None
        except KeyboardInterrupt:
            pass
    telling.say("The demo is over.")


@contextmanager
def _directory(keep: bool) -> Iterator[Path]:
    """Where the demo has its data, for it alone. Raises `Conflict` when another demo uses it."""
    directory = settings.read({k: v for k, v in os.environ.items() if k in _PLACES}).data_dir / "demo"
    directory.parent.mkdir(parents=True, exist_ok=True)
    with directory.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another demo runs in {directory}", code="demo") from None
        if not keep and directory.exists():
            shutil.rmtree(directory)
        yield directory


def _port(wanted: int | None) -> int:
    """The one that was asked for; else 8080, or any when somebody has that."""
    if wanted is not None:
        return wanted
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", 8080))
        except OSError:
            return 0
    return 8080


def _script(speed: float, as_json: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)  # as root the database runs as nobody and has to get in
        told = asyncio.run(story.play(Path(directory) / "data", speed=speed, tell=_nothing if as_json else _say))
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
    elif told["ok"]:
        print(f"The story went as told, in {told['took_s']} s.")
    else:
        print("\n".join([*told["log"], told["error"]]), file=sys.stderr)
    return 0 if told["ok"] else 1


def _say(line: str) -> None:
    print(line, flush=True)


def _nothing(line: str) -> None:
    """JSON speaks for itself."""
