"""`/rule-drafts`: rule sets that somebody is writing. Edited by turns, checked, published, thrown away."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.directory import services
from app.incidents import rule_kinds
from app.incidents.rule_kinds import KINDS
from app.rehearsal import draft_check
from app.rules import draft_store, drafts
from app.rules.documents import RULE_LIMIT
from app.rules.draft_store import Draft
from app.web.api.rule_sets import PublishedAnswer
from app.web.api.stored import created
from app.web.auth import Caller, needs, permission
from app.web.dependencies import Tx
from app.web.idempotency import Route, idempotent
from app.web.models import Answer, Body, Key, Name, example
from app.web.pages import Listed, Page
from app.web.versions import IfMatch, set_etag

router = APIRouter(prefix="/rule-drafts", tags=["rule drafts"], route_class=Route)

Id = Annotated[int, Path(ge=1, lt=2**63)]
KindName = Literal["routing", "correlation", "priority"]
_RULE: dict[str, Any] = {"key": "db", "name": "Databases", "when": '{team="db"}', "then": {"impact": 1}}


class DraftRule(BaseModel):
    """A rule that need not be finished: what is wrong with it, `/check` says."""

    model_config = ConfigDict(strict=True, extra="forbid")

    key: Annotated[str, Field(max_length=200)] = ""
    name: Annotated[str, Field(max_length=1000)] = ""
    when: Annotated[str, Field(max_length=20_000)] = ""
    then: Annotated[dict[str, Any], Field(max_length=100)] = {}
    enabled: bool = True


Rules = Annotated[list[DraftRule], Field(max_length=RULE_LIMIT)]


class DraftBegun(Body):
    """`service`: for the rules of this service; null: the organisation's. Without `rules` it begins as what is in
    force."""

    model_config = example(kind="priority", service="checkout", name="Louder nights", rules=[_RULE])

    kind: KindName
    service: Key | None = None
    name: Name
    rules: Rules | None = None


class DraftEdit(Body):
    """All rules of the draft, in order. `base_version`: they take account of this version in force."""

    model_config = example(rules=[_RULE], base_version=3)

    rules: Rules
    base_version: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class DraftAnswer(Answer):
    """A draft. `version` is the ETag; `base_version` the version in force that it starts from."""

    id: int
    kind: KindName
    service: str | None
    name: str
    base_version: int
    rules: list[DraftRule]
    version: int
    created_at: datetime
    edited_at: datetime
    edited_by: str


class FieldError(Answer):
    field: str
    message: str


class WarningAnswer(Answer):
    """`rule` is its key. `unseen`: no recent event carried a label that it looks at; `never_applies`: an earlier rule
    always decides first; `disabled`: it is switched off."""

    rule: str
    code: Literal["unseen", "never_applies", "disabled"]
    message: str


class CheckAnswer(Answer):
    """`errors` keep the draft from being published, `warnings` do not. `outdated`: somebody published after it began.
    `events`: how many recent events were asked for labels."""

    errors: list[FieldError]
    warnings: list[WarningAnswer]
    outdated: bool
    base_version: int
    current_version: int
    events: int


def _plain(rules: list[DraftRule]) -> list[dict[str, Any]]:
    return [rule.model_dump() for rule in rules]


def _answer(draft: Draft, response: Response | None = None) -> DraftAnswer:
    if response is not None:
        set_etag(response, draft.version)
    values = {name: getattr(draft, name) for name in DraftAnswer.model_fields if name != "service"}
    return DraftAnswer.model_validate(values | {"service": draft.scope or None})


async def require_scope(caller: Caller, tx: Tx, scope: str) -> None:
    """For drafts of a service one must manage its team; any manager may propose rules of the organisation."""
    if scope:
        caller.require_team((await services.read(tx.conn, scope)).team_id)


async def _editable(draft_id: int, caller: Caller, tx: Tx) -> Draft:
    draft = await drafts.read(tx.conn, draft_id, lock=True)
    await require_scope(caller, tx, draft.scope)
    return draft


@router.get("", dependencies=[permission("rule_drafts.read")])
async def list_rule_drafts(
    tx: Tx,
    page: Page,
    kind: Annotated[KindName | None, Query(description="Only drafts of this kind.")] = None,
    service: Annotated[Key | None, Query(description="Only drafts of rules of this service.")] = None,
) -> Listed[DraftAnswer]:
    """Drafts, oldest first."""
    found = await draft_store.slice_(tx.conn, kind=kind, scope=service, after=page.after_int or 0, limit=page.fetch)
    return page.of([_answer(draft) for draft in found], lambda draft: draft.id)


@router.post("", status_code=201, dependencies=[idempotent])
async def begin_rule_draft(
    body: DraftBegun, tx: Tx, response: Response, caller: Annotated[Caller, needs("rule_drafts.edit")]
) -> DraftAnswer:
    """A new draft, as what is in force or as given. Nothing comes into force."""
    scope = body.service or ""
    await require_scope(caller, tx, scope)
    rules = None if body.rules is None else _plain(body.rules)
    made = await drafts.begin(
        tx.conn, tx.now, KINDS[body.kind], body.name, actor=caller.actor, scope=scope, rules=rules
    )
    created(response, f"rule-drafts/{made.id}")
    return _answer(made, response)


@router.get("/{draft_id}", dependencies=[permission("rule_drafts.read")])
async def read_rule_draft(draft_id: Id, tx: Tx, response: Response) -> DraftAnswer:
    """One draft."""
    return _answer(await drafts.read(tx.conn, draft_id), response)


@router.put("/{draft_id}")
async def edit_rule_draft(
    draft_id: Id,
    body: DraftEdit,
    tx: Tx,
    response: Response,
    expected: IfMatch,
    caller: Annotated[Caller, needs("rule_drafts.edit")],
) -> DraftAnswer:
    """Puts these rules in place of the draft's; they may be unfinished. 412 `outdated` says who edited it meanwhile
    and when (`edited_by`, `edited_at`), with `current_version` and `your_version`."""
    draft = await _editable(draft_id, caller, tx)
    edited = await drafts.edit(
        tx.conn,
        tx.now,
        KINDS[draft.kind],
        draft_id,
        _plain(body.rules),
        actor=caller.actor,
        base_version=body.base_version,
        version=expected,
    )
    return _answer(edited, response)


@router.delete("/{draft_id}", status_code=204)
async def delete_rule_draft(
    draft_id: Id, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("rule_drafts.edit")]
) -> None:
    """Throws it away."""
    await _editable(draft_id, caller, tx)
    await drafts.delete(tx.conn, tx.now, draft_id, actor=caller.actor, version=expected)


@router.get("/{draft_id}/check", dependencies=[permission("rule_drafts.read")])
async def check_rule_draft(draft_id: Id, tx: Tx) -> CheckAnswer:
    """What keeps it from being published, and what is allowed but looks like a mistake."""
    draft = await drafts.read(tx.conn, draft_id)
    checked = await draft_check.check(tx.conn, KINDS[draft.kind], draft.scope, draft.rules)
    return CheckAnswer(
        errors=[FieldError(**error) for error in checked.errors],
        warnings=[WarningAnswer.model_validate(warning) for warning in checked.warnings],
        outdated=checked.in_force != draft.base_version,
        base_version=draft.base_version,
        current_version=checked.in_force,
        events=checked.events,
    )


@router.post("/{draft_id}/publish")
async def publish_rule_draft(
    draft_id: Id, tx: Tx, expected: IfMatch, caller: Annotated[Caller, needs("rule_drafts.edit")]
) -> PublishedAnswer:
    """Puts it in force; the draft is gone then. The organisation's rules are published by admins. 409 `base_outdated`
    when somebody published since the draft began: `differences` names the rules they changed."""
    draft = await _editable(draft_id, caller, tx)
    if not draft.scope:
        caller.require(f"{draft.kind}_rules.edit")
    kind = KINDS[draft.kind]
    rule_kinds.parse(kind, draft.rules)
    published = await drafts.publish(tx.conn, tx.now, kind, draft_id, actor=caller.actor, version=expected)
    return PublishedAnswer.model_validate(published)
