"""Reads and checks descriptions of gateways: at the start, and by `tocsin doctor`. Secrets are named, never shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from app.channels.channel import RANK
from app.channels.gateway_description import Gateway, Gateways, Report, Request, Secret, Signed
from app.channels.gateway_values import VALUES, names_in, place_mistake
from app.errors import Invalid
from app.settings import Settings

SETTING: Final = "TOCSIN_GATEWAYS"
CALL_WORDS: Final = (
    "queued", "initiated", "ringing", "in-progress", "completed", "busy", "no-answer", "canceled", "failed",
)  # fmt: skip
TAKEN_NAMES: Final = frozenset({"twilio", "smtp", "webhook"})
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}", re.ASCII)
_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,8}", re.ASCII)
LONGEST_S: Final = 15


def read(settings: Settings) -> Gateways:
    """The gateways of the settings. Raises Invalid naming the setting and the place in it."""
    return parse(settings.gateways)


@lru_cache(maxsize=4)
def parse(text: str) -> Gateways:
    """The same of a YAML (or JSON) text; none for an empty one."""
    if not text.strip():
        return Gateways()
    import yaml  # noqa: PLC0415  # not loaded where nobody describes a gateway

    try:
        found = msgspec.convert(yaml.safe_load(text), Gateways)
    except yaml.MarkedYAMLError as e:
        line = f" in line {e.problem_mark.line + 1}" if e.problem_mark else ""
        raise Invalid(f"{SETTING} is not YAML{line}: {e.problem}") from e
    except yaml.YAMLError as e:
        raise Invalid(f"{SETTING} is not YAML: it holds a character that YAML does not") from e
    except msgspec.ValidationError as e:
        raise Invalid(f"{SETTING}: {str(e).replace('`', '')}") from e
    for mistake in _mistakes(found):
        raise Invalid(f"{SETTING}: {mistake}")
    return found


def order_mistakes(found: Gateways, channel: Any, providers: list[str]) -> Iterator[str]:
    """What is wrong with the orders of a channel whose configured providers are these."""
    for prefix, order in found.orders(channel, providers).items():
        where = f"prefixes.{channel}.{prefix}" if prefix else f"order.{channel}"
        if prefix and not _PREFIX.fullmatch(prefix):
            yield f"{where}: a prefix looks like +49 or +4930"
        if not order or len(set(order)) < len(order):
            yield f"{where}: names every provider once, and at least one"
        for name in order:
            if name not in providers:
                yield f"{where}: {name} is no configured provider of {channel}; there are {', '.join(providers)}"
    named = {name for order in found.orders(channel, providers).values() for name in order}
    for name in providers:
        if name not in named:
            yield f"order.{channel}: {name} is in no order, so nothing would ever be sent by it"


def secrets_of(gateway: Gateway, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The secrets of a gateway by name. Raises Invalid for one that is not there."""
    given = os.environ if environ is None else environ
    return {name: _secret(gateway.name, name, secret, given) for name, secret in gateway.secrets.items()}


def _secret(gateway: str, name: str, secret: Secret, environ: Mapping[str, str]) -> str:
    where = f"{SETTING}: gateway {gateway}: secret {name}"
    if bool(secret.env) == bool(secret.file):
        raise Invalid(f"{where} takes either env or file")
    if secret.env:
        value = environ.get(secret.env, "")
        missing = f"the environment has no {secret.env}"
    else:
        try:
            value = Path(secret.file).read_text().strip()
        except (OSError, UnicodeDecodeError) as e:
            raise Invalid(f"{where}: cannot read {secret.file}: {getattr(e, 'strerror', None) or 'not text'}") from e
        missing = f"{secret.file} is empty"
    if not value:
        raise Invalid(f"{where}: {missing}")
    if not value.isprintable():
        raise Invalid(f"{where} holds a character that cannot be printed, such as a line break")
    return value


def _mistakes(found: Gateways) -> Iterator[str]:
    names = [g.name for g in found.gateways]
    for gateway in found.gateways:
        if not _NAME.fullmatch(gateway.name) or gateway.name in TAKEN_NAMES or names.count(gateway.name) > 1:
            yield f"gateway {gateway.name!r}: a name is lower case, at most 32 letters, digits, - and _, and its own"
        yield from (f"gateway {gateway.name}: {mistake}" for mistake in _of_gateway(gateway))


