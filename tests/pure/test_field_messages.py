"""What people read who wrote something that cannot be right: no regular expressions, no jargon, and where it stands."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.cli.export import _keys_first
from app.cli.remote import Answered, answer
from app.configuration import document
from app.errors import Invalid, wrong_members
from app.incidents import rule_kinds
from app.web.api.feeds import FeedNew
from app.web.api.webhooks import WebhookNew


@pytest.mark.parametrize(
    ("section", "entry", "field", "message"),
    [
        ("services", {"key": "My service", "name": "A"}, "key", "a key takes lower case letters"),
        ("services", {"key": "a", "name": " "}, "name", "it must not be blank"),
        ("services", {"key": "a", "name": ""}, "name", "it must not be empty"),
        ("services", {"key": "a", "name": "A" * 201}, "name", "it takes 200 characters at most"),
        ("services", {"key": "a"}, "name", "is missing"),
        ("services", {"key": "a", "name": "A", "polcy": "b"}, "polcy", "there is no such member here"),
        ("services", {"key": "a", "name": "A", "runbook_url": "wiki"}, "runbook_url", "give an address that begins"),
        ("users", {"key": "a", "name": "A", "email": "a", "role": "admin"}, "email", "give a mail address"),
        ("users", {"key": "a", "name": "A", "email": "a@b.c", "digest_at": "9:00"}, "digest_at", "give a time of day"),
        ("policies", {"key": "a", "name": "A\n", "steps": []}, "name", "it must not be blank, nor hold line breaks"),
    ],
)
def test_a_wrong_member_is_named_in_plain_words(section: str, entry: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        document.parse({section: [entry]})
    found = {e["field"]: e["message"] for e in refused.value.errors}
    assert found[f"{section}[0].{field}"].startswith(message)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"address": "ftp://x"}, "address", "give an address that begins with http:// or https://"),
        ({"address": "https://u:p@example.org/"}, "address", "give an address that begins with http:// or https://"),
        ({"address": "https://example.org/#x"}, "address", "give an address that begins with http:// or https://"),
        ({"address": "https://example.org#x"}, "address", "give an address that begins with http:// or https://"),
        ({"secrets": {"Token": "x"}}, "secrets.Token", "the name of a secret takes lower case letters"),
    ],
)
def test_what_is_wrong_about_a_webhook_is_said_in_plain_words(body: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        WebhookNew.model_validate({"key": "a", "name": "A", **body})
    [error] = wrong_members(refused.value.errors(), body)
    assert (error["field"], error["message"].startswith(message)) == (field, True), error


class Numbers(BaseModel):
    """One of each kind that the API has."""

    model_config = ConfigDict(strict=True)

    ge: Annotated[int, Field(ge=1)] = 1
    gt: Annotated[float, Field(gt=0.5)] = 1.0
    le: Annotated[int, Field(le=9)] = 1
    lt: Annotated[int, Field(lt=9)] = 1
    listed: Annotated[list[str], Field(min_length=2, max_length=3)] = []
    text: Annotated[str, Field(min_length=3)] = ""
    one: Literal["a", "b", "c"] = "a"
    truth: bool = True
    tree: dict[str, str] = {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"ge": 0}, "it must be 1 or more"),
        ({"gt": 0.5}, "it must be more than 0.5"),
        ({"le": 10}, "it must be 9 or less"),
        ({"lt": 9}, "it must be less than 9"),
        ({"ge": "1"}, "a whole number is needed"),
        ({"ge": 1.5}, "a whole number is needed"),
        ({"gt": "x"}, "a number is needed"),
        ({"listed": ["a"]}, "it takes 2 entries at least"),
        ({"listed": ["a"] * 4}, "it takes 3 entries at most"),
        ({"listed": "a"}, "a list is needed"),
        ({"text": "ab"}, "it takes 3 characters at least"),
        ({"text": 1}, "a text is needed"),
        ({"one": "d"}, "it must be 'a', 'b' or 'c'"),
        ({"truth": "yes"}, "true or false is needed"),
        ({"tree": []}, "an object is needed"),
    ],
)
def test_values_are_refused_in_plain_words(body: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Numbers.model_validate(body)
    assert [e["message"] for e in wrong_members(refused.value.errors(), body)] == [message]


@pytest.mark.parametrize("name", ["Ana\u202egnp.exe", "Ana\u2066", "a\nb", "a\x7fb"])
def test_a_name_turns_no_writing_around(name: str) -> None:
    with pytest.raises(ValidationError) as refused:
        FeedNew.model_validate({"name": name})
    [error] = wrong_members(refused.value.errors(), {"name": name})
    assert error["message"] == "it must not be blank, nor hold line breaks or control characters"
    assert FeedNew.model_validate({"name": " \u05d0\u05e0\u05d4 "}).name == "\u05d0\u05e0\u05d4"


RULE = {"key": "a", "name": "A", "when": "true"}


@pytest.mark.parametrize(
    ("kind", "then", "field"),
    [
        ("routing", {"hold": 5}, "hold"),
        ("routing", {"suppress": 1}, "suppress"),
        ("routing", {"labels": {"a b": "x"}}, "labels.a b"),
        ("routing", {"labels": {"a": 1}}, "labels.a"),
        ("correlation", {"key": ["labels.x", 5]}, "key[1]"),
        ("correlation", {"key": ["labels.x"], "threshold": {"count": 2}}, "threshold.within_minutes"),
        ("priority", {"impact": True}, "impact"),
    ],
)
def test_the_place_of_what_is_wrong_is_as_it_was_written(kind: str, then: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        rule_kinds.parse(rule_kinds.KINDS[kind], [RULE | {"then": then}])
    assert [e["field"] for e in refused.value.errors] == [f"rules[0].then.{field}"]


class Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    a: int


class Whole(BaseModel):
    model_config = ConfigDict(strict=True)

    part: Part | list[Part] | str


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({"part": {"a": "x"}}, ["part.a"]),
        ({"part": {}}, ["part.a"]),
        ({"part": {"a": 1, "b": 1}}, ["part.b"]),
        ({"part": [{"a": 1}, {"a": "x"}]}, ["part[1].a"]),
        ({"part": 5}, ["part", "part", "part"]),
        ({}, ["part"]),
    ],
)
def test_alternatives_leave_no_trace_in_the_place(document: dict[str, Any], fields: list[str]) -> None:
    with pytest.raises(ValidationError) as refused:
        Whole.model_validate(document)
    assert [e["field"] for e in wrong_members(map(dict, refused.value.errors()), document)] == fields


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
