"""Alertmanager's API v2, so that amtool, Grafana and Prometheus work unchanged: `/api/v2/...`, or the same behind
`/v1/intake/{routing_key}`. `POST .../api/v2/alerts` never comes here: intake stands in front.

A silence made here is one of ours. Credentials: a routing key of a source `prometheus` or `alertmanager`, which sees
the alerts of its service and silences no others; or an API key, which may do what it may do elsewhere. Both as Bearer
or as the password of basic auth. Receivers are services. One place answers all paths, because errors must look like
Alertmanager's.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute

from app import clock
from app.access import identify as identities
from app.access.permissions import Caller
from app.alerts import silence_store, silences, standing_suppressions, suppression_store
from app.alerts.silences import Wanted
from app.errors import Forbidden, Invalid, NotFound
from app.ingest import store as ingest
from app.rules import matching
from app.web import health
from app.web.auth import public
from app.web.dependencies import SettingsGiven, Transaction, Tx
from app.web.dropin import alertmanager_wire as wire
from app.web.dropin.alertmanager_wire import Said
from app.web.intake_desk import credential
from app.web.problems import Unauthenticated

SOURCES: Final = ("alertmanager", "prometheus")
MOST: Final = 20_000
"""Alerts in one answer."""
EXPIRED_SHOWN: Final = timedelta(days=5)
"""Alertmanager's data.retention: how long an expired silence is listed."""
VERSION: Final = "0.27.0"
_BEGAN: Final = clock.elapsed()
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is calling. `service_id`: sees and silences alerts of this service only."""

    actor: str
    name: str
    service_id: int | None = None
    caller: Caller | None = None

    def require(self, permission: str) -> None:
        if self.caller is not None:
            self.caller.require(permission)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and who makes it."""

    request: Request
    tx: Transaction
    who: Visitor
    rest: str

    @property
    def now(self) -> datetime:
        return self.tx.now


class Route(APIRoute):
    """Errors as Alertmanager writes them; and whoever may send a credential may do so from any page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def answer(request: Request) -> Response:
            response = await _answered(handle, request)
            response.headers["Cache-Control"] = "no-store"
            response.headers["Vary"] = "Origin"
            if "origin" in request.headers:
                response.headers["Access-Control-Allow-Origin"] = "*"
            return response

        return answer


async def _answered(handle: Callable[[Request], Coroutine[Any, Any, Response]], request: Request) -> Response:
    try:
        return await handle(request)
    except Said as e:
        return Response(None, e.status) if e.body is None else JSONResponse(e.body, e.status, e.headers)
    except Unauthenticated as e:
        return JSONResponse(e.message, 401, {"WWW-Authenticate": 'Basic realm="tocsin"'})
    except Forbidden as e:
        return JSONResponse(e.message, 403)


router = APIRouter(include_in_schema=False, route_class=Route)


async def _visitor(request: Request, tx: Transaction, routing_key: str | None) -> Visitor:
    given = routing_key or credential(request.headers.get("authorization", ""))
    if not given:
        raise Unauthenticated("a routing key or an API key is needed, as Bearer or as the password of basic auth")
    if given.startswith(identities.API_KEY_PREFIX):
        caller = await identities.by_api_key(tx.conn, tx.now, given)
        if caller is None:
            raise Unauthenticated("this API key is wrong, expired or revoked")
        return Visitor(caller.actor, caller.name, None, caller)
    named = {"hash": identities.hashed(given), "now": tx.now}
    integration_id = (await tx.conn.execute(ingest.INTEGRATION_OF_KEY, named)).scalar_one_or_none()
    if integration_id is None:
        raise Unauthenticated("this routing key is not known")
    door = (await tx.conn.execute(ingest.ENTRANCE_OF, {"id": integration_id})).one()
    if door.source not in SOURCES or not door.enabled:
        raise Forbidden(f"this takes a routing key of the source {' or '.join(SOURCES)}, and enabled")
    return Visitor(f"integration:{door.key}", door.key, door.service_id)


@router.api_route(
    "/api/v2/{rest:path}", methods=_METHODS, dependencies=[public("it takes a routing key or an API key: see _visitor")]
)
async def alertmanager_api(rest: str, request: Request, tx: Tx) -> Response:
    """Alertmanager's API v2, with a credential in the header."""
    return await _dispatch(rest, request, tx, None)


