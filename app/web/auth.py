"""Who is calling, and whether a route lets them. Every route declares one of `needs(...)` and `public(...)`.

    caller: Annotated[Caller, needs("incidents.read")]             # in the signature, where the caller is used
    @router.get("/x", dependencies=[permission("incidents.read")])  # the same, where it is not
    @router.get("/login", dependencies=[public("it is how one logs in")])

Credentials: `Authorization: Bearer tocsin_...` (an API key), else the cookie of a session. A cookie travels with
requests that other sites make a browser send, so unsafe methods with one must come from our own pages (`own_origin`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

from app.access import identify as identities
from app.access.permissions import PERMISSIONS, Caller
from app.errors import Forbidden
from app.settings import Settings
from app.web.dependencies import Tx, settings
from app.web.problems import Unauthenticated

__all__ = ["Caller", "Declared", "MaybeCaller", "declared", "needs", "own_origin", "permission", "public"]

COOKIE: Final = "tocsin_session"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

_bearer = HTTPBearer(auto_error=False, scheme_name="api_key", description="An API key: `tocsin_` and 43 characters.")
_cookie = APIKeyCookie(name=COOKIE, auto_error=False, scheme_name="session", description="Set by POST /api/v1/session.")


async def identify(
    request: Request,
    tx: Tx,
    bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
    cookie: Annotated[str | None, Depends(_cookie)],
) -> Caller | None:
    """The caller, or None for a request without a credential that counts.

    Raises `Unauthenticated` for an API key that does not count: falling back to the cookie would hide the mistake.
    Raises `Forbidden` (code `cross_origin`) for an unsafe request with a session from elsewhere.
    """
    if bearer is not None:
        caller = await identities.by_api_key(tx.conn, tx.now, bearer.credentials)
        if caller is None:
            raise Unauthenticated("this API key is wrong, expired or revoked")
        return caller
    if not cookie:
        return None
    caller = await identities.by_session(tx.conn, tx.now, cookie)
    if caller is not None and request.method not in SAFE_METHODS:
        own_origin(request, settings(request))
    return caller


MaybeCaller = Annotated[Caller | None, Depends(identify)]
"""For routes that answer strangers differently; they declare `public(...)` as well."""


def own_origin(request: Request, settings: Settings, *, required: bool = True) -> None:
    """Raises `Forbidden` unless the browser says that our own page sent this.

    `Origin` must be the public URL's or that of the request's own host; where a browser leaves it out, `Sec-Fetch-Site`
    must be `same-origin`. With neither: refused if `required`; a login needs no proof that it comes from a browser.
    """
    origin = request.headers.get("origin")
    if origin is not None:
        own = _origin(settings.public_url), _origin(f"{request.url.scheme}://{request.headers.get('host', '')}")
        if origin != "null" and _origin(origin) in own:
            return
    elif (site := request.headers.get("sec-fetch-site")) is not None:
        if site == "same-origin":
            return
    elif not required:
        return
    raise Forbidden("this request came from another site", code="cross_origin")


def _origin(url: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Declared:
    """What a route says about who may use it: a permission, or why anybody may."""

    permission: str | None = None
    open_because: str | None = None


_DECLARATIONS: dict[Callable[..., Any], Declared] = {}


def needs(name: str) -> Any:
    """A dependency that is the caller, who has this permission. 401 for nobody, 403 without it."""
    PERMISSIONS[name]  # a misspelt name fails when the route is defined

    async def check(caller: MaybeCaller) -> Caller:
        if caller is None:
            raise Unauthenticated
        caller.require(name)
        return caller

    _DECLARATIONS[check] = Declared(permission=name)
    return Depends(check)


permission = needs


def public(because: str) -> Any:
    """Declares that a route needs no credential, and why."""

    async def anybody() -> None:
        return None

    _DECLARATIONS[anybody] = Declared(open_because=because)
    return Depends(anybody)


def declared(app: FastAPI) -> Iterator[tuple[str, str, list[Declared]]]:
    """(method, path, declarations) of every route, for the test that none forgets, and for the documentation."""
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route, "dependant", None)
        found = list(_declarations(dependant)) if dependant is not None else []
        for method in sorted(route.methods or {"*"}):
            yield method, route.path or "", found


def _declarations(dependant: Any) -> Iterator[Declared]:
    for inner in dependant.dependencies:
        if (own := _DECLARATIONS.get(inner.call)) is not None:
            yield own
        yield from _declarations(inner)


def set_session(response: Response, settings: Settings, token: str) -> None:
    """Hands the browser its session. Not readable by scripts, not sent by other sites' forms."""
    response.set_cookie(COOKIE, token, max_age=int(identities.SESSION_LASTS.total_seconds()), **_attributes(settings))


def clear_session(response: Response, settings: Settings) -> None:
    response.delete_cookie(COOKIE, **_attributes(settings))


def _attributes(settings: Settings) -> dict[str, Any]:
    secure = settings.public_url.startswith("https://")
    return {"path": "/", "httponly": True, "samesite": "lax", "secure": secure}
