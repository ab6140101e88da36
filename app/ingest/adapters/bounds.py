"""How much of an alert is kept: wrong names and types are refused, long texts are cut, visibly."""

from __future__ import annotations

from typing import Any

from app.ingest.adapters.details import as_text

MAX_ALERTS = 10_000
"""alerts of one body; an Alertmanager body of 8 MiB could hold some 18,000"""
MAX_LABELS = 100
MAX_LABEL_NAME = 200
MAX_LABEL_VALUE = 4_096
MAX_ANNOTATIONS = 100
MAX_ANNOTATION = 16 * 1024
CUT = " …[cut]"


class Unusable(Exception):
    """One alert of a body cannot be used, for this reason; the others can."""


def cut(text: str, limit: int) -> str:
    """At most `limit` characters, the end replaced by a visible mark."""
    return text if len(text) <= limit else text[: limit - len(CUT)] + CUT


def checked_labels(value: Any) -> tuple[dict[str, str], dict[str, str]]:
    """The labels as sent, for the fingerprint, and as kept. Raises `Unusable` when a name or a type is wrong."""
    if type(value) is not dict:
        raise Unusable("the alert has no labels" if value is None else "labels must be an object of strings")
    check_names(value)
    try:
        if len("".join(value.values())) <= MAX_LABEL_VALUE:
            return value, value
    except TypeError:
        name = next(name for name, text in value.items() if type(text) is not str)
        raise Unusable(f"the value of label {name!r} is not a string") from None
    return value, cut_labels(value)


def check_names(labels: dict[str, Any]) -> None:
    """Raises `Unusable` for too many labels, or one whose name is empty or too long."""
    if len(labels) > MAX_LABELS:
        raise Unusable(f"the alert has {len(labels)} labels; {MAX_LABELS} are allowed")
    if "" in labels:
        raise Unusable("a label has no name")
    if len("".join(labels)) > MAX_LABEL_NAME:  # one call in C for all of them, and seldom more is needed
        for name in labels:
            if len(name) > MAX_LABEL_NAME:
                raise Unusable(f"the label name {cut(name, 60)!r} has more than {MAX_LABEL_NAME} characters")


def cut_labels(labels: dict[str, str]) -> dict[str, str]:
    """Labels as they are kept, the values cut; the fingerprint is taken of the whole ones."""
    return {name: cut(text, MAX_LABEL_VALUE) for name, text in labels.items()}


def checked_annotations(value: Any) -> dict[str, str]:
    """Annotations are for people: a wrong type becomes text, a long one is cut, and no alert is lost to them."""
    if not value:
        return {}
    if type(value) is not dict:
        value = {"annotations": value}
    try:
        short = len("".join(value.values())) <= MAX_ANNOTATION and len("".join(value)) <= MAX_LABEL_NAME
        if short and len(value) <= MAX_ANNOTATIONS:
            return value  # type: ignore[no-any-return]  # join has just proved that all values are strings
    except TypeError:
        pass
    first = list(value.items())[:MAX_ANNOTATIONS]
    return {cut(name, MAX_LABEL_NAME): cut(as_text(text), MAX_ANNOTATION) for name, text in first}
