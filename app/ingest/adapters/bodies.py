"""Bodies of senders that cannot be told what to send: JSON, JSON with raw line breaks in its texts, or a form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from app.ingest.adapters.wire import decode
from app.ingest.event import Unparsable

MAX_FIELDS = 1_000
_FORM = "application/x-www-form-urlencoded"


def media_type(headers: Mapping[str, str]) -> str:
    """Lower case, without parameters; empty when none is told."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def read(body: bytes, headers: Mapping[str, str]) -> Any:
    """The JSON value of a body; a form is an object of texts, the last of a name counts. Raises `Unparsable`."""
    if media_type(headers) == _FORM and not body.lstrip().startswith((b"{", b"[")):
        return _form(body)  # curl calls JSON a form, too, unless it is told otherwise
    try:
        return decode(body)
    except Unparsable as refused:
        return _leniently(body, refused)


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as e:  # UnicodeDecodeError is one
        raise Unparsable(f"the form cannot be read: {e}") from None
    if not pairs:
        raise Unparsable("the form is empty")
    return {name.replace("\x00", "\ufffd"): text.replace("\x00", "\ufffd") for name, text in pairs}


def _leniently(body: bytes, refused: Unparsable) -> Any:
    """Templates that paste texts into JSON leave line breaks in them (Datadog does, for some variables)."""
    if b"\n" not in body and b"\t" not in body:
        raise refused
    try:
        value = json.loads(body.decode(), strict=False)
        return decode(json.dumps(value, allow_nan=False).encode())
    except (ValueError, RecursionError):
        raise refused from None
