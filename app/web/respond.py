"""⑪ Answers from people by the link in their messages, and what providers report (behaviour.md 6 and 8).

A GET changes nothing, ever: mail scanners and previews fetch every address, and some run scripts. The screen's buttons
send a POST with a token signed for this link, this action and what the screen showed; `link_view.py` says which of them
hold when things changed meanwhile. The link itself is the credential: it acts for the person it was sent to.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from app import hours
from app.access import links
from app.access.links import Link, Links
from app.channels.twilio_callbacks import status_of
from app.escalation import answering
from app.escalation import commands as escalation
from app.escalation.answering import Standing
from app.escalation.reading import next_step
from app.incidents import commands, recurrence, recurrence_store
from app.incidents import store as incident_store
from app.incidents.commands import Responder, StillFiring
from app.notifications import reading, why
from app.notifications.reports import report_delivery
from app.web.auth import public
from app.web.dependencies import ChannelsGiven, SettingsGiven, Transaction, Tx
from app.web.link_json import as_json, how_it_stands
from app.web.link_view import Action, ForAll, View, offered, said
from app.web.respond_several import acknowledge_all, several, told_of
from app.web.screens.rendering import LINK_HEADERS, link_screen
from app.web.twilio import signed_form

router = APIRouter(include_in_schema=False)

LAST_ENTRIES = 6
"""What happened last is enough at night; the incident's own screen has the rest."""
COMINGS_AND_GOINGS = ("joined", "alert_changed", "alert_resolved")
"""Of single alerts: dozens of them would push out who was paged and who answered. Their number is shown above."""


Number = Annotated[int, Path(ge=1, le=2**62)]


@router.api_route("/l/{token}", methods=["GET", "HEAD"], dependencies=[public("the token is the credential")])
async def open_link(token: str, request: Request, tx: Tx, pressed: str = "") -> Response:
    """The screen behind a link; behind that of a message about several incidents, the list of them. Changes nothing;
    `pressed` only chooses a sentence about how things are now."""
    link = await links.find(tx.conn, token)
    if link is not None and link.active and link.expires_at > tx.now:
        carried = await reading.carried(tx.conn, link.notification_id)
        if len(carried) > 1:
            told = await told_of(tx.conn, tx.now, link, carried) if pressed == "acknowledge_all" else ""
            return several(request, tx.now, link, token, carried, told)
    return await _open(request, tx, link, token, pressed)


@router.api_route("/l/{token}/{number}", methods=["GET", "HEAD"], dependencies=[public("the token is the credential")])
async def open_one_of_several(token: str, number: Number, request: Request, tx: Tx, pressed: str = "") -> Response:
    """One of the incidents of a message about several."""
    return await _open(request, tx, await _one(tx, token, number), f"{token}/{number}", pressed)


async def _one(tx: Transaction, token: str, number: int) -> Link | None:
    """The link as if it had been sent for this incident alone; None when its message was not about it."""
    link = await links.find(tx.conn, token)
    for one in await reading.carried(tx.conn, link.notification_id) if link is not None else ():
        if link is not None and one.number == number:
            return replace(link, incident_id=one.incident_id, notification_id=one.notification_id)
    return None


async def _open(request: Request, tx: Transaction, link: Link | None, token: str, pressed: str) -> Response:
    if link is None:
        return link_screen("link_unknown", 404)
    seen = await answering.standing(tx.conn, link.incident_id, link.user_id)
    if seen is None or link.expires_at <= tx.now or not link.active:
        return link_screen("link_expired", 410, number=seen.number if seen else None)
    return await _show(request, tx, link, token, seen, said(pressed, seen, link.user_id))


@router.post("/l/{token}", dependencies=[public("the token and the button's own token are the credential")])
async def press(
    token: str,
    request: Request,
    tx: Tx,
    action: Annotated[Action | ForAll, Form()],
    view: Annotated[str, Form(max_length=200)],
    signature: Annotated[str, Form(max_length=100)],
) -> Response:
    """What a button does, once it is certain that our screen showed it. Pressing again is harmless."""
    link = await links.find(tx.conn, token)
    if action == "acknowledge_all":
        return await _press_all(request, tx, link, token, view, signature)
    return await _press(request, tx, link, token, action, view, signature)


async def _press_all(
    request: Request, tx: Transaction, link: Link | None, token: str, view: str, signature: str
) -> Response:
    """The button for all incidents of a message."""
    if link is None or not link.active or link.expires_at <= tx.now:
        return await _open(request, tx, link, token, "")
    carried = await reading.carried(tx.conn, link.notification_id)
    given: Links = request.app.state.links
    if not given.allows(token, "acknowledge_all", view, signature):
        return several(request, tx.now, link, token, carried, "Nothing was done: please press again.", 403)
    if await acknowledge_all(tx.conn, tx.now, link, carried):
        tx.after_commit(request.app.state.wake)
    return await _done(request, tx, link, token, "acknowledge_all" if len(carried) > 1 else "acknowledge")


