"""Routing, correlation and priority rules, of the organisation and of each service: what is in force, its versions,
publishing and rolling back. One implementation for all: `/routing-rules`, `/services/{key}/routing-rules`, and so on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import GenericAlias
from typing import Annotated, Any, Final, NamedTuple

from fastapi import APIRouter, Depends, Path, Response
from pydantic import create_model

from app.directory import services
from app.errors import NotFound
from app.incidents.rule_kinds import SHAPES, Shape
from app.rules import commands, store
from app.rules.rulesets import Kind
from app.rules.store import ORGANISATION, Published
from app.web.auth import Caller, needs
from app.web.dependencies import Tx
from app.web.models import Answer, Key
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

Number = Annotated[int, Path(ge=1, lt=2**31)]


class PublishedAnswer(Answer):
    """A version. 0: nobody has published any. `published_by` as in audit records."""

    version: int
    published_at: datetime | None
    published_by: str | None


class VersionAnswer(Answer):
    """One version, without its rules."""

    version: int
    rules: int
    published_at: datetime
    published_by: str


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose rules these are, and who is asking."""

    key: str
    actor: str


def routes() -> APIRouter:
    """The routes of every kind, for the organisation and for services."""
    router = APIRouter()
    for shape in SHAPES:
        name = f"{shape.kind.name}_rules"
        rules: Any = GenericAlias(list, (shape.rule,))
        title = f"{shape.kind.name.capitalize()}RulesAnswer"
        model = create_model(title, __base__=PublishedAnswer, __doc__=f"{_words(shape)}, in order.", rules=(rules, ...))
        path = f"/{shape.kind.name}-rules"
        _add(router, shape, model, path, "", _organisation(f"{name}.read"), _organisation(f"{name}.edit"))
        reading, editing = _service(f"{name}.read", edits=False), _service("service_rules.edit", edits=True)
        _add(router, shape, model, f"/services/{{key}}{path}", "service_", reading, editing)
    return router


def _words(shape: Shape) -> str:
    return f"{shape.kind.word.capitalize()}s"


def _organisation(permission: str) -> Any:
    async def scope(caller: Caller = needs(permission)) -> Scope:
        return Scope(ORGANISATION, caller.actor)

    return Depends(scope)


def _service(permission: str, *, edits: bool) -> Any:
    async def scope(key: Key, tx: Tx, caller: Caller = needs(permission)) -> Scope:
        service = await services.read(tx.conn, key)
        if edits:
            caller.require_team(service.team_id)
        return Scope(key, caller.actor)

    return Depends(scope)


class Operation(NamedTuple):
    """One route of a rule set. In `name` and `says`, `{name}` is like `service_routing_rule`, `{whose}` like `routing
    rules of a service`."""

    method: str
    path: str
    endpoint: str
    name: str
    says: str
    answer: type[Any] | None = None
    """None: the rule set."""


_OPERATIONS: Final = (
    Operation("GET", "", "read", "read_{name}s", "The {whose} that are in force."),
    Operation(
        "PUT", "", "publish", "publish_{name}s",
        "Puts these {whose} in force as the next version. `errors` names every rule that cannot be right and says "
        "where in its condition.",
    ),
    Operation(
        "GET", "/versions", "versions", "list_{name}_versions",
        "All versions of the {whose} ever published, newest first.", Listed[VersionAnswer],
    ),
    Operation(
        "GET", "/versions/{version}", "version", "read_{name}_version",
        "One version of the {whose} as it was published.",
    ),
    Operation(
        "POST", "/versions/{version}/rollback", "roll_back", "roll_back_{name}s",
        "Publishes a copy of an older version of the {whose}; nothing is lost. `If-Match` names the version in force.",
    ),
)  # fmt: skip


def _add(router: APIRouter, shape: Shape, model: type[Any], path: str, of: str, reading: Any, editing: Any) -> None:
    """The routes of one kind and one sort of scope. `of`: what distinguishes the names of their operations."""
    kind = shape.kind
    words = {
        "name": f"{of}{kind.name}_rule",
        "whose": f"{kind.word}s of a service" if of else f"{kind.word}s of the organisation",
    }
    endpoints = _reads(kind, model, reading) | _edits(shape, model, editing)
    for each in _OPERATIONS:
        router.add_api_route(
            path + each.path,
            endpoints[each.endpoint],
            methods=[each.method],
            name=each.name.format_map(words),
            description=each.says.format_map(words),
            response_model=each.answer or model,
            tags=[f"{kind.word}s"],
        )


def _reads(kind: Kind, model: type[Any], reading: Any) -> dict[str, Callable[..., Any]]:
    async def read(response: Response, tx: Tx, scope: Scope = reading) -> Any:
        return _answer(response, model, await store.newest(tx.conn, kind, scope.key))

    async def versions(tx: Tx, page: Page, scope: Scope = reading) -> Listed[VersionAnswer]:
        before = 2**31 - 1 if page.after_int is None else page.after_int
        found = await store.versions(tx.conn, kind, before=before, limit=page.fetch, scope=scope.key)
        return page.of([_version(p) for p in found], lambda published: published.version)

    async def version(version: Number, tx: Tx, scope: Scope = reading) -> Any:
        found = await store.one(tx.conn, kind, version, scope.key)
        if found is None:
            raise NotFound(f"there is no version {version} of the {kind.word}s", version=version)
        return model.model_validate(found)

    return {"read": read, "versions": versions, "version": version}


def _edits(shape: Shape, model: type[Any], editing: Any) -> dict[str, Callable[..., Any]]:
    kind = shape.kind

    async def publish(body: Any, response: Response, tx: Tx, expected: IfMatch, scope: Scope = editing) -> Any:
        published = await commands.publish(
            tx.conn, tx.now, kind, body.plain(), actor=scope.actor, version=expected, scope=scope.key
        )
        return _answer(response, model, published)

    async def roll_back(version: Number, response: Response, tx: Tx, expected: IfMatch, scope: Scope = editing) -> Any:
        published = await commands.roll_back(
            tx.conn, tx.now, kind, version, actor=scope.actor, version=expected, scope=scope.key
        )
        return _answer(response, model, published)

    publish.__annotations__["body"] = shape.edit
    return {"publish": publish, "roll_back": roll_back}


def _answer(response: Response, model: type[Any], published: Published) -> Any:
    set_etag(response, published.version)
    return model.model_validate(published)


def _version(published: Published) -> VersionAnswer:
    assert published.published_at is not None
    return VersionAnswer(
        version=published.version,
        rules=len(published.rules),
        published_at=published.published_at,
        published_by=published.published_by or "",
    )


router = routes()
