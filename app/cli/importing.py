"""`tocsin import`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import typer

from app.cli import import_addresses, import_files, import_text, plan_text, remote, telling
from app.configuration import yaml_text
from app.errors import Invalid
from app.moving.comparing import Comparison
from app.moving.moved import GivenAddress, Moved, PlannedOverride

app = typer.Typer(add_completion=False, rich_markup_mode=None)


_WINDOW: Final = timedelta(days=400)
"""Overrides are listed for so long at most."""


HOW: Final = """
PagerDuty: curl -g -H "Authorization: Token token=$TOKEN"
"https://api.pagerduty.com/users?limit=100&include[]=contact_methods&include[]=notification_rules&include[]=teams",
.../teams, .../escalation_policies, .../services?include[]=integrations, and for every schedule
.../schedules/$ID?since=...&until=... with a month or two, to be compared.

Opsgenie: curl -H "Authorization: GenieKey $KEY" "https://api.opsgenie.com/v2/users?expand=contact",
.../v2/teams/$ID, .../v2/schedules?expand=rotation, .../v2/escalations, and for every schedule
.../v2/schedules/$ID/timeline?interval=1&intervalUnit=months and .../v2/schedules/$ID/overrides, into files that
have the schedule's ID in their names.

Grafana OnCall: curl -H "Authorization: $TOKEN" "$URL/api/v1/users/", teams, schedules, on_call_shifts,
escalation_chains, escalation_policies, integrations, routes, webhooks, and for every schedule
schedules/$ID/final_shifts?start_date=...&end_date=... into files that have the schedule's ID in their names.

--from-api does that for PagerDuty and Opsgenie: only reads, with the token in PAGERDUTY_TOKEN or OPSGENIE_API_KEY,
or else asks for it.

People: a CSV file with a header line: name, email, phone, time zone, team, role.
"""
"""How to get the files, for the end of the help."""


@app.command(epilog=HOW)
def import_(
    source: Annotated[import_files.From, typer.Argument(help="What the files are of.")],
    files: Annotated[list[str] | None, typer.Argument(help="Files or folders of the export; - is stdin.")] = None,
    from_api: Annotated[
        bool, typer.Option("--from-api", help="Ask the source's REST API in place of files: pagerduty, opsgenie.")
    ] = False,
    api_url: Annotated[
        str | None, typer.Option("--api-url", help="Where that API is, if elsewhere: https://api.eu.pagerduty.com")
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Show what would change, and stop.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before changing anything.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write the document to edit, for `tocsin apply`, and stop.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Write what has no equal, and every comparison, as JSON.")
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", help="For phone numbers without a country code: DE, US, ...")
    ] = None,
    without_contact_methods: Annotated[
        bool, typer.Option("--without-contact-methods", help="Leave contact methods and notification rules out.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan, or what was done, as JSON.")] = False,
    url: remote.Url = remote.DEFAULT_URL,
) -> None:
    """Move in from PagerDuty, Opsgenie, Grafana OnCall or a table of people.

    Reads what their REST APIs answer, says what has no equal here, compares every schedule shift by shift with the
    source's own rendering, shows the plan and asks. Then it does what `tocsin apply` does, over the HTTP API with the
    key in TOCSIN_API_KEY, all of it or nothing, and makes the overrides that are to come. Importing again changes
    nothing. docs/moving.md has what becomes of what.
    """
    with telling.explained():
        read = _reader(source, files or [], country, api_url, from_api=from_api)
        if output is not None and not (os.environ.get("TOCSIN_API_KEY") or os.environ.get("TOCSIN_API_KEY_FILE")):
            _write(*read({}), output, report, without_contact_methods)
            return
        with remote.client(url) as client:
            moved, comparisons = read(remote.answer(client.get("/configuration/export")))
            if output is not None:
                _write(moved, comparisons, output, report, without_contact_methods)
                return
            stdin_is_taken = "-" in (files or [])
            importing = _Import(client, moved, comparisons, as_json)
            importing.run(plan, yes, stdin_is_taken, report, without_contact_methods)


def _reader(
    source: import_files.From, files: list[str], country: str | None, api_url: str | None, *, from_api: bool
) -> Callable[[Mapping[str, object]], tuple[Moved, list[Comparison]]]:
    """Reads files, or what the API answers, given what Tocsin has. Raises `Invalid`."""
    if from_api == bool(files):
        raise Invalid("name files or folders of the export, or --from-api" if not files else "files, or --from-api")
    if not from_api:
        return lambda existing: import_files.read(source, files, existing, country)
    from app.cli import import_api  # noqa: PLC0415  # loads what few imports need

    sources = import_api.fetch(source, api_url)
    return lambda existing: import_files.parse(source, sources, existing, country)


class _Import:
    """One import, up to the end."""

    def __init__(self, client: httpx.Client, moved: Moved, comparisons: list[Comparison], as_json: bool) -> None:
        self.client = client
        self.moved = moved
        self.comparisons = comparisons
        self.as_json = as_json
        self.addresses: list[GivenAddress] = []

    def run(self, plan: bool, yes: bool, stdin_is_taken: bool, report: Path | None, bare: bool) -> None:
        told = import_text.report(self.moved, self.comparisons)
        _save(report, told)
        document = _without_contact_methods(self.moved.document) if bare else self.moved.document
        if self.moved.missing:
            self._tell(telling.say)
            count = len(self.moved.missing)
            things = "1 thing is" if count == 1 else f"{count} things are"
            raise Invalid(f"{things} missing, see above; --output writes what there is")
        response = self.client.post("/configuration/plan", json=document)
        planned = _planned(response)
        overrides = self._new_overrides(_date_of(response))
        self.addresses = import_addresses.wanted(self.client, self.moved.addresses)
        if plan or not (planned["changes"] or overrides or self.addresses):
            self._show(planned, overrides, told, done=False)
            return
        if not yes:
            self._ask(planned, overrides, stdin_is_taken)
        elif not self.as_json:
            self._tell(telling.say)
        applied = self._apply(document, planned)
        lost = import_addresses.give(self.client, self.addresses)
        refused = self._override(overrides)
        made = [o for o in overrides if o not in refused]
        self._show(applied, made, told, done=True)
        if lost:
            raise Invalid("\n  ".join([f"addresses refused: {len(lost)}; all else is done", *lost]))
        if refused:
            lines = [f"{import_text.override(o).removeprefix('+ ')}: {why}" for o, why in refused.items()]
            raise Invalid("\n  ".join([f"overrides refused: {len(lines)}; all else is done", *lines]))

    def _override(self, overrides: Sequence[PlannedOverride]) -> dict[PlannedOverride, str]:
        """Makes them; returns which were refused, and why."""
        refused = {}
        for override in overrides:
            path = f"/schedules/{override.schedule}/overrides"
            try:
                remote.answer(self.client.post(path, json=import_text.overriding(override)))
            except remote.Answered as no:
                refused[override] = no.message
        return refused

    def _apply(self, document: Any, planned: dict[str, Any]) -> dict[str, Any]:
        """Exactly what was planned."""
        headers = {"If-Match": f'"{planned["version"]}"'}
        applied: dict[str, Any] = remote.answer(
            self.client.post("/configuration/apply", json=document, headers=headers)
        )
        return applied

    def _new_overrides(self, now: datetime) -> list[PlannedOverride]:
        """Those to come that are not there yet."""
        coming = [o for o in self.moved.overrides if o.ends_at > now]
        there: dict[str, list[dict[str, Any]]] = {}
        for key in {o.schedule for o in coming}:
            until = max(o.ends_at for o in coming if o.schedule == key)
            there[key] = self._overrides(key, now, until)
        return [o for o in coming if not any(_is_there(o, one, now) for one in there[o.schedule])]

    def _overrides(self, key: str, start: datetime, end: datetime) -> list[dict[str, Any]]:
        """All of a schedule in a window; none of one that is yet to be made."""
        found: list[dict[str, Any]] = []
        query = {"from": import_text.zulu(start), "to": import_text.zulu(min(end, start + _WINDOW))}
        while True:
            response = self.client.get(f"/schedules/{key}/overrides", params=query)
            if response.status_code == 404:
                return []
            page = remote.answer(response)
            found += page["items"]
            if page["next"] is None:
                return found if start + _WINDOW >= end else found + self._overrides(key, start + _WINDOW, end)
            query["cursor"] = page["next"]

    def _ask(self, planned: dict[str, Any], overrides: Sequence[PlannedOverride], stdin_is_taken: bool) -> None:
        self._tell(telling.say)
        coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
        for line in _plan_lines(planned, overrides, self.addresses, coloured):
            telling.say(line)
        summary = _summary(planned, overrides, done=False)
        if stdin_is_taken or not sys.stdin.isatty():
            raise Invalid(f"{summary} Nobody is here to be asked: add --yes to do it")
        typer.confirm(f"\n{summary} Do it?", abort=True, err=True)

    def _tell(self, say: Callable[[str], None]) -> None:
        for line in [*import_text.notices(self.moved), *import_text.compared(self.comparisons)]:
            say(line)

    def _show(
        self, plan: dict[str, Any], overrides: Sequence[PlannedOverride], told: dict[str, Any], *, done: bool
    ) -> None:
        if self.as_json:
            made = [import_text.overriding(o) | {"schedule": o.schedule} for o in overrides]
            given = [f"{a.section}/{a.key}" for a in self.addresses]
            whole = {"plan": plan, "addresses": given, "overrides": made, "report": told, "done": done}
            print(json.dumps(whole, ensure_ascii=False, indent=2))
            return
        if not done:
            self._tell(print)
        for line in _plan_lines(plan, overrides, self.addresses, sys.stdout.isatty() and "NO_COLOR" not in os.environ):
            print(line)
        print(_summary(plan, overrides, done=done))
        for integration, key in (plan.get("routing_keys") or {}).items():
            print(f"routing key of {integration}, shown this once: {key}")


def _planned(response: httpx.Response) -> dict[str, Any]:
    try:
        planned: dict[str, Any] = remote.answer(response)
    except remote.Answered as no:
        if "is not configured here" in no.message:
            raise Invalid(f"{no.message}\n  --without-contact-methods leaves contact methods out") from None
        raise
    return planned


def _plan_lines(
    plan: dict[str, Any], overrides: Sequence[PlannedOverride], addresses: Sequence[GivenAddress], coloured: bool
) -> Iterable[str]:
    given = map(import_addresses.line, addresses)
    return [*plan_text.lines(plan, coloured=coloured), *given, *map(import_text.override, overrides)]


def _summary(plan: dict[str, Any], overrides: Sequence[PlannedOverride], *, done: bool) -> str:
    many = f"{len(overrides)} override{'s' if len(overrides) > 1 else ''}"
    more = f" {many} {'made' if done else 'to make'}." if overrides else ""
    return plan_text.summary(plan, done=done) + more


def _is_there(planned: PlannedOverride, one: Mapping[str, Any], now: datetime) -> bool:
    """Whether an override of Tocsin is this one, or what is left of it."""
    starts_at, ends_at = (datetime.fromisoformat(one[name]) for name in ("starts_at", "ends_at"))
    same = (one["kind"], one["user"], one["replaces"]) == (planned.kind, planned.user, planned.replaces)
    return same and starts_at <= max(planned.starts_at, now) and ends_at >= planned.ends_at


def _date_of(response: httpx.Response) -> datetime:
    """What the service's clock says; without it nothing is over, and the service refuses what is."""
    date = response.headers.get("date")
    return parsedate_to_datetime(date) if date else datetime.fromtimestamp(0, UTC)


def _write(moved: Moved, comparisons: list[Comparison], output: Path, report: Path | None, bare: bool) -> None:
    """The document to edit; what it cannot hold is said."""
    for line in [*import_text.notices(moved), *import_text.compared(comparisons)]:
        telling.say(line)
    if moved.overrides:
        telling.say(
            f"{len(moved.overrides)} overrides are no part of the document; an import without --output makes them."
        )
    if moved.addresses:
        telling.say(
            f"{len(moved.addresses)} addresses of calendars and webhooks are no part of the document;"
            " an import without --output gives them."
        )
    document = _without_contact_methods(moved.document) if bare else moved.document
    _save(report, import_text.report(moved, comparisons))
    output.write_text(yaml_text.write(document))


def _save(report: Path | None, told: dict[str, Any]) -> None:
    if report is not None:
        report.write_text(json.dumps(told, ensure_ascii=False, indent=2) + "\n")


def _without_contact_methods(document: dict[str, Any]) -> dict[str, Any]:
    gone = ("contact_methods", "notification_rules")
    users = [{name: of for name, of in user.items() if name not in gone} for user in document.get("users", [])]
    return document | ({"users": users} if users else {})
