"""`tocsin dry-run`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from app import hours
from app.cli import remote, telling
from app.configuration import yaml_text
from app.errors import Invalid

app = typer.Typer(add_completion=False)


@app.command()
def dry_run(
    integration: Annotated[
        str, typer.Argument(help="The key of the integration that would receive it; without one only with --incident.")
    ] = "",
    file: Annotated[str, typer.Option("-f", "--file", help="The payload, JSON; - is stdin.")] = "",
    label: Annotated[
        list[str] | None, typer.Option("--label", help="name=value of one alert, in place of a payload; repeatable.")
    ] = None,
    incident: Annotated[
        int, typer.Option("--incident", min=0, help="The number of an incident whose alerts arrive once more.")
    ] = 0,
    at: Annotated[
        str, typer.Option("--at", help="When: 2026-11-01T01:30, where the organisation is, or with an offset.")
    ] = "",
    watched: Annotated[int, typer.Option("--hours", help="For how long it is watched while nobody answers.")] = 2,
    schedule: Annotated[
        str, typer.Option("--schedule", help="A draft of a schedule, YAML or JSON, as if it were saved.")
    ] = "",
    policy: Annotated[str, typer.Option("--policy", help="A draft of a policy, likewise.")] = "",
    effective_from: Annotated[
        str, typer.Option("--effective-from", help="From when the draft of the schedule counts; else always.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
    url: remote.Url = remote.DEFAULT_URL,
) -> None:
    """Say what would happen if a payload arrived at some time.

    Or an alert with some labels (--label), or the alerts of an incident once more (--incident). Goes over the HTTP API
    with the key in TOCSIN_API_KEY, which needs the scope read of an operator. Shows the incident, every step, and every
    message with its text, as if nobody answered. Nothing is stored, nobody is told.
    """
    with telling.explained():
        if [bool(file), bool(label), bool(incident)].count(True) != 1:
            raise Invalid("give one of -f, --label and --incident")
        arriving = {"labels": _labels(label)} if label else {"incident": incident}
        body = {"hours": watched} | ({"payload": _payload(file)} if file else arriving)
        drafts = {"schedule": schedule and _draft(schedule), "policy": policy and _draft(policy)}
        more = {"integration": integration, "at": at, "effective_from": effective_from} | drafts
        body |= {name: value for name, value in more.items() if value != ""}
        _tell(body, url, as_json=as_json)


def _tell(body: Mapping[str, Any], url: str, *, as_json: bool) -> None:
    with remote.client(url) as client:
        told = remote.answer(client.post("/dry-runs", json=body))
    if as_json:
        print(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for line in lines(told):
        print(line)


def _labels(given: Sequence[str]) -> dict[str, str]:
    """Raises `Invalid`."""
    pairs = [one.partition("=") for one in given]
    if wrong := [one for one, (name, equals, _) in zip(given, pairs, strict=True) if not (name and equals)]:
        raise Invalid(f"--label {wrong[0]}: name=value is needed")
    if len({name for name, _, _ in pairs}) < len(pairs):
        raise Invalid("--label: a name is given twice")
    return {name: value for name, _, value in pairs}


def _payload(name: str) -> Any:
    """Raises `Invalid`, OSError."""
    try:
        return json.loads(_text(name))
    except ValueError as wrong:
        raise Invalid(f"{name}: not JSON: {wrong}") from None


def _draft(name: str) -> Any:
    """Raises `Invalid`, OSError."""
    try:
        return yaml_text.read(_text(name))
    except Invalid as wrong:
        raise Invalid(f"{name}: {wrong.message}") from None


def _text(name: str) -> str:
    return sys.stdin.read() if name == "-" else Path(name).read_text()


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """The answer of `/dry-runs` as somebody reads it in a terminal, in the organisation's time."""
    zone = told["time_zone"]
    yield f"{_when(told['at'], zone)} ({zone}), watched until {_when(told['until'], zone)}, nobody answers."
    if told.get("at_taken_as"):
        yield f"! {told['at_taken_as']}"
    for refused in told["refused"]:
        yield f"! cannot be used: {refused}"
    for alert in told["alerts"]:
        kept = f"kept quiet by {alert['suppressed']}" if alert["suppressed"] else "counts"
        yield f"Alert “{alert['title']}” of {alert['service']}: {kept}"
    for incident in told["incidents"]:
        policy = f", policy “{incident['policy']}”" if incident["policy"] else ""
        yield f"Incident “{incident['title']}”: P{incident['priority']}, {incident['loudness']}{policy}"
        why = [f"{i['what']} {i['value']}" for i in incident["verdict"].get("inputs", [])]
        if why:
            yield f"    because of {', '.join(why)}"
    if not told["incidents"]:
        yield "No incident is opened, nobody is paged."
    events = [(e["at"], 0, f"{e['text']}") for e in told["happened"]]
    events += [(m["at"], 1, f"  {_message(m)}") for m in told["messages"]]
    for at, _, text in sorted(events, key=lambda e: (e[0], e[1])):
        yield f"{_when(at, zone)}  {text}"
    if not told["complete"]:
        yield "… and more than is shown here."


def _message(message: Mapping[str, Any]) -> str:
    text = " ".join(str(message["text"]).split())
    if message["channel"] == "webhook":
        return f"-> webhook {message['to']} ({message['address']})"
    return f"-> {message['to']} by {message['channel']} {message['address']}: {text}"


def _when(text: str, zone: str) -> str:
    """With the year, and with the offset of a time that comes twice."""
    then = hours.local(datetime.fromisoformat(text), hours.zone(zone))
    return f"{then:%a %d %b %Y %H:%M:%S %Z}" if hours.comes_twice(then) else f"{then:%a %d %b %Y %H:%M:%S}"
