"""⑪ Mail that a provider hands over by HTTP: `POST /v1/mail/inbound` with the mail as it is (MIME, RFC 5322) in the
body, or in a field of a form, as Mailgun's (`body-mime`) and SendGrid's (`email`) raw routes send it.

The secret is in a header, as Bearer token or as the password of basic authentication, so that no log of addresses has
it. Off, 404, without TOCSIN_MAIL_IN_SECRET.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.types import Message

from app.errors import Invalid, NotFound
from app.web.auth import public
from app.web.dependencies import ChannelsGiven, SettingsGiven
from app.web.intake_desk import credential
from app.web.mail_intake import LARGEST, MailIntake
from app.web.problems import Unauthenticated

router = APIRouter(include_in_schema=False)

_FORMS: Final = ("multipart/form-data", "application/x-www-form-urlencoded")
_MAILS: Final = ("body-mime", "email")


@router.post("/v1/mail/inbound", dependencies=[public("it has a secret of its own, in a header")])
async def mail_came_in(request: Request, settings: SettingsGiven, channels: ChannelsGiven) -> dict[str, str]:
    """Acts on a mail, once by its Message-ID. 401 without the secret, 413 above 5 MiB, 422 for what holds no mail; all
    else is 200 with what became of it: sending it again would change nothing."""
    if not settings.mail_in_secret:
        raise NotFound("no mail is taken here: TOCSIN_MAIL_IN_SECRET is not set")
    given = credential(request.headers.get("authorization", "")) or ""
    if not hmac.compare_digest(given.encode(), settings.mail_in_secret.encode()):
        raise Unauthenticated("the secret of incoming mail is missing or wrong")
    state = request.app.state
    intake = MailIntake(state.engine, settings, state.links, list(channels), state.wake)
    body = await _body(request)
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in _FORMS:
        raw, recipients, sender = await _of_form(request, body)
    else:
        raw, recipients = body, _listed(request.headers.get("tocsin-envelope-to", ""))
        sender = request.headers.get("tocsin-envelope-from")
    if not raw.strip():
        raise Invalid("there is no mail", errors=[{"field": "body", "message": "empty, or without body-mime or email"}])
    return {"became": await intake.take(raw, recipients, None if sender is None else sender.strip("<> "))}


async def _body(request: Request) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        parts.append(part)
        if (size := size + len(part)) > LARGEST:
            raise HTTPException(413, f"the mail has more than {LARGEST} bytes")
    return b"".join(parts)


async def _of_form(request: Request, body: bytes) -> tuple[bytes, Sequence[str], str | None]:
    """Mail, recipients and sender of the envelope, None where the form does not tell."""

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async with Request(request.scope, again).form(max_files=20, max_fields=100, max_part_size=LARGEST) as form:
        raw = b""
        for name in _MAILS:
            raw = raw or await _field(form, name)
        envelope = _object(form.get("envelope"))
        sender = form.get("sender") or envelope.get("from")
        to = envelope.get("to")
        told = [str(address) for address in to] if isinstance(to, list) else []
        return raw, told or _listed(str(form.get("recipient") or "")), sender if isinstance(sender, str) else None


async def _field(form: FormData, name: str) -> bytes:
    value = form.get(name)
    if value is None:
        return b""
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else await value.read()


def _object(value: Any) -> dict[str, Any]:
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _listed(addresses: str) -> list[str]:
    return [a.strip() for a in addresses[:5000].split(",") if a.strip()]
