"""`tocsin export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli import remote, telling
from app.configuration import yaml_text

app = typer.Typer(add_completion=False)


@app.command()
def export(
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file in place of stdout.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of YAML.")] = False,
    url: remote.Url = remote.DEFAULT_URL,
) -> None:
    """Write the configuration as one YAML document.

    Teams, users, contact methods, services, integrations, schedules, policies, rules: what `tocsin apply` takes.
    Without secrets: passwords and routing keys are not in it. Overrides are not in it either, nor incidents.

    Goes over the HTTP API with the key in TOCSIN_API_KEY, which needs the scope configure.
    """
    with telling.explained(), remote.client(url) as client:
        document = _keys_first(remote.answer(client.get("/configuration/export")))
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n" if as_json else yaml_text.write(document)
        if output is None:
            print(text, end="")
        else:
            output.write_text(text)


def _keys_first(value: Any) -> Any:
    """Entries begin with their key, as people write them."""
    if isinstance(value, list):
        return [_keys_first(part) for part in value]
    if not isinstance(value, dict):
        return value
    first = ["key"] if "key" in value and "type" not in value else []
    return {name: _keys_first(value[name]) for name in dict.fromkeys([*first, *value])}
