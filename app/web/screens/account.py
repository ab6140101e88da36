"""My account: where I am reached, what is used when, my password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from app.access import commands as access
from app.channels import countries, registry
from app.directory import contact_methods, contact_store, contacts, digests, people, subscriptions
from app.directory.contact_methods import Verified, WrongCode
from app.directory.documents import ContactMethodDocument, ContactMethodEdit
from app.errors import Invalid, NotFound, Refusal
from app.notifications.commands import queue_message
from app.web.auth import clear_session
from app.web.dependencies import ChannelsGiven, SettingsGiven, ThrottleGiven
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS, screen

router = APIRouter(prefix="/account", include_in_schema=False)

MethodId = Annotated[int, Path(ge=1, le=2**63 - 1)]
Editing = Annotated[Reader, reads("me.edit")]

NOTHING_ENTERED: Final = {"channel": "", "address": "", "label": ""}
TOLD: Final = {
    "added": "Added. Ask for a code next: it counts once the code came back.",
    "device": "This device is added, and a code is on its way to it: enter it below.",
    "sent": "A code is on its way. It is good for 15 minutes.",
    "verified": "Verified: you are reached there from now on.",
    "removed": "Removed.",
    "links": "Texts to this number carry links from now on, as far as its country allows.",
    "no_links": "Texts to this number carry no links from now on. Reply codes stay.",
    "rules": "This is how you are paged from now on.",
    "digest": "Quiet pages of the night wait for the morning from now on.",
    "no_digest": "Each quiet page goes out at once from now on. What waits already comes when it was planned.",
    "subscribed": "You are told of these incidents from now on; you need not respond.",
    "unsubscribed": "You are not told of these any more.",
}


def me(reader: Reader) -> tuple[int, str]:
    """(id, key) of whoever reads. Raises `NotFound` for a machine's API key."""
    caller = reader.caller
    if caller.user_id is None or caller.user_key is None:
        raise NotFound("this API key acts for no person", code="no_person")
    return caller.user_id, caller.user_key


@router.get("")
async def show_account(
    request: Request, reader: Annotated[Reader, reads("me.read")], settings: SettingsGiven, told: str = ""
) -> Response:
    return await show(request, reader, settings, TOLD.get(told, ""))


async def show(
    request: Request,
    reader: Reader,
    settings: SettingsGiven,
    told: str = "",
    *,
    wrong: str = "",
    status: int = 200,
    entered: Mapping[str, str] = NOTHING_ENTERED,
    digest_at: str | None = None,
) -> Response:
    """`entered`, `digest_at`: a contact method, a time that was refused, to be put right and not typed again."""
    user_id, key = me(reader)
    conn = reader.tx.conn
    own = await contact_store.methods(conn, user_id)
    channels = request.app.state.channels
    person = (await contacts.people(conn, [user_id], list(channels)))[user_id]
    return reader.shows(
        "account",
        status,
        user=(await people.read_user(conn, key)).document,
        methods=own,
        texting={m.id: countries.of(m.address) for m in own if m.channel == "sms"},
        rules={loud: person.rules_for(loud) for loud in ("loud", "quiet")},
        default={loud: not any(given == loud for given, _ in person.rules) for loud in ("loud", "quiet")},
        digest_at=digest_at,
        digest_goes=digests.way(person) if person.methods else None,
        clocks=person.zone,
        offered=[c for c in registry.capabilities(settings) if c.configured and c.typed],
        channels=channels,
        subscribed=(await subscriptions.of_user(conn, user_id)).subscriptions,
        services=await subscriptions.services(conn),
        names={m.id: m.label if m.label and m.channel in contacts.PUSHES else m.address for m in own},
        server_key=channels["push"].server_key if "push" in channels else "",
        told=told,
        wrong=wrong,
        entered=entered,
    )