@router.post("/l/{token}/{number}", dependencies=[public("the token and the button's own token are the credential")])
async def press_one_of_several(
    token: str,
    number: Number,
    request: Request,
    tx: Tx,
    action: Annotated[Action, Form()],
    view: Annotated[str, Form(max_length=200)],
    signature: Annotated[str, Form(max_length=100)],
) -> Response:
    """The same for one of the incidents of a message about several; the others stay as they are."""
    path = f"{token}/{number}"
    return await _press(request, tx, await _one(tx, token, number), path, action, view, signature)


async def _press(
    request: Request, tx: Transaction, link: Link | None, token: str, action: Action, view: str, signature: str
) -> Response:
    if link is None:
        return link_screen("link_unknown", 404)
    locked = await incident_store.lock(tx.conn, [link.incident_id])
    seen = await answering.standing(tx.conn, link.incident_id, link.user_id)
    if seen is None or not locked or link.expires_at <= tx.now or not link.active:
        return link_screen("link_expired", 410, number=seen.number if seen else None)
    given: Links = request.app.state.links
    if not given.allows(token, action, view, signature):
        return await _show(request, tx, link, token, seen, "Nothing was done: please press again.", status=403)
    if action != "acknowledge" and not seen.is_open:
        return await _done(request, tx, link, token, action)
    if not View.read(view).allows(action, View.of(seen)):
        told = "Nothing was done yet, because things changed since you looked. Please look again."
        return await _show(request, tx, link, token, seen, told, status=409)
    return await _act(request, tx, link, token, seen, action)


async def _act(request: Request, tx: Transaction, link: Link, token: str, seen: Standing, action: Action) -> Response:
    who = Responder(link.user_id, link.user_key, link.user_name, "link", link.notification_id)
    if action == "acknowledge":
        await commands.acknowledge(tx.conn, tx.now, seen.id, who)
    elif action == "escalate":
        incident = (await incident_store.lock(tx.conn, [seen.id]))[seen.id]
        await escalation.escalate_now(tx.conn, tx.now, incident, who)
        tx.after_commit(request.app.state.wake)
    else:
        confirmed = action == "resolve_anyway"
        done = await commands.resolve(tx.conn, tx.now, seen.id, who, confirmed=confirmed)
        if isinstance(done, StillFiring):
            return await _show(request, tx, link, token, seen, ask=done.firing)
    return await _done(request, tx, link, token, action)


async def _done(request: Request, tx: Transaction, link: Link, token: str, action: Action | ForAll) -> Response:
    """To the screen by GET, so that loading it again sends nothing again; a program is told at once."""
    if as_json(request) and action == "acknowledge_all":
        return await open_link(token, request, tx, action)
    if as_json(request):
        return await _open(request, tx, link, token, action)
    return RedirectResponse(f"/l/{token}?pressed={action}", 303, dict(LINK_HEADERS))


async def _show(
    request: Request,
    tx: Transaction,
    link: Link,
    token: str,
    seen: Standing,
    told: str = "",
    *,
    ask: int = 0,
    status: int = 200,
) -> Response:
    """`ask`: so many alerts still fire; the screen asks before it resolves."""
    if as_json(request):
        return how_it_stands(seen, link, told, status)
    view = str(View.of(seen))
    message, one_of_several, _ = token.partition("/")
    actions: list[Action] = ["resolve_anyway"] if ask else list(offered(seen, link.user_id, tx.now))
    given: Links = request.app.state.links
    return link_screen(
        "link",
        status,
        seen=seen,
        mine=seen.acknowledged_by_id == link.user_id,
        user_name=link.user_name,
        token=token,
        among=message if one_of_several else "",
        view=view,
        actions=[(action, given.action_token(token, action, view)) for action in actions],
        told=told,
        ask=ask,
        returned=recurrence.line(await recurrence_store.recurrence(tx.conn, seen.id), tx.now),
        following=await next_step(tx.conn, seen.id, list(request.app.state.channels), tx.now),
        happened=await answering.latest(tx.conn, seen.id, LAST_ENTRIES, without=COMINGS_AND_GOINGS),
        why=await why.of(tx.conn, link.notification_id, seen.time_zone),
        now=tx.now,
        zone=hours.zone(seen.time_zone),
    )


@router.post("/v1/twilio/status/{token}", status_code=204, dependencies=[public("Twilio signs the request")])
async def twilio_status(
    token: str, request: Request, tx: Tx, settings: SettingsGiven, channels: ChannelsGiven
) -> Response:
    """What became of a message. 403 for a wrong signature; anything else that is signed is answered with 204, because
    sending it again would change nothing."""
    report = status_of(await signed_form(request, settings))
    if report is not None and await report_delivery(tx.conn, tx.now, Links.hash(token), report, list(channels)):
        tx.after_commit(request.app.state.wake)
    return Response(status_code=204)
