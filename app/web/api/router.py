"""The JSON API under `/api/v1`: one file per resource, collected here."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter

from app.web.problems import MEDIA_TYPE

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "code"],
    "properties": {
        "type": {"type": "string", "description": "Stable: `/problems/` and the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "A sentence for people."},
        "instance": {"type": "string"},
        "code": {"type": "string", "description": "Stable, for programs."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}, "in": {"type": "string"}},
            },
        },
    },
}

_ANSWERS: Final = {
    400: "The body is not JSON",
    401: "No credential, or one that does not count",
    403: "The caller may not do this",
    404: "There is no such thing",
    409: "Taken, in use, or being worked on",
    412: "Edited meanwhile: If-Match names another version",
    413: "The body is too large",
    422: "The input cannot be right; `errors` says where",
    503: "The database cannot be reached just now",
}

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": description, "content": {MEDIA_TYPE: {"schema": _PROBLEM}}}
    for status, description in _ANSWERS.items()
}

router = APIRouter(prefix="/api/v1", responses=PROBLEMS)
# One line per resource, in the order of the documentation:
