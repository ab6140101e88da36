"""People from a table: CSV as spreadsheets write it.

One header line, whose names are taken forgivingly; comma, semicolon, tab or bar between cells; UTF-8 with or without a
byte order mark, UTF-16 with one, else Windows-1252. Every line that cannot be right is named, and then nothing is
imported.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from app.errors import Invalid
from app.moving.draft import Draft
from app.moving.keys import clean, key_of
from app.moving.moved import Moved, Source
from app.moving.persons import Method, Person
from app.moving.phones import check_country, e164
from app.moving.rails_zones import iana

HEADERS: Final[dict[str, tuple[str, ...]]] = {
    "name": ("name", "fullname", "displayname", "person", "user", "username", "employee"),
    "first": ("firstname", "givenname", "forename", "vorname"),
    "last": ("lastname", "surname", "familyname", "nachname"),
    "email": ("email", "mail", "emailaddress", "mailaddress", "login", "workemail"),
    "phone": ("phone", "phonenumber", "mobile", "mobilephone", "mobilenumber", "cell", "cellphone", "sms", "number",
              "telephone", "tel", "telefon", "handy"),
    "time_zone": ("timezone", "tz", "zone", "zeitzone"),
    "teams": ("team", "teams", "group", "groups", "department"),
    "role": ("role", "rolle", "permission"),
}  # fmt: skip
ROLES: Final = {
    "viewer": "viewer", "stakeholder": "viewer", "observer": "viewer", "readonly": "viewer",
    "operator": "operator", "responder": "operator", "user": "operator", "member": "operator", "": "operator",
    "manager": "manager", "teamlead": "manager", "admin": "admin", "administrator": "admin", "owner": "admin",
}  # fmt: skip
_MAIL: Final = re.compile(r"^[^\s@<>,;:\"\\]+@[^\s@<>,;:\"\\]+\.[^\s@<>,;:\"\\]+$")

Row = tuple[int, dict[str, str]]
"""The line in the file, and its cells by the members of `HEADERS`."""


def read(sources: Sequence[Source], existing: Mapping[str, object], country: str | None = None) -> Moved:
    """`sources` hold bytes. `country`: two letters, for numbers without a country code. Raises `Invalid`, whose errors
    name every bad line."""
    country = None if country is None else check_country(country)
    errors: list[dict[str, str]] = []
    persons: dict[str, Person] = {}
    teams: dict[str, list[str]] = {}
    repeated: list[tuple[str, str]] = []
    for source in sources:
        for line, cells in _rows(source):
            where = f"{source.name}, line {line}"
            person, wrong = _person(cells, where, country)
            errors += [{"field": where, "message": message} for message in wrong]
            before = persons.get(person.id)
            if before is not None and before != _moved_to(person, before.where):
                errors.append({"field": where, "message": f"{person.email} is there already: {before.where}"})
            elif before is not None:
                repeated.append((where, before.where))
            persons.setdefault(person.id, person)
            for team in _listed(cells.get("teams", "")):
                teams.setdefault(team, []).append(person.id)
    if errors:
        raise Invalid(f"{errors[0]['field']}: {errors[0]['message']}", errors=errors)
    draft = Draft(existing, persons.values())
    for where, first in repeated:
        draft.note("told", "the same person again", where, f"as {first}", "taken once")
    _teams(draft, teams, persons)
    return draft.done()


def _moved_to(person: Person, where: str) -> Person:
    return Person(person.id, person.name, person.email, person.role, person.time_zone, person.methods, (), where)


def _rows(source: Source) -> Iterator[Row]:
    text = _decoded(source.value)
    lines = text.splitlines(keepends=True)
    skipped = 0
    if lines and re.match(r"sep=.\s*$", lines[0]):  # Excel's own word on what is between cells
        skipped, lines = 1, lines[1:]
    header = next((line for line in lines if line.strip()), "")
    delimiter = max(",;\t|", key=header.count)
    reader = csv.reader(io.StringIO("".join(lines), newline=""), delimiter=delimiter)
    columns: list[str | None] | None = None
    before = 0
    for cells in reader:
        line, before = before + 1 + skipped, reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if columns is None:
            columns = _columns(source.name, cells)
            continue
        named: dict[str, str] = {}
        for column, cell in zip(columns, cells, strict=False):
            if column and (value := _cell(cell)):
                named[column] = f"{named[column]};{value}" if column in named else value
        yield line, named
    if columns is None:
        raise Invalid(
            f"{source.name}: it is empty; its first line names the columns: name, email, phone, time zone, team, role"
        )


def _decoded(value: object) -> str:
    data = value if isinstance(value, bytes) else str(value).encode()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _columns(file: str, cells: Sequence[str]) -> list[str | None]:
    by_name = {name: column for column, names in HEADERS.items() for name in names}
    found = [by_name.get(re.sub(r"[^a-z]", "", key_of(_cell(cell)))) for cell in cells]
    if "email" not in found:
        names = ", ".join(_cell(cell) for cell in cells)
        raise Invalid(f"{file}: no column is for mail addresses; call one email. It has: {names}")
    if "name" in found and {"first", "last"} & set(found):
        return [column if column not in ("first", "last") else None for column in found]
    return found


def _cell(cell: str) -> str:
    """Without what spreadsheets put around texts that look like numbers: '+49 and ="+49"."""
    text = " ".join(cell.replace("\u00a0", " ").replace("\u202d", "").replace("\u202c", "").split())
    if text.startswith('="') and text.endswith('"'):
        text = text[2:-1]
    return text.removeprefix("'").strip()


