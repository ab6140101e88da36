"""`tocsin user`: what helps people back in when nobody can help them from inside."""

from __future__ import annotations

from typing import Annotated

import typer

from app import settings
from app.access import commands as access
from app.cli import running, telling
from app.db.engine import transaction
from app.directory import people
from app.errors import Conflict
from app.settings import Settings

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.callback()
def user() -> None:
    """Help people back in, from the machine itself."""


@app.command()
def link(key: Annotated[str, typer.Argument(help="The user's key, e.g. ana.", metavar="KEY")]) -> None:
    """Print a new link with which a user sets a password, once, within 24 hours.

    For an admin who is locked out: an admin who is not gives links to others on the screens. Links given before stop
    working, sessions go on until the password is set. It is on record who asked: whoever has a shell on this machine.
    """
    with telling.explained():
        s = settings.read()
    print(running.run(_link(s, key)))


async def _link(s: Settings, key: str) -> str:
    async with running.engine(s) as engine, transaction(engine) as (conn, now):
        found = await people.read_user(conn, key)
        if not found.document.active:
            raise Conflict(f"{key!r} is not active and cannot log in", code="inactive")
        token = await access.give_password_link(conn, now, found.id, key, actor=running.ACTOR)
    return f"{s.public_url}/password/{token}"
