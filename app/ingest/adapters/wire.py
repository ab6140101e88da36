"""Bytes -> JSON value, as forgiving as is safe: what PostgreSQL cannot store is repaired, the rest is refused in words.

NUL (`\\u0000`) and lone surrogates become U+FFFD. Both can only be written as escapes (raw ones are no JSON or no
UTF-8), so they are mended in the bytes and nothing has to walk the decoded value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from app.ingest.adapters.bounds import MAX_ALERTS, Unusable
from app.ingest.adapters.details import storable
from app.ingest.event import Event, Parsed, Refused, Unparsable

_JSON = msgspec.json.Decoder()
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_HIGH, _LOW = rb"\\u[dD][89abAB][0-9a-fA-F]{2}", rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rb"\\[^u]|(" + _HIGH + _LOW + rb")|(\\u0000|" + _HIGH + rb"|" + _LOW + rb")")
_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def decode(body: bytes) -> Any:
    """The JSON value of a body. Duplicate members: the last one counts. Raises `Unparsable`."""
    if b"\\u0000" in body:
        body = _mended(body)
    try:
        return _JSON.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _decode_mended(body)


def members_of(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of an object, each still as bytes. Raises what msgspec raises when it is not one, or to be mended."""
    return _MEMBERS.decode(_mended(body) if b"\\u0000" in body else body)


def collect(alerts: list[Any], read: Callable[[dict[str, Any]], Event]) -> Parsed:
    """Reads the alerts of a body one by one; what `read` cannot use is refused alone, with its reason.

    What goes beyond `MAX_ALERTS` is refused as one, so that no body makes more rows than that.
    """
    events: list[tuple[int, Event]] = []
    refused: list[Refused] = []
    for index, alert in enumerate(alerts[:MAX_ALERTS]):
        try:
            if type(alert) is not dict:
                raise Unusable(f"an alert must be an object, not {kind_of(alert)}")
            events.append((index, read(alert)))
        except Unusable as reason:
            refused.append(Refused(index, str(reason), storable(alert)))
    if rest := alerts[MAX_ALERTS:]:
        error = f"only the first {MAX_ALERTS} of {len(alerts)} alerts were taken"
        refused.append(Refused(MAX_ALERTS, error, storable(rest)))
    return Parsed(tuple(events), tuple(refused))


def kind_of(value: object) -> str:
    """The JSON name of a decoded value's type, with its article."""
    return _KINDS[type(value)]


def _decode_mended(body: bytes) -> Any:
    if not body.strip():
        raise Unparsable("the body is empty; JSON is expected")
    if body.startswith(_UTF16) or body[1:2] == b"\0" or body[:1] == b"\0":
        raise Unparsable("the body looks like UTF-16; JSON is sent as UTF-8")
    try:
        return _JSON.decode(_mended(body.removeprefix(_BOM)))
    except UnicodeDecodeError:
        raise Unparsable(f"the body is not UTF-8{_where(body)}") from None
    except RecursionError:
        raise Unparsable("the JSON is nested too deeply") from None
    except msgspec.DecodeError as error:
        raise Unparsable(f"the body is not JSON: {error}") from None


def _mended(body: bytes) -> bytes:
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found[2] else found[0], body)


def _where(body: bytes) -> str:
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return f" (byte {error.start})"
    return ""
