"""`tocsin demo`."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer

from app.dev import story

app = typer.Typer()


@app.command()
def demo(
    speed: Annotated[
        float | None, typer.Option(help="So many seconds pass in one: 60 makes minutes of seconds.", min=1.0, max=600.0)
    ] = None,
    port: Annotated[int, typer.Option(help="Where the screens are.", min=1, max=65535)] = 8080,
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
        raise typer.Exit(_script(speed or 60.0, as_json))


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
