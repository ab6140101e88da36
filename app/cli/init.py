"""`tocsin init`: from an empty database to an organisation somebody can log in to."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from pydantic import ValidationError

from app import settings
from app.access import api_keys
from app.channels import registry
from app.cli import running, telling
from app.configuration import founding
from app.configuration.founding import Founded
from app.db import migrate
from app.db.engine import transaction
from app.directory import store
from app.directory.contact_methods import Channels
from app.directory.documents import ContactMethodDocument, OrganisationEdit, UserDocument
from app.errors import Invalid, field_message
from app.settings import Settings

app = typer.Typer(add_completion=False)

OPTIONS: Final = {"sms": ("--phone", "TOCSIN_TWILIO_*"), "mail": ("--mail", "TOCSIN_SMTP_URL")}
"""For a channel the option that takes its address, and the settings it needs."""
SCOPES: Final = ["read", "respond", "configure", "admin"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for, checked."""

    organisation: OrganisationEdit
    admin: UserDocument
    reached_by: list[ContactMethodDocument]
    api_key: str | None


@app.command()
def init(
    organisation: Annotated[str | None, typer.Option(help="The organisation's name.")] = None,
    time_zone: Annotated[str | None, typer.Option(help="Its IANA zone, e.g. Europe/Berlin.")] = None,
    name: Annotated[str | None, typer.Option(help="The first admin's name.")] = None,
    email: Annotated[str | None, typer.Option(help="The mail address the first admin logs in with.")] = None,
    key: Annotated[
        str | None, typer.Option(help="The first admin's key in URLs and documents (from the name).")
    ] = None,
    phone: Annotated[
        str | None, typer.Option(help="A mobile number to page the first admin at; counts without a code.")
    ] = None,
    mail: Annotated[
        str | None, typer.Option(help="A mail address to page the first admin at; counts without a code.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Also make an API key of this name for programs, e.g. for `tocsin apply`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout, and no questions.")] = False,
) -> None:
    """Make the organisation and its first admin, once.

    The first admin is also who is paged for what has no policy, and the last resort, until you say otherwise.
    Prints a link that sets the admin's password, once, within 24 hours. Before that nothing can be logged in to.

    Asks for what the options leave out when a person is there to answer. Run again it changes nothing, says so, and
    exits 0. For a new link: `tocsin user link KEY`.
    """
    with telling.explained():
        s = settings.read()
        ask = sys.stdin.isatty() and not as_json
        given = {"organisation": organisation, "time-zone": time_zone, "name": name, "email": email}
        questions = Questions(given, ask)
    running.run(_init(s, questions, key, {"sms": phone, "mail": mail}, api_key, as_json))


@dataclass(slots=True)
class Questions:
    """The options that must be there, asked for where they are not."""

    given: dict[str, str | None]
    ask: bool

    def answers(self) -> dict[str, str]:
        if not self.ask and (missing := [f"--{name}" for name, value in self.given.items() if not value]):
            raise Invalid(f"missing: {', '.join(missing)} (nobody is here to be asked)")
        texts = {
            "organisation": ("Organisation", None),
            "time-zone": ("Time zone", _zone_of_this_machine()),
            "name": ("Your name", None),
            "email": ("Your mail address", None),
        }
        return {
            name: value or typer.prompt(texts[name][0], default=texts[name][1], err=True)
            for name, value in self.given.items()
        }


async def _init(
    s: Settings,
    questions: Questions,
    key: str | None,
    reached_at: dict[str, str | None],
    api_key: str | None,
    as_json: bool,
) -> None:
    channels = registry.channels(s)  # without those whose addresses are secrets: no option here takes one
    async with running.engine(s) as engine:
        await migrate.upgrade(engine)
        async with transaction(engine) as (conn, _):
            there = await store.organisation(conn)
        if there is not None:
            _tell_done(there.document.name, as_json)
            return
        wanted = _checked(questions.answers(), key, reached_at, api_key)
        _check_addresses(wanted.reached_by, channels)
        async with transaction(engine) as (conn, now):
            made = await founding.found(
                conn,
                now,
                name=wanted.organisation.name,
                time_zone=wanted.organisation.time_zone,
                admin=wanted.admin,
                reached_by=wanted.reached_by,
                channels=channels,
                actor=running.ACTOR,
            )
            secret = await _api_key(conn, now, wanted.api_key)
    for channel in channels.values():
        await channel.close()
    _tell_made(s, wanted, made, secret, as_json)


