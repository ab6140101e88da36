"""What was refused, as a screen, for browsers that asked for one; programs get the problem document.

The document is made in `problems.py` and nowhere else; here it is only shown. Somebody who is not logged in is led to
the login and back.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, cast
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from app.web.screens.rendering import HEADERS, screen

Handler = Callable[[Request, Exception], Awaitable[Response]]

_FOR_PROGRAMS: Final = ("/api/", "/v1/", "/healthz", "/readyz", "/metrics", "/static/")
_TITLES: Final = {
    401: "Please log in",
    403: "You may not do this",
    404: "There is nothing here",
    409: "This is not how it was any more",
    412: "Somebody edited this meanwhile",
    422: "This cannot be right",
    429: "Too many attempts",
    503: "Try again in a moment",
}


def install(app: FastAPI) -> None:
    """Puts the choice between screen and document around every handler of errors. After `problems.install`."""
    for kind, handler in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _either(cast(Handler, handler)))


def wants_screen(request: Request) -> bool:
    return not request.url.path.startswith(_FOR_PROGRAMS) and "text/html" in request.headers.get("accept", "")


def _either(handler: Handler) -> Any:
    async def handle(request: Request, error: Exception) -> Response:
        answer = await handler(request, error)
        return _shown(request, answer) if wants_screen(request) else answer

    return handle


def _shown(request: Request, answer: Response) -> Response:
    if answer.status_code == 401:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        following = quote(wanted, safe="/") if request.method in ("GET", "HEAD") else "/"
        return RedirectResponse(f"/login?following={following}", 303, dict(HEADERS))
    problem = json.loads(bytes(answer.body))
    title = _TITLES.get(answer.status_code, "Something went wrong")
    shown = screen("refused", answer.status_code, title=title, problem=problem)
    if "retry-after" in answer.headers:
        shown.headers["Retry-After"] = answer.headers["retry-after"]
    return shown
