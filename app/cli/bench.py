"""`tocsin bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from app.cli import telling
from app.dev import bench
from app.dev.bench import programs
from app.dev.bench.numbers import Value

app = typer.Typer(add_completion=False, no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quick = Annotated[bool, typer.Option("--quick", help="A rougher answer, in less than 40 seconds.")]
History = Annotated[
    bool, typer.Option("--history", help="Also with 10 million occurrences: minutes, and 10 GB of disk.")
]


@app.callback()
def about() -> None:
    """What Tocsin can do on this machine, beside a reference that runs in the same minutes."""


@app.command()
def intake(as_json: AsJson = False, quick: Quick = False, history: History = False) -> None:
    """Alerts a second through HTTP, over a handler that only reads the body and over Debian's Alertmanager.

    Everything is started on loopback and nothing is switched off: fsync, rules, receipts, timeline and metrics are on.
    Also what was lost (nothing may be), memory, and how long a start takes. What is not installed is null.
    """
    _show(lambda: bench.intake(quick=quick, history=history), as_json)


@app.command()
def paging(as_json: AsJson = False, quick: Quick = False, history: History = False) -> None:
    """From an alert to the request at the provider, idle and under load; bursts; how late 100,000 ladders are.

    Nothing may be lost and nothing sent twice.
    """
    _show(lambda: bench.paging(quick=quick, history=history), as_json)


def _show(measure: Callable[[], Mapping[str, Value]], as_json: bool) -> None:
    try:
        with telling.explained():
            report = measure()
    except programs.Failed as e:
        telling.fail(str(e))
    if as_json:
        print(json.dumps(report, indent=2))
        return
    width = max(len(name) for name in report)
    for name, value in report.items():
        print(f"{name:<{width}}  {'-' if value is None else value}")
