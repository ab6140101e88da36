"""What people read who wrote something that cannot be right: no regular expressions, no jargon, and where it stands."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.cli.export import _keys_first
from app.cli.remote import Answered, answer
from app.configuration import document
from app.errors import Invalid


@pytest.mark.parametrize(
    ("section", "entry", "field", "message"),
    [
        ("services", {"key": "My service", "name": "A"}, "key", "a key takes lower case letters"),
        ("services", {"key": "a", "name": " "}, "name", "it must not be blank"),
        ("services", {"key": "a", "name": ""}, "name", "it must not be empty"),
        ("services", {"key": "a"}, "name", "is missing"),
        ("services", {"key": "a", "name": "A", "polcy": "b"}, "polcy", "there is no such member here"),
        ("services", {"key": "a", "name": "A", "runbook_url": "wiki"}, "runbook_url", "give an address that begins"),
        ("users", {"key": "a", "name": "A", "email": "a", "role": "admin"}, "email", "give a mail address"),
        ("policies", {"key": "a", "name": "A\n", "steps": []}, "name", "it must not be blank, nor hold line breaks"),
    ],
)
def test_a_wrong_member_is_named_in_plain_words(section: str, entry: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        document.parse({section: [entry]})
    found = {e["field"]: e["message"] for e in refused.value.errors}
    assert found[f"{section}[0].{field}"].startswith(message)


def told(problem: dict[str, Any], status: int = 422) -> str:
    request = httpx.Request("POST", "http://tocsin.test/")
    with pytest.raises(Answered) as refused:
        answer(httpx.Response(status, json=problem, request=request))
    return refused.value.message


def test_a_reason_is_told_once_and_several_are_counted() -> None:
    one = {"field": "services[0].name", "message": "is missing"}
    two = {"field": "services[1].name", "message": "is missing"}
    assert told({"detail": "services[0].name: is missing", "errors": [one]}) == "services[0].name: is missing"
    assert told({"detail": "whatever", "errors": [one, two, one]}).splitlines() == [
        "2 things are wrong",
        "  services[0].name: is missing",
        "  services[1].name: is missing",
    ]
    assert told({"detail": "the body is needed", "errors": [{"field": "", "message": "no"}]}) == "no"


def test_a_conflict_says_where_in_the_document() -> None:
    problem = {"detail": "this mail address is another user's", "field": "email", "at": "users[3]"}
    assert told(problem, 409) == "users[3].email: this mail address is another user's"
    assert told({"detail": "no"}, 403) == "no"


def test_exported_entries_begin_with_their_key() -> None:
    exported = {"users": [{"name": "Ana", "key": "ana"}], "last_resort": [{"type": "user", "key": "ana"}]}
    shown = _keys_first(exported)
    assert shown == exported
    assert [list(entry) for section in shown.values() for entry in section] == [["key", "name"], ["type", "key"]]
