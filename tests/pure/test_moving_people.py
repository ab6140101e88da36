"""People from a table, as spreadsheets write it: every bad line is named, and then nothing is imported."""

from __future__ import annotations

from typing import Any

import pytest
from moving_town import notices

from app.configuration import document
from app.errors import Invalid
from app.moving import table_of_people
from app.moving.keys import assigned, key_of
from app.moving.moved import Moved, Source


def read(text: str | bytes, country: str | None = None, existing: dict[str, Any] | None = None) -> Moved:
    data = text if isinstance(text, bytes) else text.encode()
    moved = table_of_people.read([Source("people.csv", data)], existing or {}, country)
    document.parse(moved.document)
    return moved


def refused(text: str, country: str | None = None) -> list[str]:
    with pytest.raises(Invalid) as wrong:
        read(text, country)
    return [f"{e['field']}: {e['message']}" for e in wrong.value.errors]


PLAIN = """\
name,email,phone,time zone,team,role
Ana María,ana@example.org,+49 30 901820,Europe/Berlin,Payments,admin
Ben,ben@example.org,030 901821,London,"Payments; Search",
"""


def test_a_plain_table():
    made = read(PLAIN, "DE").document
    assert made["users"] == [
        {"key": "ana-maria", "name": "Ana María", "email": "ana@example.org", "role": "admin",
         "time_zone": "Europe/Berlin", "contact_methods": [
            {"channel": "mail", "address": "ana@example.org"}, {"channel": "sms", "address": "+4930901820"}]},
        {"key": "ben", "name": "Ben", "email": "ben@example.org", "role": "operator",
         "time_zone": "Europe/London", "contact_methods": [
            {"channel": "mail", "address": "ben@example.org"}, {"channel": "sms", "address": "+4930901821"}]},
    ]  # fmt: skip
    assert made["teams"] == [
        {"key": "payments", "name": "Payments", "members": [{"user": "ana-maria"}, {"user": "ben"}]},
        {"key": "search", "name": "Search", "members": [{"user": "ben"}]},
    ]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.encode("cp1252"),
        PLAIN.replace("\n", "\r\n").encode(),
        ("sep=,\r\n" + PLAIN).encode(),
        PLAIN.replace("; ", "|").replace(",", ";").encode(),
        PLAIN.replace('"', "").replace(",", "\t").encode("utf-16"),
        ("Full Name,E-Mail,Mobile phone,Time-Zone,Groups,Rolle\n" + PLAIN.partition("\n")[2]).encode(),
        PLAIN.replace("+49 30", "'+49\u00a030").encode(),
        PLAIN.replace("+49 30 901820", '"=""+4930901820"""').encode(),
        PLAIN.replace("+49 30 901820", "0049 (0)30 / 901820").encode(),
        (PLAIN + ",,,,,\n\n").encode(),
    ],
    ids=["bom", "utf-16", "cp1252", "crlf", "sep", "semicolons", "tabs", "headers", "apostrophe", "formula",
         "zeros", "empty"],
)  # fmt: skip
def test_however_a_spreadsheet_writes_it(data: bytes):
    assert read(data, "DE").document == read(PLAIN, "DE").document


def test_first_and_last_names_and_names_from_addresses():
    made = read("first name,last name,mail\nAna,García,ana@example.org\n,,ben.smith@example.org\n").document
    assert [user["name"] for user in made["users"]] == ["Ana García", "Ben Smith"]


def test_every_bad_line_is_named_with_its_number():
    text = """\
name,email,phone,time zone,role
Ana,ana@example.org,030 901820,,
"Ben
Smith",not an address,+49 1,Europe/Berln,boss

Cara,,4.917E+11,,
Dan,dan@example.org,,,
Dan,dan@example.org,,,viewer
Dan,dan@example.org,,,
"""
    assert refused(text) == [
        "people.csv, line 2: 030 901820 has no country code; write it like +49 30 901820, or say --country",
        "people.csv, line 3: 'not an address' is no mail address",
        "people.csv, line 3: there is no role 'boss'; give viewer, operator, manager or admin",
        "people.csv, line 3: unknown time zone 'Europe/Berln': give an IANA name like Europe/Berlin; "
        "did you mean Europe/Berlin?",
        "people.csv, line 3: +49 1 is no phone number",
        "people.csv, line 6: the mail address is missing",
        "people.csv, line 6: 4.917E+11 was rounded by a spreadsheet; make the column text and enter the number again",
        "people.csv, line 8: dan@example.org is there already: people.csv, line 7",
    ]


def test_the_same_line_twice_is_taken_once_and_said():
    moved = read("email\nana@example.org\nANA@example.org\n")
    assert [user["key"] for user in moved.document["users"]] == ["ana"]
    assert "the same person again" in notices(moved, "told")
    assert "contact methods" in notices(moved, "told")


def test_two_people_of_one_name_have_keys_with_their_addresses():
    made = read("name,email\nAna,ana@example.org\nAna,a@example.org\n").document
    assert sorted(user["key"] for user in made["users"]) == ["ana-a-example-org", "ana-ana-example-org"]


def test_whoever_is_there_stays_as_they_are_and_teams_keep_their_members():
    existing = {
        "users": [{"key": "boss", "name": "Ana", "email": "ana@example.org", "role": "admin"},
                  {"key": "ben", "name": "Another Ben", "email": "other@example.org", "role": "viewer"}],
        "teams": [{"key": "pay", "name": "Payments", "members": [{"user": "zoe", "role": "manager"}]}],
    }  # fmt: skip
    made = read(PLAIN, "DE", existing).document
    assert [(user["key"], user["role"]) for user in made["users"]] == [
        ("ben-ben-example-org", "operator"),
        ("boss", "admin"),
    ]
    assert made["teams"][0] == {"key": "pay", "name": "Payments", "members": [
        {"user": "ben-ben-example-org"}, {"user": "boss"}, {"user": "zoe", "role": "manager"}]}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "country", "message"),
    [
        ("", None, "it is empty"),
        ("name,phone\nAna,1\n", None, "no column is for mail addresses"),
        ("email\na@example.org\n", "XX", "--country XX"),
    ],
)
def test_a_table_that_is_none(text: str, country: str | None, message: str):
    with pytest.raises(Invalid, match=message):
        read(text, country)


def test_keys_of_names():
    assert [key_of(name) for name in ("Ana María", "  R&D / EU ", "日本", "x" * 80)] == [
        "ana-maria",
        "r-d-eu",
        "",
        "x" * 64,
    ]
    keys, collided = assigned([("P1", "日本"), ("P2", "Ana"), ("P3", "ana"), ("P4", "me")], "user")
    assert keys == {"P1": "p1", "P2": "ana-p2", "P3": "ana-p3", "P4": "me-p4"}
    assert collided == {"ana": ["P2", "P3"], "me": ["P4"]}
