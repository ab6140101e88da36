"""`tocsin version`."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version as version_of
from typing import Annotated

import typer

from app.cli.release import VERSION
from app.db import migrate

app = typer.Typer(add_completion=False)


@app.command()
def version(as_json: Annotated[bool, typer.Option("--json", help="As one JSON object.")] = False) -> None:
    """Say which version this is, and what it runs on.

    With the newest revision of the database schema that it knows: `tocsin migrate` brings a database there.
    """
    facts = {
        "version": VERSION,
        "schema": migrate.head(),
        "python": platform.python_version(),
        "sqlalchemy": version_of("sqlalchemy"),
        "platform": platform.platform(),
    }
    if as_json:
        print(json.dumps(facts))
    else:
        print(f"tocsin {facts.pop('version')} ({', '.join(f'{name} {value}' for name, value in facts.items())})")
