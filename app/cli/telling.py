"""What commands say to whoever typed them. Loads nothing: not every command needs a database."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from app.errors import Refusal


def say(line: str) -> None:
    """A line for people, on stderr: stdout is for what a program may read."""
    print(line, file=sys.stderr, flush=True)


def fail(message: str, code: int = 1) -> NoReturn:
    say(f"tocsin: {message}")
    raise typer.Exit(code)


@contextmanager
def explained() -> Iterator[None]:
    """What people can do something about becomes one line and exit code 1; anything else is a bug with a traceback."""
    try:
        yield
    except Refusal as e:
        fail(e.message)
    except OSError as e:  # TimeoutError is an OSError
        fail(f"{e.strerror or e or type(e).__name__}{f': {e.filename}' if e.filename else ''}")
