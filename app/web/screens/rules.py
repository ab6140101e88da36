"""The rule sets that are in force, of the organisation or a service, with their versions; and going back to one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Path, Query, Response
from fastapi.responses import RedirectResponse

from app.alerts.suppression import BUILT_IN
from app.directory import service_store, services
from app.errors import Conflict, Invalid, NotFound
from app.incidents.rule_kinds import KINDS
from app.rules import commands, draft_store, drafts, store
from app.rules.draft_store import Draft
from app.rules.store import Published
from app.web.api.rule_drafts import KindName
from app.web.problems import status_of
from app.web.screens import rule_text, rule_words
from app.web.screens.reader import Reader, reads
from app.web.screens.rendering import HEADERS

router = APIRouter(prefix="/rules", include_in_schema=False)

Reading = Annotated[Reader, reads("rule_drafts.read")]
Editing = Annotated[Reader, reads("service_rules.edit")]
Whose = Annotated[str, Query(max_length=64, alias="service")]
Version = Annotated[int, Path(ge=1, lt=2**31)]

DECIDES: Final = {
    "routing": "To which service an alert goes, whether and when it counts. For each thing that rules set, the first "
    "rule that matches and sets it decides.",
    "correlation": "Which alerts are one incident, and for how long. The first rule that matches decides all.",
    "priority": "Impact and urgency, from which the matrix makes P1 to P5. The first rule that sets one decides it.",
}
WITHOUT: Final = {
    "correlation": "Without a matching rule, alerts of one service with one alertname are one incident, which takes "
    "more for 30 min after its last alert, for 24 h at most.",
    "priority": "What no rule decides comes from the severity that the source gives and the service's criticality.",
}
TOLD: Final = {
    "published": "Published: these rules are in force now.",
    "discarded": "The draft is thrown away. What is in force stays.",
    "back": "These rules are in force again, as a new version.",
    "same": "These rules are in force already: nothing was published.",
}
CHOICES: Final = 1000
VERSIONS: Final = 30
DRAFTS: Final = 50


@dataclass(frozen=True, slots=True)
class RuleShown:
    """A rule in words. `sets`: what it does, one sentence each."""

    key: str
    name: str
    when: str
    sets: Sequence[str]
    enabled: bool


@dataclass(frozen=True, slots=True)
class RuleSetShown:
    """What is in force of one kind. `may_draft`, `may_publish`: what the reader may do."""

    kind: str
    decides: str
    without: str
    version: Published
    rules: Sequence[RuleShown]
    drafts: Sequence[Draft]
    may_publish: bool


def in_words(kind: str, rules: Sequence[Mapping[str, Any]]) -> list[RuleShown]:
    """Rules of a version or of a draft, which may be unfinished."""
    return [
        RuleShown(r["key"], r["name"], r["when"], rule_words.outcome(kind, r["then"]), r.get("enabled", True))
        for r in rules
    ]


def storable(key: str) -> str:
    """A key with a character that PostgreSQL cannot hold is one that nothing has."""
    return key.replace("\x00", "�")


async def scope_of(reader: Reader, key: str) -> tuple[str, str, bool]:
    """(scope, its name, whether the reader may draft rules for it). Raises `NotFound`."""
    may = reader.caller.may("rule_drafts.edit")
    if not key:
        return store.ORGANISATION, "the organisation", may
    service = await services.read(reader.tx.conn, storable(key))
    return service.document.key, service.document.name, may and reader.caller.manages(service.team_id)


def may_publish(reader: Reader, kind: str, scope: str, may_draft: bool) -> bool:
    """The organisation's rules are published by admins, a service's by whoever manages its team."""
    return may_draft and (bool(scope) or reader.caller.may(f"{kind}_rules.edit"))


@router.get("")
async def show_rules(reader: Reading, service: Whose = "", told: Annotated[str, Query(max_length=30)] = "") -> Response:
    """All three rule sets of the organisation, or of this service."""
    return await show(reader, service, told=TOLD.get(told, ""))


async def show(
    reader: Reader,
    key: str,
    *,
    told: str = "",
    status: int = 200,
    errors: Mapping[str, str] | None = None,
    entered: Mapping[str, str] | None = None,
) -> Response:
    """`errors`, `entered`: of the form that begins a draft; `kind` says which of the three."""
    scope, name, may_draft = await scope_of(reader, key)
    found = await service_store.services(reader.tx.conn, limit=CHOICES)
    sets = [await _shown(reader, kind, scope, may_draft) for kind in KINDS]
    return reader.shows(
        "rules",
        status,
        told=told,
        errors=errors or {},
        entered=entered or {"kind": "", "name": ""},
        scope=scope,
        scope_name=name,
        sets=sets,
        may_draft=may_draft,
        built_in=[(b.name, b.because) for b in BUILT_IN] if not scope else [],
        services=[(s.document.key, s.document.name) for s in found],
    )


async def _shown(reader: Reader, kind: str, scope: str, may_draft: bool) -> RuleSetShown:
    conn = reader.tx.conn
    published = await store.newest(conn, KINDS[kind], scope)
    begun = await draft_store.slice_(conn, kind=kind, scope=scope, after=0, limit=DRAFTS)
    return RuleSetShown(
        kind,
        DECIDES[kind],
        WITHOUT.get(kind, ""),
        published,
        in_words(kind, published.rules),
        begun,
        may_publish(reader, kind, scope, may_draft),
    )


@router.get("/{kind}/versions")
async def show_versions(
    kind: KindName,
    reader: Reading,
    service: Whose = "",
    before: Annotated[int, Query(ge=1, lt=2**31)] = 2**31 - 1,
) -> Response:
    """All versions ever published, newest first. `before`: those before this one."""
    scope, name, _ = await scope_of(reader, service)
    found = await store.versions(reader.tx.conn, KINDS[kind], before=before, limit=VERSIONS + 1, scope=scope)
    newest = await store.newest(reader.tx.conn, KINDS[kind], scope)
    return reader.shows(
        "rule_versions",
        kind=kind,
        scope=scope,
        scope_name=name,
        versions=found[:VERSIONS],
        older=found[VERSIONS - 1].version if len(found) > VERSIONS else 0,
        in_force=newest.version,
    )


@router.get("/{kind}/versions/{version}")
async def show_version(kind: KindName, version: Version, reader: Reading, service: Whose = "") -> Response:
    """One version, and how it differs from what is in force."""
    return await _version(reader, kind, version, service)


async def _version(
    reader: Reader, kind: str, version: int, service: str, wrong: Sequence[str] = (), status: int = 200
) -> Response:
    scope, name, may_draft = await scope_of(reader, service)
    conn = reader.tx.conn
    found = await store.one(conn, KINDS[kind], version, scope)
    if found is None:
        raise NotFound(f"there is no version {version} of the {kind} rules", version=version)
    newest = await store.newest(conn, KINDS[kind], scope)
    return reader.shows(
        "rule_version",
        status,
        kind=kind,
        scope=scope,
        scope_name=name,
        version=found,
        rules=in_words(kind, found.rules),
        in_force=newest,
        differences=drafts.differences(newest.rules, found.rules),
        changes=await asyncio.to_thread(rule_text.changed_rules, newest.rules, found.rules),
        may=may_publish(reader, kind, scope, may_draft),
        wrong=wrong,
    )


@router.post("/{kind}/versions/{version}/rollback")
async def roll_back(
    kind: KindName,
    version: Version,
    reader: Editing,
    in_force: Annotated[int, Form(ge=0, lt=2**31)],
    service: Annotated[str, Form(max_length=64)] = "",
) -> Response:
    """Publishes a copy of it. `in_force`: the version that the screen showed as such; when it is another one now,
    nothing is done and the screen says so. Permissions are those of the API."""
    scope, _, _ = await scope_of(reader, service)
    if scope:
        reader.caller.require_team((await services.read(reader.tx.conn, scope)).team_id)
    else:
        reader.caller.require(f"{kind}_rules.edit")
    try:
        done = await commands.roll_back(
            reader.tx.conn,
            reader.tx.now,
            KINDS[kind],
            version,
            actor=reader.caller.actor,
            version=in_force,
            scope=scope,
        )
    except Conflict as refused:
        why = "Nothing was done: somebody published meanwhile. Below is how this version differs from what is in force."
        return await _version(reader, kind, version, service, [why], status_of(refused))
    except Invalid as refused:
        why = "Nothing was done: this version cannot come into force any more."
        said = [why, *(f"{e['field']}: {e['message']}" for e in refused.errors)]
        return await _version(reader, kind, version, service, said, status_of(refused))
    return to_rules(scope, "back" if done.version != in_force else "same")


def to_rules(scope: str, told: str) -> Response:
    """To the rule sets by GET, with one of the sentences of `TOLD`."""
    whose = f"service={scope}&" if scope else ""
    return RedirectResponse(f"/rules?{whose}told={told}", 303, dict(HEADERS))
