"""Logging in and out, and setting a password with a one-time link. Forms that need no script."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app.access import commands
from app.access.passwords import MAX_LENGTH, MIN_LENGTH
from app.errors import Forbidden, Invalid
from app.web.auth import COOKIE, MaybeCaller, clear_session, own_origin, public, set_session
from app.web.dependencies import SettingsGiven, ThrottleGiven, Tx
from app.web.screens.rendering import HEADERS, screen

router = APIRouter(include_in_schema=False)

HOME: Final = "/incidents"
Typed = Annotated[str, Form(max_length=500)]


@router.get("/", dependencies=[public("it only leads on")])
async def home() -> Response:
    return RedirectResponse(HOME, 303, dict(HEADERS))


@router.get("/login", dependencies=[public("this is how one logs in")])
async def show_login(caller: MaybeCaller, following: str = "") -> Response:
    """The form; somebody who is logged in already goes on."""
    if caller is not None:
        return _on_to(following)
    return screen("login", following=_ours(following), email="", told="")


@router.post("/login", dependencies=[public("this is how one logs in")])
async def log_in(
    request: Request,
    tx: Tx,
    settings: SettingsGiven,
    throttle: ThrottleGiven,
    email: Typed,
    password: Typed,
    following: Annotated[str, Form(max_length=2000)] = "",
) -> Response:
    """On to where somebody wanted to go; 401 and the form again for a wrong login, 429 after too many."""
    own_origin(request, settings, required=False)
    address = request.client.host if request.client else ""
    agent = request.headers.get("user-agent", "")
    told, status, wait_s = "This is not the right mail address or password.", 401, 0
    try:
        session = await commands.log_in(
            tx.conn, tx.now, throttle, email=_typed(email), password=password, address=address, user_agent=agent
        )
    except Forbidden as refused:
        session, status, wait_s = None, 429, int(refused.fields.get("retry_after_s", 60))
        told = f"Too many attempts. Please wait {max(1, round(wait_s / 60))} min."
    if session is None:
        shown = screen("login", status, following=_ours(following), email=email, told=told)
        if wait_s:
            shown.headers["Retry-After"] = str(wait_s)
        return shown
    response = _on_to(following)
    set_session(response, settings, session.token)
    return response


@router.post("/logout", dependencies=[public("logging out twice is fine")])
async def log_out(request: Request, tx: Tx, settings: SettingsGiven) -> Response:
    """Ends the session, and shows the login."""
    if token := request.cookies.get(COOKIE):
        own_origin(request, settings)
        await commands.log_out(tx.conn, token)
    response = RedirectResponse("/login", 303, dict(HEADERS))
    clear_session(response, settings)
    return response


@router.get("/password/{token}", dependencies=[public("the one-time link is the credential")])
async def show_set_password(token: str, tx: Tx) -> Response:
    """The form behind a one-time link. Looking at it uses nothing up. 404 for a link that does not count."""
    account = await commands.password_link_user(tx.conn, tx.now, token)
    return _password_form(account.name, account.email)


@router.post("/password/{token}", dependencies=[public("the one-time link is the credential")])
async def set_password(token: str, request: Request, tx: Tx, settings: SettingsGiven, password: Typed) -> Response:
    """Sets the password, uses the link up and logs in."""
    own_origin(request, settings, required=False)
    account = await commands.password_link_user(tx.conn, tx.now, token)
    agent = request.headers.get("user-agent", "")
    try:
        session = await commands.set_password(tx.conn, tx.now, token=token, password=password, user_agent=agent)
    except Invalid as refused:
        return _password_form(account.name, account.email, refused.message, 422)
    response = RedirectResponse("/account", 303, dict(HEADERS))
    set_session(response, settings, session.token)
    return response


def _password_form(name: str, email: str, told: str = "", status: int = 200) -> Response:
    return screen("password", status, name=name, email=email, told=told, least=MIN_LENGTH, most=MAX_LENGTH)


def _on_to(following: str) -> Response:
    return RedirectResponse(_ours(following) or HOME, 303, dict(HEADERS))


def _ours(following: str) -> str:
    """Where to go on to, if it is a path of ours: nobody is led elsewhere by a link to our login."""
    plain = following.isascii() and following.isprintable() and "\\" not in following
    return following if plain and following.startswith("/") and not following.startswith("//") else ""


def _typed(text: str) -> str:
    """PostgreSQL cannot hold NUL; an address with one is nobody's."""
    return text.replace("\x00", "")