@router.post("/contact-methods")
async def add_method(
    request: Request,
    reader: Editing,
    settings: SettingsGiven,
    channels: ChannelsGiven,
    channel: Annotated[str, Form(max_length=20)],
    address: Annotated[str, Form(max_length=500)],
    label: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    user_id, _ = me(reader)
    given = {"channel": channel, "address": address.strip(), "label": label.strip()}
    try:
        document = ContactMethodDocument.model_validate(given)
        await contact_methods.add(reader.tx.conn, reader.tx.now, user_id, document, channels, actor=reader.caller.actor)
    except ValidationError:
        wrong = "This address cannot be used."
        return await show(request, reader, settings, wrong=wrong, status=422, entered=given)
    except Refusal as refused:
        wrong = refused.message.removeprefix("address: ")
        return await show(request, reader, settings, wrong=wrong, status=422, entered=given)
    return back("added")


@router.post("/contact-methods/{method_id}/code")
async def send_code(request: Request, method_id: MethodId, reader: Editing, settings: SettingsGiven) -> Response:
    try:
        await queue_code(request, reader, method_id)
    except Refusal as refused:
        return await show(request, reader, settings, wrong=refused.message, status=422)
    return back("sent")


async def queue_code(request: Request, reader: Reader, method_id: int) -> None:
    """Raises `Refusal` where `contact_methods.new_code` does."""
    user_id, _ = me(reader)
    tx = reader.tx
    code = await contact_methods.new_code(tx.conn, tx.now, user_id, method_id, actor=reader.caller.actor)
    await queue_message(
        tx.conn,
        tx.now,
        user_id=user_id,
        contact_method_id=method_id,
        channel=code.method.channel,
        address=code.method.address,
        purpose="verification",
        content={"code": code.text},
        key=f"verification:{method_id}:{tx.now.isoformat()}",
    )
    tx.after_commit(request.app.state.wake)


@router.post("/contact-methods/{method_id}/verify")
async def verify(
    request: Request,
    method_id: MethodId,
    reader: Editing,
    settings: SettingsGiven,
    code: Annotated[str, Form(max_length=20)],
) -> Response:
    """A wrong code is counted, so its answer is committed as well."""
    user_id, _ = me(reader)
    tx = reader.tx
    entered = await contact_methods.verify(tx.conn, tx.now, user_id, method_id, code, actor=reader.caller.actor)
    if isinstance(entered, Verified):
        return back("verified")
    wrong = "No code counts any more: ask for a new one."
    if isinstance(entered, WrongCode):
        left = "1 try is" if entered.tries_left == 1 else f"{entered.tries_left} tries are"
        wrong = f"This is not the code that was sent. {left} left."
    return await show(request, reader, settings, wrong=wrong, status=422)


@router.post("/contact-methods/{method_id}/links")
async def set_links(
    method_id: MethodId, reader: Editing, channels: ChannelsGiven, links: Annotated[str, Form(max_length=10)] = ""
) -> Response:
    """`links`: anything but empty for texts with links."""
    (user_id, _), conn = me(reader), reader.tx.conn
    before = await contact_methods.read(conn, user_id, method_id)
    edit = ContactMethodEdit(address=before.address, label=before.label, links=bool(links))
    await contact_methods.edit(
        conn, reader.tx.now, user_id, method_id, edit, channels, actor=reader.caller.actor, version=before.version
    )
    return back("links" if links else "no_links")


@router.post("/contact-methods/{method_id}/remove")
async def remove(method_id: MethodId, reader: Editing) -> Response:
    user_id, _ = me(reader)
    await contact_methods.remove(reader.tx.conn, reader.tx.now, user_id, method_id, actor=reader.caller.actor)
    return back("removed")


@router.post("/password")
async def change_password(
    request: Request,
    reader: Editing,
    settings: SettingsGiven,
    throttle: ThrottleGiven,
    current: Annotated[str, Form(max_length=500)],
    new: Annotated[str, Form(max_length=500)],
) -> Response:
    """Ends all sessions, this one included."""
    user_id, _ = me(reader)
    try:
        await access.change_password(reader.tx.conn, reader.tx.now, throttle, user_id, current=current, new=new)
    except Invalid as refused:
        return await show(request, reader, settings, wrong=refused.message, status=422)
    except Refusal as refused:
        return await show(request, reader, settings, wrong=refused.message, status=403)
    shown = screen("login", following="/account", email="", told="Your password is changed. Please log in with it.")
    clear_session(shown, settings)
    return shown


def back(told: str) -> Response:
    """To the account's screen by GET, with one of the sentences of `TOLD`."""
    return RedirectResponse(f"/account?told={told}", 303, dict(HEADERS))
