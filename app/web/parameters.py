"""Query parameters that an operation does not have are refused: a typo must not pass for a default."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import Request

from app.errors import Invalid


async def known_only(request: Request) -> None:
    """Raises Invalid, naming the parameters that the operation has."""
    if not request.query_params:
        return
    known = set(_names(request.scope["route"].dependant))
    if wrong := [name for name in request.query_params if name not in known]:
        has = f"it has {', '.join(sorted(known))}" if known else "it has none"
        errors = [{"in": "query", "field": name[:100], "message": f"unknown parameter; {has}"} for name in wrong[:10]]
        raise Invalid(f"{wrong[0][:100]}: the operation has no such parameter; {has}", errors=errors)


def _names(dependant: Any) -> Iterator[str]:
    yield from (p.alias for p in dependant.query_params)
    for inner in dependant.dependencies:
        yield from _names(inner)
