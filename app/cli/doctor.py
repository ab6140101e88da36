"""`tocsin doctor`."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated

import typer

from app import settings
from app.cli import checks, findings, running
from app.cli.findings import Finding, problem
from app.errors import Invalid

app = typer.Typer(add_completion=False)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False) -> None:
    """Say what would keep a page from arriving.

    Looks at the settings, the database (version, schema, clocks), whether the last resort and everybody who is paged
    by something can be reached, whether anything is overdue, and asks the providers of SMS and mail whether they
    would take a message, without sending one. Changes nothing; starts the embedded database where it does not run.

    Exits 1 when there is a problem, 0 when all is well or there are warnings only.
    """
    found = running.run(_examine())
    if as_json:
        print(json.dumps(findings.document(found), ensure_ascii=False, indent=2))
    else:
        coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        print("\n".join(findings.table(found, coloured=coloured)))
    raise typer.Exit(0 if findings.well(found) else 1)


async def _examine() -> list[Finding]:
    try:
        s = settings.read()
        found = list(checks.of_settings(s))
        found += [finding async for finding in checks.of_channels(s)]
    except Invalid as e:
        return [problem("settings", e.message, "docs/configuration.md has them all.")]
    return found + [finding async for finding in checks.of_database(s)]