@router.api_route(
    "/v1/intake/{routing_key}/api/v2/{rest:path}", methods=_METHODS, dependencies=[public("the routing key is in it")]
)
async def alertmanager_api_of_key(routing_key: str, rest: str, request: Request, tx: Tx) -> Response:
    """The same with the routing key in the path."""
    return await _dispatch(rest, request, tx, routing_key)


@router.get("/-/healthy", dependencies=[public("it says only that the process lives")])
@router.get("/v1/intake/{routing_key}/-/healthy", dependencies=[public("it says only that the process lives")])
async def alertmanager_healthy() -> Response:
    """As Alertmanager."""
    return Response("OK", media_type="text/plain")


@router.get("/-/ready", dependencies=[public("load balancers ask it, and it holds no secrets")])
@router.get("/v1/intake/{routing_key}/-/ready", dependencies=[public("load balancers ask it, and it holds no secrets")])
async def alertmanager_ready(request: Request, settings: SettingsGiven) -> Response:
    """200 as `/readyz` is."""
    ready = (await health.readyz(request, settings)).status_code == 200
    return Response("OK" if ready else "not ready", 200 if ready else 503, media_type="text/plain")


_Handler = Callable[[Asked], Coroutine[Any, Any, Response]]


async def _dispatch(rest: str, request: Request, tx: Transaction, routing_key: str | None) -> Response:
    path = rest.rstrip("/")
    place = "silence" if path.startswith("silence/") else path
    known = _HANDLERS.get(place)
    methods = {*(known or {}), *(["POST"] if place == "alerts" else [])}
    allowed = sorted(methods)
    if request.method == "OPTIONS" and known is not None:
        wanted = request.headers.get("access-control-request-method", "").upper()
        given = {"Access-Control-Allow-Headers": "Accept, Authorization, Content-Type, Origin"}
        return Response(
            headers=given | {"Access-Control-Allow-Methods": wanted if wanted in allowed else ", ".join(allowed)}
        )
    who = await _visitor(request, tx, routing_key)
    if known is None:
        raise wire.refused(404, f"path /api/v2/{path[:200]} was not found")
    method = "GET" if request.method == "HEAD" else request.method
    if method not in known:
        names = ",".join(allowed)
        raise wire.refused(405, f"method {method} is not allowed, but [{names}] are", Allow=names)
    return await known[method](Asked(request, tx, who, path))


async def _status(asked: Asked) -> Response:
    asked.who.require("silences.read")
    names = await _receivers(asked)
    lines = ["route:", f'  receiver: "{names[0]}"', "receivers:", *(f'- name: "{name}"' for name in names)]
    version = dict.fromkeys(("revision", "branch", "buildUser", "buildDate", "goVersion"), "")
    return JSONResponse(
        {
            "cluster": {"status": "disabled", "peers": []},
            "versionInfo": {"version": VERSION, **version},
            "config": {"original": "\n".join(lines) + "\n"},
            "uptime": wire.instant(asked.now - timedelta(seconds=clock.elapsed() - _BEGAN)),
        }
    )


async def _receivers(asked: Asked) -> list[str]:
    """Keys of services; there is always one, since Alertmanager has one."""
    ids = await suppression_store.service_ids(asked.tx.conn)
    own = asked.who.service_id
    return sorted(key for key, i in ids.items() if own in (None, i)) or ["tocsin"]


async def _list_receivers(asked: Asked) -> Response:
    asked.who.require("silences.read")
    return JSONResponse([{"name": name} for name in await _receivers(asked)])


