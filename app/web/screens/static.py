"""Our own CSS, scripts and pictures, under addresses that hold their hash: browsers keep them for good."""

from __future__ import annotations

from fastapi import APIRouter, Response

from app.errors import NotFound
from app.web.auth import public
from app.web.screens.rendering import STATIC

router = APIRouter(include_in_schema=False)


@router.api_route("/static/{hash_}/{name}", methods=["GET", "HEAD"], dependencies=[public("it holds no data")])
async def static_file(hash_: str, name: str) -> Response:
    """An address of another version gets today's content, which must not be kept: mid-upgrade a replica may be older
    than the screen."""
    if (found := STATIC.get(name)) is None:
        raise NotFound(f"there is no file {name!r}")
    kept = "public, max-age=31536000, immutable" if hash_ == found.hash else "no-cache"
    headers = {"Cache-Control": kept, "X-Content-Type-Options": "nosniff"}
    return Response(found.content, media_type=found.media_type, headers=headers)