def _person(cells: Mapping[str, str], where: str, country: str | None) -> tuple[Person, list[str]]:
    """Somebody, and everything that is wrong with the line."""
    wrong = []
    email = cells.get("email", "").removeprefix("mailto:").lower()
    if not _MAIL.match(email):
        wrong.append(f"{email!r} is no mail address" if email else "the mail address is missing")
    name = cells.get("name") or " ".join(filter(None, (cells.get("first"), cells.get("last"))))
    role = ROLES.get(re.sub(r"[^a-z]", "", cells.get("role", "").lower()))
    if role is None:
        wrong.append(f"there is no role {cells['role']!r}; give viewer, operator, manager or admin")
    zone = None
    try:
        zone = iana(cells["time_zone"]) if cells.get("time_zone") else None
    except Invalid as unknown:
        wrong.append(unknown.message)
    methods = [Method("mail", email)]
    for number in re.split(r"[;|]", cells.get("phone", "")):
        try:
            methods += [Method("sms", e164(number.strip(), country))] if number.strip() else []
        except Invalid as refused:
            wrong.append(refused.message)
    name = clean(name) or email.partition("@")[0].replace(".", " ").title()
    return Person(email, name, email, role or "operator", zone, tuple(dict.fromkeys(methods)), (), where), wrong


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(name for part in re.split(r"[;,|/]", text) if (name := clean(part))))


def _teams(draft: Draft, teams: Mapping[str, Sequence[str]], persons: Mapping[str, Person]) -> None:
    """Teams of the same key are one, however their names are written; those of Tocsin are found by name, too."""
    known = {clean(t["name"]).casefold(): t["key"] for t in _existing(draft)}
    members: dict[str, dict[str, str]] = {}
    names: dict[str, str] = {}
    for name, ids in teams.items():
        key = known.get(name.casefold()) or key_of(name) or f"team-{len(names) + 1}"
        names.setdefault(key, name)
        for id_ in ids:
            role = "manager" if persons[id_].role == "manager" else "member"
            members.setdefault(key, {})[draft.people.keys[id_]] = role
    for key, roles in members.items():
        draft.team(key, names[key], roles)


def _existing(draft: Draft) -> list[dict[str, str]]:
    found = draft.existing.get("teams")
    return found if isinstance(found, list) else []
