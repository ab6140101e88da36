"""ETag and If-Match: the version of a row, so that two people who edit one thing notice (RFC 9110, 8.8.3 and 13.1.1).

`If-Match` is optional. With it, an edit of another version than the caller saw answers 412, `/problems/outdated`.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends, Header, Response

from app.errors import Conflict

_NEVER: Final = -1


def set_etag(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def outdated(version: int) -> Conflict:
    """What a command raises when `expected` is not the version of the row it locked; becomes 412."""
    return Conflict("this has been edited meanwhile", code="outdated", current_version=version)


def check(expected: int | None, version: int) -> None:
    """Raises `Conflict` with code `outdated` when a version was expected and it is another one now."""
    if expected is not None and expected != version:
        raise outdated(version)


async def _if_match(
    if_match: Annotated[
        str | None,
        Header(description="The `ETag` of what you saw. When it is another one now, nothing happens: 412."),
    ] = None,
) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    text = if_match.strip().removeprefix('"').removesuffix('"')
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else _NEVER


IfMatch = Annotated[int | None, Depends(_if_match)]
"""The version the caller saw; None: any will do."""
