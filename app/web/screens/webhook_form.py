"""The form of a webhook's request and of what it is told, as texts; and what is wrong with it, field by field."""

from __future__ import annotations

import json
from typing import Any, Final, Literal

import msgspec
from pydantic import Field, ValidationError

from app.errors import Invalid, Refusal, WrongMember, field_message
from app.escalation.webhook_documents import WebhookDocument, WebhookEdit, WebhookRequest
from app.web.screens.entered import Entered, wrongs

NONE: Final = "(none)"
"""Where services were named, and none of them is there any more."""
FIELDS: Final = ("method", "headers", "body", "happens", "services", "teams", "priority", "secret")
NAMES: Final = {"priority_at_least": "priority"}
KINDS: Final = {"usual": "The usual JSON", "json": "JSON of its own", "form": "A form", "text": "Plain text"}


class RequestForm(Entered):
    """`kind`: of the body. `headers` has a line `Name: value` for each, the body of a form a line `name=value`.
    `happening`: of the preview. `secret`: the name of one that is given a `value`."""

    kind: Literal["usual", "json", "form", "text"] = "usual"
    method: str = "POST"
    headers: str = ""
    body: str = ""
    happens: list[str] = Field(default_factory=list)
    services: str = ""
    teams: str = ""
    priority: str = ""
    happening: str = "triggered"
    secret: str = ""
    value: str = ""
    press: Literal["save", "preview"] = "save"


class Wrong(Exception):
    """`errors`: message by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = errors


def filled(document: WebhookDocument) -> RequestForm:
    """The form as it is shown first."""
    request, when = document.request or WebhookRequest(), document.when
    kind, body = _body(request)
    return RequestForm(
        kind=kind,
        method=request.method,
        headers="".join(f"{name}: {value}\n" for name, value in request.headers.items()),
        body=body,
        happens=list(when.happens) if when else [],
        services=_named(when.services if when else None),
        teams=_named(when.teams if when else None),
        priority=str((when and when.priority_at_least) or ""),
    )


def _body(request: WebhookRequest) -> tuple[Literal["usual", "json", "form", "text"], str]:
    if request.content is not None:
        return "json", json.dumps(request.content, indent=2, ensure_ascii=False)
    if request.form is not None:
        return "form", "".join(f"{name}={_line(value)}\n" for name, value in request.form.items())
    return ("usual", "") if request.text is None else ("text", request.text)


def _line(value: str) -> str:
    """A value on one line: as it is, else as a JSON string."""
    plain = value == value.strip() and not value.startswith('"') and len(value.splitlines()) < 2
    return value if plain else json.dumps(value, ensure_ascii=False)


def _value(line: str) -> str:
    try:
        return msgspec.json.decode(line, type=str) if line.startswith('"') else line
    except msgspec.DecodeError:
        return line


def edit_of(name: str, form: RequestForm) -> WebhookEdit:
    """What the form says. Raises `Wrong`."""
    try:
        return WebhookEdit.model_validate({"name": name, "request": _request(form), "when": _when(form)})
    except ValidationError as refused:
        raise Wrong(_wrongs(refused)) from refused


def _request(form: RequestForm) -> dict[str, Any] | None:
    headers = _pairs(form.headers, ":", "headers")
    if form.kind == "usual":
        return {"method": form.method, "headers": headers} if headers or form.method != "POST" else None
    body: Any = form.body
    if form.kind != "text":
        pairs = {} if form.kind == "json" else _pairs(form.body, "=", "body")
        body = _json(form.body) if form.kind == "json" else {name: _value(line) for name, line in pairs.items()}
    return {"method": form.method, "headers": headers, form.kind: body}


def _json(body: str) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as e:
        raise Wrong({"body": f"it is no JSON: {e}"}) from e


def _pairs(lines: str, between: str, field: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, lines.splitlines()):
        name, split, value = line.partition(between)
        if not split or not name.strip():
            raise Wrong({field: f"give lines like name{between} value, not {line[:60]!r}"})
        found[name.strip()] = value.strip()
    return found


def _when(form: RequestForm) -> dict[str, Any] | None:
    services, teams = (_keys(text) for text in (form.services, form.teams))
    if not form.happens and services is None and teams is None and not form.priority:
        return None
    priority = int(form.priority) if form.priority.isascii() and form.priority.isdigit() else form.priority or None
    return {"happens": form.happens, "services": services, "teams": teams, "priority_at_least": priority}


def _named(keys: list[str] | None) -> str:
    return NONE if keys == [] else ", ".join(keys or ())


def _keys(text: str) -> list[str] | None:
    """None: all. What was deleted since is not all: it says `NONE`."""
    if text.strip() == NONE:
        return []
    return [key.strip() for key in text.split(",") if key.strip()] or None


def _wrongs(refused: ValidationError) -> dict[str, str]:
    """What is wrong inside a body or a header names its place there."""
    found: dict[str, str] = {}
    for error in refused.errors():
        inner = (error.get("ctx") or {}).get("error")
        if isinstance(inner, WrongMember):
            field = "headers" if inner.path.startswith("headers") else "body"
            found[field] = f"{inner.path}: {inner}"
            continue
        members = [str(part) for part in error["loc"] if isinstance(part, str)]
        field = next((NAMES.get(m, m) for m in members if NAMES.get(m, m) in FIELDS), "")
        field = "body" if not field and {"json", "form", "text"} & set(members) else field
        found[field] = field_message(dict(error))
    return found


def refused_by_command(error: Refusal) -> dict[str, str]:
    """Of services and teams that are none."""
    return wrongs(error, FIELDS) if isinstance(error, Invalid) else {"": error.message}
