"""Descriptions of gateways: what is wrong with them is said with its place; values are put in, never evaluated."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.channels.gateway_reading import order_mistakes, parse, secrets_of
from app.channels.gateway_values import Document, fill, fill_all, names_in, place_mistake
from app.channels.several import country_prefix
from app.errors import Invalid

GOOD: dict[str, Any] = {
    "gateways": [
        {
            "name": "acme",
            "channel": "sms",
            "secrets": {"key": {"env": "ACME_KEY"}},
            "send": {"url": "https://acme.example/{secret.key}", "form": {"to": "{to}", "text": "{text}"}},
            "taken": {"id": "id"},
        }
    ]
}


def changed(**of_gateway: Any) -> str:
    described = copy.deepcopy(GOOD)
    described["gateways"][0] |= of_gateway
    return yaml.safe_dump(described)


def test_nothing_described_is_no_gateway() -> None:
    assert parse("").gateways == []
    assert [g.name for g in parse(changed()).of("sms")] == ["acme"]


SEND = GOOD["gateways"][0]["send"]
REPORT = {"word": "state", "words": {"ok": "delivered"}}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "Acme"}, "gateway 'Acme': a name is lower case"),
        ({"name": "twilio"}, "gateway 'twilio': a name"),
        ({"channel": "fax"}, "Invalid enum value 'fax' - at $.gateways[0].channel"),
        ({"sned": {}}, "unknown field sned"),
        ({"send": SEND | {"url": "ftp://x/"}}, "send.url: starts with http"),
        ({"send": SEND | {"url": "https://{to}/"}}, "send.url: starts with http"),
        ({"send": SEND | {"form": {"to": "{too}", "text": "{text}"}}}, "send.{too}: there is no such value"),
        ({"send": SEND | {"headers": {"x": "{secret.other}"}}}, "send.{secret.other}: there is no such secret"),
        ({"send": SEND | {"form": {"to": "{to}"}}}, "send: says neither"),
        ({"send": SEND | {"json": {}}}, "send.form: a request has a form or json"),
        ({"send": SEND | {"query": {"x": "{id}"}}}, "send.{id}: is not known here"),
        ({"send": SEND | {"method": "GET"}}, "send.method: a GET has no body"),
        ({"taken": {"id": "/(/"}}, "taken.id: '/(/' is no regular expression"),
        ({"taken": {"when": {"a b": 1}}}, "taken.when: 'a b' is neither a path"),
        ({"timeout_s": 60}, "timeout_s is 1 to 15"),
        ({"status": {"request": {"url": "https://x/{id}"}, "report": REPORT | {"words": {"ok": "done"}}}},
         "status.report.words.ok: 'done' is none of accepted"),
        ({"status": {"request": {"url": "https://x/{id}"}, "report": REPORT | {"price": "p"}}},
         "status.report.currency: a price needs one"),
        ({"taken": {}, "status": {"request": {"url": "https://x/{id}"}, "report": REPORT}}, "taken.id: a status"),
        ({"status_callback": {"signed": {"secret": "hook", "header": "x"}, "report": REPORT}},
         "status_callback.signed: secret: there is no secret 'hook'"),
        ({"status_callback": {"signed": {"secret": "key", "former": "hook", "header": "x"}, "report": REPORT}},
         "status_callback.signed: former: there is no secret 'hook'"),
        ({"status_callback": {"signed": {"secret": "key"}, "report": REPORT}}, "takes either a header or a query"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_place(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as raised:
        parse(changed(**change))
    assert said in raised.value.message
    assert raised.value.message.startswith("TOCSIN_GATEWAYS: ")


@pytest.mark.parametrize("text", ["[", "a: b: c", "\x01", "- 1"])
def test_what_is_no_description_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="TOCSIN_GATEWAYS"):
        parse(text)


def test_orders_name_providers_that_there_are() -> None:
    def mistakes(**more: Any) -> list[str]:
        return list(order_mistakes(parse(yaml.safe_dump(GOOD | more)), "sms", ["twilio", "acme"]))

    assert mistakes() == []
    assert mistakes(order={"sms": ["acme", "twilio"]}, prefixes={"sms": {"+49": ["twilio"]}}) == []
    assert "no configured provider" in mistakes(order={"sms": ["acme", "twilio", "x"]})[0]
    assert "twilio is in no order" in mistakes(order={"sms": ["acme"]})[0]
    assert mistakes(order={"sms": ["acme"]}, prefixes={"sms": {"+49": ["twilio"]}}) == []
    assert "+49 or +4930" in mistakes(prefixes={"sms": {"49": ["acme"]}})[0]
    assert "once" in mistakes(order={"sms": ["acme", "acme", "twilio"]})[0]


def test_secrets_come_from_outside_and_are_named_when_missing(tmp_path: Path) -> None:
    (gateway,) = parse(changed()).gateways
    assert secrets_of(gateway, {"ACME_KEY": "s3cret"}) == {"key": "s3cret"}
    with pytest.raises(Invalid, match="secret key: the environment has no ACME_KEY"):
        secrets_of(gateway, {})
    with pytest.raises(Invalid, match="cannot be printed") as raised:
        secrets_of(gateway, {"ACME_KEY": "s3cret\nx: y"})
    assert "s3cret" not in raised.value.message
    file = tmp_path / "key"
    (by_file,) = parse(changed(secrets={"key": {"file": str(file)}})).gateways
    with pytest.raises(Invalid, match="cannot read"):
        secrets_of(by_file, {})
    file.write_text("s3cret\n")
    assert secrets_of(by_file, {}) == {"key": "s3cret"}


def test_values_are_put_in_once_and_nothing_is_evaluated() -> None:
    values = {"to": "+49", "text": '{to} {valid_for_s} "quoted" %s {0}', "valid_for_s": "600"}
    assert fill("{to}|{text}|{x}|{{to}}", values) == '+49|{to} {valid_for_s} "quoted" %s {0}|{x}|{+49}'
    tree = fill_all({"a": ["{text}", {"b": "{valid_for_s}", "c": "{valid_for_s} s", "d": 1}]}, values)
    assert tree == {"a": [values["text"], {"b": 600, "c": "600 s", "d": 1}]}
    assert list(names_in({"a": ["{to}", {"b": "{secret.key}"}], "c": 1})) == ["to", "secret.key"]


def test_answers_are_read_by_path_and_by_pattern() -> None:
    document = Document(b'{"messages": [{"id": 17, "ok": true, "none": null}], "a.b": 1}')
    assert [document.read(p) for p in ("messages.0.id", "messages.0.ok", "messages.0.none", "messages.1.id", "x")] == [
        "17", "true", "", "", "",
    ]  # fmt: skip
    assert document.holds({"messages.0.id": ["16", 17], "messages.0.ok": True})
    assert not document.holds({"messages.0.id": "*", "messages.0.none": "*"})
    text = Document(b"OK: ab-1\nCREDIT 7")
    assert (text.read("/OK: (\\S+)/"), text.read("/CREDIT/"), text.read("/ERR (.)/"), text.read("a")) == (
        "ab-1", "CREDIT", "", "",
    )  # fmt: skip
    assert Document(b"a=1&b=", form=True).read("a") == "1"
    assert place_mistake("/x") == "is a pattern without its second slash"


def test_prefixes_are_country_codes() -> None:
    numbers = ("+4915112345001", "+15005550006", "+447700900123", "ana@example.org", "+")
    assert [country_prefix(n) for n in numbers] == ["+49", "+1", "+44", "", ""]
