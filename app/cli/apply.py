"""`tocsin apply`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from app.cli import plan_text, remote, telling
from app.configuration import yaml_text
from app.errors import Invalid

app = typer.Typer(add_completion=False)


@app.command()
def apply(
    file: Annotated[str, typer.Option("-f", "--file", help="The document, YAML or JSON; - is stdin.")],
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and stop.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also remove what a section of the document does not name.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan, or what was done, as JSON.")] = False,
    url: remote.Url = remote.DEFAULT_URL,
) -> None:
    """Make the configuration as a YAML document says.

    Goes over the HTTP API with the key in TOCSIN_API_KEY, which needs the scope configure. Shows a plan first and
    asks; what is applied is exactly what was shown, all of it or nothing. Entries are matched by `key`; a section
    that the document does not have is left alone; nothing is removed without --prune.

    Routing keys of new integrations are printed once, when they are made. `tocsin export` writes such a document.
    """
    with telling.explained(), remote.client(url) as client:
        document = _read(file)
        query = {"prune": "true"} if prune else {}
        response = client.post("/configuration/plan", json=document, params=query)
        planned = remote.answer(response)
        if plan or not planned["changes"]:
            _show(planned, done=False, as_json=as_json)
            return
        if not yes:
            _ask(planned, file)
        applied = _apply(client, document, query, planned["version"])
        _show(applied, done=True, as_json=as_json, brief=not yes)


def _read(name: str) -> Any:
    """The document as JSON values. Raises `Invalid`, OSError."""
    try:
        document = yaml_text.read(sys.stdin.read() if name == "-" else Path(name).read_text())
    except Invalid as wrong:
        raise Invalid(f"{name}: {wrong.message}") from None
    if not isinstance(document, dict):
        raise Invalid(f"{name}: a configuration is a mapping with sections like users, teams and services")
    return document


def _ask(planned: dict[str, Any], file: str) -> None:
    for line in plan_text.lines(planned, coloured=sys.stderr.isatty() and "NO_COLOR" not in os.environ):
        telling.say(line)
    if file == "-" or not sys.stdin.isatty():
        raise Invalid(f"{plan_text.summary(planned, done=False)} Nobody is here to be asked: add --yes to do it")
    typer.confirm(f"\n{plan_text.summary(planned, done=False)} Do it?", abort=True, err=True)


def _apply(client: httpx.Client, document: Any, query: dict[str, str], version: int) -> dict[str, Any]:
    """Exactly what was planned: the version makes it fail when something changed meanwhile."""
    headers = {"If-Match": f'"{version}"'}
    applied: dict[str, Any] = remote.answer(
        client.post("/configuration/apply", json=document, params=query, headers=headers)
    )
    return applied


def _show(told: dict[str, Any], *, done: bool, as_json: bool, brief: bool = False) -> None:
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    if not brief:
        for line in plan_text.lines(told, coloured=sys.stdout.isatty() and "NO_COLOR" not in os.environ):
            print(line)
    print(plan_text.summary(told, done=done))
    for integration, key in (told.get("routing_keys") or {}).items():
        print(f"routing key of {integration}, shown this once: {key}")
    for heartbeat, token in (told.get("ping_tokens") or {}).items():
        print(f"ping token of {heartbeat}, shown this once: {token}")
