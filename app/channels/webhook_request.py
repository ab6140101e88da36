"""A webhook's own request: method, headers and body, with places for values. Pure; nothing is evaluated or formatted.

Values stand inside strings of JSON, fields of a form, or plain text (`gateway_values.py`), and are encoded after they
were put in: what a title says can never become a part of the JSON around it. docs/webhooks.md explains every value.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Literal
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from app.channels.gateway_values import Values, fill, fill_all, names_in

Method = Literal["POST", "PUT", "PATCH"]
VALUES: Final[Mapping[str, str]] = {
    "type": "what happened: incident.triggered, incident.escalated, ...; test",
    "id": "the same for every try of one message, as in webhook-id",
    "at": "when it happened, in UTC: 2026-11-23T10:00:00+00:00",
    "text": "one line: [P1] triggered: HighErrorRate (#42, Checkout)",
    "because": "the sentence of the timeline, or why a step calls",
    "round": "of the policy, where a step calls; a number",
    "step": "of the policy, where a step calls; a number",
    "incident.number": "42; a number",
    "incident.title": "HighErrorRate",
    "incident.state": "triggered, acknowledged, mitigated, resolved or closed",
    "incident.priority": "1 to 5; a number",
    "incident.service": "the key of the service",
    "incident.service_name": "its name",
    "incident.team": "the key of the team that owns the service",
    "incident.acknowledged_by": "the name of whoever has it",
    "incident.opened_at": "in UTC",
    "incident.firing": "how many alerts fire; a number",
    "incident.runbook_url": "of the service",
    "incident.url": "its screen",
}
NUMBERS: Final = frozenset({"round", "step", "incident.number", "incident.priority", "incident.firing"})
"""A string of JSON that is one of these and nothing else becomes a number."""
LONGEST: Final = 20_000
DEEPEST: Final = 20
_LIKE_A_VALUE: Final = re.compile(r"\{(\s*[A-Za-z_][\w. /-]*)\}")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_OURS: Final = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect",
     "webhook-id", "webhook-timestamp", "webhook-signature"}
)  # fmt: skip
_LANGUAGES: Final = re.compile(r"json|xml|html|script|urlencoded|multipart", re.IGNORECASE)


class Template(Struct, frozen=True):
    """A request as it is described. At most one of `json`, `form` and `text`; none: the usual body."""

    method: Method = "POST"
    headers: dict[str, str] = {}
    json: Any = None
    form: dict[str, str] | None = None
    text: str | None = None


class Ready(Struct, frozen=True):
    """A request that can be sent. `lacks`: the names of secrets that nobody gave yet; then it cannot."""

    method: str
    headers: dict[str, str]
    body: bytes
    lacks: tuple[str, ...] = ()


def usual(body: Mapping[str, Any]) -> Ready:
    """What is sent to a webhook without a request of its own."""
    return Ready("POST", {"Content-Type": "application/json"}, msgspec.json.encode(body))


def values_of(body: Mapping[str, Any], message_id: str, secrets: Mapping[str, str]) -> dict[str, str]:
    """Every value by name. `body`: the usual one; what it does not have is empty."""
    incident = body.get("incident") or {}
    flat = {name: body.get(name) for name in VALUES if "." not in name}
    flat |= {f"incident.{name}": value for name, value in incident.items() if name != "labels"}
    found = dict.fromkeys(VALUES, "") | {n: "" if v is None else str(v) for n, v in flat.items() if n in VALUES}
    found["id"] = message_id
    found |= {f"label.{name}": str(value) for name, value in (incident.get("labels") or {}).items()}
    return found | {f"secret.{name}": value for name, value in secrets.items()}


def ready(template: Template, body: Mapping[str, Any], message_id: str, secrets: Mapping[str, str]) -> Ready:
    """The request with its values. A label that the alert does not have is empty."""
    values = values_of(body, message_id, secrets)
    parts = _texts(template)
    values |= {name: "" for name in names_in(parts) if name.startswith("label.") and name not in values}
    lacks = tuple(name for name in secrets_named(template) if name not in secrets)
    kind, content = _content(template, values, body)
    given = {_written(name): _one_line(fill(value, values)) for name, value in template.headers.items()}
    return Ready(template.method, {"Content-Type": kind} | given, content, lacks)


def secrets_named(template: Template) -> list[str]:
    """The names of its secrets, each once, in order."""
    named = {name.removeprefix("secret.") for name in names_in(_texts(template)) if name.startswith("secret.")}
    return sorted(named)


def _content(template: Template, values: Values, body: Mapping[str, Any]) -> tuple[str, bytes]:
    if template.json is not None:
        return "application/json", msgspec.json.encode(fill_all(template.json, values, NUMBERS))
    if template.form is not None:
        filled = {name: fill(value, values) for name, value in template.form.items()}
        return "application/x-www-form-urlencoded", urlencode(filled).encode()
    if template.text is not None:
        return "text/plain; charset=utf-8", fill(template.text, values).encode()
    return "application/json", msgspec.json.encode(body)


def _written(name: str) -> str:
    return "Content-Type" if name.lower() == "content-type" else name


def _one_line(value: str) -> str:
    """As a header may have it: one line of ASCII."""
    line = " ".join(value.splitlines())
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in line)


def _texts(template: Template) -> list[Any]:
    return [template.headers, template.json, template.form or {}, template.text or ""]


def mistakes(template: Template) -> Iterator[tuple[str, str]]:
    """What is wrong with it: (place, words)."""
    if _depth(template.json) > DEEPEST:
        yield "json", f"is nested more than {DEEPEST} deep"
        return
    if unstorable := next((place for place, words in _strings(template) if not _can_be_stored(words)), None):
        yield unstorable, "holds a character that cannot be stored"
        return
    bodies = [name for name in ("json", "form", "text") if getattr(template, name) is not None]
    if len(bodies) > 1:
        yield bodies[1], f"a request has one body: {' or '.join(bodies)}"
    yield from _wrong_headers(template)
    if template.json is not None and not isinstance(template.json, dict | list):
        yield "json", "is an object or a list"
    if len(msgspec.json.encode(template)) > LONGEST:
        yield bodies[0] if bodies else "headers", f"is longer than {LONGEST} bytes"
    for place, words in _values_in(template):
        for name in _LIKE_A_VALUE.findall(words):
            if not _is_known(name):
                yield place, f"{{{name}}}: there is no such value; there are {', '.join(VALUES)}, label.<name>, " \
                             "secret.<name>"  # fmt: skip
    for place, name in _names(template.json, "json"):
        if _LIKE_A_VALUE.search(name):
            yield place, f"{name}: a name takes no values"


def _is_known(name: str) -> bool:
    kind, _, rest = name.partition(".")
    of_its_own = {"secret": r"[a-z0-9_-]{1,40}", "label": r"[A-Za-z0-9_./-]{1,200}"}
    return name in VALUES or (kind in of_its_own and re.fullmatch(of_its_own[kind], rest, re.ASCII) is not None)


def _wrong_headers(template: Template) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for name, value in template.headers.items():
        if not _HEADER.fullmatch(name):
            yield f"headers.{name}", "is no name of a header"
        elif name.lower() in _OURS:
            yield f"headers.{name}", "is written by Tocsin"
        elif name.lower() in seen:
            yield f"headers.{name}", "is named twice"
        elif not (value.isascii() and value.isprintable()):
            yield f"headers.{name}", "holds something else than one line of ASCII"
        elif name.lower() == "content-type":
            yield from _wrong_kind(template, name, value)
        seen.add(name.lower())


def _wrong_kind(template: Template, name: str, value: str) -> Iterator[tuple[str, str]]:
    """What the body is must be what it says, or a value could become a part of the language around it."""
    if "{" in value:
        yield f"headers.{name}", "takes no values"
    elif template.form is not None and value.partition(";")[0].strip() != "application/x-www-form-urlencoded":
        yield f"headers.{name}", "of a form is application/x-www-form-urlencoded"
    elif template.text is not None and _LANGUAGES.search(value):
        yield f"headers.{name}", "a text has no such structure: give json or form"
    elif template.form is None and template.text is None and "json" not in value.lower():
        yield f"headers.{name}", "of JSON names json"


def _can_be_stored(words: str) -> bool:
    return "\x00" not in words and not any("\ud800" <= c <= "\udfff" for c in words)


def _strings(template: Template) -> Iterator[tuple[str, str]]:
    """Every string with its place, also those that take no values: names."""
    yield from _names(template.json, "json")
    yield from _names(template.form, "form")
    yield from _values_in(template)


def _values_in(template: Template) -> Iterator[tuple[str, str]]:
    for place, tree in (("headers", template.headers), ("json", template.json), ("form", template.form),
                        ("text", template.text)):  # fmt: skip
        yield from _walk(tree, place)


def _walk(tree: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, str):
        yield place, tree
    for inner, deeper in _inside(tree, place):
        yield from _walk(inner, deeper)


def _names(tree: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(tree, Mapping):
        yield from ((place, str(name)) for name in tree)
    for inner, deeper in _inside(tree, place):
        yield from _names(inner, deeper)


def _inside(tree: Any, place: str) -> Iterable[tuple[Any, str]]:
    if isinstance(tree, Mapping):
        return [(inner, f"{place}.{name}") for name, inner in tree.items()]
    if isinstance(tree, list | tuple):
        return [(inner, f"{place}[{n}]") for n, inner in enumerate(tree)]
    return ()


def _depth(tree: Any) -> int:
    """Counted without recursion: it comes from people."""
    deepest, left = 0, [(tree, 0)]
    while left and deepest <= DEEPEST:
        inner, depth = left.pop()
        deepest = max(deepest, depth)
        left += [(one, depth + 1) for one, _ in _inside(inner, "")]
    return deepest
