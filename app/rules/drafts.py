"""What people do with drafts: begin one from what is in force, edit it, publish it, throw it away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit import commands as audit
from app.directory import service_store
from app.directory.changes import invalid
from app.errors import Conflict, NotFound
from app.rules import commands, draft_store, store
from app.rules.draft_store import Draft
from app.rules.rulesets import Kind
from app.rules.store import Published


async def read(conn: AsyncConnection, draft_id: int, *, lock: bool = False) -> Draft:
    """Raises `NotFound`."""
    found = await draft_store.one(conn, draft_id, lock=lock)
    if found is None:
        raise NotFound(f"there is no draft {draft_id}", id=draft_id)
    return found


async def begin(
    conn: AsyncConnection,
    now: datetime,
    kind: Kind,
    name: str,
    *,
    actor: str,
    scope: str = store.ORGANISATION,
    rules: list[dict[str, Any]] | None = None,
) -> Draft:
    """A new draft; without `rules` it holds what is in force. Raises `NotFound` for a scope that is no service and
    `Conflict` (`key_taken`) when there is a draft of this name."""
    if scope and not await service_store.services(conn, [scope]):
        raise NotFound(f"there is no service {scope!r}", key=scope)
    base = await store.newest(conn, kind, scope)
    made = await draft_store.insert(
        conn,
        now,
        kind=kind.name,
        scope=scope,
        name=name,
        base_version=base.version,
        rules=base.rules if rules is None else rules,
        actor=actor,
    )
    if made is None:
        raise Conflict(f"there is a draft {name!r} of these {kind.word}s already", code="key_taken", key=name)
    await _record(conn, now, "begun", actor, None, made)
    return made


async def edit(
    conn: AsyncConnection,
    now: datetime,
    kind: Kind,
    draft_id: int,
    rules: list[dict[str, Any]],
    *,
    actor: str,
    base_version: int | None = None,
    version: int | None = None,
) -> Draft:
    """Puts these rules in place of the draft's. `base_version`: says that they take account of that version in force.
    `version` is the one that the caller saw; None: whatever there is, as long as nobody else edited it last.

    Raises `NotFound`; `Conflict` (`outdated`, with who edited it, when, and both versions); `Invalid` for a base that
    was never published.
    """
    before = await _expected(conn, draft_id, version, actor)
    base = before.base_version if base_version is None else base_version
    if base != before.base_version and base > (await store.newest(conn, kind, before.scope)).version:
        raise invalid(("base_version", f"version {base} was never published"))
    if (rules, base) == (before.rules, before.base_version):
        return before
    after = await draft_store.update(conn, now, draft_id, rules, base, actor)
    await _record(conn, now, "edited", actor, before, after)
    return after


async def delete(
    conn: AsyncConnection, now: datetime, draft_id: int, *, actor: str, version: int | None = None
) -> None:
    """Throws it away. Raises as `edit`."""
    before = await _expected(conn, draft_id, version)
    await draft_store.delete(conn, draft_id)
    await _record(conn, now, "deleted", actor, before, None)


async def publish(
    conn: AsyncConnection, now: datetime, kind: Kind, draft_id: int, *, actor: str, version: int | None = None
) -> Published:
    """Puts the draft in force; the draft is gone then.

    Raises as `edit` and `commands.publish`, and `Conflict` (`base_outdated`) when others published since it was begun:
    `differences` says which rules they changed. Take over what is wanted and edit the draft with `base_version` set to
    the version that is in force now.
    """
    draft = await _expected(conn, draft_id, version)
    await store.lock(conn)
    in_force = await store.newest(conn, kind, draft.scope)
    if in_force.version != draft.base_version:
        base = await store.one(conn, kind, draft.base_version, draft.scope)
        raise Conflict(
            f"version {in_force.version} was published after this draft began at version {draft.base_version}",
            code="base_outdated",
            base_version=draft.base_version,
            current_version=in_force.version,
            published_by=in_force.published_by,
            published_at=in_force.published_at,
            differences=differences([] if base is None else base.rules, in_force.rules),
            hint="take over what you want and edit the draft with base_version set to current_version",
        )
    published = await commands.publish(conn, now, kind, draft.rules, actor=actor, scope=draft.scope)
    await draft_store.delete(conn, draft_id)
    return published


def differences(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> dict[str, Any]:
    """The keys of rules that were added, removed and changed, and whether those in both are in another order."""
    old, new = {r["key"]: r for r in before}, {r["key"]: r for r in after}
    both = [key for key in new if key in old]
    return {
        "added": [key for key in new if key not in old],
        "removed": [key for key in old if key not in new],
        "changed": [key for key in both if old[key] != new[key]],
        "reordered": both != [key for key in old if key in new],
    }


async def _expected(conn: AsyncConnection, draft_id: int, version: int | None, editor: str | None = None) -> Draft:
    """The draft, locked. Two people never overwrite each other silently: whoever does not say what he or she saw may
    only replace (`editor`) what is his or her own."""
    draft = await read(conn, draft_id, lock=True)
    unseen = version is None and editor not in (None, draft.edited_by)
    if unseen or (version is not None and version != draft.version):
        raise Conflict(
            f"{draft.edited_by} edited this draft" + (": send its version as If-Match" if unseen else " meanwhile"),
            code="outdated",
            current_version=draft.version,
            your_version=version,
            edited_by=draft.edited_by,
            edited_at=draft.edited_at,
        )
    return draft


async def _record(
    conn: AsyncConnection, now: datetime, what: str, actor: str, before: Draft | None, after: Draft | None
) -> None:
    draft = after or before
    assert draft is not None
    await audit.record(
        conn,
        now,
        actor=actor,
        action=f"rule_draft.{what}",
        entity="rule_draft",
        entity_key=str(draft.id),
        before=None if before is None else _state(before),
        after=None if after is None else _state(after),
    )


def _state(draft: Draft) -> dict[str, Any]:
    names = ("kind", "scope", "name", "base_version", "version", "rules")
    return {name: getattr(draft, name) for name in names}
