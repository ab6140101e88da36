"""`tocsin lint`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import httpx
import typer

from app.cli import remote, telling

app = typer.Typer(add_completion=False)


@app.command()
def lint(
    keys: Annotated[list[str] | None, typer.Argument(help="Schedules; all of them if left out.")] = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far to look ahead.")] = 365,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when there is a warning.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON in place of text.")] = False,
    url: remote.Url = remote.DEFAULT_URL,
) -> None:
    """Say what is doubtful about schedules in the coming year.

    Gaps, people who left or cannot be reached, more than 7 days in a row, less than 11 hours of rest, handoffs at
    local times that do not exist or come twice. Under each finding: what to do about it.

    Goes over the HTTP API with the key in TOCSIN_API_KEY, which needs the scope read.
    """
    with telling.explained(), remote.client(url) as client:
        found = [_linted(client, key, days) for key in keys or _all(client)]
        if as_json:
            print(json.dumps(found, ensure_ascii=False, indent=2))
        else:
            for line in lines(found):
                print(line)
        if strict and any(f["level"] == "warning" for answer in found for f in answer["findings"]):
            raise typer.Exit(1)


def _linted(client: httpx.Client, key: str, days: int) -> dict[str, Any]:
    answer: dict[str, Any] = remote.answer(client.get(f"/schedules/{key}/lint", params={"days": days}))
    return answer


def _all(client: httpx.Client) -> Iterator[str]:
    cursor: str | None = None
    while True:
        listed = remote.answer(client.get("/schedules", params={"cursor": cursor} if cursor else {}))
        yield from (schedule["key"] for schedule in listed["items"])
        if (cursor := listed["next"]) is None:
            return


def lines(found: list[dict[str, Any]]) -> Iterator[str]:
    """For people: each schedule with its findings, and when the first of each is."""
    for answer in found:
        if not answer["findings"]:
            yield f"{answer['schedule']}: nothing doubtful"
        for finding in answer["findings"]:
            first = f" (first {finding['intervals'][0]['starts_at']})" if finding["intervals"] else ""
            yield f"{answer['schedule']}: {finding['level']}: {finding['message']}{first}"
            if finding.get("advice"):
                yield f"  {finding['advice']}"
