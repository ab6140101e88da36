"""`tocsin api-key`: for programs, and for whoever founded the organisation without one."""

from __future__ import annotations

from typing import Annotated

import typer

from app import settings
from app.access import api_keys
from app.cli import running, telling
from app.cli.init import checked_key
from app.db.engine import transaction
from app.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def api_key(
    key: Annotated[str, typer.Argument(help="What it is called, e.g. ci.", metavar="KEY")],
    scope: Annotated[
        list[str],
        typer.Option(help="What it may do, once for each: read, respond, configure, admin or metrics."),
    ] = ["read", "configure"],  # noqa: B006  # Typer copies it
) -> None:
    """Make an API key for a program, from the machine itself.

    Prints it, this once: `export TOCSIN_API_KEY=$(tocsin api-key ci)` is what `tocsin apply` and `tocsin export` need.
    It is a machine's key, no person's. It is on record that it was made here; `DELETE /api/v1/api-keys/KEY` revokes it.
    """
    with telling.explained():
        s = settings.read()
        checked_key(key, "KEY")
    print(running.run(_make(s, key, scope)))


async def _make(s: Settings, key: str, scopes: list[str]) -> str:
    async with running.engine(s) as engine, transaction(engine) as (conn, now):
        name = f"{key}, made by tocsin api-key"
        return await api_keys.create(conn, now, actor=running.ACTOR, key=key, name=name, scopes=scopes)
