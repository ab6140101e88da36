"""`tocsin import --from-api`: what the files of an export would hold, asked for at the source itself."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, Final

import typer

from app import clock
from app.channels.hosts import trusting
from app.channels.http import Http
from app.cli import telling
from app.cli.import_files import From
from app.errors import Invalid
from app.moving import opsgenie_api, pagerduty_api
from app.moving.asking import Asking
from app.moving.moved import Source

_APIS: Final[dict[From, Any]] = {From.pagerduty: pagerduty_api, From.opsgenie: opsgenie_api}
_TIMEOUT_S: Final = 60


def fetch(source: From, url: str | None) -> list[Source]:
    """Asks with the token of the environment or, where somebody is there, of a prompt: never of the command line, which
    every user of a machine can read. Raises `Invalid`."""
    if (api := _APIS.get(source)) is None:
        raise Invalid(f"--from-api asks {' and '.join(known.value for known in _APIS)}; of {source.value} give files")
    token = os.environ.get(api.VARIABLE, "").strip()
    if not token and sys.stdin.isatty():
        token = typer.prompt(f"Token of {source.value}'s REST API", hide_input=True, err=True).strip()
    if not token:
        raise Invalid(f"put the token of {source.value}'s REST API, one that may only read, into {api.VARIABLE}")
    if not token.isascii() or not token.isprintable():
        raise Invalid(f"{api.VARIABLE} holds no token")
    return asyncio.run(_fetch(api, url or api.URL, token))


async def _fetch(api: Any, url: str, token: str) -> list[Source]:
    # Whoever runs the command typed the address: it is trusted, wherever it is; nothing that it answers is.
    http = Http(trusting(url), timeout_s=_TIMEOUT_S)
    try:
        sources: list[Source] = await api.fetch(Asking(http, url, api.headers(token), _patiently))
        return sources
    finally:
        await http.close()


async def _patiently(seconds: float) -> None:
    telling.say(f"It asks to be left alone for {seconds:g} s.")
    await clock.pause(seconds)
