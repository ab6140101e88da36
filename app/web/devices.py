"""What a browser needs to be paged and to be installed: the service worker, the manifest, and the word that a
notification was shown (docs/push.md)."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.access.links import Links
from app.channels import push
from app.channels.channel import DeliveryReport
from app.channels.push import PushChannel
from app.directory import renewing
from app.directory.renewing import Renewed
from app.errors import NotFound
from app.notifications.commands import queue_message
from app.notifications.reports import report_delivery
from app.web.auth import public
from app.web.dependencies import ChannelsGiven, Transaction, Tx
from app.web.screens.rendering import STATIC, static_url

router = APIRouter(include_in_schema=False)

WORKER: Final = "push-worker.js"
_UNKEPT: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}

Token = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{22}$")]


@router.api_route(f"/{WORKER}", methods=["GET", "HEAD"], dependencies=[public("it holds no data")])
async def worker() -> Response:
    """The service worker, at the root, because it is for all screens; browsers look for a newer one by themselves."""
    found = STATIC[WORKER]
    return Response(found.content, media_type=found.media_type, headers=_UNKEPT)


@router.api_route("/manifest.webmanifest", methods=["GET", "HEAD"], dependencies=[public("it holds no data")])
async def manifest() -> Response:
    """What makes the screens installable (W3C Web Application Manifest)."""
    sizes = {f"icon-{size}.png": f"{size}x{size}" for size in (192, 512)}
    icons = [{"src": static_url(name), "sizes": size, "type": "image/png"} for name, size in sizes.items()]
    document = {
        "id": "/",
        "name": "Tocsin",
        "short_name": "Tocsin",
        "description": "Incidents, and who is on call",
        "start_url": "/incidents",
        "scope": "/",
        "display": "standalone",
        "background_color": "#1d4fc4",
        "theme_color": "#1d4fc4",
        "icons": [*icons, {"src": static_url("bell.svg"), "sizes": "any", "type": "image/svg+xml"}],
    }
    return JSONResponse(document, headers=_UNKEPT, media_type="application/manifest+json")


@router.post(
    "/v1/push/shown/{token}", status_code=204, dependencies=[public("the token is the credential, and only says shown")]
)
async def shown(token: Token, request: Request, tx: Tx, channels: ChannelsGiven) -> Response:
    """The device shows the notification of this attempt. Whatever the token, the answer is the same."""
    report = DeliveryReport(push.PROVIDER, "", "delivered")
    if await report_delivery(tx.conn, tx.now, Links.hash(token), report, list(channels)):
        tx.after_commit(request.app.state.wake)
    return Response(status_code=204)


class Renewal(BaseModel):
    """Two subscriptions, each as `JSON.stringify` of a browser gives it."""

    before: str = Field(min_length=1, max_length=4000)
    after: str = Field(min_length=1, max_length=4000)


@router.post(
    "/v1/push/renewed", status_code=204, dependencies=[public("the old subscription, a secret, is the credential")]
)
async def renewed(renewal: Renewal, request: Request, tx: Tx, channels: ChannelsGiven) -> Response:
    """The browser of a device has another subscription now. 404 where the old one is nobody's contact method, 422 for
    what is no subscription."""
    channel = channels.get("push")
    if not isinstance(channel, PushChannel):
        raise NotFound("push is not configured here")
    found = await renewing.renew(tx.conn, tx.now, renewal.before, renewal.after, channel)
    if not found:
        raise NotFound("no contact method has this subscription")
    for one in found:
        if one.was_broken:
            await _say_so(tx, one)
    tx.after_commit(request.app.state.wake)
    return Response(status_code=204)


async def _say_so(tx: Transaction, one: Renewed) -> None:
    """To the device itself: its owner was told that it does not work."""
    text = f"This device ({one.label}) can be paged again." if one.label else "This device can be paged again."
    await queue_message(
        tx.conn, tx.now, user_id=one.user_id, contact_method_id=one.id, channel="push", address=one.address,
        purpose="notice", loudness="quiet", key=f"renewed:{one.id}:{one.address}",
        content={"subject": "A contact method of yours works again", "text": text},
    )  # fmt: skip
