"""`/session`: logging in and out with a cookie, and `/password`: setting one with a one-time link."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from app.access import commands
from app.directory import people
from app.web.api.stored import answer
from app.web.api.users import UserAnswer
from app.web.auth import COOKIE, clear_session, own_origin, public, set_session
from app.web.dependencies import SettingsGiven, ThrottleGiven, Tx
from app.web.models import Body, example
from app.web.problems import Unauthenticated

router = APIRouter(tags=["session"])


class Login(Body):
    """What one logs in with."""

    model_config = example(email="ana@example.org", password="correct horse")  # noqa: S106  # an example

    email: str
    password: str


class NewPassword(Body):
    """`token`: the last part of a one-time link; the password has 10 to 200 characters."""

    model_config = example(token="from the link", password="correct horse")  # noqa: S106  # an example

    token: str
    password: str


@router.post("/session", dependencies=[public("this is how one logs in")])
async def log_in(
    body: Login, request: Request, response: Response, tx: Tx, settings: SettingsGiven, throttle: ThrottleGiven
) -> UserAnswer:
    """Sets the cookie of a session of 14 days, rolling. 401 for a wrong login, 429 after too many."""
    own_origin(request, settings, required=False)
    session = await commands.log_in(
        tx.conn,
        tx.now,
        throttle,
        email=body.email,
        password=body.password,
        address=request.client.host if request.client else "",
        user_agent=request.headers.get("user-agent", ""),
    )
    if session is None:
        raise Unauthenticated("wrong mail address or password")
    set_session(response, settings, session.token)
    return answer(UserAnswer, await people.read_user(tx.conn, session.user_key), response)


@router.delete("/session", status_code=204, dependencies=[public("logging out twice is fine")])
async def log_out(request: Request, response: Response, tx: Tx, settings: SettingsGiven) -> None:
    """Ends the session of the cookie, if there is one."""
    if token := request.cookies.get(COOKIE):
        own_origin(request, settings)
        await commands.log_out(tx.conn, token)
    clear_session(response, settings)


@router.post("/password", dependencies=[public("the one-time link is the credential")])
async def set_password(
    body: NewPassword, request: Request, response: Response, tx: Tx, settings: SettingsGiven
) -> UserAnswer:
    """Sets a password and logs in. 404 `link_not_found` for a link that was used, is expired or never was."""
    own_origin(request, settings, required=False)
    session = await commands.set_password(
        tx.conn,
        tx.now,
        token=body.token,
        password=body.password,
        user_agent=request.headers.get("user-agent", ""),
    )
    set_session(response, settings, session.token)
    return answer(UserAnswer, await people.read_user(tx.conn, session.user_key), response)
