"""CloudEvents 1.0 over HTTP: structured, binary and batched (cloudevents/spec http-protocol-binding, json-format).

All three become envelopes as the structured mode has them: the attributes, and `data` decoded. Type, source and subject
are labels (`ce_type`, `ce_source`, `ce_subject`). `data` is our own JSON, or the event of the integration's mapping.
Without a dedup key in it, source and id are the key: an event that is delivered again is repeated, and every other one
is an alert of its own, since nothing in a CloudEvent says that it ends what another began.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

from app.ingest.adapters.bodies import media_type
from app.ingest.adapters.bounds import Unusable, cut
from app.ingest.adapters.details import as_text
from app.ingest.adapters.wire import decode, kind_of
from app.ingest.event import Unparsable

DATA: Final = ("data",)
"""Where the event of an envelope is."""
_STRUCTURED = "application/cloudevents+json"
_BATCH = "application/cloudevents-batch+json"
_LABELS = ("type", "source", "subject")
_CONTEXT = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"}
)


def envelopes(message: Any, headers: Mapping[str, str]) -> list[Any] | None:
    """The CloudEvents of a decoded body, not checked yet; None when it is none. Raises `Unparsable`."""
    media = media_type(headers)
    if media == _BATCH and type(message) is not list:
        raise Unparsable(f"a batch of CloudEvents is an array, not {kind_of(message)}")
    if media == _STRUCTURED and type(message) is not dict:
        raise Unparsable(f"a CloudEvent in structured mode is an object, not {kind_of(message)}")
    if media not in (_BATCH, _STRUCTURED) and "ce-specversion" in headers:
        return [_binary(message, headers)]
    found = message if type(message) is list else [message]
    if media in (_BATCH, _STRUCTURED) or (found and all(is_envelope(one) for one in found)):
        return [_with_data(one) for one in found]
    return None


def is_envelope(value: Any) -> bool:
    """True for what can only be a CloudEvent, whatever its media type."""
    return type(value) is dict and all(type(value.get(name)) is str for name in ("specversion", "id", "source", "type"))


def check(envelope: Any) -> None:
    """Raises `Unusable` unless the attributes that every CloudEvent has are there."""
    version = envelope.get("specversion") if type(envelope) is dict else None
    if type(version) is not str or not version.startswith("1."):
        raise Unusable(f"specversion must be 1.0, not {cut(as_text(version), 40)}")
    for name in ("id", "source", "type"):
        if type(envelope.get(name)) is not str or not envelope[name]:
            raise Unusable(f"a CloudEvent needs the attribute {name}, a text")


def opened(envelope: dict[str, Any]) -> dict[str, Any]:
    """The object of our own JSON that an envelope is without a mapping. Raises `Unusable`."""
    check(envelope)
    data = envelope.get("data")
    own: dict[str, Any] = dict(data) if type(data) is dict else {} if data is None else {"data": data}
    more = {name: value for name, value in envelope.items() if name not in _CONTEXT}
    return completed(more | own, envelope)


def completed(made: dict[str, Any], envelope: Mapping[str, Any]) -> dict[str, Any]:
    """With what the attributes tell where the event itself says nothing."""
    labels = {f"ce_{name}": envelope[name] for name in _LABELS if type(envelope.get(name)) is str and envelope[name]}
    told = made.get("labels")
    if told is not None and type(told) is not dict:
        return made  # it will be refused with the usual words
    subject = envelope.get("subject")
    title = f"{envelope['type']}: {subject}" if type(subject) is str and subject else envelope["type"]
    defaults = {"title": title, "dedup_key": f"{envelope['source']}#{envelope['id']}"}
    if not made.get("ends_at"):
        defaults["starts_at"] = envelope.get("time")
    missing = {name: value for name, value in defaults.items() if made.get(name) in (None, "")}
    return {**made, **missing, "labels": labels | (told or {})}


def _binary(message: Any, headers: Mapping[str, str]) -> dict[str, Any]:
    attributes = {
        name.removeprefix("ce-"): _storable(unquote(value, errors="replace"))
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    return {**attributes, "datacontenttype": headers.get("content-type", ""), "data": message}


def _with_data(envelope: Any) -> Any:
    """`data_base64` decoded into `data`, where it holds JSON or text."""
    encoded = envelope.get("data_base64") if type(envelope) is dict else None
    if type(encoded) is not str or "data" in envelope:
        return envelope
    try:
        raw = b64decode(encoded, validate=True)
        text = raw.decode()
    except ValueError:  # no base64, or bytes that are no text: kept as they came
        return envelope
    try:
        data = decode(raw)
    except Unparsable:
        data = _storable(text)
    return {**{name: value for name, value in envelope.items() if name != "data_base64"}, "data": data}


def _storable(text: str) -> str:
    return text.replace("\x00", "\ufffd")