def _of_gateway(g: Gateway) -> Iterator[str]:
    if not 1 <= g.timeout_s <= LONGEST_S:
        yield f"timeout_s is 1 to {LONGEST_S}"
    requests = {
        "send": (g.send, {"id"}),
        "status.request": (g.status.request if g.status else None, {"text", "callback_url"}),
        "find.request": (g.find.request if g.find else None, {"text", "callback_url", "id"}),
        "probe": (g.probe, set(VALUES)),
    }
    for where, (request, unknown) in requests.items():
        if request is not None:
            yield from (f"{where}.{m}" for m in _of_request(request, set(VALUES) - unknown, set(g.secrets)))
    if not {"to", "to_digits"} & set(names_in(_parts(g.send))) or "text" not in set(names_in(_parts(g.send))):
        yield "send: says neither {to} nor {to_digits}, or not {text}"
    if not g.taken.id and (g.status or g.status_callback):
        yield "taken.id: a status can only be told of a message that has a name"
    for where, place in _places(g):
        if place and (mistake := place_mistake(place)):
            yield f"{where}: {place!r} {mistake}"
    for where, report in _reports(g):
        yield from (f"{where}.{m}" for m in _of_report(report, g.channel))
    for where, signed in (("status_callback", g.status_callback), ("inbound", g.inbound)):
        if signed is not None:
            yield from (f"{where}.signed: {m}" for m in _of_signed(signed.signed, set(g.secrets)))
    if g.inbound is not None and g.channel != "sms":
        yield "inbound: only texts come in"


def _parts(r: Request) -> list[Any]:
    basic = [r.basic.user, r.basic.password] if r.basic else []
    return [r.url, r.headers, r.query, r.form or {}, r.json if r.json is not None else {}, basic]


def _of_request(r: Request, known: set[str], secrets: set[str]) -> Iterator[str]:
    parts = urlsplit(r.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "{" in parts.netloc:
        yield "url: starts with http:// or https:// and a host without values in it"
    if r.form is not None and r.json is not None:
        yield "form: a request has a form or json, not both"
    if r.method == "GET" and (r.form is not None or r.json is not None):
        yield "method: a GET has no body; use query"
    for name in names_in(_parts(r)):
        kind, _, secret = name.partition(".")
        if secret and (kind != "secret" or secret not in secrets):
            yield f"{{{name}}}: there is no such secret"
        elif not secret and name in VALUES and name not in known:
            yield f"{{{name}}}: is not known here"
        elif not secret and name not in VALUES:
            yield f"{{{name}}}: there is no such value; there are {', '.join(sorted(known))} and secret.<name>"


def _of_report(report: Report, channel: str) -> Iterator[str]:
    known = CALL_WORDS if channel == "voice" else tuple(RANK)
    for word, ours in report.words.items():
        if ours not in known:
            yield f"words.{word}: {ours!r} is none of {', '.join(known)}"
    if report.price and not report.currency:
        yield "currency: a price needs one: its place, or a code like EUR"


def _of_signed(signed: Signed, secrets: set[str]) -> Iterator[str]:
    if signed.secret not in secrets:
        yield f"secret: there is no secret {signed.secret!r}"
    if signed.former and signed.former not in secrets:
        yield f"former: there is no secret {signed.former!r}"
    if bool(signed.header) == bool(signed.query):
        yield "takes either a header or a query parameter"
    if signed.hmac and signed.query:
        yield "an HMAC comes in a header"


def _reports(g: Gateway) -> list[tuple[str, Report]]:
    found = [("status.report", g.status.report)] if g.status else []
    return found + ([("status_callback.report", g.status_callback.report)] if g.status_callback else [])


def _places(g: Gateway) -> Iterator[tuple[str, str]]:
    yield from (("taken.id", g.taken.id), ("code", g.code), ("says", g.says))
    yield from (("taken.when", place) for place in g.taken.when)
    for n, mistake in enumerate(g.errors):
        yield from ((f"errors.{n}.when", place) for place in mistake.when)
    for where, r in _reports(g):
        yield from ((f"{where}.{f}", getattr(r, f)) for f in ("word", "id", "digits", "price", "currency"))
    if g.find:
        yield "find.id", g.find.id
    if g.inbound:
        yield from (("inbound.id", g.inbound.id), ("inbound.from", g.inbound.sender), ("inbound.text", g.inbound.text))
