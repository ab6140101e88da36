"""The four ways a command can refuse. Each carries fields; `web/problems.py` turns them into RFC 9457 once.

What is normal is not an error: `acknowledge` returns `AlreadyAcknowledged`, it does not raise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final


class Refusal(Exception):
    """Base of all four. `code` is stable and documented; `fields` are shown to the caller and hold no secrets."""

    code = "refused"

    def __init__(self, message: str, *, code: str | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.fields = fields


class NotFound(Refusal):
    """There is no such thing, or the caller may not know of it."""

    code = "not_found"


class Conflict(Refusal):
    """The thing is not as the caller believed: edited meanwhile, taken, in use."""

    code = "conflict"


class Forbidden(Refusal):
    """The caller is known and may not do this."""

    code = "forbidden"


class Invalid(Refusal):
    """The input cannot be right. `errors` lists `{"field": "layers[0].members", "message": "..."}`."""

    code = "invalid"

    def __init__(
        self, message: str, *, code: str | None = None, errors: list[dict[str, str]] | None = None, **fields: Any
    ) -> None:
        super().__init__(message, code=code, **fields)
        self.errors = errors or []


PATTERNS: Final = (
    ("webcals?", "give an address that begins with https://, http:// or webcal://"),
    ("[a-z0-9]", "a key takes lower case letters, digits, - and _, and begins with a letter or a digit"),
    ("[A-Za-z_]", "a label's name takes letters, digits, _, . and -, and begins with a letter or _"),
    (
        r"https?://[^\s/@#]",
        "give an address that begins with http:// or https://, without a user before the host and without # and what "
        "follows it, which is never sent",
    ),
    ("https?://", "give an address that begins with http:// or https://"),
    ("[a-z0-9_-]{1,40}", "the name of a secret takes lower case letters, digits, - and _, at most 40"),
    ("@", "give a mail address, like ana@example.org"),
    (r"[01]\d", "give a time of day, like 09:00"),
    ("[01][0-9]", "give a time of day, like 09:00"),
    (r"\S", "it must not be blank"),
    (r"\x00-\x1f", "it must not be blank, nor hold line breaks or control characters"),
)
"""What people are told in place of a pattern in which the first text occurs: regular expressions are for programs."""


INSTANT_NEEDED: Final = (
    "an instant with its time zone is needed, like 2026-11-22T12:00:00Z or 2026-11-22T13:00:00+01:00"
)
_INSTANTS: Final = frozenset(
    {"timezone_aware", "datetime_type", "datetime_parsing", "datetime_from_date_parsing", "datetime_object_invalid"}
)


_SAID: Final = {
    "greater_than": "it must be more than {gt}",
    "greater_than_equal": "it must be {ge} or more",
    "less_than": "it must be less than {lt}",
    "less_than_equal": "it must be {le} or less",
    "too_short": "it takes {min_length} entries at least",
    "too_long": "it takes {max_length} entries at most",
    "string_too_short": "it takes {min_length} characters at least",
    "string_too_long": "it takes {max_length:,} characters at most",
    "literal_error": "it must be {expected}",
    "enum": "it must be {expected}",
    **dict.fromkeys(("string_type", "string_sub_type"), "a text is needed"),
    **dict.fromkeys(("int_type", "int_parsing", "int_parsing_size", "int_from_float"), "a whole number is needed"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), "a number is needed"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false is needed"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type"), "a list is needed"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type"), "an object is needed"),
    **dict.fromkeys(("uuid_type", "uuid_parsing"), "an id is needed, like 01890a5d-ac96-774b-bcce-b302099a8057"),
}
"""By the type of Pydantic's error; in braces what it says beside."""


def field_message(error: Mapping[str, Any]) -> str:
    """What is wrong with a member, for whoever wrote it, from one of Pydantic's errors."""
    kind, message = error["type"], str(error["msg"])
    if kind == "extra_forbidden":
        return "there is no such member here; is it misspelt?"
    if kind == "missing":
        return "is missing"
    if kind == "string_pattern_mismatch":
        pattern = str(error["ctx"]["pattern"])
        return next((words for part, words in PATTERNS if part in pattern), message)
    if kind in ("too_short", "string_too_short") and error["ctx"]["min_length"] == 1:
        return "it must not be empty"
    if kind in _INSTANTS:
        return INSTANT_NEEDED
    if kind in _SAID:
        return _SAID[kind].format_map(error.get("ctx") or {})
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


class WrongMember(ValueError):
    """What a validator of Pydantic's raises about a member within the value that it looks at. `path`: from there, like
    `times[0].start_time`."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


def wrong_members(found: Iterable[Mapping[str, Any]], document: Any) -> list[dict[str, str]]:
    """Pydantic's errors about a document as `errors` of `Invalid`: each with the path as its author wrote it."""
    paths = [(_path(document, error), error) for error in found]
    # An alternative of the wrong type is no news where another one fits and only something within it is wrong.
    deeper = {path[:n] for path, _ in paths for n in range(len(path))}
    kept = [(path, error) for path, error in paths if path not in deeper or not error["type"].endswith("_type")]
    return [{"field": written(path), "message": field_message(error)} for path, error in kept]


def written(path: Sequence[str | int]) -> str:
    """`("layers", 0, "members")` as people write it: `layers[0].members`."""
    text = ""
    for part in path:
        between = "" if isinstance(part, int) or not text or part.startswith("[") else "."
        text += f"[{part}]" if isinstance(part, int) else f"{between}{part}"
    return text


def _path(document: Any, error: Mapping[str, Any]) -> tuple[str | int, ...]:
    """Without what Pydantic adds: names of the alternatives of a union, and `[key]`."""
    path: list[str | int] = []
    location = error["loc"]
    for at, part in enumerate(location):
        if isinstance(part, int) and isinstance(document, list):
            document = document[part] if part < len(document) else None
        elif isinstance(part, str) and isinstance(document, Mapping) and part in document:
            document = document[part]
        elif at + 1 < len(location) or not _absent(error["type"], part):
            continue
        path.append(part)
    inner = (error.get("ctx") or {}).get("error")
    return (*path, inner.path) if isinstance(inner, WrongMember) and inner.path else tuple(path)


def _absent(error_type: str, part: str | int) -> bool:
    """Whether the error is about a member that its author left out: it is missing, or its default cannot be right."""
    return error_type == "missing" or (error_type == "value_error" and re.fullmatch("[a-z_]+", str(part)) is not None)