async def _alerts(asked: Asked) -> list[dict[str, Any]]:
    """Firing alerts, in the order of their fingerprints."""
    asked.who.require("incidents.read")
    params, conn = asked.request.query_params, asked.tx.conn
    flags = {name: wire.flag(params, name) for name in ("active", "silenced", "inhibited")}
    query = wire.Query(
        wire.filters(params.getlist("filter")),
        wire.receiver(params.get("receiver")),
        others=wire.flag(params, "muted"),
        **flags,
    )  # fmt: skip
    judging = await standing_suppressions.load(conn, asked.now)
    if judging.inhibitions:
        judging = judging.while_firing(await suppression_store.sources(conn))
    rows = await suppression_store.firing(conn, service_id=asked.who.service_id, limit=MOST)
    shown = ((wire.alert(row, judging, asked.now), wire.filtered_by(row)) for row in rows)
    return sorted((a for a, labels in shown if query.wants(a, labels)), key=lambda a: str(a["fingerprint"]))


async def _list_alerts(asked: Asked) -> Response:
    return JSONResponse(await _alerts(asked))


async def _list_groups(asked: Asked) -> Response:
    return JSONResponse(wire.groups(await _alerts(asked)))


async def _list_silences(asked: Asked) -> Response:
    asked.who.require("silences.read")
    wanted = wire.filters(asked.request.query_params.getlist("filter"))
    found = await silence_store.shown(asked.tx.conn, asked.now - EXPIRED_SHOWN, asked.who.service_id)
    fitting = (s for s in found if matching.filtered(wanted, wire.names_of(s)))
    return JSONResponse([wire.silence(s, asked.now) for s in wire.in_order(fitting, asked.now)])


async def _post_silence(asked: Asked) -> Response:
    asked.who.require("silences.edit")
    given = wire.posted_silence(asked.request.headers.get("content-type", ""), await asked.request.body())
    now, who = asked.now, asked.who
    if given["endsAt"] <= given["startsAt"]:
        raise Said(400, "Failed to create silence: start time must be before end time")
    if given["endsAt"] <= now:
        raise Said(400, "Failed to create silence: end time can't be in the past")
    owner = None if who.caller is None else who.caller.user_key
    wanted = Wanted(
        given["matchers"],
        given["startsAt"],
        given["endsAt"],
        given["createdBy"],
        given["comment"],
        owner,
        who.service_id,
    )
    try:
        silence_id = UUID(given["id"]) if given["id"] else None
        made = await silences.put(asked.tx.conn, now, silence_id, wanted, actor=who.actor)
    except Invalid as e:
        raise Said(400, f"silence invalid: {_in_words(e)}") from e
    except (NotFound, ValueError) as e:
        raise Said(404, "silence not found") from e
    asked.tx.after_commit(asked.request.app.state.wake)
    return JSONResponse({"silenceID": str(made.id)})


def _in_words(error: Invalid) -> str:
    """A regular expression's error in Go's words."""
    head, regex, rest = error.message.partition("invalid regular expression ")
    if not regex:
        return error.message
    quoted, _, complaint = rest.partition(": ")
    return f"{head}{regex}{quoted}: {wire.regexp_error(complaint)}"


def _silence_id(asked: Asked) -> UUID:
    text = asked.rest.removeprefix("silence/")
    try:
        return UUID(text)
    except ValueError:
        raise wire.refused(422, f'silenceID in path must be of type uuid: "{text[:100]}"', 601) from None


async def _get_silence(asked: Asked) -> Response:
    asked.who.require("silences.read")
    found = await silence_store.one(asked.tx.conn, _silence_id(asked))
    own = asked.who.service_id
    if found is None or (own is not None and found.service_id not in (None, own)):
        raise Said(404)
    return JSONResponse(wire.silence(found, asked.now))


async def _delete_silence(asked: Asked) -> Response:
    asked.who.require("silences.edit")
    who = asked.who
    try:
        await silences.expire(asked.tx.conn, asked.now, _silence_id(asked), actor=who.actor, service_id=who.service_id)
    except NotFound as e:
        raise Said(404, "silence not found") from e
    asked.tx.after_commit(asked.request.app.state.wake)
    return Response()


_HANDLERS: Final[dict[str, dict[str, _Handler]]] = {
    "status": {"GET": _status},
    "receivers": {"GET": _list_receivers},
    "alerts": {"GET": _list_alerts},
    "alerts/groups": {"GET": _list_groups},
    "silences": {"GET": _list_silences, "POST": _post_silence},
    "silence": {"GET": _get_silence, "DELETE": _delete_silence},
}
