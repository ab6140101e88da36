"""`tocsin paper`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from sqlalchemy.exc import SQLAlchemyError

from app import settings
from app.cli import running, telling
from app.db.embedded import ServerFailed
from app.db.engine import transaction
from app.settings import Settings
from app.vigil import files, paper_texts
from app.vigil.collecting import collect
from app.vigil.sheet import Sheet

app = typer.Typer(add_completion=False)


@app.command()
def paper(
    directory: Annotated[
        Path | None, typer.Option("--to", help="Write the HTML file into this directory; else TOCSIN_PAPER_DIR.")
    ] = None,
    html: Annotated[bool, typer.Option("--html", help="Print the HTML file.")] = False,
    as_text: Annotated[bool, typer.Option("--text", help="Print it as text.")] = False,
) -> None:
    """Write or print who is on call, phones, policies and open incidents, now.

    Needs a database that can be read and no running server. With neither --to nor TOCSIN_PAPER_DIR it prints text.
    When the database cannot be read, the file that lies there is made to say how old it is, and this exits 1.
    """
    with telling.explained():
        s = settings.read()
    where = directory or (Path(s.paper_dir).expanduser() if s.paper_dir else None)
    sheet = running.run(_read(s, where))
    if html or as_text or where is None:
        sys.stdout.write(paper_texts.html(sheet) if html else paper_texts.text(sheet))
    if where is not None and (directory is not None or not (html or as_text)):
        with telling.explained():
            telling.say(f"written to {_write(where, paper_texts.html(sheet))}")


async def _read(s: Settings, where: Path | None) -> Sheet:
    try:
        async with running.engine(s) as engine, transaction(engine) as (conn, now):
            return await collect(conn, now, s.public_url)
    except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ServerFailed):
        if where is not None and (page := files.former(where)) is not None:
            now = datetime.now(UTC)  # noqa: TID251  # the database, whose clock it would be, cannot be read
            old = paper_texts.restamped(page, now, "The database cannot be read, so there is no newer one.")
            if old is not None:
                files.write(where, old)
            telling.say(f"what lies in {where} is older; it says so at its top")
        raise


def _write(where: Path, page: str) -> Path:
    if files.is_open(where):
        telling.say(f"{where} can be read by others than its owner: chmod 700 it, phone numbers are in there")
    return files.write(where, page)
