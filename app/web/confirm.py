"""The small screen by which whoever comes on call confirms that they have it, from the link in their message.

Like the links of incidents (behaviour.md 6): a GET changes nothing, the link is the credential and acts for the person
it was sent to, and its button sends a POST with a token signed for this link.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from app import hours
from app.access.links import Links
from app.oncall import handoff_store, handshakes, shifts, store
from app.oncall.handoff_store import StoredHandshake
from app.web.auth import public
from app.web.dependencies import Transaction, Tx
from app.web.screens.rendering import LINK_HEADERS, link_screen

router = APIRouter(include_in_schema=False)


@router.api_route("/h/{token}", methods=["GET", "HEAD"], dependencies=[public("the token is the credential")])
async def open_handshake(token: str, request: Request, tx: Tx) -> Response:
    """What it is about, and one button. Changes nothing."""
    return await _show(request, tx, token)


@router.post("/h/{token}", dependencies=[public("the token and the button's own token are the credential")])
async def confirm(
    token: str, request: Request, tx: Tx, signature: Annotated[str, Form(max_length=100)] = ""
) -> Response:
    """What the button does. Pressing again is harmless."""
    links: Links = request.app.state.links
    found = await _find(request, tx, token)
    if found is None:
        return link_screen("link_unknown", 404)
    if not links.allows(token, "confirm", "", signature):
        return await _show(request, tx, token, "Nothing was done: please press again.", 403)
    stored, user_id = found
    [member] = (await store.members(tx.conn, [user_id])).values()
    if member.active:
        await handshakes.confirm(tx.conn, tx.now, stored.id, user_id, f"user:{member.key}")
        tx.after_commit(request.app.state.wake)
    return RedirectResponse(f"/h/{token}", 303, dict(LINK_HEADERS))


async def _find(request: Request, tx: Transaction, token: str) -> tuple[StoredHandshake, int] | None:
    links: Links = request.app.state.links
    named = links.read_handshake(token)
    stored = await handoff_store.one(tx.conn, named[0]) if named is not None else None
    if named is None or stored is None or named[1] not in stored.incoming:
        return None
    return stored, named[1]


async def _show(request: Request, tx: Transaction, token: str, told: str = "", status: int = 200) -> Response:
    found = await _find(request, tx, token)
    if found is None:
        return link_screen("link_unknown", 404)
    stored, user_id = found
    loaded = await store.schedules(tx.conn, [stored.schedule_id], window=(tx.now, tx.now))
    schedule = loaded[stored.schedule_id]
    on_call = [entry.user_id for entry in shifts.who(schedule, tx.now)]
    known = await store.members(tx.conn, {user_id, *stored.outgoing, *on_call})
    me, links = known[user_id], request.app.state.links
    return link_screen(
        "link_handshake",
        status,
        schedule=schedule.name,
        handshake=stored,
        user_name=me.name,
        active=me.active,
        staying=[known[user].name for user in stored.outgoing if user in known],
        on_call=[known[user].name for user in on_call if user in known],
        token=token,
        signature=links.action_token(token, "confirm", ""),
        told=told,
        now=tx.now,
        zone=hours.zone(me.time_zone or schedule.zone),
    )
