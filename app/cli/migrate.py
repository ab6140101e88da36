"""`tocsin migrate`."""

from __future__ import annotations

from typing import Annotated

import typer
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from app import settings
from app.cli import running, telling
from app.db import migrate as migrations
from app.errors import Invalid
from app.settings import Settings

app = typer.Typer(add_completion=False)


@app.command()
def migrate(
    to: Annotated[str, typer.Option(help="The revision to go to, up or down; `head` is the newest.")] = "head",
    show: Annotated[
        bool, typer.Option("--show", help="List the revisions and where the database is; move nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Go down without asking: what is dropped is lost.")] = False,
) -> None:
    """Bring the database to the schema of this version.

    `tocsin serve` does this when it starts; by hand it is for going back, and for whoever wants to see it happen
    before. Programs that do it at the same time wait for one another. A statement that has to wait for a lock for
    more than 10 s gives up, and nothing has changed.
    """
    with telling.explained():
        s = settings.read()
    running.run(_show(s) if show else _move(s, to, yes))


def _revisions() -> list[tuple[str, str]]:
    """(revision, title), the oldest first."""
    script = ScriptDirectory.from_config(migrations.config())
    return [(r.revision, (r.doc or "").strip()) for r in script.walk_revisions()][::-1]


async def current(engine: AsyncEngine) -> str | None:
    """The revision of this database; None for an empty one."""
    async with engine.connect() as conn:
        return await conn.run_sync(_revision)


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


async def _show(s: Settings) -> None:
    async with running.engine(s) as engine:
        here = await current(engine)
    if here is None:
        print("  (empty)  <- the database is here")
    for revision, title in _revisions():
        print(f"  {revision}  {title}{'  <- the database is here' if revision == here else ''}")
    if migrations.is_newer(here):
        print(f"  {here}  (of a newer version of Tocsin)  <- the database is here")


async def _move(s: Settings, to: str, yes: bool) -> None:
    known = [revision for revision, _ in _revisions()]
    if to not in ("head", "base", *known):
        raise Invalid(f"--to: there is no revision {to!r}; known: base, {', '.join(known)}, head")
    async with running.engine(s) as engine:
        here = await current(engine)
        place = {"base": -1, "head": len(known) - 1}
        place |= {revision: i for i, revision in enumerate(known)}
        if place[to] < place.get(here or "base", -1):
            if not yes:
                typer.confirm(f"Go down from {here} to {to}? What is dropped is lost", abort=True, err=True)
            before, after = await migrations.downgrade(engine, to)
        else:
            before, after = await migrations.upgrade(engine, to)
    print(f"at {after}, nothing to do" if before == after else f"{before or 'empty'} -> {after or 'empty'}")
