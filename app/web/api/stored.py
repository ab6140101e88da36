"""Answers made of a stored document: its members, its version, when it was made and last edited."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from fastapi import Response
from pydantic import BaseModel

from app.directory.changes import Stored
from app.web.versions import set_etag

A = TypeVar("A", bound="Versioned")


class Versioned(BaseModel):
    """`version` is the ETag."""

    version: int
    created_at: datetime
    updated_at: datetime


def answer(kind: type[A], stored: Stored[Any], response: Response | None = None, **more: Any) -> A:
    """The stored document as an answer, its ETag set. What was checked when it came in is not checked again."""
    if response is not None:
        set_etag(response, stored.version)
    return kind.model_construct(
        **{name: getattr(stored.document, name) for name in type(stored.document).model_fields},
        version=stored.version,
        created_at=stored.created_at,
        updated_at=stored.updated_at,
        **more,
    )


def created(response: Response, path: str) -> None:
    """Where the new thing is."""
    response.headers["Location"] = f"/api/v1/{path}"