async def _api_key(conn: Any, now: datetime, key: str | None) -> str | None:
    if key is None:
        return None
    return await api_keys.create(
        conn, now, actor=running.ACTOR, key=key, name=f"{key}, made by tocsin init", scopes=SCOPES
    )


def _checked(answers: dict[str, str], key: str | None, at: dict[str, str | None], api_key: str | None) -> Wanted:
    """Raises `Invalid` naming the option."""
    if api_key is not None:
        checked_key(api_key, "--api-key")
    try:
        return Wanted(
            OrganisationEdit(name=answers["organisation"].strip(), time_zone=answers["time-zone"].strip()),
            UserDocument(
                key=key or key_of(answers["name"]),
                name=answers["name"].strip(),
                email=answers["email"].strip(),
                role="admin",
            ),
            [ContactMethodDocument.model_validate({"channel": c, "address": a}) for c, a in at.items() if a],
            api_key,
        )
    except ValidationError as wrong:
        first = wrong.errors()[0]
        option = str(first["loc"][0]).replace("_", "-")
        option = "organisation" if wrong.title == "OrganisationEdit" and option == "name" else option
        raise Invalid(f"--{option}: {field_message(dict(first))}") from None


def checked_key(key: str, option: str) -> None:
    """Raises `Invalid` naming the option."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", key):
        raise Invalid(f"{option} takes lower case letters, digits, - and _")


def _check_addresses(methods: list[ContactMethodDocument], channels: Channels) -> None:
    """Raises `Invalid` naming the option."""
    for method in methods:
        option, needed = OPTIONS[method.channel]
        if method.channel not in channels:
            raise Invalid(f"{option} needs {needed}: that channel is not configured here")
        try:
            channels[method.channel].normalise(method.address)
        except Invalid as wrong:
            raise Invalid(f"{option}: {wrong.message}") from None


def key_of(name: str) -> str:
    """`Ana María` is `ana-maria`; what has no Latin letters is `admin`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:64]
    return "admin" if key in ("", "me") else key


def _zone_of_this_machine() -> str:
    """The IANA zone of /etc/localtime, where that says one."""
    parts = Path("/etc/localtime").resolve().parts
    return "/".join(parts[parts.index("zoneinfo") + 1 :]) if "zoneinfo" in parts else "UTC"


def _tell_done(name: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"created": False, "organisation": name}))
    else:
        print(f"This database belongs to {name} already; nothing was changed.")
        print("For a new password link: tocsin user link KEY")


def _tell_made(s: Settings, wanted: Wanted, made: Founded, secret: str | None, as_json: bool) -> None:
    link = f"{s.public_url}/password/{made.password_token}"
    if as_json:
        facts = {
            "created": True,
            "organisation": wanted.organisation.name,
            "admin": made.admin_key,
            "password_link": link,
            "password_token": made.password_token,
            "expires_at": made.expires_at.isoformat(),
            "api_key": secret,
        }
        print(json.dumps(facts))
        return
    print(f"{wanted.organisation.name} is founded, and {wanted.admin.name} ({made.admin_key}) is its admin.\n")
    print(f"Set the password here, once, within 24 hours, while `tocsin serve` runs:\n\n  {link}\n")
    if secret is not None:
        print(f"The API key {wanted.api_key}, shown this once:\n\n  {secret}\n")
    if not wanted.reached_by:
        print("Nobody can be paged yet: give yourself a verified contact method. `tocsin doctor` says what is missing.")
